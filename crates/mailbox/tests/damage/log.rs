//! The write-ahead log: what was committed in it and damaged since is never silently gone; what a power cut tore is no damage.

use crate::common::{Place, append};
use crate::state::{Dice, State, places};
use mailbox::{CheckDepth, Checker, Error, Writer};
use model::{Flags, FolderName};

/// Octets of the log's header.
const HEADER: usize = 32;
/// Octets of a frame.
const FRAME: usize = 24 + 4096;

/// A mailbox whose log holds so many commits, as a process that was killed leaves it; and the log's length after each.
fn killed(commits: usize) -> (Place, State, Vec<usize>) {
    let place = Place::new();
    let mut writer = place.writer();
    let lengths = (0..commits).map(|at| commit(&mut writer, at)).collect();
    let state = State::of(place.folder.path());
    drop(writer);
    (place, state, lengths)
}

fn commit(writer: &mut Writer, at: usize) -> usize {
    let mut batch = writer.batch().unwrap();
    let text = format!("Subject: message {at}\r\n\r\n{}\r\n", "some text\r\n".repeat(300));
    batch.run(|tx| tx.append(append("INBOX", text.as_bytes(), Flags::NONE))).unwrap();
    batch.commit().unwrap();
    usize::try_from(writer.log_bytes()).unwrap()
}

fn messages(place: &Place) -> Result<u32, Error> {
    Writer::open(&place.path(), &place.key, &place.id, &place.options())?;
    Ok(place.reader().status(&FolderName::inbox()).unwrap().messages)
}

#[test]
fn a_flipped_bit_in_a_log_is_named_before_anything_is_written() {
    let (place, state, _) = killed(8);
    assert_eq!(messages(&place).unwrap(), 8);
    let size = state.octets("-wal").len();
    let mut dice = Dice::new(3);
    let headers = (0..HEADER * 8).collect::<Vec<_>>();
    let frames = (0..(size - HEADER) / FRAME).map(|frame| (HEADER + frame * FRAME) * 8 + dice.below(FRAME * 8));
    let frames = frames.collect::<Vec<_>>();
    let sampled = (0..places(400)).map(|_| dice.below(size * 8)).collect::<Vec<_>>();
    for bit in headers.into_iter().chain(frames).chain(sampled) {
        let damaged = state.clone().flipped("-wal", bit);
        damaged.put(place.folder.path());
        let opened = messages(&place);
        assert!(matches!(opened, Err(Error::Damaged(_))), "bit {bit}: {opened:?}");
        assert_eq!(State::of(place.folder.path()).octets("-wal"), damaged.octets("-wal"), "bit {bit}");
    }
    state.put(place.folder.path());
    assert_eq!(messages(&place).unwrap(), 8);
}

