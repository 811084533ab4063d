//! What a client wants to be told unasked (RFC 5465), and telling it of folders that are not selected. The node says which
//! folder something happened to; how it stands now is asked here, so that a burst of changes is told once.

use super::answer::Stop;
use super::{Account, Session};
use crate::codec::name;
use crate::command::fetch::Items;
use crate::command::source::Filter;

use std::collections::BTreeMap;
use wire::session::{FolderEvent, FolderStatus, Folders, List};

/// Events that a client wants of some folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events {
    /// MessageNew and MessageExpunge.
    pub messages: bool,
    /// FlagChange.
    pub flags: bool,
    /// MailboxName.
    pub names: bool,
    /// SubscriptionChange.
    pub subscriptions: bool,
}

/// What is told of the selected folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OfSelected {
    /// Expunges wait for a command that allows them.
    pub delayed: bool,
    /// Events of messages.
    pub events: Events,
    /// What is fetched of a new message.
    pub fetch: Option<Items>,
}

/// A group of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Of which folders.
    pub filter: Filter,
    /// Which events.
    pub events: Events,
}

/// What is told unasked. The default is nothing, which is NOTIFY NONE.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watch {
    /// Of the selected folder.
    pub selected: OfSelected,
    /// Of others; the first that fits a folder counts (RFC 5465 §6).
    pub groups: Vec<Group>,
}

impl Watch {
    fn of(&self, name: &str, subscribed: bool) -> Events {
        let group = self.groups.iter().find(|group| group.filter.fits(name, subscribed));
        group.map_or_else(Events::default, |group| group.events)
    }

    fn is_on(&self) -> bool {
        self.groups.iter().any(|group| group.events != Events::default())
    }
}

/// A folder as the client was last told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    name: String,
    subscribed: bool,
}

/// Names by the folder's number; subscriptions without a folder are kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Names {
    folders: BTreeMap<u64, Known>,
    /// Names that are subscribed to without being a folder.
    absent: Vec<String>,
}

impl Names {
    fn new(folders: &Folders) -> Self {
        let known = |folder: &wire::session::Folder| Known { name: folder.name.clone(), subscribed: folder.subscribed };
        Self {
            folders: folders.folders.iter().map(|folder| (folder.id, known(folder))).collect(),
            absent: folders.subscribed_only.clone(),
        }
    }
}

/// The NOTIFY of one session.
#[derive(Debug, Default)]
pub struct Notify {
    /// What is wanted.
    pub watch: Watch,
    known: Names,
    /// Something may have been missed: every folder is looked at next time.
    missed: bool,
}

