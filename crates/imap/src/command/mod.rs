//! The commands, one file each: what it looks like, what it does, what it answers. This file only finds the right one.

pub mod append;
pub mod authenticate;
pub mod cancelupdate;
pub mod capability;
pub mod check;
pub mod close;
pub mod compress;
pub mod copy;
pub mod create;
pub mod delete;
pub mod enable;
pub mod esearch;
pub mod expunge;
pub mod fetch;
pub mod id;
pub mod idle;
pub mod list;
pub mod login;
pub mod logout;
pub mod lsub;
pub mod metadata;
pub mod namespace;
pub mod noop;
pub mod notify;
pub mod quota;
pub mod rename;
pub mod search;
pub mod select;
pub mod sort;
pub mod source;
pub mod starttls;
pub mod status;
pub mod store;
pub mod subscribe;
pub mod thread;
pub mod uidbatches;
pub mod unauthenticate;

use crate::codec::Name;
use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::session::answer::{Answer, Outcome, Stop, Updates, limited};
use crate::session::{Enabled, Session};
use model::FolderName;

/// A whole command. APPEND is not among them: its message is streamed, see [`append::head`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// AUTHENTICATE
    Authenticate(authenticate::Authenticate),
    /// CANCELUPDATE
    CancelUpdate(cancelupdate::CancelUpdate),
    /// CAPABILITY
    Capability,
    /// CHECK
    Check,
    /// CLOSE, UNSELECT
    Close(close::Close),
    /// COMPRESS
    Compress,
    /// COPY, MOVE
    Copy(copy::Copy),
    /// CREATE
    Create(create::Create),
    /// DELETE
    Delete(delete::Delete),
    /// ENABLE
    Enable(enable::Enable),
    /// ESEARCH
    Esearch(esearch::Esearch),
    /// EXPUNGE, UID EXPUNGE
    Expunge(expunge::Expunge),
    /// FETCH, UID FETCH
    Fetch(fetch::Fetch),
    /// GETMETADATA
    GetMetadata(metadata::GetMetadata),
    /// GETQUOTA
    GetQuota(quota::GetQuota),
    /// GETQUOTAROOT
    GetQuotaRoot(quota::GetQuotaRoot),
    /// ID
    Id,
    /// IDLE
    Idle,
    /// LIST
    List(list::List),
    /// LOGIN
    Login(login::Login),
    /// LOGOUT
    Logout,
    /// LSUB
    Lsub(lsub::Lsub),
    /// NAMESPACE
    Namespace,
    /// NOOP
    Noop,
    /// NOTIFY
    Notify(notify::Notify),
    /// RENAME
    Rename(rename::Rename),
    /// SEARCH, UID SEARCH
    Search(search::Search),
    /// SELECT, EXAMINE
    Select(select::Select),
    /// SETMETADATA
    SetMetadata(metadata::SetMetadata),
    /// SETQUOTA
    SetQuota,
    /// SORT, UID SORT
    Sort(sort::Sort),
    /// STARTTLS
    Starttls,
    /// STATUS
    Status(status::Status),
    /// STORE, UID STORE
    Store(store::Store),
    /// SUBSCRIBE, UNSUBSCRIBE
    Subscribe(subscribe::Subscribe),
    /// THREAD, UID THREAD
    Thread(thread::Thread),
    /// UIDBATCHES
    UidBatches(uidbatches::UidBatches),
    /// UNAUTHENTICATE
    Unauthenticate,
}

/// Reads a command. The tag is `None` when not even that can be read.
pub fn parse(text: &[u8], enabled: Enabled) -> (Option<&str>, Parsed<Command>) {
    let mut cursor = Cursor::new(text).with_utf8_names(enabled.utf8_names());
    match cursor.tag() {
        Ok(tag) => {
            let command = cursor.expect(b' ', "A command starts with a tag and a space");
            (Some(tag), command.and_then(|()| tagged(&mut cursor)))
        }
        Err(malformed) => (None, Err(malformed)),
    }
}

