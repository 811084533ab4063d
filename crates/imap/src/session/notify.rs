//! What a client wants to be told unasked (RFC 5465), and telling it of folders that are not selected. The node says which
//! folder something happened to; how it stands now is asked here, so that a burst of changes is told once.

mod names;

pub use names::Own;

use super::answer::{Code, Stop, untagged_ok};
use super::{Account, Session};
use crate::codec::{name, writer};
use crate::command::fetch::Items;
use crate::command::list;
use crate::command::source::Filter;
use model::folder::SEPARATOR;
use names::{Names, Naming, namings};
use node_client::Happened;
use std::collections::{BTreeSet, HashSet};
use wire::session::{FolderEvent, FolderStatus, GetMetadata, List, MetadataDepth};

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
    /// MailboxMetadataChange.
    pub annotations: bool,
    /// ServerMetadataChange; of no folder.
    pub server_annotations: bool,
}

impl Events {
    fn or(self, other: Self) -> Self {
        Self {
            messages: self.messages | other.messages,
            flags: self.flags | other.flags,
            names: self.names | other.names,
            subscriptions: self.subscriptions | other.subscriptions,
            annotations: self.annotations | other.annotations,
            server_annotations: self.server_annotations | other.server_annotations,
        }
    }
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
    /// Which events; without any it is NONE, which holds against other groups.
    pub events: Events,
}

/// What is told unasked. The default is nothing, which is NOTIFY NONE.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watch {
    /// Of the selected folder.
    pub selected: OfSelected,
    /// Of others.
    pub groups: Vec<Group>,
}

impl Watch {
    /// RFC 5465 §6: several groups may be about one folder, and add up. NONE says of its folders that nothing is wanted (§8),
    /// wherever it stands.
    fn of(&self, name: &str, subscribed: bool) -> Events {
        let mut groups =
            self.groups.iter().filter(|group| group.filter.fits(name, subscribed)).map(|group| group.events);
        groups
            .try_fold(Events::default(), |all, events| (events != Events::default()).then(|| all.or(events)))
            .unwrap_or_default()
    }

    fn of_server(&self) -> bool {
        self.groups.iter().any(|group| group.events.server_annotations)
    }

    fn of_annotations(&self) -> bool {
        self.groups.iter().any(|group| group.events.annotations || group.events.server_annotations)
    }

    fn is_on(&self) -> bool {
        self.groups.iter().any(|group| group.events != Events::default())
    }
}

/// What one session is told of all folders.
#[derive(Debug, Default)]
pub struct Notify {
    /// What is wanted; `None` before the first NOTIFY.
    pub watch: Option<Watch>,
    /// Annotations are told whatever NOTIFY says (RFC 5464 §4.4.2 ENABLE METADATA).
    annotations: bool,
    known: Names,
    /// What this session did to names since it was last told of them.
    own: Vec<Own>,
    /// Something may have been missed: every folder is looked at next time.
    missed: bool,
}

impl Notify {
    fn of(&self, name: &str, subscribed: bool) -> Events {
        let wanted = self.watch.as_ref().map_or_else(Events::default, |watch| watch.of(name, subscribed));
        Events { annotations: wanted.annotations || self.annotations, ..wanted }
    }

    fn is_on(&self) -> bool {
        self.annotations || self.watch.as_ref().is_some_and(Watch::is_on)
    }
}

impl Account {
    /// What NOTIFY asks for, once it was given.
    pub fn watch(&self) -> Option<&Watch> {
        self.notify.as_ref().and_then(|notify| notify.watch.as_ref())
    }

    /// Keeps in mind that this session is about to change names itself: what comes of it is no news to it.
    pub fn did(&mut self, own: Own) {
        if let Some(notify) = self.notify.as_mut().filter(|notify| notify.is_on()) {
            notify.own.push(own);
        }
    }
}

impl Session {
    /// Changes what is told unasked; with `status` also how every folder stands of whose messages it tells.
    ///
    /// # Errors
    /// NO of the node, and then nothing changes.
    pub(crate) async fn watch(&mut self, watch: Watch, status: bool) -> Result<(), Stop> {
        let annotations = self.enabled.annotations;
        self.begin(Notify { watch: Some(watch), annotations, ..Notify::default() }, status).await
    }

