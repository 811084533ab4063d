//! Every limit that more than one crate must agree on: name, unit, reason.

/// Octets of one message. The size that large providers accept (their 25 MB of attachments, in base64) with room to spare.
pub const MESSAGE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Octets of a local-part (RFC 5321 §4.5.3.1.1).
pub const LOCAL_PART_BYTES_MAX: usize = 64;
/// Octets of a domain, as A-labels (RFC 5321 §4.5.3.1.2).
pub const DOMAIN_BYTES_MAX: usize = 255;
/// Octets of an operator's label (node, account, credential label): fits a file name and a certificate.
pub const LABEL_BYTES_MAX: usize = 64;
/// Octets of one keyword: no client known uses more than 40.
pub const KEYWORD_BYTES_MAX: usize = 64;
/// Distinct keywords of one mailbox: bounds what every SELECT lists.
pub const KEYWORDS_PER_MAILBOX_MAX: usize = 256;
/// Octets of a folder's whole name in UTF-8: twice what any client shows.
pub const FOLDER_NAME_BYTES_MAX: usize = 1024;
/// Levels of a folder's name: bounds recursion in clients and in RENAME.
pub const FOLDER_LEVELS_MAX: usize = 32;
/// Folders of one mailbox: bounds LIST.
pub const FOLDERS_MAX: usize = 10_000;
/// Octets of one annotation's value: colours, comments and signatures, no files.
pub const ANNOTATION_VALUE_BYTES_MAX: usize = 16 * 1024;
/// Octets of an annotation's entry name.
pub const ANNOTATION_ENTRY_BYTES_MAX: usize = 512;
/// Annotations of one mailbox and all its folders: with their values they are 16 MiB at most, which one answer may hold.
pub const ANNOTATIONS_MAX: usize = 1024;
/// Octets of data in one frame of a session link, and of one chunk of content.
pub const CHUNK_BYTES_MAX: usize = 256 * 1024;
/// Octets of one frame of a session link: a chunk and room for what describes it.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Octets that may be under way for one request before more credit comes.
pub const CREDIT_BYTES: u64 = 1024 * 1024;
/// Depth of MIME nesting that is described; what is deeper is one opaque part.
pub const MIME_DEPTH_MAX: usize = 64;
/// MIME parts of one message that are described.
pub const MIME_PARTS_MAX: usize = 4096;
/// Octets of one message's top header that are looked at; the rest is kept but not described.
pub const HEADER_BYTES_MAX: usize = 1024 * 1024;
/// Depth of a SEARCH program.
pub const SEARCH_DEPTH_MAX: usize = 32;
/// Keys of a SEARCH program.
pub const SEARCH_KEYS_MAX: usize = 1024;
/// Recipients of one SMTP transaction; RFC 5321 §4.5.3.1.8 asks for 100 at least.
pub const RECIPIENTS_MAX: usize = 100;
/// Received fields after which a message is held to loop (RFC 5321 §6.3 asks for 100 at least).
pub const RECEIVED_FIELDS_MAX: usize = 100;
/// Messages of one APPEND (RFC 3502): what is known of each is in memory until all are whole.
pub const APPEND_MESSAGES_MAX: usize = 1024;
