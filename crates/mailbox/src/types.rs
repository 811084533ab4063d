//! The nouns of the public interface: what operations take, what they answer, and the changes that a commit brings.

use crate::ingest::Content;
use jiff::Timestamp;
use model::{DeliveryId, Flags, FolderName, Keyword, ModSeq, SpecialUse, Token, Uid, UidSet, UidValidity};

/// A folder, for as long as the mailbox lives: never used again for another one, kept by RENAME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderId(pub(crate) i64);

impl FolderId {
    /// From the wire; any number may be asked about, few are folders.
    pub const fn new(value: u64) -> Self {
        // Above i64::MAX no folder exists, and -1 names none either.
        Self(if value > i64::MAX as u64 { -1 } else { value as i64 })
    }
    /// The number.
    pub const fn get(self) -> u64 {
        self.0 as u64
    }
}

/// An upload whose pieces are staged before the message is whole; the caller keeps it unique while a writer lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UploadId(pub u64);

/// A folder by id or by name.
#[derive(Debug, Clone, Copy)]
pub enum FolderRef<'a> {
    /// As SELECT answered it.
    Id(FolderId),
    /// As a client wrote it.
    Name(&'a FolderName),
    /// Where new mail goes: INBOX, or what was found to be junk into the folder for it, if there is one.
    Incoming {
        /// Found to be junk.
        junk: bool,
    },
}

impl From<FolderId> for FolderRef<'_> {
    fn from(id: FolderId) -> Self {
        Self::Id(id)
    }
}
impl<'a> From<&'a FolderName> for FolderRef<'a> {
    fn from(name: &'a FolderName) -> Self {
        Self::Name(name)
    }
}

/// One message to add.
pub struct Append<'a> {
    /// Where to.
    pub folder: FolderRef<'a>,
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: &'a [Keyword],
    /// INTERNALDATE; kept to the millisecond.
    pub internal_date: Timestamp,
    /// The bytes and what was learned from them.
    pub content: Content,
    /// The delivery that this message is of: seen before, nothing is written.
    pub delivery: Option<DeliveryId>,
    /// The request that asked: seen before, nothing is written.
    pub token: Option<Token>,
}

/// The answer to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The folder.
    pub folder: FolderId,
    /// Its UIDVALIDITY (RFC 4315 APPENDUID).
    pub uid_validity: UidValidity,
    /// The message's UID, or the first one's of several; those after it have the UIDs that follow.
    pub uid: Uid,
    /// Messages that were added.
    pub count: u32,
    /// The folder's HIGHESTMODSEQ after the append; zero when `already`.
    pub modseq: ModSeq,
    /// The delivery or token was known: this is what was answered then.
    pub already: bool,
}

/// What STORE does to the flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreMode {
    /// `FLAGS`
    Replace,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

/// One STORE's change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagEdit {
    /// Replace, add or remove.
    pub mode: StoreMode,
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: Vec<Keyword>,
}

/// A message's flags as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagState {
    /// The message.
    pub uid: Uid,
    /// System flags.
    pub flags: Flags,
    /// Keywords, sorted.
    pub keywords: Vec<Keyword>,
    /// Its MODSEQ.
    pub modseq: ModSeq,
}

/// The answer to a STORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Every message of the request that exists and passed UNCHANGEDSINCE, with its flags now, changed or not.
    pub messages: Vec<FlagState>,
    /// Those that failed UNCHANGEDSINCE (RFC 7162 §3.1.3 MODIFIED).
    pub modified: UidSet,
    /// The folder's HIGHESTMODSEQ after.
    pub highest_modseq: ModSeq,
}

/// The answer to COPY and MOVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The target's UIDVALIDITY (RFC 4315 COPYUID).
    pub uid_validity: UidValidity,
    /// Source UIDs, ascending.
    pub from: Vec<Uid>,
    /// Target UIDs, pairwise with `from`.
    pub to: Vec<Uid>,
    /// The source folder's HIGHESTMODSEQ after.
    pub highest_modseq: ModSeq,
    /// The token was known: this is what was answered then.
    pub already: bool,
}

/// The answer to EXPUNGE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expunged {
    /// What is gone.
    pub uids: UidSet,
    /// The folder's HIGHESTMODSEQ after.
    pub highest_modseq: ModSeq,
}

