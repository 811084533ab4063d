//! Writes commands as clients would, in every legal way: bare, quoted, literal, upper and lower case.

use crate::codec::{FlagList, Name, mutf7};
use crate::command::Command;
use crate::command::fetch::{Fetch, Form, Section};
use crate::command::list::List;
use crate::command::metadata::{GetMetadata, SetMetadata};
use crate::command::search::{Criteria, Key, Place, Returns};
use crate::command::sort::Criterion;
use crate::command::source::{Filter, Source};
use wire::session::{DateRelation, FetchItem, MetadataDepth, SortField, StoreMode};

/// The command with the tag `t1` and its line end. `style` decides between what means the same.
pub(super) fn command(command: &Command, style: u64) -> Vec<u8> {
    let mut printer = Printer { out: b"t1 ".to_vec(), style };
    printer.command(command);
    printer.out.extend_from_slice(b"\r\n");
    printer.out
}

struct Printer {
    out: Vec<u8>,
    style: u64,
}

impl Printer {
    /// One of `count` ways.
    fn choice(&mut self, count: u64) -> u64 {
        let choice = self.style % count;
        self.style = (self.style / count).rotate_left(17) ^ self.out.len() as u64;
        choice
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn word(&mut self, text: &str) {
        let text = if self.choice(2) == 0 { text.to_ascii_uppercase() } else { text.to_ascii_lowercase() };
        self.raw(&text);
    }

    fn astring(&mut self, text: &[u8]) {
        let bare = crate::codec::cursor::is_bare_astring(text);
        let quotable = std::str::from_utf8(text).is_ok() && !text.iter().any(|byte| b"\r\n\0".contains(byte));
        match self.choice(4) {
            0 if bare => self.out.extend_from_slice(text),
            1 | 0 if quotable => {
                let text = String::from_utf8_lossy(text).replace('\\', "\\\\").replace('"', "\\\"");
                self.raw(&format!("\"{text}\""));
            }
            way => {
                self.raw(&format!("{{{}{}}}\r\n", text.len(), if way == 2 { "+" } else { "" }));
                self.out.extend_from_slice(text);
            }
        }
    }

    fn name(&mut self, name: &Name) {
        let name = name.as_ref().expect("only good names are made").as_str().to_owned();
        self.astring(mutf7::encode(&name).as_bytes());
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Capability => self.word("CAPABILITY"),
            Command::Check => self.word("CHECK"),
            Command::Id => self.word("ID NIL"),
            Command::Compress => self.word("COMPRESS DEFLATE"),
            Command::Idle => self.word("IDLE"),
            Command::Logout => self.word("LOGOUT"),
            Command::Namespace => self.word("NAMESPACE"),
            Command::Noop => self.word("NOOP"),
            Command::Starttls => self.word("STARTTLS"),
            Command::Close(close) => self.word(if close.expunge { "CLOSE" } else { "UNSELECT" }),
            Command::Enable(enable) => {
                self.word("ENABLE X");
                enable.extensions.iter().for_each(|extension| self.word(&format!(" {}", extension.name())));
            }
            // What SET says has tests of its own.
            Command::Notify(_) => self.word("NOTIFY NONE"),
            Command::Unauthenticate => self.word("UNAUTHENTICATE"),
            Command::Authenticate(authenticate) => {
                self.word("AUTHENTICATE ");
                self.word(&authenticate.mechanism);
                if let Some(response) = &authenticate.response {
                    self.raw(" ");
                    self.out.extend_from_slice(response);
                }
            }
            Command::Login(login) => {
                self.word("LOGIN ");
                self.astring(&login.name);
                self.raw(" ");
                self.astring(&login.password);
            }
            Command::Create(create) => {
                self.word("CREATE ");
                self.name(&create.name);
                if !create.uses.is_empty() {
                    let uses: Vec<_> =
                        create.uses.iter().map(|each| each.map_or("\\Nothing", |each| each.name())).collect();
                    self.raw(&format!(" (USE ({}))", uses.join(" ")));
                }
            }
            Command::Delete(delete) => self.named("DELETE ", &delete.name),
            Command::Subscribe(subscribe) => {
                self.named(if subscribe.subscribed { "SUBSCRIBE " } else { "UNSUBSCRIBE " }, &subscribe.name);
            }
            Command::Select(select) => {
                self.named(if select.read_only { "EXAMINE " } else { "SELECT " }, &select.name);
                if select.condstore {
                    self.word(" (CONDSTORE)");
                }
                if let Some(known) = &select.known {
                    self.word(" (QRESYNC");
                    self.raw(&format!(" ({} {}", known.uid_validity, known.modseq));
                    known.uids.iter().for_each(|uids| self.raw(&format!(" {uids}")));
                    let matches = known.matches.iter();
                    matches.for_each(|(numbers, uids)| self.raw(&format!(" ({numbers} {uids})")));
                    self.raw("))");
                }
            }
            Command::Rename(rename) => {
                self.named("RENAME ", &rename.from);
                self.raw(" ");
                self.name(&rename.to);
            }
            Command::List(list) => self.list(list),
            Command::GetMetadata(get) => self.get_metadata(get),
            Command::SetMetadata(set) => self.set_metadata(set),
            Command::GetQuota(get) => {
                self.word("GETQUOTA ");
                self.astring(&get.root);
            }
            Command::GetQuotaRoot(get) => self.named("GETQUOTAROOT ", &get.name),
            Command::SetQuota => self.word("SETQUOTA \"\" (STORAGE 512)"),
            Command::Lsub(lsub) => self.patterns("LSUB ", &lsub.reference, &lsub.pattern),
            Command::Status(status) => {
                self.named("STATUS ", &status.name);
                let items: Vec<_> = status.items.iter().map(|item| item.name()).collect();
                self.raw(" (");
                self.word(&items.join(" "));
                self.raw(")");
            }
            Command::Copy(copy) => {
                self.uid(copy.by_uid);
                self.word(if copy.moves { "MOVE" } else { "COPY" });
                self.raw(&format!(" {} ", copy.set));
                self.name(&copy.to);
            }
            Command::Expunge(expunge) => {
                self.uid(expunge.uids.is_some());
                self.word("EXPUNGE");
                if let Some(uids) = &expunge.uids {
                    self.raw(&format!(" {uids}"));
                }
            }
            Command::Store(store) => {
                self.uid(store.by_uid);
                self.word("STORE ");
                self.raw(&format!("{} ", store.set));
                if let Some(modseq) = store.unchanged_since {
                    self.word(&format!("(UNCHANGEDSINCE {modseq}) "));
                }
                self.raw(match store.mode {
                    StoreMode::Add => "+",
                    StoreMode::Remove => "-",
                    StoreMode::Replace => "",
                });
                self.word(if store.silent { "FLAGS.SILENT " } else { "FLAGS " });
                self.flags(&store.flags);
            }
            Command::Fetch(fetch) => self.fetch(fetch),
            Command::Search(search) => {
                self.uid(search.by_uid);
                self.word("SEARCH");
                self.returns(search.returns.as_ref());
                if search.criteria.charset_named {
                    self.word(" CHARSET UTF-8");
                }
                self.keys(&search.criteria);
            }
            Command::Sort(sort) => {
                self.uid(sort.by_uid);
                self.word("SORT");
                self.returns(sort.returns.as_ref());
                let criteria: Vec<String> = sort.sort.iter().map(criterion).collect();
                self.word(&format!(" ({}) utf-8", criteria.join(" ")));
                self.keys(&sort.criteria);
            }
            Command::Thread(thread) => {
                self.uid(thread.by_uid);
                let name = thread.algorithm.as_str_name().trim_start_matches("THREAD_ALGORITHM_").replace('_', "");
                self.word(&format!("THREAD {name} US-ASCII"));
                self.keys(&thread.criteria);
            }
            Command::Esearch(esearch) => {
                self.word("ESEARCH");
                if let Some(sources) = &esearch.sources {
                    self.word(" IN (");
                    self.sources(sources);
                    self.raw(")");
                }
                self.returns(Some(&esearch.returns));
                self.keys(&esearch.criteria);
            }
            Command::UidBatches(batches) => {
                self.word(&format!("UIDBATCHES {}", batches.messages));
                if let Some((first, last)) = batches.range {
                    self.raw(&format!(" {first}:{last}"));
                }
            }
            Command::CancelUpdate(cancel) => {
                self.word("CANCELUPDATE");
                for tag in &cancel.tags {
                    self.raw(&format!(" \"{}\"", String::from_utf8_lossy(tag)));
                }
            }
        }
    }

