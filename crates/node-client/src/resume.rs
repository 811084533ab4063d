//! Where a FETCH stands, so that after a broken link it goes on where it stopped: also in the middle of a section, whose
//! octets never change. Pure: takes frames, gives out what the caller has not had.
//!
//! Sections come in the order in which they were asked for, and a record that continues begins with more of the last one.

use crate::ClientError;
use bytes::Buf;
use model::{Uid, UidSet};
use wire::session::{Fetched, FetchedMessage, SectionData};

const OUT_OF_ORDER: ClientError = ClientError::Protocol("records out of order");

/// How much of one message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    uid: u32,
    /// The section that came last, by its index, and the octets of it; `None` before the first one.
    section: Option<(u32, u64)>,
}

impl Place {
    fn begin(uid: u32) -> Self {
        Self { uid, section: None }
    }

    fn advance(&mut self, piece: &SectionData) -> Result<(), ClientError> {
        let length = piece.data.len() as u64;
        self.section = match self.section {
            Some((index, octets)) if index == piece.index => Some((index, octets.saturating_add(length))),
            Some((index, _)) if index > piece.index => return Err(OUT_OF_ORDER),
            Some(_) | None => Some((piece.index, length)),
        };
        Ok(())
    }
}

/// Progress of one FETCH over any number of requests.
#[derive(Debug, Default)]
pub(crate) struct Resume {
    /// The last message that came whole.
    whole: u32,
    /// How much the caller has of the message that has begun and not ended.
    amid: Option<Place>,
    /// How far the present request has come in that message, until it has caught up.
    behind: Option<Place>,
}

impl Resume {
    /// What is still to be asked for.
    pub(crate) fn left(&self, wanted: &UidSet) -> UidSet {
        let first = self.amid.map_or_else(|| self.whole.checked_add(1), |place| Some(place.uid)).and_then(Uid::new);
        match (first, Uid::new(u32::MAX)) {
            (Some(first), Some(last)) => wanted.intersection(&UidSet::range(first, last)),
            _ => UidSet::new(),
        }
    }

    /// Whether a message has begun and not ended.
    pub(crate) fn is_amid(&self) -> bool {
        self.amid.is_some()
    }

    /// The link broke: the next frames are of a new request for [`Resume::left`].
    pub(crate) fn broke(&mut self) {
        self.behind = self.amid.map(|place| Place::begin(place.uid));
    }

    /// What of a frame the caller has not had; `None` when that is nothing.
    ///
    /// # Errors
    /// [`ClientError::Interrupted`] when the message that had begun is gone; [`ClientError::Protocol`].
    pub(crate) fn pass(&mut self, fetched: Fetched) -> Result<Option<Fetched>, ClientError> {
        if let Some(columns) = &fetched.columns {
            self.pass_columns(&columns.uids)?;
            return if fetched.messages.is_empty() { Ok(Some(fetched)) } else { Err(OUT_OF_ORDER) };
        }
        let mut messages = Vec::with_capacity(fetched.messages.len());
        for message in fetched.messages {
            let fresh = match self.behind.take() {
                Some(place) => self.catch_up(place, message)?,
                None => Some(message),
            };
            if let Some(message) = fresh {
                self.advance(&message)?;
                messages.push(message);
            }
        }
        Ok((!messages.is_empty()).then_some(Fetched { messages, columns: None }))
    }

    /// Messages that come whole, without records.
    fn pass_columns(&mut self, uids: &[u32]) -> Result<(), ClientError> {
        if self.amid.is_some() {
            return Err(OUT_OF_ORDER);
        }
        for &uid in uids {
            if uid <= self.whole {
                return Err(OUT_OF_ORDER);
            }
            self.whole = uid;
        }
        Ok(())
    }

    fn advance(&mut self, message: &FetchedMessage) -> Result<(), ClientError> {
        let mut place = match self.amid.take() {
            Some(place) if place.uid == message.uid && message.continues => place,
            None if message.uid > self.whole && !message.continues => Place::begin(message.uid),
            Some(_) | None => return Err(OUT_OF_ORDER),
        };
        for piece in &message.sections {
            place.advance(piece)?;
        }
        if message.unfinished {
            self.amid = Some(place);
        } else {
            self.whole = message.uid;
        }
        Ok(())
    }

