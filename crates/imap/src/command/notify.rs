//! NOTIFY (RFC 5465): which changes a client is told unasked, of the selected folder and of others.

use super::fetch::Items;
use super::source::Filter;
use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::session::Session;
use crate::session::answer::{Answer, Code, Outcome};
use crate::session::notify::{Events, Group, OfSelected, Watch};

/// Groups of events in one command.
const GROUPS_MAX: usize = 64;
/// Folders that one group names.
const NAMES_MAX: usize = 1024;
/// Events of one group; there are seven.
const EVENTS_MAX: usize = 16;
/// Parentheses that an unknown event's argument may open.
const ARGUMENT_DEPTH_MAX: usize = 16;

/// NOTIFY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notify {
    /// NONE: nothing is told unasked.
    None,
    /// SET.
    Set {
        /// STATUS: how the folders stand now.
        status: bool,
        /// What is to be told.
        watch: Watch,
    },
    /// An event that is not known here.
    BadEvent,
}

impl Notify {
    /// Reads NONE, or SET and the groups.
    ///
    /// # Errors
    /// One is malformed, or names events that do not go together (RFC 5465 §5).
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.space()?;
        if cursor.word("NONE") {
            return Ok(Self::None);
        }
        if !cursor.word("SET ") {
            return Err(Malformed("Expected SET or NONE"));
        }
        let status = cursor.word("STATUS ");
        let mut groups = Groups::default();
        for _ in 0..GROUPS_MAX {
            groups.group(cursor)?;
            if !cursor.take(b' ') {
                let Groups { watch, bad_event, .. } = groups;
                return Ok(if bad_event { Self::BadEvent } else { Self::Set { status, watch } });
            }
        }
        Err(Malformed("There are too many groups of events"))
    }

    /// Changes what is told from now on.
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node, and then nothing changes.
    pub async fn run(self, session: &mut Session) -> Outcome {
        session.account()?;
        let (status, watch) = match self {
            Self::None => (false, Watch::default()),
            Self::Set { status, watch } => (status, watch),
            // RFC 5465 §3.1: the supported ones are named.
            Self::BadEvent => return Ok(Answer::no("There is no such event").with(Code::BadEvent)),
        };
        session.watch(watch, status).await?;
        Ok(Answer::ok("Done"))
    }
}

#[derive(Default)]
struct Groups {
    watch: Watch,
    has_selected: bool,
    bad_event: bool,
}

impl Groups {
    fn group(&mut self, cursor: &mut Cursor<'_>) -> Parsed<()> {
        cursor.expect(b'(', "Expected a group of events in parentheses")?;
        let word = cursor.atom()?.to_ascii_uppercase();
        let filter = match Filter::parse(&word, cursor)? {
            None if !matches!(word.as_str(), "SELECTED" | "SELECTED-DELAYED") => {
                return Err(Malformed("There is no such set of folders"));
            }
            filter => filter,
        };
        cursor.space()?;
        let (events, fetch) = self.events(cursor)?;
        cursor.expect(b')', "Expected the closing parenthesis")?;
        let Some(filter) = filter else {
            if std::mem::replace(&mut self.has_selected, true) {
                return Err(Malformed("SELECTED or SELECTED-DELAYED can be given once"));
            }
            if (Events { messages: false, flags: false, ..events }) != Events::default() {
                return Err(Malformed("The selected folder has events of messages only"));
            }
            self.watch.selected = OfSelected { delayed: word == "SELECTED-DELAYED", events, fetch };
            return Ok(());
        };
        // RFC 5465 §8: only there.
        if fetch.is_some() {
            return Err(Malformed("What to fetch goes with the selected folder"));
        }
        self.watch.groups.push(Group { filter, events });
        Ok(())
    }

    /// The events, and what to fetch of new messages.
    fn events(&mut self, cursor: &mut Cursor<'_>) -> Parsed<(Events, Option<Items>)> {
        let mut found = Found::default();
        if cursor.word("NONE") {
            return Ok((found.events, None));
        }
        if cursor.list(EVENTS_MAX, |cursor| found.event(cursor))?.is_empty() {
            return Err(Malformed("Expected an event or NONE"));
        }
        // RFC 5465 §5.2, §5.3: these two go together, and the others of messages go with them.
        if found.came != found.went || (found.events.flags && !found.came) {
            return Err(Malformed("MessageNew and MessageExpunge go together, and FlagChange with both"));
        }
        found.events.messages = found.came;
        self.bad_event |= found.bad;
        Ok((found.events, found.fetch))
    }
}

