//! Disks that fail: each call in turn with EIO, and disks that are full at any size. What fails is told by its name, is not
//! half done, and nothing that was acknowledged is lost; when the disk works again, so does the mailbox.

use super::cuts::disk;
use super::steps::{self, Step, Subject};
use super::view::View;
use faulty_disk::{Call, Dice, Fate, Fault, Trouble};
use mailbox::{Error, Reader, Writer};

/// What the mailbox looks like after each step when nothing fails.
fn without_trouble(all: &[Step]) -> Vec<String> {
    let subject = Subject::made(disk("reference"));
    let mut writer = subject.open().unwrap();
    let mut shapes = vec![subject.view(&writer).shape()];
    for (_, step) in all {
        step(&mut writer).unwrap();
        shapes.push(subject.view(&writer).shape());
    }
    shapes
}

/// A mailbox that somebody works with, as the node does: after an error that says nothing good of the connection it is
/// dropped, and the file opened anew.
struct Work<'s> {
    subject: &'s Subject,
    writer: Option<Writer>,
    /// What was acknowledged.
    told: View,
}

impl Work<'_> {
    /// Tries a step until it is done; whether it failed on the way, and how.
    fn step(&mut self, step: &Step, before: &str, after: &str) -> Option<Error> {
        let mut failed = None;
        for _ in 0..50 {
            let writer = match self.writer.take() {
                Some(writer) => Ok(writer),
                None => self.subject.open(),
            };
            let outcome = writer.and_then(|mut writer| {
                let result = (step.1)(&mut writer);
                let sound = result.as_ref().err().is_none_or(Error::is_harmless) && !writer.has_failed();
                self.writer = sound.then_some(writer);
                result
            });
            let Err(error) = outcome else {
                self.look(&[after]);
                return failed;
            };
            failed = Some(error);
            // Not acknowledged: it may have been done all the same, and is not asked for twice then.
            if self.look(&[before, after]) == after && before != after {
                return failed;
            }
        }
        panic!("{} never came to an end: {failed:?}", step.0);
    }

    /// What is there must be one of these; which.
    fn look(&mut self, allowed: &[&str]) -> String {
        self.subject.disk.set_fault(None);
        let writer = self.writer.take().unwrap_or_else(|| self.subject.open().unwrap());
        let view = self.subject.view(&writer);
        self.writer = Some(writer);
        let shape = view.shape();
        assert!(allowed.contains(&shape.as_str()), "found {shape}\nallowed {allowed:#?}");
        self.told.precedes(&view);
        self.told = view;
        shape
    }
}

/// Runs the steps, with a fault at the `at`th of these calls in each step in turn; how many calls failed.
fn run_with(all: &[Step], shapes: &[String], fault: Fault, seed: u64) -> u64 {
    let subject = Subject::made(disk("failing"));
    let told = subject.look();
    subject.disk.record();
    let mut work = Work { subject: &subject, writer: Some(subject.open().unwrap()), told };
    let mut struck = 0;
    for (number, step) in all.iter().enumerate() {
        subject.disk.set_fault(Some(fault));
        let before = subject.disk.struck();
        let failed = work.step(step, &shapes[number], &shapes[number + 1]);
        let _ = before;
        match failed {
            None => {}
            Some(error) => {
                struck += 1;
                let right = match fault.trouble {
                    Trouble::NoRoom => matches!(error, Error::DiskFull | Error::Undone | Error::Device { .. }),
                    Trouble::Device => matches!(error, Error::Device { .. } | Error::Io { .. }),
                };
                assert!(right, "{fault:?} in {}: {error:?}", step.0);
            }
        }
    }
    // And then the power goes: what was acknowledged is stored.
    drop(work.writer);
    let history = subject.disk.history();
    if std::env::var_os("BREVDUE_CUTS_SHOW").is_some() {
        eprintln!("{fault:?}, told at {:#?}", history.ops);
    }
    let mut dice = Dice::new(seed);
    subject.disk.cut(Fate::ALL[dice.below(Fate::ALL.len() as u64) as usize], &mut dice);
    assert_eq!(subject.look().shape(), work.told.shape(), "{fault:?}");
    struck
}