    fn returns(&mut self, returns: Option<&Returns>) {
        let Some(returns) = returns else { return };
        let options = [
            (returns.min, "MIN"),
            (returns.max, "MAX"),
            (returns.all, "ALL"),
            (returns.count, "COUNT"),
            (returns.save, "SAVE"),
            (returns.context, "CONTEXT"),
            (returns.update, "UPDATE"),
            (returns.relevancy, "RELEVANCY"),
        ];
        let mut words: Vec<String> =
            options.into_iter().filter(|(is, _)| *is).map(|(_, name)| name.to_owned()).collect();
        words.extend(returns.partial.map(|range| format!("PARTIAL {range}")));
        self.word(&format!(" RETURN ({})", words.join(" ")));
    }

    fn keys(&mut self, criteria: &Criteria) {
        for key in &criteria.keys {
            self.raw(" ");
            self.key(key);
        }
    }

    fn sources(&mut self, sources: &[Source]) {
        for (at, source) in sources.iter().enumerate() {
            if at > 0 {
                self.raw(" ");
            }
            let (word, names) = match source {
                Source::Selected => ("selected", None),
                Source::Folders(Filter::Inboxes) => ("inboxes", None),
                Source::Folders(Filter::Personal) => ("personal", None),
                Source::Folders(Filter::Subscribed) => ("subscribed", None),
                Source::Folders(Filter::Subtree(names)) => ("subtree", Some(names)),
                Source::Folders(Filter::SubtreeOne(names)) => ("subtree-one", Some(names)),
                Source::Folders(Filter::Mailboxes(names)) => ("mailboxes", Some(names)),
            };
            self.word(word);
            let Some(names) = names else { continue };
            self.raw(" (");
            for (at, name) in names.iter().enumerate() {
                if at > 0 {
                    self.raw(" ");
                }
                self.name(&Ok(name.clone()));
            }
            self.raw(")");
        }
    }

