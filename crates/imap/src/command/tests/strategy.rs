//! Makes commands of every kind.

use crate::codec::sequence::Bound;
use crate::codec::{FlagList, Name, SequenceSet};
use crate::command::fetch::{Fetch, Form, Items, Kind, Section};
use crate::command::search::{Criteria, Key, Place, Range, Returns, Search};
use crate::command::sort::{Criterion, Sort};
use crate::command::status::{Item, Status};
use crate::command::thread::Thread;
use crate::command::{
    Command, authenticate, close, copy, create, delete, enable, expunge, list, login, lsub, metadata, notify, quota,
    rename, select, store, subscribe,
};
use crate::command::{cancelupdate, esearch, source, uidbatches};
use crate::session::qresync::Known;
use model::{Flag, Flags, FolderName, Keyword, SpecialUse};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select as one_of;
use wire::session::{DateRelation, FetchItem, MetadataDepth, StoreMode};

pub(super) fn commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        plain(),
        folders(),
        metadata(),
        messages(),
        fetches().prop_map(Command::Fetch),
        searches().prop_map(Command::Search),
        finds()
    ]
}

fn plain() -> impl Strategy<Value = Command> {
    let login = (octets(), octets()).prop_map(|(name, password)| Command::Login(login::Login { name, password }));
    let authenticate = option::of("[A-Za-z0-9+/=]{1,20}").prop_map(|response| {
        let response = response.map(String::into_bytes);
        Command::Authenticate(authenticate::Authenticate { mechanism: "PLAIN".into(), response })
    });
    prop_oneof![
        Just(Command::Capability),
        Just(Command::Check),
        Just(Command::Id),
        Just(Command::Compress),
        Just(Command::Idle),
        Just(Command::Logout),
        Just(Command::Namespace),
        Just(Command::Noop),
        Just(Command::Notify(notify::Notify::None)),
        Just(Command::Starttls),
        any::<bool>().prop_map(|expunge| Command::Close(close::Close { expunge })),
        vec(one_of(enable::Extension::ALL.to_vec()), 0..4)
            .prop_map(|extensions| Command::Enable(enable::Enable { extensions })),
        Just(Command::Unauthenticate),
        login,
        authenticate,
    ]
}

/// Octets of an astring: no NUL.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof!["[ -~]{0,12}".prop_map(String::into_bytes), vec(1u8..=255, 0..12)]
}

fn names() -> impl Strategy<Value = Name> {
    let words = prop_oneof!["[A-Za-z &]{1,8}", "[a-zäøあ📫&\\-]{1,6}", Just("INBOX".to_owned())];
    vec(words, 1..4).prop_filter_map("no folder's name", |levels| Some(Ok(FolderName::parse(&levels.join("/")).ok()?)))
}

fn folders() -> impl Strategy<Value = Command> {
    let uses = vec(prop_oneof![one_of(SpecialUse::ALL.to_vec()).prop_map(Ok), Just(Err(()))], 0..3);
    let items = vec(one_of(Item::ALL.to_vec()), 1..6);
    prop_oneof![
        (names(), uses).prop_map(|(name, uses)| Command::Create(create::Create { name, uses })),
        names().prop_map(|name| Command::Delete(delete::Delete { name })),
        (names(), names()).prop_map(|(from, to)| Command::Rename(rename::Rename { from, to })),
        (names(), any::<bool>())
            .prop_map(|(name, subscribed)| Command::Subscribe(subscribe::Subscribe { name, subscribed })),
        (names(), any::<bool>(), any::<bool>())
            .prop_map(|(name, read_only, condstore)| select::Select { name, read_only, condstore, known: None })
            .prop_map(Command::Select),
        (names(), known()).prop_map(|(name, known)| {
            Command::Select(select::Select { name, read_only: false, condstore: false, known: Some(Box::new(known)) })
        }),
        lists(),
        (octets(), octets()).prop_map(|(reference, pattern)| Command::Lsub(lsub::Lsub { reference, pattern })),
        (names(), items).prop_map(|(name, items)| Command::Status(Status { name, items })),
    ]
}

fn entries() -> impl Strategy<Value = String> {
    "/(private|SHARED)(/[a-zA-Z. (){]{1,8}){1,3}"
}

