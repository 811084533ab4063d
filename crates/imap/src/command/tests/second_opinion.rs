//! imap-codec reads the same commands: where both accept, both must mean the same.

use super::{print, strategy};
use crate::command::{Command, parse};
use crate::session::Enabled;
use imap_codec::CommandCodec;
use imap_codec::decode::Decoder as _;
use imap_codec::imap_types::command::{Command as Theirs, CommandBody as Body};
use imap_codec::imap_types::core::AString;
use imap_codec::imap_types::fetch::{MacroOrMessageDataItemNames, MessageDataItemName};
use imap_codec::imap_types::flag::{Flag, StoreResponse, StoreType};
use imap_codec::imap_types::mailbox::{ListMailbox, Mailbox};
use imap_codec::imap_types::sequence::{SeqOrUid, Sequence, SequenceSet};
use proptest::prelude::*;
use wire::session::StoreMode;

/// What can be compared, in words.
fn ours(command: &Command) -> Option<String> {
    let name = |name: &crate::codec::Name| {
        name.as_ref().map(|name| crate::codec::mutf7::encode(name.as_str())).unwrap_or_default()
    };
    Some(match command {
        Command::Capability => "capability".into(),
        Command::Noop => "noop".into(),
        Command::Logout => "logout".into(),
        Command::Check => "check".into(),
        Command::Compress => "compress deflate".into(),
        Command::Idle => "idle".into(),
        Command::Close(close) => {
            if close.expunge {
                "close".into()
            } else {
                "unselect".into()
            }
        }
        Command::Login(login) => format!("login {:?} {:?}", login.name, login.password),
        Command::Select(select) if !select.condstore && select.known.is_none() => {
            format!("{} {}", if select.read_only { "examine" } else { "select" }, name(&select.name))
        }
        Command::Create(create) if create.uses.is_empty() => format!("create {}", name(&create.name)),
        Command::Delete(delete) => format!("delete {}", name(&delete.name)),
        Command::Rename(rename) => format!("rename {} {}", name(&rename.from), name(&rename.to)),
        Command::Subscribe(subscribe) => format!("subscribe {} {}", subscribe.subscribed, name(&subscribe.name)),
        Command::List(list) if !list.extended => {
            format!("list {:?} {:?}", inbox(&list.reference), list.patterns.concat())
        }
        Command::Lsub(lsub) => format!("lsub {:?} {:?}", inbox(&lsub.reference), lsub.pattern),
        Command::Status(status) => format!("status {} {}", name(&status.name), status.items.len()),
        Command::Copy(copy) => format!("copy {} {} {} {}", copy.by_uid, copy.moves, set(&copy.set), name(&copy.to)),
        Command::Expunge(expunge) => format!("expunge {:?}", expunge.uids.as_ref().map(set)),
        Command::Fetch(fetch) if fetch.changed_since.is_none() => {
            let count = fetch.items.bits().count_ones() as usize + fetch.items.sections.len();
            format!("fetch {} {} {count}", fetch.by_uid, set(&fetch.set))
        }
        Command::Store(store) if store.unchanged_since.is_none() => {
            let flags = store.flags.flags.iter().count() + store.flags.keywords.len();
            let mode = match store.mode {
                StoreMode::Replace => "=",
                StoreMode::Add => "+",
                StoreMode::Remove => "-",
            };
            format!("store {} {} {mode} {} {flags}", store.by_uid, set(&store.set), store.silent)
        }
        // What is in an unknown charset is not read.
        Command::Search(search) if search.returns.is_none() && !search.criteria.bad_charset => {
            format!("search {} {}", search.by_uid, search.criteria.keys.len())
        }
        _ => return None,
    })
}

fn theirs(body: &Body<'_>) -> Option<String> {
    Some(match body {
        Body::Capability => "capability".into(),
        Body::Noop => "noop".into(),
        Body::Logout => "logout".into(),
        Body::Check => "check".into(),
        Body::Idle => "idle".into(),
        Body::Close => "close".into(),
        Body::Unselect => "unselect".into(),
        Body::Login { username, password } => {
            format!("login {:?} {:?}", octets(username), octets(password.declassify()))
        }
        Body::Select { mailbox, .. } => format!("select {}", mailbox_name(mailbox)),
        Body::Examine { mailbox, .. } => format!("examine {}", mailbox_name(mailbox)),
        Body::Create { mailbox } => format!("create {}", new_name(mailbox)),
        Body::Delete { mailbox } => format!("delete {}", mailbox_name(mailbox)),
        Body::Rename { from, to } => format!("rename {} {}", mailbox_name(from), new_name(to)),
        Body::Subscribe { mailbox } => format!("subscribe true {}", mailbox_name(mailbox)),
        Body::Unsubscribe { mailbox } => format!("subscribe false {}", mailbox_name(mailbox)),
        Body::List { reference, mailbox_wildcard } => {
            format!("list {:?} {:?}", mailbox_octets(reference), pattern(mailbox_wildcard))
        }
        Body::Lsub { reference, mailbox_wildcard } => {
            format!("lsub {:?} {:?}", mailbox_octets(reference), pattern(mailbox_wildcard))
        }
        Body::Status { mailbox, item_names } => format!("status {} {}", mailbox_name(mailbox), item_names.len()),
        Body::Copy { sequence_set, mailbox, uid } => {
            format!("copy {uid} false {} {}", their_set(sequence_set), mailbox_name(mailbox))
        }
        Body::Move { sequence_set, mailbox, uid } => {
            format!("copy {uid} true {} {}", their_set(sequence_set), mailbox_name(mailbox))
        }
        Body::Expunge => "expunge None".into(),
        Body::ExpungeUid { sequence_set } => format!("expunge {:?}", Some(their_set(sequence_set))),
        Body::Fetch { sequence_set, macro_or_item_names, uid, .. } => {
            let MacroOrMessageDataItemNames::MessageDataItemNames(names) = macro_or_item_names else { return None };
            let mut simple: Vec<_> = names.iter().filter(|name| !matches!(name, MessageDataItemName::Uid)).collect();
            // Ours are bits: twice the same is once.
            let is_section = |name: &MessageDataItemName<'_>| {
                use MessageDataItemName::{BodyExt, Rfc822, Rfc822Header, Rfc822Text};
                matches!(name, BodyExt { .. } | Rfc822 | Rfc822Header | Rfc822Text)
            };
            let sections = simple.iter().filter(|name| is_section(name)).count();
            simple.retain(|name| !is_section(name));
            let distinct: std::collections::HashSet<_> = simple.into_iter().collect();
            format!("fetch {uid} {} {}", their_set(sequence_set), sections + distinct.len())
        }
        Body::Store { sequence_set, kind, response, flags, uid, .. } => {
            let mode = match kind {
                StoreType::Replace => "=",
                StoreType::Add => "+",
                StoreType::Remove => "-",
            };
            let silent = *response == StoreResponse::Silent;
            let distinct: std::collections::HashSet<String> = flags.iter().map(flag).collect();
            format!("store {uid} {} {mode} {silent} {}", their_set(sequence_set), distinct.len())
        }
        Body::Search { criteria, uid, .. } => format!("search {uid} {}", criteria.as_ref().len()),
        _ => return None,
    })
}