    fn uid(&mut self, by_uid: bool) {
        if by_uid {
            self.word("UID ");
        }
    }

    fn named(&mut self, verb: &str, name: &Name) {
        self.word(verb);
        self.name(name);
    }

    fn patterns(&mut self, verb: &str, reference: &[u8], pattern: &[u8]) {
        self.word(verb);
        self.astring(reference);
        self.raw(" ");
        self.astring(pattern);
    }

    fn list(&mut self, list: &List) {
        self.word("LIST ");
        if list.extended {
            let options = [
                (list.selection.subscribed, "SUBSCRIBED"),
                (list.selection.special_use, "SPECIAL-USE"),
                (list.selection.recursive, "RECURSIVEMATCH"),
            ];
            let options: Vec<_> = options.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
            self.word(&format!("({}) ", options.join(" ")));
        }
        self.astring(&list.reference);
        self.raw(" ");
        if let [pattern] = list.patterns.as_slice() {
            self.astring(pattern);
        } else {
            for (at, pattern) in list.patterns.iter().enumerate() {
                self.raw(if at == 0 { "(" } else { " " });
                self.astring(pattern);
            }
            self.raw(")");
        }
        if !list.extended {
            return;
        }
        let mut options = vec!["CHILDREN".to_owned()];
        if list.returns.subscribed {
            options.push("SUBSCRIBED".into());
        }
        if !list.returns.status.is_empty() {
            let items: Vec<_> = list.returns.status.iter().map(|item| item.name()).collect();
            options.push(format!("STATUS ({})", items.join(" ")));
        }
        self.word(&format!(" RETURN ({}", options.join(" ")));
        if !list.returns.metadata.is_empty() {
            self.word(" METADATA ");
            self.entries(&list.returns.metadata);
        }
        self.raw(")");
    }