fn metadata() -> impl Strategy<Value = Command> {
    let depth = one_of(vec![MetadataDepth::Zero, MetadataDepth::One, MetadataDepth::Infinity]);
    let value = option::of(vec(any::<u8>(), 0..20));
    prop_oneof![
        (option::of(names()), vec(entries(), 1..4), depth, option::of(any::<u32>())).prop_map(
            |(name, entries, depth, max_size)| {
                Command::GetMetadata(metadata::GetMetadata { name, entries, depth, max_size })
            }
        ),
        (option::of(names()), vec((entries(), value), 1..4))
            .prop_map(|(name, changes)| Command::SetMetadata(metadata::SetMetadata { name, changes })),
        octets().prop_map(|root| Command::GetQuota(quota::GetQuota { root })),
        names().prop_map(|name| Command::GetQuotaRoot(quota::GetQuotaRoot { name })),
        Just(Command::SetQuota),
    ]
}

fn lists() -> impl Strategy<Value = Command> {
    let selection = (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(subscribed, special_use, recursive)| {
        list::options::Selection { subscribed, special_use, recursive: recursive && (subscribed || special_use) }
    });
    let returns = (any::<bool>(), vec(one_of(Item::ALL.to_vec()), 0..6), vec(entries(), 0..3))
        .prop_map(|(subscribed, status, metadata)| list::options::Returns { subscribed, status, metadata });
    prop_oneof![
        (octets(), octets()).prop_map(|(reference, pattern)| list::List {
            reference,
            patterns: vec![pattern],
            selection: list::options::Selection::default(),
            returns: list::options::Returns::default(),
            extended: false,
        }),
        (octets(), vec(octets(), 1..4), selection, returns).prop_map(|(reference, patterns, selection, returns)| {
            list::List { reference, patterns, selection, returns, extended: true }
        }),
    ]
    .prop_map(Command::List)
}

fn known() -> impl Strategy<Value = Known> {
    let numbers = || vec(1u32..50, 1..5);
    let set = |numbers: Vec<u32>| {
        let numbers = numbers.into_iter().map(|n| (Bound::Number(n), Bound::Number(n)));
        SequenceSet::new(numbers.collect()).unwrap()
    };
    (1u32.., 1u64..=i64::MAX as u64, option::of(numbers()), option::of(numbers())).prop_map(
        move |(uid_validity, modseq, uids, matches)| Known {
            uid_validity,
            modseq,
            uids: uids.map(set),
            matches: matches.map(|numbers| (set(numbers.clone()), set(numbers))),
        },
    )
}

fn sets() -> impl Strategy<Value = SequenceSet> {
    let bound = || prop_oneof![(1u32..50).prop_map(Bound::Number), (1u32..).prop_map(Bound::Number), Just(Bound::Star)];
    let ranges = vec((bound(), bound()), 1..5).prop_map(|ranges| SequenceSet::new(ranges).unwrap());
    prop_oneof![9 => ranges, 1 => Just(SequenceSet::saved())]
}

fn flags() -> impl Strategy<Value = FlagList> {
    let keywords = proptest::collection::btree_set("[$a-z][a-z0-9.-]{0,9}", 0..4);
    (0u32..32, keywords).prop_map(|(bits, keywords)| FlagList {
        flags: Flags::from_bits(bits),
        keywords: keywords.iter().filter_map(|keyword| Keyword::parse(keyword)).collect(),
        overlong: false,
    })
}

fn messages() -> impl Strategy<Value = Command> {
    let modes = one_of(vec![StoreMode::Replace, StoreMode::Add, StoreMode::Remove]);
    let modseq = option::of(0u64..=i64::MAX as u64);
    prop_oneof![
        (any::<bool>(), any::<bool>(), sets(), names())
            .prop_map(|(by_uid, moves, set, to)| Command::Copy(copy::Copy { by_uid, moves, set, to })),
        option::of(sets()).prop_map(|uids| Command::Expunge(expunge::Expunge { uids })),
        (any::<bool>(), sets(), modseq, modes, any::<bool>(), flags()).prop_map(
            |(by_uid, set, unchanged_since, mode, silent, flags)| {
                Command::Store(store::Store { by_uid, set, unchanged_since, mode, silent, flags })
            }
        ),
    ]
}