#[derive(Default)]
struct Found {
    came: bool,
    went: bool,
    bad: bool,
    events: Events,
    fetch: Option<Items>,
}

impl Found {
    fn event(&mut self, cursor: &mut Cursor<'_>) -> Parsed<()> {
        let name = cursor.atom()?.to_ascii_uppercase();
        let mut ahead = cursor.clone();
        let has_argument = ahead.take(b' ') && ahead.peek() == Some(b'(');
        match name.as_str() {
            "MESSAGENEW" => {
                self.came = true;
                if has_argument {
                    *cursor = ahead;
                    self.fetch = Some(Items::parse(cursor)?);
                }
                return Ok(());
            }
            "MESSAGEEXPUNGE" => self.went = true,
            "FLAGCHANGE" => self.events.flags = true,
            "MAILBOXNAME" => self.events.names = true,
            "SUBSCRIPTIONCHANGE" => self.events.subscriptions = true,
            "MAILBOXMETADATACHANGE" => self.events.annotations = true,
            "SERVERMETADATACHANGE" => self.events.server_annotations = true,
            _ => {
                self.bad = true;
                if has_argument {
                    *cursor = ahead;
                    argument(cursor, 0)?;
                }
            }
        }
        Ok(())
    }
}

/// Passes over the argument of an event that is not known.
fn argument(cursor: &mut Cursor<'_>, depth: usize) -> Parsed<()> {
    if cursor.peek() != Some(b'(') {
        return cursor.astring().map(|_| ());
    }
    if depth == ARGUMENT_DEPTH_MAX {
        return Err(Malformed("The event's argument is nested too deep"));
    }
    cursor.list(NAMES_MAX, |cursor| argument(cursor, depth + 1)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::FolderName;

    fn notify(text: &str) -> Parsed<Notify> {
        let mut cursor = Cursor::new(text.as_bytes());
        let notify = Notify::parse(&mut cursor)?;
        cursor.end()?;
        Ok(notify)
    }

    fn watch(text: &str) -> Watch {
        match notify(text).unwrap() {
            Notify::Set { watch, .. } => watch,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn groups_of_events() {
        assert_eq!(notify(" none"), Ok(Notify::None));
        let all = watch(
            " SET STATUS (selected-delayed (MessageNew (UID BODY.PEEK[HEADER.FIELDS (From)]) MessageExpunge FlagChange)) \
             (mailboxes (INBOX \"a b\") NONE) (subtree Lists (MessageNew MessageExpunge)) \
             (personal (MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange))",
        );
        let events = Events { messages: true, flags: true, ..Events::default() };
        assert_eq!((all.selected.delayed, all.selected.events), (true, events));
        assert!(all.selected.fetch.unwrap().uid);
        let names = |names: &[&str]| names.iter().map(|name| FolderName::parse(name).unwrap()).collect::<Vec<_>>();
        let filters: Vec<_> = all.groups.iter().map(|group| group.filter.clone()).collect();
        let expected =
            [Filter::Mailboxes(names(&["INBOX", "a b"])), Filter::Subtree(names(&["Lists"])), Filter::Personal];
        assert_eq!(filters, expected);
        assert_eq!(all.groups[0].events, Events::default());
        assert!(!watch(" SET (selected NONE)").selected.events.messages);
        assert_eq!(notify(" SET (personal (AnnotationChange))"), Ok(Notify::BadEvent));
        assert_eq!(notify(" SET (inboxes (X-Event (a (b \"c\")) MailboxName))"), Ok(Notify::BadEvent));
    }

    #[test]
    fn what_does_not_go_together() {
        for bad in [
            "",
            " ",
            " SET",
            " SET ",
            " SET ()",
            " SET (selected)",
            " SET (selected ())",
            " SET (elsewhere NONE)",
            " SET (personal (MessageNew))",
            " SET (personal (MessageExpunge))",
            " SET (personal (FlagChange))",
            " SET (selected (MailboxName))",
            " SET (selected (MailboxMetadataChange))",
            " SET (selected-delayed (ServerMetadataChange))",
            " SET (personal (MessageNew (UID) MessageExpunge))",
            " SET (selected NONE) (selected-delayed NONE)",
            " SET (mailboxes () NONE)",
            " SET (selected (MessageNew () MessageExpunge))",
            " SET (selected NONE",
            " NONE x",
        ] {
            assert!(notify(bad).is_err(), "{bad}");
        }
    }
}