fn tagged(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let verb = cursor.atom().map_err(|_| Malformed("Expected a command"))?.to_ascii_uppercase();
    let by_uid = verb == "UID";
    let verb = if by_uid {
        cursor.space()?;
        cursor.atom()?.to_ascii_uppercase()
    } else {
        verb
    };
    let command = match (verb.as_str(), by_uid) {
        ("COPY", by_uid) => Command::Copy(copy::Copy::parse(cursor, by_uid, false)?),
        ("MOVE", by_uid) => Command::Copy(copy::Copy::parse(cursor, by_uid, true)?),
        ("EXPUNGE", by_uid) => Command::Expunge(expunge::Expunge::parse(cursor, by_uid)?),
        ("FETCH", by_uid) => Command::Fetch(fetch::Fetch::parse(cursor, by_uid)?),
        ("SEARCH", by_uid) => Command::Search(search::Search::parse(cursor, by_uid)?),
        ("SORT", by_uid) => Command::Sort(sort::Sort::parse(cursor, by_uid)?),
        ("STORE", by_uid) => Command::Store(store::Store::parse(cursor, by_uid)?),
        ("THREAD", by_uid) => Command::Thread(thread::Thread::parse(cursor, by_uid)?),
        (_, true) => return Err(Malformed("There is no such UID command")),
        (verb, false) => without_uid(verb, cursor)?,
    };
    cursor.end()?;
    Ok(command)
}

fn without_uid(verb: &str, cursor: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(match verb {
        "APPEND" => return Err(Malformed("APPEND ends with the message as a literal")),
        "AUTHENTICATE" => Command::Authenticate(authenticate::Authenticate::parse(cursor)?),
        "CANCELUPDATE" => Command::CancelUpdate(cancelupdate::CancelUpdate::parse(cursor)?),
        "CAPABILITY" => Command::Capability,
        "CHECK" => Command::Check,
        "CLOSE" => Command::Close(close::Close { expunge: true }),
        "COMPRESS" => compress::parse(cursor).map(|()| Command::Compress)?,
        "CREATE" => Command::Create(create::Create::parse(cursor)?),
        "DELETE" => Command::Delete(delete::Delete::parse(cursor)?),
        "ENABLE" => Command::Enable(enable::Enable::parse(cursor)?),
        "ESEARCH" => Command::Esearch(esearch::Esearch::parse(cursor)?),
        "EXAMINE" => Command::Select(select::Select::parse(cursor, true)?),
        "GETMETADATA" => Command::GetMetadata(metadata::GetMetadata::parse(cursor)?),
        "GETQUOTA" => Command::GetQuota(quota::GetQuota::parse(cursor)?),
        "GETQUOTAROOT" => Command::GetQuotaRoot(quota::GetQuotaRoot::parse(cursor)?),
        "ID" => id::parse(cursor).map(|()| Command::Id)?,
        "IDLE" => Command::Idle,
        "LIST" => Command::List(list::List::parse(cursor)?),
        "LOGIN" => Command::Login(login::Login::parse(cursor)?),
        "LOGOUT" => Command::Logout,
        "LSUB" => Command::Lsub(lsub::Lsub::parse(cursor)?),
        "NAMESPACE" => Command::Namespace,
        "NOOP" => Command::Noop,
        "NOTIFY" => Command::Notify(notify::Notify::parse(cursor)?),
        "RENAME" => Command::Rename(rename::Rename::parse(cursor)?),
        "SELECT" => Command::Select(select::Select::parse(cursor, false)?),
        "SETMETADATA" => Command::SetMetadata(metadata::SetMetadata::parse(cursor)?),
        "SETQUOTA" => quota::parse_set(cursor).map(|()| Command::SetQuota)?,
        "STARTTLS" => Command::Starttls,
        "STATUS" => Command::Status(status::Status::parse(cursor)?),
        "SUBSCRIBE" => Command::Subscribe(subscribe::Subscribe::parse(cursor, true)?),
        "UIDBATCHES" => Command::UidBatches(uidbatches::UidBatches::parse(cursor)?),
        "UNAUTHENTICATE" => Command::Unauthenticate,
        "UNSELECT" => Command::Close(close::Close { expunge: false }),
        "UNSUBSCRIBE" => Command::Subscribe(subscribe::Subscribe::parse(cursor, false)?),
        _ => return Err(Malformed("There is no such command")),
    })
}