    fn entries(&mut self, entries: &[String]) {
        if let ([entry], 0) = (entries, self.choice(2)) {
            return self.astring(entry.as_bytes());
        }
        for (at, entry) in entries.iter().enumerate() {
            self.raw(if at == 0 { "(" } else { " " });
            self.astring(entry.as_bytes());
        }
        self.raw(")");
    }

    fn target(&mut self, name: Option<&Name>) {
        match name {
            Some(name) => self.name(name),
            None => self.raw("\"\""),
        }
    }

    fn get_metadata(&mut self, get: &GetMetadata) {
        let depth = match get.depth {
            MetadataDepth::Zero => "0",
            MetadataDepth::One => "1",
            MetadataDepth::Infinity => "infinity",
        };
        let max_size = get.max_size.map(|octets| format!(" MAXSIZE {octets}")).unwrap_or_default();
        let options = format!("(DEPTH {depth}{max_size}) ");
        let first = self.choice(2) == 0;
        self.word("GETMETADATA ");
        if first {
            self.word(&options);
        }
        self.target(get.name.as_ref());
        self.raw(" ");
        if !first {
            self.word(&options);
        }
        self.entries(&get.entries);
    }

    fn set_metadata(&mut self, set: &SetMetadata) {
        self.word("SETMETADATA ");
        self.target(set.name.as_ref());
        for (at, (entry, value)) in set.changes.iter().enumerate() {
            self.raw(if at == 0 { " (" } else { " " });
            self.astring(entry.as_bytes());
            self.raw(" ");
            match value {
                None => self.word("NIL"),
                Some(value) => {
                    let way = if value.contains(&0) || self.choice(2) == 0 { "~" } else { "" };
                    self.raw(&format!("{way}{{{}}}\r\n", value.len()));
                    self.out.extend_from_slice(value);
                }
            }
        }
        self.raw(")");
    }

    fn flags(&mut self, list: &FlagList) {
        let flags = list.flags.iter().map(|flag| flag.name());
        let words: Vec<_> = flags.chain(list.keywords.iter().map(|keyword| keyword.as_str())).collect();
        let bare = !words.is_empty() && self.choice(2) == 0;
        self.raw(&if bare { words.join(" ") } else { format!("({})", words.join(" ")) });
    }

    fn fetch(&mut self, fetch: &Fetch) {
        self.uid(fetch.by_uid);
        self.word("FETCH ");
        self.raw(&format!("{} (", fetch.set));
        let names = [
            (FetchItem::Flags, "FLAGS"),
            (FetchItem::Modseq, "MODSEQ"),
            (FetchItem::InternalDate, "INTERNALDATE"),
            (FetchItem::Size, "RFC822.SIZE"),
            (FetchItem::Envelope, "ENVELOPE"),
            (FetchItem::Body, "BODY"),
            (FetchItem::BodyStructure, "BODYSTRUCTURE"),
            (FetchItem::EmailId, "EMAILID"),
            (FetchItem::ThreadId, "THREADID"),
            (FetchItem::SaveDate, "SAVEDATE"),
            (FetchItem::Preview, "PREVIEW (LAZY)"),
        ];
        let mut words: Vec<_> =
            names.into_iter().filter(|(item, _)| fetch.items.has(*item)).map(|(_, name)| name).collect();
        if fetch.items.uid {
            words.push("UID");
        }
        self.word(&words.join(" "));
        for section in &fetch.items.sections {
            if self.out.last() != Some(&b'(') {
                self.raw(" ");
            }
            self.section(section);
        }
        self.raw(")");
        let mut modifiers = Vec::new();
        modifiers.extend(fetch.partial.map(|range| format!("PARTIAL {range}")));
        modifiers.extend(fetch.changed_since.map(|modseq| format!("CHANGEDSINCE {modseq}")));
        modifiers.extend(fetch.vanished.then(|| "VANISHED".to_owned()));
        if !modifiers.is_empty() {
            self.word(&format!(" ({})", modifiers.join(" ")));
        }
    }

