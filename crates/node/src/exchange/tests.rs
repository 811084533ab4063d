//! Power cuts, kills and failing disks at every write, sync, rename and unlink of an exchange: both files are where they were, or
//! where they belong, with what is beside them, and nothing else is left.

use super::*;
use faulty_disk::{Acknowledged, Fault, FaultyDisk, Trial, Trouble, fresh_disk};

/// Ways in which each change is cut: all of them, for there are few and a look takes no time.
const WAYS: usize = 8;

/// Octets of every file that there is, by its name under the volume.
type Files = Vec<(String, String)>;

fn at(disk: &FaultyDisk, name: &str) -> PathBuf {
    disk.root().join(name)
}

/// A file that is stored, and its name.
fn put(disk: &FaultyDisk, name: &str, octets: &str) {
    write_new(disk, &at(disk, name), octets.as_bytes()).unwrap();
}

fn files(disk: &FaultyDisk) -> Files {
    let image = disk.image();
    let name = |path: &Path| path.strip_prefix(disk.root()).unwrap().to_str().unwrap().to_owned();
    image.names().map(|path| (name(path), String::from_utf8(image.read(path).unwrap()).unwrap())).collect()
}

/// A start, and what is there then.
fn started(disk: &'static FaultyDisk) -> Files {
    recover(disk, &at(disk, "restoring")).unwrap();
    files(disk)
}

/// A file with a log, which another takes the place of.
fn before(disk: &FaultyDisk) {
    put(disk, "waiting/x.db", "old");
    put(disk, "waiting/x.db-wal", "old log");
    put(disk, "waiting/x.db-mark", "old mark");
}

fn exchange(disk: &FaultyDisk, number: u32) -> Exchange {
    let prepared = at(disk, &format!("restoring/x-{number}.db"));
    put(disk, &format!("restoring/x-{number}.db"), &format!("new {number}"));
    let why = Some("a page of it is damaged\n".repeat(60));
    Exchange { prepared, target: at(disk, "waiting/x.db"), aside: Some(at(disk, &format!("aside/x-{number}.db"))), why }
}

/// What is there once the exchange of this number is done.
fn after(before: &Files, number: u32) -> Files {
    let aside = |name: &str| name.replacen("waiting/x.db", &format!("aside/x-{number}.db"), 1);
    let mut files: Files = before.iter().map(|(name, octets)| (aside(name), octets.clone())).collect();
    files.push((format!("aside/x-{number}.db-damaged"), "a page of it is damaged\n".repeat(60)));
    files.push(("waiting/x.db".to_owned(), format!("new {number}")));
    files.sort();
    files
}

#[test]
fn files_change_places_through_power_cuts() {
    let disk = fresh_disk("exchange");
    before(disk);
    let old = files(disk);
    disk.record();
    let mut acknowledged = Acknowledged::new(old.clone());
    Exchanges::new(disk).run(exchange(disk, 1)).unwrap();
    acknowledged.push(disk, after(&old, 1));
    let go_on = |acknowledged: &mut Acknowledged<Files>| {
        let old = files(disk);
        Exchanges::new(disk).run(exchange(disk, 2)).unwrap();
        acknowledged.push(disk, after(&old, 2));
    };
    let history = disk.history();
    Trial { name: "exchange", disk, history, acknowledged, look: &started, go_on: &go_on }.run_in(WAYS);
}

#[test]
fn a_disk_that_fails_leaves_nothing_that_comes_to_life_later() {
    let mut struck = 0;
    for call in 0..100 {
        let disk = fresh_disk("exchange-fails");
        before(disk);
        let old = files(disk);
        let exchanges = Exchanges::new(disk);
        let wanted = exchange(disk, 1);
        disk.set_fault(Some(Fault { trouble: Trouble::Device, call: None, at: call, lasting: call % 2 == 1 }));
        let ran = exchanges.run(wanted);
        let failed = disk.struck();
        disk.set_fault(None);
        if failed == 0 {
            ran.unwrap();
            break;
        }
        struck += 1;
        // Whoever opens the file next finds it whole, old or new, and goes on with it for good.
        exchanges.settle(&"x").unwrap();
        let now = files(disk);
        assert!(now == old || now.contains(&("waiting/x.db".to_owned(), "new 1".to_owned())), "call {call}: {now:?}");
        put(disk, "waiting/x.db-shm", "written since");
        let expected = files(disk);
        disk.cut(faulty_disk::Fate::Lost, &mut faulty_disk::Dice::new(call));
        assert_eq!(started(disk), expected, "call {call}");
    }
    assert!(struck > 15, "{struck} calls failed");
}

#[test]
fn a_journal_of_an_earlier_version_is_read() {
    let journal = r#"{"restored":"/v/restoring/r.db","target":"/v/mailboxes/t.db","aside":"/v/aside/a.db"}"#;
    let exchange: Exchange = serde_json::from_str(journal).unwrap();
    assert_eq!((exchange.prepared, exchange.why), (PathBuf::from("/v/restoring/r.db"), None));
}
