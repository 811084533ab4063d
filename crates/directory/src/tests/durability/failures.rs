//! A disk that fails once, at each of its calls: the write is refused or done, what was acknowledged before and after is there, and
//! the next try succeeds; then the power goes, too.

use super::Subject;
use super::history::{Checkpoints, add_domain, node};
use faulty_disk::{Call, Dice, Fate, Fault, Trouble};

/// Domains that are added, one write each: enough for two checkpoints.
const DOMAINS: u32 = 9;

/// Adds domains while `fault` may strike; which were acknowledged. Each is tried until it is done, twice at most.
fn work(subject: &Subject, fault: Fault) -> Vec<String> {
    subject.runtime.block_on(async {
        let catalogue = subject.open().await;
        catalogue.write(Checkpoints).await.unwrap();
        catalogue.write(node(4001)).await.unwrap();
        subject.disk.set_fault(Some(fault));
        let mut acknowledged = Vec::new();
        for number in 0..DOMAINS {
            let name = format!("d{number}.test");
            let mut done = catalogue.write(add_domain(&name)).await;
            if done.is_err() {
                done = catalogue.write(add_domain(&name)).await;
            }
            assert!(done.is_ok(), "{fault:?}: the second try fails too: {:?}", done.err());
            acknowledged.push(name);
        }
        acknowledged
    })
}

fn every(call: Call, trouble: Trouble) -> u64 {
    let mut struck = 0;
    for at in 0.. {
        let subject = Subject::new("catalogue-failures");
        subject.look();
        let acknowledged = work(&subject, Fault { trouble, call: Some(call), at, lasting: false });
        let strikes = subject.disk.struck();
        subject.disk.set_fault(None);
        for fate in [Fate::Lost, Fate::Each] {
            subject.disk.cut(fate, &mut Dice::new(at));
            let found = subject.look();
            for name in &acknowledged {
                let row = format!("domain '{name}'");
                assert!(found.iter().any(|each| each.starts_with(&row)), "{call:?} {at}, {fate:?}: {name} is lost");
            }
        }
        if strikes == 0 {
            break;
        }
        struck += 1;
    }
    struck
}

#[test]
fn a_sync_that_fails() {
    // One for each commit at least, and those of checkpoints.
    assert!(every(Call::Sync, Trouble::Device) > u64::from(DOMAINS));
}

#[test]
fn a_write_that_fails() {
    assert!(every(Call::Write, Trouble::Device) > u64::from(DOMAINS));
}

#[test]
fn a_disk_that_is_full_for_a_moment() {
    assert!(every(Call::Write, Trouble::NoRoom) > u64::from(DOMAINS));
}
