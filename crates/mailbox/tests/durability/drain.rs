//! Waiting mail on its way into the mailbox: two files, and each message in the mailbox once, whenever the power goes.
//! The order of the two commits is the node's (`node::drain`): append with the delivery's id, then remove.

use super::common::*;
use super::cuts::{Acknowledged, Trial, disk};
use super::steps::Subject;
use super::waiting_file::{Waiting, delivery, put};
use faulty_disk::FaultyDisk;
use mailbox::waiting::WaitingFile;
use mailbox::{Append, Content, Error, Reader, Writer};
use model::{DeliveryId, Flags};

/// Ways in which each change is cut: the node's own drain is cut besides, in `node::trials`.
const WAYS: usize = 4;
/// Messages that are appended in one commit and removed in one.
const AT_ONCE: usize = 2;

/// Drains as the node does.
fn drain(file: &mut WaitingFile, writer: &mut Writer, subject: &Subject) -> Result<(), Error> {
    loop {
        let reader = Reader::beside(writer, &subject.key, &subject.options())?;
        let (mut before, mut taken) = (None, Vec::new());
        let mut batch = writer.batch()?;
        while let Some(message) = file.next_after(before.as_ref())?.filter(|_| taken.len() < AT_ONCE) {
            if !reader.delivery_known(&message.delivery)? {
                let mut text = Vec::new();
                for sequence in 0..message.chunks {
                    text.extend(file.read(&message.delivery, sequence)?.unwrap_or_default());
                }
                let (content, delivery) = (Content::from_bytes(&text)?, Some(message.delivery));
                batch.run(|tx| tx.append(Append { content, delivery, ..append("INBOX", b"", Flags::NONE) }))?;
            }
            taken.push(message.delivery);
            before = Some(message);
        }
        if taken.is_empty() {
            return Ok(());
        }
        batch.commit()?;
        file.remove_all(&taken)?;
    }
}

/// Everything that was acknowledged to a sender, in the order in which it came.
fn drained(subject: &Subject, waiting: &Waiting) -> Vec<Vec<u8>> {
    let mut writer = subject.open().unwrap();
    if mailbox::Disk::length(waiting.disk, &waiting.path()).unwrap().is_some() {
        let mut file = waiting.open().unwrap();
        drain(&mut file, &mut writer, subject).unwrap();
        if file.is_empty() {
            file.delete_file().unwrap();
        }
    }
    let view = subject.view(&writer);
    writer.close().unwrap();
    let inbox = view.folders.into_iter().find(|folder| folder.row.name.is_inbox()).unwrap();
    inbox.messages.into_values().map(|message| message.text).collect()
}

#[test]
fn mail_that_is_drained() {
    let subject = Subject::made(disk("drain"));
    let waiting = Waiting::new(subject.disk);
    let mut acknowledged = Acknowledged::new(Vec::new());
    subject.disk.record();
    let mut file = waiting.open().unwrap();
    let mut told: Vec<Vec<u8>> = Vec::new();
    for number in 1..=5 {
        put(&mut file, number, 900 * usize::from(number)).unwrap();
        told.push(noise(number.into(), 900 * usize::from(number)));
        acknowledged.push(subject.disk, told.clone());
    }
    let mut writer = subject.open().unwrap();
    drain(&mut file, &mut writer, &subject).unwrap();
    file.delete_file().unwrap();
    // It came again, because its sender heard nothing.
    let known: DeliveryId = delivery(5);
    let mut batch = writer.batch().unwrap();
    let again = batch.run(|tx| tx.append(Append { delivery: Some(known), ..append("INBOX", b"twice", Flags::NONE) }));
    assert!(again.unwrap().already);
    batch.commit().unwrap();
    writer.close().unwrap();
    let look = |_: &'static FaultyDisk| drained(&subject, &waiting);
    let go_on = |acknowledged: &mut Acknowledged<Vec<Vec<u8>>>| {
        let mut all = drained(&subject, &waiting);
        let mut file = waiting.open().unwrap();
        put(&mut file, 60, 700).unwrap();
        drop(file);
        all.push(noise(60, 700));
        acknowledged.push(subject.disk, all);
        drained(&subject, &waiting);
    };
    let history = subject.disk.history();
    Trial { name: "drain", disk: subject.disk, history, acknowledged, look: &look, go_on: &go_on }.run_in(WAYS);
}
