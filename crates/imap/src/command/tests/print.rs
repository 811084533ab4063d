//! Writes commands as clients would, in every legal way: bare, quoted, literal, upper and lower case.

use crate::codec::{FlagList, Name, mutf7};
use crate::command::Command;
use crate::command::fetch::{Fetch, Form, Section};
use crate::command::search::Key;
use wire::session::{DateRelation, FetchItem, StoreMode};

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
            }
            Command::Rename(rename) => {
                if let Some(known) = &select.known {
                    self.word(" (QRESYNC");
                    self.raw(&format!(" ({} {}", known.uid_validity, known.modseq));
                    known.uids.iter().for_each(|uids| self.raw(&format!(" {uids}")));
                    let matches = known.matches.iter();
                    matches.for_each(|(numbers, uids)| self.raw(&format!(" ({numbers} {uids})")));
                    self.raw("))");
                }
                self.named("RENAME ", &rename.from);
                self.raw(" ");
                self.name(&rename.to);
            }
            Command::List(list) => self.patterns("LIST ", &list.reference, &list.pattern),
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
                if self.choice(2) == 0 {
                    self.word(" CHARSET UTF-8");
                }
                for key in &search.keys {
                    self.raw(" ");
                    self.key(key);
                }
            }
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
        if let Some(modseq) = fetch.changed_since {
            let vanished = if fetch.vanished { " VANISHED" } else { "" };
            self.word(&format!(" (CHANGEDSINCE {modseq}{vanished})"));
        }
    }

    /// The name in the answer is the request's, but for PEEK and the partial's length.
    fn section(&mut self, section: &Section) {
        let mut name = Vec::new();
        section.write_name(&mut name);
        let mut name = String::from_utf8(name).expect("names are ASCII");
        if section.form == Form::Peek {
            name = name.replacen("BODY", "BODY.PEEK", 1);
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
