//! The mailbox file through power cuts.

use super::cuts::{Acknowledged, Trial, disk};
use super::steps::{self, Step, Subject};
use super::view::View;
use faulty_disk::FaultyDisk;

/// Runs the steps, remembering what was acknowledged when, and cuts everywhere.
fn cut_through(name: &str, all: &[Step]) {
    let subject = Subject::made(disk(name));
    let mut acknowledged = Acknowledged::new(subject.look());
    subject.disk.record();
    let mut writer = subject.open().unwrap();
    for (_, step) in all {
        step(&mut writer).unwrap();
        let view = subject.view(&writer);
        acknowledged.push(subject.disk, view);
    }
    writer.close().unwrap();
    try_all(name, &subject, acknowledged);
}

fn try_all(name: &str, subject: &Subject, acknowledged: Acknowledged<View>) {
    let look = |_: &'static FaultyDisk| subject.look();
    let go_on = |acknowledged: &mut Acknowledged<View>| subject.go_on(acknowledged);
    let history = subject.disk.history();
    Trial { name, disk: subject.disk, history, acknowledged, look: &look, go_on: &go_on }.run();
}

#[test]
fn appends() {
    cut_through("appends", steps::APPENDS);
}

#[test]
fn an_append_of_many_chunks() {
    cut_through("large", steps::LARGE);
}

#[test]
fn flag_changes() {
    cut_through("flags", steps::FLAGS);
}

#[test]
fn expunges_and_garbage() {
    cut_through("expunge", steps::EXPUNGE);
}

#[test]
fn copies_and_moves() {
    cut_through("transfers", steps::TRANSFERS);
}

#[test]
fn folders() {
    cut_through("folders", steps::FOLDERS);
}

#[test]
fn checkpoints() {
    cut_through("checkpoints", steps::CHECKPOINTS);
}

/// A file is there, whole, or it is not: one that is half there would keep its owner out for ever.
#[test]
fn births() {
    let subject = Subject::new(disk("births"));
    let mut acknowledged = Acknowledged::new(None);
    subject.disk.record();
    mailbox::create_with(&subject.path(), &subject.key, &subject.id, super::common::clock(), &subject.options())
        .unwrap();
    let born = subject.look();
    acknowledged.push(subject.disk, Some(born));
    let look = |_: &'static FaultyDisk| match subject.open() {
        Ok(writer) => Some(subject.view(&writer)),
        Err(mailbox::Error::Missing) => None,
        Err(error) => panic!("{error}"),
    };
    // Whoever finds none makes it anew, over whatever is left.
    let go_on = |acknowledged: &mut Acknowledged<Option<View>>| {
        match mailbox::create_with(
            &subject.path(),
            &subject.key,
            &subject.id,
            super::common::clock(),
            &subject.options(),
        ) {
            Ok(()) | Err(mailbox::Error::Exists) => {}
            Err(error) => panic!("{error}"),
        }
        acknowledged.push(subject.disk, Some(subject.look()));
    };
    let history = subject.disk.history();
    Trial { name: "births", disk: subject.disk, history, acknowledged, look: &look, go_on: &go_on }.run();
}