/// Every call of every step, until the steps have no more of them.
fn each_call(all: &[Step], trouble: Trouble, call: Option<Call>) {
    let shapes = without_trouble(all);
    let mut total = 0;
    for at in 0.. {
        let struck = run_with(all, &shapes, Fault { trouble, call, at, lasting: false }, at);
        if struck == 0 {
            break;
        }
        total += struck;
    }
    eprintln!("{trouble:?} {call:?}: {total} calls failed");
    assert!(total > 0);
}

#[test]
fn any_call_may_fail() {
    each_call(steps::APPENDS, Trouble::Device, None);
    each_call(steps::CHECKPOINTS, Trouble::Device, None);
}

#[test]
fn a_sync_that_fails_is_never_tried_again_as_if_nothing_had_been() {
    for all in [steps::APPENDS, steps::FLAGS, steps::EXPUNGE, steps::TRANSFERS, steps::FOLDERS, steps::CHECKPOINTS] {
        each_call(all, Trouble::Device, Some(Call::Sync));
    }
}

#[test]
fn writes_may_fail() {
    for all in [steps::FLAGS, steps::EXPUNGE, steps::TRANSFERS, steps::FOLDERS] {
        each_call(all, Trouble::Device, Some(Call::Write));
    }
}

#[test]
fn room_may_end_at_any_write() {
    for all in [steps::APPENDS, steps::EXPUNGE, steps::FOLDERS, steps::CHECKPOINTS] {
        each_call(all, Trouble::NoRoom, None);
    }
}

#[test]
fn a_full_disk_says_so_is_read_on_and_works_again_with_room() {
    let shapes = without_trouble(steps::APPENDS);
    let needed = {
        let subject = Subject::made(disk("needs"));
        let mut writer = subject.open().unwrap();
        for (_, step) in steps::APPENDS {
            step(&mut writer).unwrap();
        }
        subject.disk.octets()
    };
    for capacity in (40_000..needed).step_by(4000) {
        let subject = Subject::made(disk("full"));
        let mut writer = subject.open().unwrap();
        subject.view(&writer);
        let reader = Reader::beside(&writer, &subject.key, &subject.options()).unwrap();
        subject.disk.set_capacity(Some(capacity.max(subject.disk.octets())));
        let (mut done, mut refused) = (0, 0);
        for (_, step) in steps::APPENDS {
            let result = step(&mut writer);
            if result.is_ok() {
                done += 1;
                continue;
            }
            assert!(matches!(result, Err(Error::DiskFull | Error::Undone)), "{result:?}");
            refused += 1;
            assert!(!writer.has_failed());
            // Reading goes on, and of what was refused there is nothing.
            assert_eq!(super::view::view(&reader).shape(), shapes[done]);
            subject.disk.set_capacity(None);
            step(&mut writer).unwrap();
            done += 1;
            assert_eq!(super::view::view(&reader).shape(), shapes[done]);
            subject.disk.set_capacity(Some(subject.disk.octets()));
        }
        assert!(refused > 0, "{capacity}");
        drop((reader, writer));
        subject.disk.set_capacity(None);
        subject.disk.cut(Fate::Lost, &mut Dice::new(1));
        assert_eq!(&subject.look().shape(), shapes.last().unwrap());
    }
}

/// The engine needs room for the index of the log where it opens a file: on a full disk that is a full disk, not a broken one.
#[test]
fn a_mailbox_that_finds_no_room_when_it_is_opened_says_so() {
    let subject = Subject::made(disk("opening"));
    subject.disk.set_capacity(Some(subject.disk.octets()));
    let error = subject.open().err().unwrap();
    assert!(matches!(error, Error::DiskFull), "{error:?}");
    subject.disk.set_capacity(None);
    subject.look();
}
