//! Power cuts and kills at every change that a history makes on the disk.

use super::Subject;
use super::history::{add_domain, node, run};
use super::view::{View, view};
use crate::catalogue::{Catalogue, first_schema_for_tests};
use faulty_disk::{Acknowledged, FaultyDisk, Trial};

impl Subject {
    /// Goes on: what is new follows on what was there.
    fn go_on(&self, acknowledged: &mut Acknowledged<View>) {
        self.runtime.block_on(async {
            let catalogue = self.open().await;
            let before = catalogue.feed().latest();
            catalogue.write(node(4007)).await.unwrap();
            acknowledged.push(self.disk, view(&catalogue).await);
            catalogue.write(add_domain("later.test")).await.unwrap();
            acknowledged.push(self.disk, view(&catalogue).await);
            assert_eq!(catalogue.feed().latest(), before + 2);
        });
    }

    fn cut(&self, name: &str, ways: usize, acknowledged: Acknowledged<View>) {
        let history = self.disk.history();
        let look = |_: &'static FaultyDisk| self.look();
        let go_on = |acknowledged: &mut Acknowledged<View>| self.go_on(acknowledged);
        Trial { name, disk: self.disk, history, acknowledged, look: &look, go_on: &go_on }.run_in(ways);
    }
}

#[test]
fn every_kind_of_write() {
    let subject = Subject::new("catalogue");
    let empty = subject.look();
    subject.disk.record();
    let mut acknowledged = Acknowledged::new(empty);
    subject.runtime.block_on(async {
        let catalogue = subject.open().await;
        run(&catalogue, async |catalogue: &Catalogue| {
            let seen = view(catalogue).await;
            acknowledged.push(subject.disk, seen);
        })
        .await;
    });
    subject.cut("catalogue", 2, acknowledged);
}

#[test]
fn the_birth_of_a_catalogue() {
    let subject = Subject::new("catalogue-birth");
    subject.disk.record();
    let born = subject.look();
    // Whatever is found becomes an empty catalogue: there was nothing to lose.
    subject.cut("birth of a catalogue", 2, Acknowledged::new(born));
}

#[test]
fn a_catalogue_of_the_first_schema() {
    let subject = Subject::new("catalogue-migration");
    mailbox::Disk::create(subject.disk, &subject.place().path).unwrap();
    subject.runtime.block_on(first_schema_for_tests(&subject.place()));
    subject.disk.record();
    let migrated = subject.look();
    assert!(migrated.iter().any(|row| row.starts_with("domain 'x.test'")), "{migrated:?}");
    subject.cut("catalogue's migrations", 3, Acknowledged::new(migrated));
}