#[test]
fn without_the_mark_all_but_the_last_commit_is_missed() {
    let (place, state, lengths) = killed(8);
    let state = state.without("-mark");
    let last = lengths[6] * 8;
    let mut dice = Dice::new(4);
    for _ in 0..places(400) {
        let bit = dice.below(state.octets("-wal").len() * 8);
        state.clone().flipped("-wal", bit).put(place.folder.path());
        match messages(&place) {
            Err(Error::Damaged(_)) => {}
            // A transaction that is torn looks the same: nobody knows whether it was ever acknowledged.
            Ok(7) => assert!(bit >= last, "bit {bit} of {last}"),
            other => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn a_log_that_is_gone_or_cut_is_missed() {
    let (place, state, lengths) = killed(4);
    state.clone().without("-wal").put(place.folder.path());
    assert!(matches!(messages(&place), Err(Error::Damaged(_))));
    for length in (0..lengths[3]).step_by(997) {
        let cut = state.octets("-wal")[..length].to_vec();
        state.clone().with("-wal", cut).put(place.folder.path());
        assert!(matches!(messages(&place), Err(Error::Damaged(_))), "length {length}");
    }
}

#[test]
fn what_a_power_cut_tore_is_no_damage() {
    let (place, _, _) = killed(0);
    let mut writer = place.writer();
    (0..4).for_each(|at| _ = commit(&mut writer, at));
    let before = State::of(place.folder.path());
    commit(&mut writer, 4);
    let after = State::of(place.folder.path());
    drop(writer);
    let kept = before.octets("-wal").len();
    let whole = after.octets("-wal").to_vec();
    let mut dice = Dice::new(5);
    for _ in 0..places(200) {
        // Sectors of the transaction that was not synced are there, or not, in any order; its length may be there before them.
        let length = kept + dice.below((whole.len() - kept) / 512 + 1) * 512;
        let mut torn = whole[..length].to_vec();
        for sector in torn[kept..].chunks_mut(512) {
            if dice.below(2) == 0 {
                sector.fill(0);
            }
        }
        before.clone().with("-wal", torn).put(place.folder.path());
        let found = messages(&place).unwrap();
        assert!(found == 4 || found == 5, "{found}");
    }
}

#[test]
fn a_log_that_was_begun_anew_is_no_damage() {
    let (place, _, _) = killed(0);
    let mut writer = place.writer();
    (0..30).for_each(|at| _ = commit(&mut writer, at));
    for at in 30..40 {
        writer.checkpoint().unwrap();
        commit(&mut writer, at);
        let state = State::of(place.folder.path());
        // Behind the new log's frames stand those of the old one.
        let elsewhere = Place { folder: tempfile::tempdir().unwrap(), key: place.key.try_clone(), id: place.id };
        let moved = elsewhere.folder.path();
        for ending in [".db", "-wal", "-mark"] {
            let name = format!("mailbox.db{}", ending.trim_start_matches(".db"));
            std::fs::write(moved.join(name), state.octets(ending)).unwrap();
        }
        assert_eq!(messages(&elsewhere).unwrap(), at as u32 + 1);
    }
}

#[test]
fn a_mark_goes_with_a_close_in_order() {
    let place = Place::new();
    let mut writer = place.writer();
    commit(&mut writer, 0);
    assert!(place.folder.path().join("mailbox.db-mark").exists());
    writer.close().unwrap();
    let names: Vec<_> = std::fs::read_dir(place.folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["mailbox.db"]);
}

#[test]
fn a_flipped_bit_under_a_writer_is_named_by_its_frame() {
    let place = Place::new();
    let mut writer = place.writer();
    (0..6).for_each(|at| _ = commit(&mut writer, at));
    let path = place.folder.path().join("mailbox.db-wal");
    let sound = std::fs::read(&path).unwrap();
    let (frames, mut dice) = ((sound.len() - HEADER) / FRAME, Dice::new(6));
    for frame in 0..frames {
        let mut octets = sound.clone();
        octets[HEADER + frame * FRAME + dice.below(FRAME)] ^= 1 << dice.below(8);
        write_over(&path, &octets);
        let mut checker =
            Checker::open(&place.path(), &place.key, &place.id, &place.options(), CheckDepth::Pages).unwrap();
        let mut findings = Vec::new();
        loop {
            let step = checker.step().unwrap();
            findings.extend(step.findings);
            if step.done {
                break;
            }
        }
        let Some(named) = findings.iter().find(|finding| finding.in_log) else {
            // Of the last commit nothing but a connection that was open before can tell.
            assert!(findings[0].what.starts_with("the file does not open"), "{findings:?}");
            continue;
        };
        assert_eq!(named.page, Some(frame as u64 + 1));
        assert_eq!(named.offset, Some((HEADER + frame * FRAME) as u64));
    }
    write_over(&path, &sound);
    commit(&mut writer, 6);
    writer.close().unwrap();
    assert_eq!(messages(&place).unwrap(), 7);
}

/// In place: the engine has the file open.
fn write_over(path: &std::path::Path, octets: &[u8]) {
    use std::os::unix::fs::FileExt;
    std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(octets, 0).unwrap();
}
