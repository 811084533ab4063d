//! Every limit of the doors: name, unit, reason.

/// Pieces that wait between who reads and who writes; each is a frame of the link at most, so that this bounds memory.
pub const PIECES_MAX: usize = 8;
/// Octets that are read from a file at once.
pub const READ_BYTES: usize = 64 * 1024;
/// Octets of one level of a file's path: file systems take 255, and ends are put behind it.
pub const LEVEL_BYTES_MAX: usize = 200;
/// Octets of a line that says something of a message (flags, keywords, dates): far more than any has.
pub const STATUS_LINE_BYTES_MAX: usize = 16 * 1024;
/// Octets of a line of the manifest: a folder's name and a message's keywords, escaped.
pub const MANIFEST_LINE_BYTES_MAX: usize = 256 * 1024;
/// Folders inside each other that are looked into.
pub const DEPTH_MAX: usize = 64;
/// Entries of one folder of the file system: they are sorted in memory.
pub const ENTRIES_MAX: usize = 4_000_000;
/// Problems that the report names; the others are counted.
pub const PROBLEMS_NAMED_MAX: usize = 1_000;
/// Records of the journal between two syncs. What a power cut takes of them is found in the mailbox again.
pub const JOURNAL_RECORDS_PER_SYNC: u32 = 256;
/// Milliseconds between two lines of progress.
pub const PROGRESS_MS: u64 = 100;
/// Octets of one line of another server, without what it sends as a literal; a SEARCH of five million messages has 40 MB.
pub const REMOTE_LINE_BYTES_MAX: usize = 48 * 1024 * 1024;
/// Octets of a literal of another server that is not a message: a folder's name, a keyword.
pub const REMOTE_LITERAL_BYTES_MAX: u64 = 64 * 1024;
/// Folders of another server.
pub const REMOTE_FOLDERS_MAX: usize = 20_000;
/// Messages of one folder of another server: their UIDs are held at once.
pub const REMOTE_MESSAGES_MAX: usize = 6_000_000;
/// Capabilities of another server; the best-equipped have some sixty.
pub const REMOTE_CAPABILITIES_MAX: usize = 1_000;
/// Messages that are asked about at once.
pub const REMOTE_BATCH_MESSAGES: usize = 500;
/// Milliseconds to connect, with TLS and the greeting.
pub const REMOTE_CONNECT_MS_MAX: u64 = 30_000;
/// Milliseconds that another server may be silent within a command.
pub const REMOTE_SILENCE_MS_MAX: u64 = 120_000;