    /// The name in the answer is the request's, but for PEEK and the partial's length.
    fn section(&mut self, section: &Section) {
        let mut name = Vec::new();
        section.write_name(&mut name);
        let mut name = String::from_utf8(name).expect("names are ASCII");
        if matches!(section.form, Form::Peek | Form::BinaryPeek) {
            name = name.replacen('[', ".PEEK[", 1);
        }
        if let (Some((_, length)), Some(start)) = (section.partial, name.strip_suffix('>')) {
            name = format!("{start}.{length}>");
        }
        self.raw(&name);
    }

    fn key(&mut self, key: &Key) {
        match key {
            Key::All => self.word("ALL"),
            Key::Recent => self.word("RECENT"),
            Key::And(keys) => {
                self.raw("(");
                for (at, key) in keys.iter().enumerate() {
                    if at > 0 {
                        self.raw(" ");
                    }
                    self.key(key);
                }
                self.raw(")");
            }
            Key::Or(either, other) => {
                self.word("OR ");
                self.key(either);
                self.raw(" ");
                self.key(other);
            }
            Key::Not(key) => {
                self.word("NOT ");
                self.key(key);
            }
            Key::Numbers(set) => self.raw(&set.to_string()),
            Key::Uids(set) => self.raw(&format!("UID {set}")),
            Key::Flag(flag) => self.word(&flag.name()[1..]),
            Key::Keyword(keyword) => {
                let keyword = keyword.as_ref().expect("only good keywords are made");
                self.raw(&format!("KEYWORD {keyword}"));
            }
            Key::Header(name, value) => {
                self.word("HEADER ");
                self.astring(name.as_bytes());
                self.raw(" ");
                self.astring(value.as_bytes());
            }
            Key::Body(text) => self.text("BODY ", text),
            Key::Text(text) => self.text("TEXT ", text),
            Key::InternalDate(relation, day) => self.date("", *relation, *day),
            Key::SentDate(relation, day) => self.date("SENT", *relation, *day),
            Key::Larger(octets) => self.word(&format!("LARGER {octets}")),
            Key::Smaller(octets) => self.word(&format!("SMALLER {octets}")),
            Key::ModSeq(modseq) => self.word(&format!("MODSEQ {modseq}")),
            Key::SavedDate(relation, day) => self.date("SAVED", *relation, *day),
            Key::Older(seconds) => self.word(&format!("OLDER {seconds}")),
            Key::Younger(seconds) => self.word(&format!("YOUNGER {seconds}")),
            Key::Email(email) => {
                self.word("EMAILID ");
                self.raw(&format!("E{email}"));
            }
            Key::Thread(thread) => {
                self.word("THREADID ");
                self.raw(&format!("T{thread}"));
            }
            Key::Nothing => self.word("EMAILID x"),
            Key::Fuzzy(key) => {
                self.word("FUZZY ");
                self.key(key);
            }
            Key::Pattern(Place::Body, pattern) => self.text("XREGEX BODY ", pattern),
            Key::Pattern(Place::Text, pattern) => self.text("XREGEX TEXT ", pattern),
            Key::Pattern(Place::Field(name), pattern) => {
                self.word("XREGEX HEADER ");
                self.astring(name.as_bytes());
                self.raw(" ");
                self.astring(pattern.as_bytes());
            }
        }
    }

    fn text(&mut self, verb: &str, text: &str) {
        self.word(verb);
        self.astring(text.as_bytes());
    }

    fn date(&mut self, sent: &str, relation: DateRelation, day: i32) {
        let mut date_time = Vec::new();
        crate::codec::date::write_date_time(&mut date_time, i64::from(day) * 86_400_000);
        let date = String::from_utf8_lossy(&date_time)[1..12].to_owned();
        let relation = match relation {
            DateRelation::Before => "BEFORE",
            DateRelation::On => "ON",
            DateRelation::Since => "SINCE",
        };
        self.word(&format!("{sent}{relation} "));
        let date = if self.choice(2) == 0 { date } else { format!("\"{date}\"") };
        self.raw(&date);
    }
}

fn criterion(criterion: &Criterion) -> String {
    let name = match criterion.field {
        SortField::Rank => "RELEVANCY".to_owned(),
        field => field.as_str_name().trim_start_matches("SORT_FIELD_").replace('_', ""),
    };
    if criterion.reverse { format!("REVERSE {name}") } else { name }
}