fn sections() -> impl Strategy<Value = Section> {
    let fields = (any::<bool>(), vec("[A-Za-z-]{1,9}", 1..4)).prop_map(|(not, names)| Kind::Fields { not, names });
    let kinds = prop_oneof![Just(Kind::All), Just(Kind::Header), Just(Kind::Text), Just(Kind::Mime), fields];
    let parts = vec(1u32.., 0..4);
    let forms = one_of(vec![Form::Body, Form::Peek]);
    let partial = option::of((0u64..=i64::MAX as u64, 1u64..=i64::MAX as u64));
    let body = (forms, parts, kinds, partial).prop_filter_map("MIME needs a part", |(form, part, kind, partial)| {
        (kind != Kind::Mime || !part.is_empty()).then_some(Section { form, part, kind, partial })
    });
    let old = [(Form::Rfc822, Kind::All), (Form::Rfc822Header, Kind::Header), (Form::Rfc822Text, Kind::Text)];
    let old = one_of(old.to_vec()).prop_map(|(form, kind)| Section { form, part: vec![], kind, partial: None });
    let binary_forms = one_of(vec![Form::Binary, Form::BinaryPeek, Form::BinarySize]);
    let partial = option::of((0u64..=i64::MAX as u64, 1u64..=i64::MAX as u64));
    let binary = (binary_forms, vec(1u32.., 0..4), partial).prop_map(|(form, part, partial)| Section {
        form,
        part,
        kind: Kind::All,
        partial: partial.filter(|_| form != Form::BinarySize),
    });
    prop_oneof![4 => body, 1 => old, 2 => binary]
}

fn fetches() -> impl Strategy<Value = Fetch> {
    let simple = vec(
        one_of(vec![
            FetchItem::Flags,
            FetchItem::Modseq,
            FetchItem::InternalDate,
            FetchItem::Size,
            FetchItem::Envelope,
            FetchItem::Body,
            FetchItem::BodyStructure,
            FetchItem::EmailId,
            FetchItem::ThreadId,
            FetchItem::SaveDate,
            FetchItem::Preview,
        ]),
        0..4,
    );
    let ranges = (any::<bool>(), 1u32.., 1u32..).prop_map(|(from_end, first, last)| Range { from_end, first, last });
    let modifiers = (option::of(0u64..=i64::MAX as u64), any::<bool>(), option::of(ranges));
    (any::<bool>(), sets(), simple, any::<bool>(), vec(sections(), 0..3), modifiers).prop_filter_map(
        "something must be asked for",
        |(by_uid, set, simple, uid, sections, (changed_since, vanished, partial))| {
            let mut items = Items::default();
            items.uid = uid;
            items.sections = sections;
            simple.into_iter().for_each(|item| items.want(item));
            if changed_since.is_some() {
                items.want(FetchItem::Modseq);
            }
            let asked = items.uid || items.bits() != 0 || !items.sections.is_empty();
            let vanished = vanished && by_uid && changed_since.is_some();
            let partial = partial.filter(|_| by_uid);
            asked.then_some(Fetch { by_uid, set, items, changed_since, partial, vanished })
        },
    )
}

fn searches() -> impl Strategy<Value = Search> {
    let criteria =
        (any::<bool>(), criteria()).prop_map(|(charset_named, criteria)| Criteria { charset_named, ..criteria });
    (any::<bool>(), option::of(returns()), criteria).prop_map(|(by_uid, returns, criteria)| Search {
        by_uid,
        returns,
        criteria,
    })
}

fn criteria() -> impl Strategy<Value = Criteria> {
    vec(keys(), 1..4).prop_map(Criteria::new)
}

fn returns() -> impl Strategy<Value = Returns> {
    let bools = proptest::array::uniform8(any::<bool>());
    let range = (any::<bool>(), 1u32.., 1u32..).prop_map(|(from_end, first, last)| Range { from_end, first, last });
    (bools, option::of(range)).prop_map(|([min, max, all, count, save, context, update, relevancy], partial)| {
        let mut returns = Returns { min, max, all, count, save, context, update, fetch: None, relevancy, partial };
        returns.all &= partial.is_none();
        returns.all |= !(returns.tells() || save);
        returns
    })
}