    /// Takes off what the caller has had; `None` when that is all of it. The record's items went out with its first part: for
    /// the caller what is left goes on.
    fn catch_up(&mut self, mut place: Place, message: FetchedMessage) -> Result<Option<FetchedMessage>, ClientError> {
        let Some(had) = self.amid else { return Ok(Some(message)) };
        if message.uid != had.uid {
            return Err(ClientError::Interrupted);
        }
        let mut sections = Vec::with_capacity(message.sections.len() + 1);
        for piece in message.sections {
            let before = place;
            place.advance(&piece)?;
            sections.extend(rest(piece, before, had));
        }
        if let Some((index, _)) = had.section
            && sections.first().is_some_and(|piece: &SectionData| piece.index != index)
        {
            sections.insert(0, SectionData { index, ..SectionData::default() });
        }
        if message.unfinished && sections.is_empty() {
            self.behind = Some(place);
            return Ok(None);
        }
        let (uid, unfinished) = (message.uid, message.unfinished);
        Ok(Some(FetchedMessage { uid, sections, unfinished, continues: true, ..FetchedMessage::default() }))
    }
}

/// The part of a piece that the caller has not had. `before`: how far the present request was.
fn rest(mut piece: SectionData, before: Place, had: Place) -> Option<SectionData> {
    let Some((index, octets)) = had.section else { return Some(piece) };
    if piece.index != index {
        return (piece.index > index).then_some(piece);
    }
    let came = before.section.filter(|(at, _)| *at == index).map_or(0, |(_, came)| came);
    let skip = usize::try_from(octets.saturating_sub(came)).unwrap_or(usize::MAX);
    if skip >= piece.data.len() {
        return None;
    }
    piece.data.advance(skip);
    // The length went out with the section's first octets.
    piece.total = 0;
    Some(piece)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use wire::session::FlagColumns;

    /// Index, length as announced, octets.
    type Section = (u32, u64, Vec<u8>);

    /// What a caller makes of the records: UID, size and sections of each message.
    #[derive(Debug, Default, PartialEq)]
    struct Caller {
        messages: Vec<(u32, u64, Vec<Section>)>,
        open: bool,
    }

    impl Caller {
        fn take(&mut self, fetched: Fetched) {
            for message in fetched.messages {
                assert_eq!(message.continues, self.open);
                let mut pieces = message.sections.into_iter();
                if !message.continues {
                    self.messages.push((message.uid, message.size, Vec::new()));
                } else if let Some(first) = pieces.next() {
                    let (index, _, data) = self.messages.last_mut().unwrap().2.last_mut().unwrap();
                    assert_eq!(*index, first.index);
                    data.extend_from_slice(&first.data);
                }
                let (uid, _, sections) = self.messages.last_mut().unwrap();
                assert_eq!(*uid, message.uid);
                sections.extend(pieces.map(|piece| (piece.index, piece.total, piece.data.to_vec())));
                self.open = message.unfinished;
            }
        }
    }

    /// What a node answers for these messages, at most `budget` octets in a frame.
    fn answer(messages: &[(u32, Vec<usize>)], from: u32, budget: usize) -> Vec<Fetched> {
        let mut frames = vec![Fetched::default()];
        let mut left = budget;
        for (uid, lengths) in messages.iter().filter(|(uid, _)| *uid >= from) {
            let mut record = FetchedMessage { uid: *uid, size: 9, ..FetchedMessage::default() };
            for (index, &length) in lengths.iter().enumerate() {
                let data: Bytes = (0..length).map(|at| (at + index + *uid as usize) as u8).collect();
                let mut at = 0;
                loop {
                    let now = left.min(length - at);
                    let total = if at == 0 { length as u64 } else { 0 };
                    let piece = SectionData {
                        index: index as u32,
                        total,
                        data: data.slice(at..at + now),
                        missing: false,
                        ..SectionData::default()
                    };
                    record.sections.push(piece);
                    (at, left) = (at + now, left - now);
                    if at == length {
                        break;
                    }
                    record.unfinished = true;
                    frames.last_mut().unwrap().messages.push(record);
                    frames.push(Fetched::default());
                    left = budget;
                    record = FetchedMessage { uid: *uid, continues: true, ..FetchedMessage::default() };
                }
            }
            frames.last_mut().unwrap().messages.push(record);
            if left == 0 {
                frames.push(Fetched::default());
                left = budget;
            }
        }
        frames
    }

    proptest! {
        #[test]
        fn breaks_anywhere_change_nothing(
            lengths in proptest::collection::vec(proptest::collection::vec(0usize..40, 0..4), 1..5),
            budgets in proptest::collection::vec(1usize..50, 5),
            breaks in proptest::collection::vec(0usize..12, 4),
        ) {
            let messages: Vec<(u32, Vec<usize>)> = (2u32..).step_by(3).zip(lengths).collect();
            let wanted = UidSet::range(Uid::new(1).unwrap(), Uid::new(100).unwrap());
            let mut whole = Caller::default();
            answer(&messages, 1, 10_000).into_iter().for_each(|frame| whole.take(frame));

            let (mut resume, mut caller) = (Resume::default(), Caller::default());
            for (at, budget) in budgets.into_iter().enumerate() {
                let left = resume.left(&wanted);
                let frames = answer(&messages, left.first().unwrap().get(), budget);
                let taken = breaks.get(at).copied().unwrap_or(usize::MAX);
                for frame in frames.into_iter().take(taken) {
                    if let Some(frame) = resume.pass(frame).unwrap() {
                        caller.take(frame);
                    }
                }
                resume.broke();
            }
            prop_assert!(!resume.is_amid());
            prop_assert_eq!(caller, whole);
        }
    }

    #[test]
    fn a_message_that_is_gone_cannot_go_on() {
        let mut resume = Resume::default();
        let frame = |uid, continues, unfinished| {
            let sections = vec![SectionData { data: Bytes::from_static(b"x"), total: 2, ..SectionData::default() }];
            let message = FetchedMessage { uid, sections, continues, unfinished, ..FetchedMessage::default() };
            Fetched { messages: vec![message], columns: None }
        };
        resume.pass(frame(5, false, true)).unwrap();
        resume.broke();
        assert_eq!(resume.pass(frame(6, false, false)), Err(ClientError::Interrupted));
    }

    #[test]
    fn records_out_of_order_are_refused() {
        let frame = |uid, continues, unfinished| Fetched {
            messages: vec![FetchedMessage { uid, continues, unfinished, ..FetchedMessage::default() }],
            columns: None,
        };
        for bad in [frame(4, false, false), frame(5, true, false), frame(0, false, false)] {
            let mut resume = Resume::default();
            resume.pass(frame(4, false, false)).unwrap();
            assert_eq!(resume.pass(bad), Err(OUT_OF_ORDER));
        }
        let mut resume = Resume::default();
        resume.pass(frame(4, false, true)).unwrap();
        assert_eq!(resume.pass(frame(5, false, false)), Err(OUT_OF_ORDER));
    }

    #[test]
    fn columns_go_on_behind_the_last_that_came() {
        let frame = |uids: &[u32]| {
            let columns = FlagColumns { uids: uids.to_vec(), ..FlagColumns::default() };
            Fetched { messages: Vec::new(), columns: Some(columns) }
        };
        let wanted = UidSet::range(Uid::new(1).unwrap(), Uid::new(9).unwrap());
        let mut resume = Resume::default();
        assert_eq!(resume.pass(frame(&[2, 3])), Ok(Some(frame(&[2, 3]))));
        resume.broke();
        assert_eq!(resume.left(&wanted).first(), Uid::new(4));
        assert_eq!(resume.pass(frame(&[4, 4])), Err(OUT_OF_ORDER));
        assert_eq!(resume.pass(frame(&[3])), Err(OUT_OF_ORDER));
        // Records and columns are not mixed, least of all within a message.
        let message = FetchedMessage { uid: 7, unfinished: true, ..FetchedMessage::default() };
        let mixed = Fetched { messages: vec![message.clone()], ..frame(&[6]) };
        assert_eq!(resume.pass(mixed), Err(OUT_OF_ORDER));
        resume.pass(Fetched { messages: vec![message], columns: None }).unwrap();
        assert_eq!(resume.pass(frame(&[8])), Err(OUT_OF_ORDER));
    }

    #[test]
    fn nothing_is_left_after_the_last() {
        let wanted = UidSet::range(Uid::new(1).unwrap(), Uid::new(u32::MAX).unwrap());
        let resume = Resume { whole: u32::MAX, ..Resume::default() };
        assert!(resume.left(&wanted).is_empty());
        assert_eq!(Resume::default().left(&wanted), wanted);
        assert_eq!(Resume { whole: 9, ..Resume::default() }.left(&wanted).first(), Uid::new(10));
    }
}