impl Command {
    /// Runs it. The futures are boxed, so that a session that waits holds none of their room.
    ///
    /// # Errors
    /// [`Stop`]: a NO or BAD found on the way, or the end of the connection.
    pub async fn run(self, session: &mut Session, tag: &str) -> Outcome {
        let updates = self.updates();
        if updates == Updates::NoExpunge && session.enabled.uid_only {
            return Err(crate::session::uid_required().into());
        }
        let outcome = self.run_to_its_answer(session, tag).await;
        limited(outcome, updates)
    }

    /// What may be told before the answer, whatever it is.
    fn updates(&self) -> Updates {
        let by_number = match self {
            Self::Fetch(fetch) => !fetch.by_uid,
            Self::Search(search) => !search.by_uid,
            Self::Sort(sort) => !sort.by_uid,
            Self::Store(store) => !store.by_uid,
            Self::Thread(thread) => !thread.by_uid,
            _ => false,
        };
        // RFC 3501 §7.4.1: no EXPUNGE while responding to FETCH, STORE or SEARCH; their UID forms are other commands.
        // RFC 5256 §3 says the same of SORT and THREAD.
        if by_number { Updates::NoExpunge } else { Updates::All }
    }

    async fn run_to_its_answer(self, session: &mut Session, tag: &str) -> Outcome {
        match self {
            Self::Capability => capability::run(session),
            Self::Check => check::run(session),
            Self::Id => id::run(session),
            Self::Namespace => namespace::run(session),
            Self::Noop => Ok(noop::run()),
            Self::SetQuota => quota::run_set(session),
            Self::Unauthenticate => unauthenticate::run(session),
            Self::Enable(enable) => Box::pin(enable.run(session)).await,
            Self::CancelUpdate(cancel) => cancel.run(session),
            Self::UidBatches(batches) => batches.run(session, tag),
            Self::Logout => logout::run(session, tag).await,
            Self::Authenticate(authenticate) => Box::pin(authenticate.run(session)).await,
            Self::Close(close) => Box::pin(close.run(session)).await,
            Self::Compress => Box::pin(compress::run(session, tag)).await,
            Self::Copy(copy) => Box::pin(copy.run(session)).await,
            Self::Create(create) => Box::pin(create.run(session)).await,
            Self::Delete(delete) => Box::pin(delete.run(session)).await,
            Self::Esearch(esearch) => Box::pin(esearch.run(session, tag)).await,
            Self::Expunge(expunge) => Box::pin(expunge.run(session)).await,
            Self::Fetch(fetch) => Box::pin(fetch.run(session)).await,
            Self::GetMetadata(get) => Box::pin(get.run(session)).await,
            Self::GetQuota(get) => Box::pin(get.run(session)).await,
            Self::GetQuotaRoot(get) => Box::pin(get.run(session)).await,
            Self::SetMetadata(set) => Box::pin(set.run(session)).await,
            Self::Idle => Box::pin(idle::run(session)).await,
            Self::List(list) => Box::pin(list.run(session)).await,
            Self::Login(login) => Box::pin(login.run(session)).await,
            Self::Lsub(lsub) => Box::pin(lsub.run(session)).await,
            Self::Notify(notify) => Box::pin(notify.run(session)).await,
            Self::Rename(rename) => Box::pin(rename.run(session)).await,
            Self::Search(search) => Box::pin(search.run(session, tag)).await,
            Self::Select(select) => Box::pin(select.run(session)).await,
            Self::Sort(sort) => Box::pin(sort.run(session, tag)).await,
            Self::Starttls => Box::pin(starttls::run(session, tag)).await,
            Self::Status(status) => Box::pin(status.run(session)).await,
            Self::Store(store) => Box::pin(store.run(session)).await,
            Self::Subscribe(subscribe) => Box::pin(subscribe.run(session)).await,
            Self::Thread(thread) => Box::pin(thread.run(session)).await,
        }
    }
}

/// The folder of a name that can be one.
fn folder(name: Name) -> Result<FolderName, Stop> {
    name.map_err(|error| Answer::refused("CANNOT", error.to_string()).into())
}

#[cfg(test)]
mod tests;