/// The searching commands but SEARCH.
fn finds() -> impl Strategy<Value = Command> {
    use wire::session::{SortField, ThreadAlgorithm};
    let criterion = (any::<bool>(), 0i32..10)
        .prop_map(|(reverse, field)| Criterion { reverse, field: SortField::try_from(field).unwrap() });
    let sort = (any::<bool>(), option::of(returns()), vec(criterion, 1..4), criteria())
        .prop_map(|(by_uid, returns, sort, criteria)| Command::Sort(Sort { by_uid, returns, sort, criteria }));
    let thread = (any::<bool>(), 0i32..3, criteria()).prop_map(|(by_uid, algorithm, criteria)| {
        Command::Thread(Thread { by_uid, algorithm: ThreadAlgorithm::try_from(algorithm).unwrap(), criteria })
    });
    use source::{Filter, Source};
    let folders = || vec(names().prop_map(|name| name.unwrap()), 1..3);
    let filter = prop_oneof![
        Just(Filter::Inboxes),
        Just(Filter::Personal),
        Just(Filter::Subscribed),
        folders().prop_map(Filter::Subtree),
        folders().prop_map(Filter::SubtreeOne),
        folders().prop_map(Filter::Mailboxes),
    ];
    let source = prop_oneof![1 => Just(Source::Selected), 4 => filter.prop_map(Source::Folders)];
    let esearch = (option::of(vec(source, 1..3)), returns(), criteria()).prop_map(|(sources, returns, criteria)| {
        let returns = Returns { save: false, context: false, update: false, relevancy: false, ..returns };
        let all = returns.all || !returns.tells();
        Command::Esearch(esearch::Esearch { sources, returns: Returns { all, ..returns }, criteria })
    });
    let batches = (1u32.., option::of((1u32.., 1u32..)))
        .prop_map(|(messages, range)| Command::UidBatches(uidbatches::UidBatches { messages, range }));
    let tags = vec("[A-Za-z0-9]{1,9}".prop_map(String::into_bytes), 1..4);
    let cancel = tags.prop_map(|tags| Command::CancelUpdate(cancelupdate::CancelUpdate { tags }));
    prop_oneof![sort, thread, esearch, batches, cancel]
}

fn keys() -> impl Strategy<Value = Key> {
    let text = || "[ -~]{0,9}|[a-zøあ]{1,5}";
    let relations = || one_of(vec![DateRelation::Before, DateRelation::On, DateRelation::Since]);
    let number = || 0u64..=i64::MAX as u64;
    let leaf = prop_oneof![
        Just(Key::All),
        Just(Key::Recent),
        sets().prop_map(Key::Numbers),
        sets().prop_map(Key::Uids),
        one_of(Flag::ALL.to_vec()).prop_map(Key::Flag),
        "[$a-z]{1,9}".prop_map(|keyword| Key::Keyword(Keyword::parse(&keyword))),
        ("[A-Za-z-]{1,9}", text()).prop_map(|(name, value)| Key::Header(name, value)),
        text().prop_map(Key::Body),
        text().prop_map(Key::Text),
        (relations(), 0i32..40_000).prop_map(|(relation, day)| Key::InternalDate(relation, day)),
        (relations(), 0i32..40_000).prop_map(|(relation, day)| Key::SentDate(relation, day)),
        number().prop_map(Key::Larger),
        number().prop_map(Key::Smaller),
        number().prop_map(Key::ModSeq),
        (relations(), 0i32..40_000).prop_map(|(relation, day)| Key::SavedDate(relation, day)),
        (1u32..).prop_map(Key::Older),
        (1u32..).prop_map(Key::Younger),
        number().prop_map(Key::Email),
        number().prop_map(Key::Thread),
        text().prop_map(|pattern| Key::Pattern(Place::Body, pattern)),
        text().prop_map(|pattern| Key::Pattern(Place::Text, pattern)),
        ("[A-Za-z-]{1,9}", text()).prop_map(|(name, pattern)| Key::Pattern(Place::Field(name), pattern)),
    ];
    leaf.prop_recursive(4, 20, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(Key::And),
            (inner.clone(), inner.clone()).prop_map(|(either, other)| Key::Or(Box::new(either), Box::new(other))),
            inner.clone().prop_map(|key| Key::Not(Box::new(key))),
            inner.prop_map(|key| Key::Fuzzy(Box::new(key))),
        ]
    })
}
