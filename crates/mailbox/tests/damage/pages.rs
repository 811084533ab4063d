//! Pages of a mailbox file.

use crate::common::{Place, append, attachment, clock, uids, with_attachment};
use crate::state::{Dice, State, places};
use mailbox::{CheckDepth, CheckPart, Checker, Error, Finding};
use model::Flags;

/// A file with every kind of page: trees, overflow, pointer maps, and pages that hold nothing any more.
fn place() -> Place {
    let place = Place::new();
    let mut writer = place.writer();
    let folder = place.fill(&mut writer, 120);
    let mut batch = writer.batch().unwrap();
    for at in 0..4 {
        let text = with_attachment(&format!("with attachment {at}"), &attachment(at, 60_000));
        batch.run(|tx| tx.append(append("INBOX", &text, Flags::NONE))).unwrap();
    }
    batch.commit().unwrap();
    let mut batch = writer.batch().unwrap();
    batch.run(|tx| tx.expunge(folder, Some(&uids("1:40,122")), clock())).unwrap();
    batch.commit().unwrap();
    while writer.collect_garbage().unwrap() > 0 {}
    while let batch = place.reader().index_batch(50).unwrap()
        && !batch.is_empty()
    {
        let mut writing = writer.batch().unwrap();
        writing.run(|tx| tx.index(&batch)).unwrap();
        writing.commit().unwrap();
    }
    writer.close().unwrap();
    place
}

fn check(place: &Place, depth: CheckDepth) -> Result<Vec<Finding>, Error> {
    let mut checker = Checker::open(&place.path(), &place.key, &place.id, &place.options(), depth)?;
    let mut findings = Vec::new();
    loop {
        let step = checker.step()?;
        findings.extend(step.findings);
        if step.done {
            return Ok(findings);
        }
    }
}

#[test]
fn a_flipped_bit_in_any_page_is_named() {
    let place = place();
    assert_eq!(check(&place, CheckDepth::Everything).unwrap(), []);
    let state = State::of(place.folder.path());
    let size = state.octets(".db").len();
    let pages = size / 4096;
    assert!(pages > 60, "{pages} pages");
    let mut dice = Dice::new(1);
    let each = (0..pages).map(|page| page * 4096 * 8 + dice.below(4096 * 8)).collect::<Vec<_>>();
    let sampled = (0..places(500)).map(|_| dice.below(size * 8)).collect::<Vec<_>>();
    for bit in each.into_iter().chain(sampled) {
        state.clone().flipped(".db", bit).put(place.folder.path());
        let page = (bit / 8 / 4096) as u64 + 1;
        match check(&place, CheckDepth::Pages) {
            Ok(findings) => {
                let named = findings.iter().filter(|finding| finding.page.is_some());
                let named: Vec<_> = named.map(|finding| (finding.page, finding.offset)).collect();
                assert_eq!(named, [(Some(page), Some((page - 1) * 4096))], "bit {bit}");
            }
            // A first page that does not decrypt, and a wrong key, look the same.
            Err(error) => assert!(matches!(error, Error::WrongKey) && page == 1, "bit {bit}: {error}"),
        }
    }
    state.put(place.folder.path());
    assert_eq!(check(&place, CheckDepth::Everything).unwrap(), []);
}

#[test]
fn messages_of_a_damaged_page_are_named() {
    let place = place();
    let state = State::of(place.folder.path());
    let (mut contents, mut dice) = (0, Dice::new(2));
    for page in 2..state.octets(".db").len() / 4096 {
        state.clone().flipped(".db", page * 4096 * 8 + dice.below(4096 * 8)).put(place.folder.path());
        let Ok(findings) = check(&place, CheckDepth::Everything) else { continue };
        assert!(!findings.is_empty(), "page {page}");
        contents += findings.iter().filter(|finding| finding.uid.is_some()).count();
    }
    assert!(contents > 10, "{contents} messages named");
}

#[test]
fn steps_are_bounded_and_say_how_far_they_are() {
    let place = place();
    let mut checker =
        Checker::open(&place.path(), &place.key, &place.id, &place.options(), CheckDepth::Everything).unwrap();
    let mut parts = Vec::new();
    loop {
        let step = checker.step().unwrap();
        assert!(step.at <= step.of, "{step:?}");
        if parts.last() != Some(&step.part) {
            parts.push(step.part);
        }
        if step.done {
            break;
        }
    }
    let all = [
        CheckPart::Log,
        CheckPart::Pages,
        CheckPart::Rows,
        CheckPart::Engine,
        CheckPart::Contents,
        CheckPart::Octets,
        CheckPart::Index,
    ];
    assert_eq!(parts, all);
    assert!(checker.step().unwrap().done);
}

#[test]
fn a_writer_beside_the_check_is_no_finding() {
    let place = place();
    let mut writer = place.writer();
    let mut checker =
        Checker::open(&place.path(), &place.key, &place.id, &place.options(), CheckDepth::Everything).unwrap();
    for at in 0.. {
        let step = checker.step().unwrap();
        assert_eq!(step.findings, [], "{:?}", step.part);
        if step.done {
            break;
        }
        let mut batch = writer.batch().unwrap();
        let text = with_attachment(&format!("beside {at}"), &attachment(100 + at, 40_000));
        batch.run(|tx| tx.append(append("INBOX", &text, Flags::NONE))).unwrap();
        batch.commit().unwrap();
        if at % 5 == 4 {
            writer.checkpoint().unwrap();
        }
    }
}
