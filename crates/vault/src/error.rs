//! What can go wrong with keys and sealed bytes; says nothing of any secret.

/// Why a key, a credential or sealed bytes could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The operating system gave no random bytes.
    #[error("the operating system's random generator failed")]
    Random,
    /// No credential opens with this password.
    #[error("wrong password")]
    WrongPassword,
    /// The bytes were sealed under another key or for another mailbox, credential, delivery or node, or were changed since.
    #[error("the key does not open this: it is another key's, or was changed")]
    WrongKey,
    /// The bytes do not have the form that their version says.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The bytes were written by a later release.
    #[error("version {0} of this form is not known: a later release wrote it")]
    UnknownVersion(u8),
    /// A sealed message ends before its last segment: bytes are missing.
    #[error("the sealed message is cut short")]
    Truncated,
    /// The parameters of a password's key derivation are outside what is allowed.
    #[error("key derivation parameters out of range: {0}")]
    Policy(&'static str),
    /// A primitive refused what it cannot refuse; the operation was not done.
    #[error("encryption failed")]
    Encryption,
    /// The file with the node key could not be read or written.
    #[error("node key file {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Anyone on the machine may read the file with the node key.
    #[error("node key file {0} is open to every user; make it readable by its owner only (chmod 0600)")]
    Exposed(String),
}
