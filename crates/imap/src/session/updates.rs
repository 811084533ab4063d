//! Tells the client what changed in its folder, when and as far as the RFCs allow (RFC 3501 §5.2, §5.5, §7.4.1).

use super::answer::{Answer, Code, End, Stop, Updates, untagged_number, untagged_ok};
use super::notify::Events;
use super::told::{Told, write_damage_alert, write_expunged, write_flags, write_known_flags, write_vanished};
use super::view::{NumberCursor, View};
use super::{Account, Selected, Session};
use crate::command::fetch;
use crate::command::search::context;
use model::{Uid, UidSet};
use wire::session::{Fetch, FetchItem, FetchedMessage, FlagChange, Select};

impl Session {
    /// Takes in what the node pushed, and tells it, and what it means for results that the client wants to hear about.
    ///
    /// # Errors
    /// The connection ends, also when the folder is gone; or a NO when the node could not be asked.
    pub(crate) async fn tell(&mut self, updates: Updates) -> Result<(), Stop> {
        self.tell_folder(updates).await?;
        if updates == Updates::Nothing { Ok(()) } else { Box::pin(context::tell_changed(self)).await }
    }

    async fn tell_folder(&mut self, updates: Updates) -> Result<(), Stop> {
        if updates == Updates::Nothing {
            return Ok(());
        }
        self.tell_selected(updates).await?;
        if self.account.as_ref().is_some_and(|account| account.notify.is_some()) {
            Box::pin(self.tell_folders()).await?;
        }
        Ok(())
    }

    /// Between commands: what NOTIFY asks for. Expunges only where the client takes them at any time (RFC 5465 §6.1).
    ///
    /// # Errors
    /// The connection ends.
    pub(super) async fn tell_between(&mut self) -> Result<(), End> {
        let watch = self.account.as_ref().and_then(|account| account.watch());
        let delayed = watch.is_none_or(|watch| watch.selected.delayed);
        match self.tell(if delayed { Updates::NoExpunge } else { Updates::All }).await {
            Ok(()) | Err(Stop::Answered) => Ok(()),
            Err(Stop::End(end)) => Err(end),
            Err(Stop::Answer(failure)) => {
                tracing::warn!(why = %failure.text, "changes could not be told");
                Ok(())
            }
        }
    }

    /// Of the selected folder, as far as NOTIFY asks for it (RFC 5465 §6.1); without NOTIFY everything.
    async fn tell_selected(&mut self, updates: Updates) -> Result<(), Stop> {
        let Some(account) = self.account.as_deref_mut() else { return Ok(()) };
        let Account { node, view: Some(view), notify, damage_told } = account else {
            // Of a folder that has just been left.
            drop(account.node.take_changes());
            return Ok(());
        };
        let watch = notify.as_ref().and_then(|notify| notify.watch.as_ref());
        let wanted = watch.map(|watch| watch.selected.events);
        let wanted = wanted.unwrap_or(Events { messages: true, flags: true, ..Events::default() });
        absorb(node, view)?;
        if let Some(since) = view.needs_resync() {
            Box::pin(resync(node, view, since)).await?;
        }
        if view.is_gone() {
            return Err(End::Bye(None, "The selected folder was deleted or made anew").into());
        }
        if view.take_damage() {
            let out = &mut self.connection.out;
            if !std::mem::replace(damage_told, true) {
                write_damage_alert(out);
            }
            // RFC 9051 §7.1: access has changed from read-write to read-only while the folder is selected.
            if !view.read_only {
                untagged_ok(out, &Code::Plain("READ-ONLY"), "The mailbox is damaged");
                write_known_flags(out, view);
            }
        }
        // What this session removed itself it hears of whatever it wants.
        if updates == Updates::All && (view.take_owes() || wanted.messages) {
            context::tell_gone(&mut self.connection, view).await?;
            let vanished = view.take_vanished();
            if self.enabled.vanished() {
                write_vanished(&mut self.connection, &vanished.uids, false).await?;
            } else {
                write_expunged(&mut self.connection, vanished.numbers).await?;
            }
        }
        let arrived = if wanted.messages { view.take_arrived() } else { None };
        if let Some(arrived) = &arrived {
            untagged_number(&mut self.connection.out, arrived.exists as u64, "EXISTS");
            if self.enabled.recent() {
                untagged_number(&mut self.connection.out, arrived.recent as u64, "RECENT");
            }
        }
        self.tell_changed(wanted.flags).await?;
        if let Some(arrived) = arrived {
            Box::pin(self.tell_new(&arrived.uids)).await?;
        }
        Ok(())
    }