/// What was answered to a request that carried a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenAnswer {
    /// An APPEND.
    Appended(Appended),
    /// A COPY or MOVE.
    Copied(Copied),
    /// A request whose answer is only that it was done (CREATE, RENAME).
    Done,
    /// An APPEND that was given up before it came, and must not come any more.
    GivenUp,
}

/// What a commit changed, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// New messages, in UID order.
    Appended {
        /// Where.
        folder: FolderId,
        /// Their flags; the highest `modseq` is the folder's after.
        messages: Vec<FlagState>,
        /// The folder's HIGHESTMODSEQ after.
        modseq: ModSeq,
    },
    /// Flags changed.
    Flags {
        /// Where.
        folder: FolderId,
        /// Those that changed.
        messages: Vec<FlagState>,
        /// The folder's HIGHESTMODSEQ after.
        modseq: ModSeq,
    },
    /// Messages are gone.
    Vanished {
        /// Where.
        folder: FolderId,
        /// Which.
        uids: UidSet,
        /// The folder's HIGHESTMODSEQ after.
        modseq: ModSeq,
    },
    /// A folder is new, or a name that was kept for its children is a folder again.
    FolderCreated {
        /// The folder.
        folder: FolderId,
        /// Its name.
        name: FolderName,
    },
    /// A folder is gone, or only its name is left; whoever has it selected sees it go.
    FolderDeleted {
        /// The folder.
        folder: FolderId,
    },
    /// A folder has another name; its messages are untouched.
    FolderRenamed {
        /// The folder.
        folder: FolderId,
        /// The name now.
        name: FolderName,
    },
}

/// One row of LIST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderRow {
    /// The folder.
    pub id: FolderId,
    /// Its name.
    pub name: FolderName,
    /// Its special use.
    pub special_use: Option<SpecialUse>,
    /// Whether the name is subscribed to.
    pub subscribed: bool,
    /// Only a name: deleted but kept for its children, or made implicitly above one.
    pub no_select: bool,
    /// Its counts, if they were asked for and it can be selected.
    pub status: Option<FolderStatus>,
}

/// Which counts LIST answers with every folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Counts {
    /// None.
    #[default]
    None,
    /// All but `recent`, which is 0: it is counted and not kept.
    Kept,
    /// All.
    All,
}

/// The answer to LIST: all of it, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Folders {
    /// The folders.
    pub folders: Vec<FolderRow>,
    /// Names that are subscribed to without a folder of that name.
    pub subscribed_only: Vec<FolderName>,
}

/// The answer to STATUS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderStatus {
    /// The folder.
    pub folder: FolderId,
    /// Messages.
    pub messages: u32,
    /// Messages that no session has claimed as recent yet.
    pub recent: u32,
    /// Messages without `\Seen`.
    pub unseen: u32,
    /// Messages with `\Deleted`.
    pub deleted: u32,
    /// Octets of all messages.
    pub size: u64,
    /// Octets of messages with `\Deleted`.
    pub deleted_size: u64,
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// What the next message gets at least.
    pub uid_next: Uid,
    /// HIGHESTMODSEQ.
    pub highest_modseq: ModSeq,
}

/// The answer to SELECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectState {
    /// The folder.
    pub folder: FolderId,
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// What the next message gets at least.
    pub uid_next: Uid,
    /// HIGHESTMODSEQ.
    pub highest_modseq: ModSeq,
    /// Every message.
    pub uids: UidSet,
    /// The first without `\Seen`.
    pub first_unseen: Option<Uid>,
    /// Messages from here on are recent for the next session that claims them.
    pub recent_from: Uid,
    /// Every keyword of the mailbox, sorted.
    pub keywords: Vec<Keyword>,
}

/// What a folder went through since a MODSEQ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Since {
    /// Messages that are new or changed, by UID.
    pub changed: Vec<FlagState>,
    /// UIDs that are gone; may name UIDs that were gone before (RFC 7162 §3.2.5.1 allows it).
    pub vanished: UidSet,
}

/// What a checkpoint did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckpointReport {
    /// Pages in the write-ahead log.
    pub log_pages: u32,
    /// Of those, pages that are in the main file now.
    pub moved_pages: u32,
    /// A reader or writer was in the way of part of it.
    pub busy: bool,
    /// The log file was cut to nothing.
    pub truncated: bool,
}