/// What happened to a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Naming<'a> {
    Made(&'a Known),
    Gone(&'a Known),
    Renamed(&'a Known, &'a str),
    /// The name, whether there is a folder, and whether it is subscribed to now.
    Subscription(&'a str, bool, bool),
}

/// What is other in `now`, in the order of the folders' numbers.
fn namings<'a>(before: &'a Names, now: &'a Names) -> Vec<Naming<'a>> {
    let mut found = Vec::new();
    let gone = before.folders.iter().filter(|(id, _)| !now.folders.contains_key(id));
    found.extend(gone.map(|(_, known)| Naming::Gone(known)));
    for (id, known) in &now.folders {
        let Some(old) = before.folders.get(id) else {
            found.push(Naming::Made(known));
            continue;
        };
        if old.name != known.name {
            found.push(Naming::Renamed(known, &old.name));
        } else if old.subscribed != known.subscribed {
            found.push(Naming::Subscription(&known.name, true, known.subscribed));
        }
    }
    let only_in = |these: &'a Names, others: &Names| {
        let all = these.absent.iter().filter(|name| !others.absent.contains(name)).map(String::as_str);
        all.collect::<Vec<_>>()
    };
    found.extend(only_in(now, before).into_iter().map(|name| Naming::Subscription(name, false, true)));
    found.extend(only_in(before, now).into_iter().map(|name| Naming::Subscription(name, false, false)));
    found
}

impl Session {
    /// Changes what is told unasked; with `status` also how every folder stands of whose messages it tells.
    ///
    /// # Errors
    /// NO of the node, and then nothing changes.
    pub(crate) async fn watch(&mut self, watch: Watch, status: bool) -> Result<(), Stop> {
        let account = self.account()?;
        let mut notify = Notify { watch, ..Notify::default() };
        account.node.watch(notify.watch.is_on()).await?;
        if notify.watch.is_on() {
            let folders = account.node.list_with(List { status, ..List::default() }).await?;
            notify.known = Names::new(&folders);
            let selected = account.view.as_ref().map(|view| view.folder);
            for folder in folders.folders.iter().filter(|folder| status && Some(folder.id) != selected) {
                let events = notify.watch.of(&folder.name, folder.subscribed);
                if let Some(counts) = folder.status.as_ref().filter(|_| events.messages) {
                    self.write_status(&folder.name, counts);
                    self.connection.relieve().await?;
                }
            }
        }
        self.account()?.notify = Some(Box::new(notify));
        Ok(())
    }

    /// Tells what happened to folders that are not selected.
    ///
    /// # Errors
    /// NO of the node: then everything is looked at the next time; the connection's end.
    pub(super) async fn tell_folders(&mut self) -> Result<(), Stop> {
        let Some(account) = self.account.as_deref_mut() else { return Ok(()) };
        let Some(mut notify) = account.notify.take() else { return Ok(()) };
        let told = self.tell_events(&mut notify).await;
        notify.missed |= told.is_err();
        if let Some(account) = self.account.as_deref_mut() {
            account.notify = Some(notify);
        }
        told
    }

    async fn tell_events(&mut self, notify: &mut Notify) -> Result<(), Stop> {
        let account = self.account()?;
        let mut events = account.node.take_folder_events();
        let of_all = events.remove(&0).unwrap_or_default();
        if of_all & FolderEvent::Lost as u32 != 0 {
            // The node stopped telling.
            account.node.watch(notify.watch.is_on()).await?;
            notify.missed = true;
        }
        let missed = std::mem::take(&mut notify.missed);
        let unknown = events.keys().any(|id| !notify.known.folders.contains_key(id));
        if missed || unknown || of_all != 0 {
            let now = Names::new(&self.account()?.node.list().await?);
            let before = std::mem::replace(&mut notify.known, now);
            self.tell_names(&notify.watch, &namings(&before, &notify.known));
        }
        if missed {
            let everything = FolderEvent::Came as u32 | FolderEvent::Flags as u32;
            events = notify.known.folders.keys().map(|id| (*id, everything)).collect();
        }
        for (id, happened) in events {
            let Some(known) = notify.known.folders.get(&id) else { continue };
            let wanted = notify.watch.of(&known.name, known.subscribed);
            let messages = FolderEvent::Came as u32 | FolderEvent::Vanished as u32;
            let of_messages = wanted.messages && happened & messages != 0;
            if of_messages || (wanted.flags && happened & FolderEvent::Flags as u32 != 0) {
                self.tell_status(id, &known.name).await?;
            }
        }
        Ok(())
    }

    /// How a folder stands, unless it is selected or gone.
    async fn tell_status(&mut self, id: u64, name: &str) -> Result<(), Stop> {
        let Account { node, view, .. } = self.account()?;
        if view.as_ref().is_some_and(|view| view.folder == id) {
            return Ok(());
        }
        match node.status(wire::session::Status { name: name.to_owned() }).await {
            Ok(counts) => self.write_status(name, &counts),
            Err(node_client::ClientError::Failure(wire::session::FailureCode::NoSuchFolder, _)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.connection.relieve().await?)
    }

    /// RFC 5465 §5.1 to §5.3: MESSAGES and UIDNEXT for messages, UIDVALIDITY and HIGHESTMODSEQ for flags.
    fn write_status(&mut self, name: &str, counts: &FolderStatus) {
        let utf8 = self.enabled.utf8_names();
        let out = &mut self.connection.out;
        out.extend_from_slice(b"* STATUS ");
        name::write(out, name, utf8);
        let FolderStatus { messages, uid_next, uid_validity, unseen, highest_modseq, .. } = counts;
        let items = format!(
            " (MESSAGES {messages} UIDNEXT {uid_next} UIDVALIDITY {uid_validity} UNSEEN {unseen} HIGHESTMODSEQ {highest_modseq})\r\n"
        );
        out.extend_from_slice(items.as_bytes());
    }

    /// RFC 5465 §5.4, §5.5: changes of names and subscriptions are LIST answers.
    fn tell_names(&mut self, watch: &Watch, namings: &[Naming<'_>]) {
        let utf8 = self.enabled.utf8_names();
        let out = &mut self.connection.out;
        for naming in namings {
            let (attributes, name, old) = match naming {
                Naming::Made(known) if watch.of(&known.name, known.subscribed).names => ("", known.name.as_str(), None),
                Naming::Gone(known) if watch.of(&known.name, known.subscribed).names => {
                    ("\\NonExistent", known.name.as_str(), None)
                }
                Naming::Renamed(known, old)
                    if watch.of(&known.name, known.subscribed).names || watch.of(old, known.subscribed).names =>
                {
                    ("", known.name.as_str(), Some(*old))
                }
                Naming::Subscription(name, exists, subscribed) if watch.of(name, true).subscriptions => {
                    let attributes = match (exists, subscribed) {
                        (true, true) => "\\Subscribed",
                        (true, false) => "",
                        (false, true) => "\\NonExistent \\Subscribed",
                        (false, false) => "\\NonExistent",
                    };
                    (attributes, *name, None)
                }
                Naming::Made(_) | Naming::Gone(_) | Naming::Renamed(..) | Naming::Subscription(..) => continue,
            };
            out.extend_from_slice(format!("* LIST ({attributes}) \"/\" ").as_bytes());
            name::write(out, name, utf8);
            if let Some(old) = old {
                out.extend_from_slice(b" (\"OLDNAME\" (");
                name::write(out, old, utf8);
                out.extend_from_slice(b"))");
            }
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::FolderName;

    fn names(folders: &[(u64, &str, bool)], absent: &[&str]) -> Names {
        let known = |name: &str, subscribed| Known { name: name.to_owned(), subscribed };
        Names {
            folders: folders.iter().map(|&(id, name, subscribed)| (id, known(name, subscribed))).collect(),
            absent: absent.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn names_that_changed() {
        let before = names(&[(1, "INBOX", false), (2, "a", false), (3, "b", true), (4, "c", false)], &["x"]);
        let now = names(&[(1, "INBOX", false), (3, "d", true), (4, "c", true), (5, "a", false)], &["y"]);
        let (a, d) = (before.folders[&2].clone(), now.folders[&3].clone());
        let expected = [
            Naming::Gone(&a),
            Naming::Renamed(&d, "b"),
            Naming::Subscription("c", true, true),
            Naming::Made(&a),
            Naming::Subscription("y", false, true),
            Naming::Subscription("x", false, false),
        ];
        assert_eq!(namings(&before, &now), expected);
        assert_eq!(namings(&now, &now), []);
    }

    #[test]
    fn the_first_group_that_fits_counts() {
        let messages = Events { messages: true, ..Events::default() };
        let folder = |name: &str| vec![FolderName::parse(name).unwrap()];
        let group = |filter, events| Group { filter, events };
        let watch = Watch {
            selected: OfSelected::default(),
            groups: vec![
                group(Filter::Mailboxes(folder("Lists/loud")), Events::default()),
                group(Filter::Subtree(folder("Lists")), messages),
                group(Filter::Inboxes, messages),
                group(Filter::Subscribed, messages),
            ],
        };
        for (name, subscribed, expected) in [
            ("Lists", false, true),
            ("Lists/a", false, true),
            ("Lists/loud", true, false),
            ("Listsx", false, false),
            ("Listsx", true, true),
            ("INBOX", false, true),
            ("INBOX/x", false, false),
        ] {
            assert_eq!(watch.of(name, subscribed).messages, expected, "{name}");
        }
        assert!(watch.is_on());
        assert!(!Watch::default().is_on());
    }
}