    /// Flags that changed; those that are not wanted are forgotten.
    async fn tell_changed(&mut self, wanted: bool) -> Result<(), Stop> {
        let Some(account) = self.account.as_deref_mut() else { return Ok(()) };
        let watched = account.watch().is_some();
        let Some(view) = account.view.as_deref_mut() else { return Ok(()) };
        let (flags, stale) = view.take_flags();
        if !wanted {
            return Ok(());
        }
        if view.take_keywords_grew() {
            write_known_flags(&mut self.connection.out, view);
        }
        let unasked = Told::unasked(self.enabled);
        // RFC 5465 §5.1: with UID.
        let told = Told { uid: unasked.uid || (watched && !unasked.uid_only), ..unasked };
        let mut numbers = NumberCursor::default();
        for (uid, change) in &flags {
            if let Some(number) = numbers.number(view.uids(), *uid) {
                write_flags(&mut self.connection.out, number, view, change, told);
                self.connection.relieve().await?;
            }
        }
        if stale.is_empty() {
            return Ok(());
        }
        let mut selected = self.selected()?;
        let told = Box::pin(selected.tell_flags(&stale, 0, told)).await;
        if let Err(Stop::Answer(_)) = &told {
            selected.view.forget_flags(&stale);
        }
        told
    }
}

impl Session {
    /// What NOTIFY asks to be fetched of new messages (RFC 5465 §5.2).
    async fn tell_new(&mut self, uids: &UidSet) -> Result<(), Stop> {
        let watch = self.account.as_ref().and_then(|account| account.watch());
        let Some(items) = watch.and_then(|watch| watch.selected.fetch.clone()) else { return Ok(()) };
        fetch::tell_new(items, self.selected()?, uids).await
    }
}

impl Selected<'_> {
    /// Fetches flags and tells them as they come: of those of the messages whose MODSEQ is higher.
    ///
    /// # Errors
    /// NO of the node; the connection's end.
    pub(crate) async fn tell_flags(&mut self, uids: &UidSet, changed_since: u64, told: Told) -> Result<(), Stop> {
        let fetch = flags_of(self.view.folder, uids, changed_since);
        let mut stream = self.node.fetch(fetch).await?;
        let mut numbers = NumberCursor::default();
        while let Some(fetched) = stream.next().await {
            for message in fetched?.messages {
                let Some(uid) = Uid::new(message.uid) else { continue };
                let Some(number) = numbers.number(self.view.uids(), uid) else { continue };
                write_flags(&mut self.connection.out, number, self.view, &flag_change(message), told);
                self.connection.relieve().await?;
            }
        }
        Ok(())
    }
}

fn flags_of(folder: u64, uids: &UidSet, changed_since: u64) -> Fetch {
    let items = FetchItem::Flags as u32 | FetchItem::Modseq as u32;
    Fetch { folder, uids: Some(uids.into()), items, changed_since, ..Fetch::default() }
}

fn flag_change(message: FetchedMessage) -> FlagChange {
    let FetchedMessage { uid, flags, keywords, modseq, .. } = message;
    FlagChange { uid, flags, keywords, modseq }
}

/// Takes in what the node pushed.
///
/// # Errors
/// NO when what it pushed makes no sense.
pub(crate) fn absorb(node: &node_client::Session, view: &mut View) -> Result<(), Stop> {
    for changes in node.take_changes() {
        view.absorb(changes)?;
    }
    Ok(())
}

/// Pushes were lost: asks for everything since the last one that was heard. The flags come as a stream, of which the view
/// keeps no more than of pushes.
async fn resync(node: &node_client::Session, view: &mut View, since: u64) -> Result<(), Stop> {
    let select = Select { name: view.name.as_str().to_owned(), read_only: view.read_only, ..Select::default() };
    let selected = match node.select(select).await {
        Ok(selected) => selected,
        Err(node_client::ClientError::Failure(wire::session::FailureCode::NoSuchFolder, _)) => {
            return Err(End::Bye(None, "The selected folder was deleted").into());
        }
        Err(error) => return Err(error.into()),
    };
    view.reconcile(selected)?;
    if view.is_gone() {
        return Ok(());
    }
    let known = view.uids().clone();
    let mut stream =
        node.fetch(flags_of(view.folder, &known, since)).await.inspect_err(|_| view.forget_flags(&known))?;
    while let Some(fetched) = stream.next().await {
        let fetched = fetched.inspect_err(|_| view.forget_flags(&known))?;
        fetched.messages.into_iter().for_each(|message| view.change(flag_change(message)));
    }
    Ok(())
}

/// The answer when another session expunged some of the messages that were named by number, and the rest was answered. OK
/// with the code of RFC 5530 §3, for clients give up what they are at after a NO.
pub(crate) fn expunge_issued() -> Answer {
    Answer::ok("Some of the messages no longer exist").with(Code::Plain("EXPUNGEISSUED"))
}
