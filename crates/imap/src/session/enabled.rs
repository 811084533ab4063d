//! What a client has turned on for its session (RFC 5161), by ENABLE or by a command that implies it.

/// Extensions that are on. Nothing of it is ever turned off but by UNAUTHENTICATE (RFC 8437 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Enabled {
    /// A CONDSTORE-enabling command was given (RFC 7162 §3.1): MODSEQ comes with flags.
    pub condstore: bool,
    /// QRESYNC (RFC 7162 §3.2): VANISHED instead of EXPUNGE, UID with flags.
    pub qresync: bool,
    /// IMAP4rev2 (RFC 9051).
    pub rev2: bool,
    /// UTF8=ACCEPT (RFC 6855).
    pub utf8: bool,
    /// UIDONLY (RFC 9586): no message numbers in either direction.
    pub uid_only: bool,
    /// METADATA (RFC 5464 §4.4.2): annotations that others change are told.
    pub annotations: bool,
}

impl Enabled {
    /// Whether folder names and quoted strings are UTF-8, and not modified UTF-7 (RFC 9051 §5.1, RFC 6855 §3).
    pub const fn utf8_names(self) -> bool {
        self.rev2 || self.utf8
    }

    /// Whether VANISHED stands for EXPUNGE (RFC 7162 §3.2.10, RFC 9586 §3).
    pub const fn vanished(self) -> bool {
        self.qresync || self.uid_only
    }

    /// Whether \Recent and RECENT exist (not in RFC 9051, appendix E).
    pub const fn recent(self) -> bool {
        !self.rev2
    }
}