fn flag(flag: &Flag<'_>) -> String {
    flag.to_string().to_ascii_lowercase()
}

fn octets<'a>(text: &'a AString<'_>) -> &'a [u8] {
    text.as_ref()
}

fn inbox(name: &[u8]) -> Vec<u8> {
    if name.eq_ignore_ascii_case(b"INBOX") { b"INBOX".to_vec() } else { name.to_vec() }
}

/// The name in our form, empty when it is none.
fn mailbox_name(mailbox: &Mailbox<'_>) -> String {
    let read =
        crate::codec::mutf7::decode(&mailbox_octets(mailbox)).and_then(|name| model::FolderName::parse(&name).ok());
    read.map(|name| crate::codec::mutf7::encode(name.as_str())).unwrap_or_default()
}

/// The name of a new folder, which may have the separator at its end.
fn new_name(mailbox: &Mailbox<'_>) -> String {
    let octets = mailbox_octets(mailbox);
    let octets = octets.strip_suffix(b"/").unwrap_or(&octets);
    let read = crate::codec::mutf7::decode(octets).and_then(|name| model::FolderName::parse(&name).ok());
    read.map(|name| crate::codec::mutf7::encode(name.as_str())).unwrap_or_default()
}

fn mailbox_octets(mailbox: &Mailbox<'_>) -> Vec<u8> {
    match mailbox {
        Mailbox::Inbox => b"INBOX".to_vec(),
        Mailbox::Other(other) => other.as_ref().to_vec(),
    }
}

fn pattern(pattern: &ListMailbox<'_>) -> Vec<u8> {
    match pattern {
        ListMailbox::Token(token) => token.as_ref().to_vec(),
        ListMailbox::String(string) => string.as_ref().to_vec(),
    }
}

/// Sets in one form: imap-codec merges and sorts them.
fn set(set: &crate::codec::SequenceSet) -> String {
    set.resolve(u32::MAX).to_string()
}

fn their_set(set: &SequenceSet) -> String {
    let number = |bound: &SeqOrUid| match bound {
        SeqOrUid::Value(value) => value.get(),
        SeqOrUid::Asterisk => u32::MAX,
    };
    let range = |sequence: &Sequence| match sequence {
        Sequence::Single(single) => (number(single), number(single)),
        Sequence::Range(first, last) => (number(first), number(last)),
    };
    let ranges = set.0.as_ref().iter().map(range);
    let words: Vec<_> = ranges.map(|(first, last)| format!("{first}:{last}")).collect();
    let words = words.join(",");
    let mut cursor = crate::codec::Cursor::new(words.as_bytes());
    crate::codec::SequenceSet::parse(&mut cursor).unwrap().resolve(u32::MAX).to_string()
}

fn compare(text: &[u8]) -> Result<bool, TestCaseError> {
    let Ok((b"", Theirs { tag, body })) = CommandCodec::default().decode(text) else { return Ok(false) };
    let whole = text.strip_suffix(b"\r\n").unwrap_or(text);
    let (our_tag, Ok(command)) = parse(whole, Enabled::default()) else { return Ok(false) };
    prop_assert_eq!(our_tag, Some(tag.as_ref()));
    if let (Some(ours), Some(theirs)) = (ours(&command), theirs(&body)) {
        prop_assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(text));
    }
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn both_mean_the_same(command in strategy::commands(), style in any::<u64>()) {
        compare(&print::command(&command, style))?;
    }

    #[test]
    fn both_mean_the_same_of_damaged_commands(
        command in strategy::commands(),
        at in any::<prop::sample::Index>(),
        with in prop_oneof![any::<u8>(), prop::sample::select(b" ()\"\\{}+*%:,.<>[]\r\n1Aa".to_vec())],
        insert in any::<bool>(),
    ) {
        let mut text = print::command(&command, 0);
        let at = at.index(text.len());
        if insert { text.insert(at, with) } else { text[at] = with }
        compare(&text)?;
    }
}

#[test]
fn the_second_opinion_is_asked() {
    for text in ["a NOOP\r\n", "a SELECT inbox\r\n", "a FETCH 1:* (FLAGS BODY[])\r\n", "a UID SEARCH OR SEEN ALL\r\n"] {
        assert!(compare(text.as_bytes()).unwrap(), "{text}");
    }
}