    /// From now on annotations that other sessions change are told (RFC 5464 §4.4.2).
    ///
    /// # Errors
    /// NO of the node.
    pub(crate) async fn watch_annotations(&mut self) -> Result<(), Stop> {
        let watch = self.account()?.watch().cloned();
        self.begin(Notify { watch, annotations: true, ..Notify::default() }, false).await
    }

    async fn begin(&mut self, mut notify: Notify, status: bool) -> Result<(), Stop> {
        let account = self.account()?;
        account.node.watch(notify.is_on()).await?;
        if notify.is_on() {
            let folders = account.node.list_with(List { status, ..List::default() }).await?;
            let selected = account.view.as_ref().map(|view| view.folder);
            for folder in folders.folders.iter().filter(|folder| status && Some(folder.id) != selected) {
                let wanted = notify.of(&folder.name, folder.subscribed);
                if let Some(counts) = folder.status.as_ref().filter(|_| wanted.messages && !folder.no_select) {
                    self.write_status(&folder.name, counts);
                    self.connection.relieve().await?;
                }
            }
            notify.known = Names::new(folders);
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
        let of_none = events.remove(&0).unwrap_or_default();
        if of_none.has(FolderEvent::Lost) {
            if notify.watch.as_ref().is_some_and(Watch::of_annotations) {
                return self.overflow(notify).await;
            }
            // The node stopped telling.
            account.node.watch(notify.is_on()).await?;
            notify.missed = true;
        }
        let missed = std::mem::take(&mut notify.missed);
        let unknown = events.keys().any(|id| !notify.known.folders.contains_key(id));
        let own = std::mem::take(&mut notify.own);
        if missed || unknown || of_none.has(FolderEvent::Names) || of_none.has(FolderEvent::Subscriptions) {
            let now = Names::new(self.account()?.node.list().await?);
            let before = std::mem::replace(&mut notify.known, now);
            if let Some(watch) = &notify.watch {
                self.tell_names(watch, &notify.known, &namings(&before, &notify.known, &own))?;
            }
        }
        if missed {
            let events_of_all = FolderEvent::Came as u32 | FolderEvent::Flags as u32;
            let everything = Happened { events: events_of_all, ..Happened::default() };
            events = notify.known.folders.keys().map(|id| (*id, everything.clone())).collect();
            self.tell_all_annotations(notify).await?;
        }
        if notify.annotations || notify.watch.as_ref().is_some_and(Watch::of_server) {
            self.tell_entries("", &of_none.entries);
        }
        for (id, happened) in events {
            self.tell_happened(notify, id, &happened).await?;
        }
        Ok(())
    }

    async fn tell_happened(&mut self, notify: &Notify, id: u64, happened: &Happened) -> Result<(), Stop> {
        let Some(folder) = notify.known.folders.get(&id) else { return Ok(()) };
        let wanted = notify.of(&folder.name, folder.subscribed);
        let of_messages = happened.has(FolderEvent::Came) || happened.has(FolderEvent::Vanished);
        if (wanted.messages && of_messages) || (wanted.flags && happened.has(FolderEvent::Flags)) {
            self.tell_status(id, &folder.name).await?;
        }
        if wanted.annotations {
            self.tell_entries(&folder.name, &happened.entries);
            self.connection.relieve().await?;
        }
        Ok(())
    }

    /// Which annotations were removed in the meantime is not known, and they would have to be told (RFC 5465 §5.6): the client
    /// hears that it has to begin anew (§5.8).
    async fn overflow(&mut self, notify: &mut Notify) -> Result<(), Stop> {
        let annotations = notify.annotations;
        *notify = Notify { watch: Some(Watch::default()), annotations, ..Notify::default() };
        let code = Code::Plain("NOTIFICATIONOVERFLOW");
        untagged_ok(&mut self.connection.out, &code, "Too much happened, say NOTIFY again");
        self.account()?.node.watch(notify.is_on()).await?;
        notify.missed = annotations;
        Ok(())
    }

    /// After a loss, for those of ENABLE METADATA: every entry that has a value.
    async fn tell_all_annotations(&mut self, notify: &Notify) -> Result<(), Stop> {
        if !notify.annotations {
            return Ok(());
        }
        let entries = vec!["/private".to_owned(), "/shared".to_owned()];
        let ask = GetMetadata { entries, depth: MetadataDepth::Infinity.into(), ..GetMetadata::default() };
        let node = &self.account()?.node;
        let mut found = node.metadata(ask.clone()).await?.annotations;
        found.extend(node.metadata(GetMetadata { every_folder: true, ..ask }).await?.annotations);
        for of_one in found.chunk_by(|one, other| one.folder == other.folder) {
            let id = of_one.first().map_or(0, |annotation| annotation.folder);
            let name =
                if id == 0 { Some("") } else { notify.known.folders.get(&id).map(|folder| folder.name.as_str()) };
            let Some(name) = name else { continue };
            self.tell_entries(name, &of_one.iter().map(|annotation| annotation.entry.clone()).collect());
            self.connection.relieve().await?;
        }
        Ok(())
    }

    /// RFC 5464 §4.4.2: names only.
    fn tell_entries(&mut self, folder: &str, entries: &BTreeSet<String>) {
        if entries.is_empty() {
            return;
        }
        let utf8 = self.enabled.utf8_names();
        let out = &mut self.connection.out;
        out.extend_from_slice(b"* METADATA ");
        name::write(out, folder, utf8);
        for entry in entries {
            out.push(b' ');
            writer::astring(out, entry.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
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

    /// RFC 5465 §5.4, §5.5: changes of names and subscriptions are LIST answers, with what is true of the name now. Where a
    /// folder came or went, the one above it is affected as well. Each name is told once.
    fn tell_names(&mut self, watch: &Watch, now: &Names, namings: &[Naming<'_>]) -> Result<(), Stop> {
        if namings.is_empty() {
            return Ok(());
        }
        let utf8 = self.enabled.utf8_names();
        let ((by_name, parents), subscribed) = (now.by_name(), now.subscribed());
        let mut told = HashSet::new();
        for (name, old) in namings.iter().flat_map(|naming| affected(watch, naming, &subscribed)) {
            if !told.insert(name) {
                continue;
            }
            let out = &mut self.connection.out;
            out.extend_from_slice(b"* LIST (");
            list::write_attributes(out, by_name.get(name).copied(), parents.contains(name))?;
            if subscribed.contains(name) {
                out.extend_from_slice(b" \\Subscribed");
            }
            list::write_name(out, name, utf8);
            if let Some(old) = old {
                out.extend_from_slice(b" (\"OLDNAME\" (");
                name::write(out, old, utf8);
                out.extend_from_slice(b"))");
            }
            out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }
}

/// The names that are to be told because of one change, as far as they are wanted; a new name with the old one.
fn affected<'a>(watch: &Watch, naming: &Naming<'a>, subscribed: &BTreeSet<&str>) -> Vec<(&'a str, Option<&'a str>)> {
    let wants = |name: &str| watch.of(name, subscribed.contains(name)).names;
    match *naming {
        Naming::Made(folder) | Naming::Gone(folder) => {
            let wanted = watch.of(&folder.name, folder.subscribed).names;
            let own = wanted.then_some(folder.name.as_str());
            let parent = folder.name.rsplit_once(SEPARATOR).map(|(parent, _)| parent);
            own.into_iter().chain(parent.filter(|parent| wants(parent))).map(|name| (name, None)).collect()
        }
        Naming::Renamed(folder, old) if wants(&folder.name) || wants(old) => vec![(&folder.name, Some(old))],
        Naming::Subscription(name, _) if watch.of(name, true).subscriptions => vec![(name, None)],
        Naming::Renamed(..) | Naming::Subscription(..) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::FolderName;

    #[test]
    fn groups_add_up() {
        let messages = Events { messages: true, ..Events::default() };
        let named = Events { names: true, ..Events::default() };
        let folder = |name: &str| vec![FolderName::parse(name).unwrap()];
        let group = |filter, events| Group { filter, events };
        let watch = Watch {
            selected: OfSelected::default(),
            groups: vec![
                group(Filter::Subtree(folder("Lists")), messages),
                group(Filter::Inboxes, messages),
                group(Filter::Subscribed, named),
                group(Filter::Mailboxes(folder("Lists/loud")), Events::default()),
            ],
        };
        for (name, subscribed, expected) in [
            ("Lists", false, messages),
            ("Lists/a", true, Events { messages: true, names: true, ..Events::default() }),
            ("Lists/loud", true, Events::default()),
            ("Listsx", false, Events::default()),
            ("Listsx", true, named),
            ("INBOX", false, messages),
            ("INBOX/x", false, Events::default()),
        ] {
            assert_eq!(watch.of(name, subscribed), expected, "{name}");
        }
        assert!(watch.is_on() && !watch.of_annotations());
        assert!(!Watch::default().is_on());
    }
}
