//! GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208): one quota root, `""`, for everything that the mailbox holds.

use crate::codec::cursor::{Cursor, Parsed};
use crate::codec::{Name, name, writer};
use crate::session::Session;
use crate::session::answer::{Answer, Outcome};
use wire::session::Quota;

/// Octets of the unit of STORAGE (RFC 9208 §5.1).
const STORAGE_UNIT_BYTES: u64 = 1024;
/// Limits that one SETQUOTA may name; they are refused anyway.
const LIMITS_MAX: usize = 16;

/// GETQUOTA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetQuota {
    /// The quota root.
    pub root: Vec<u8>,
}

impl GetQuota {
    /// Reads the root's name.
    ///
    /// # Errors
    /// It is missing or malformed.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.space()?;
        Ok(Self { root: cursor.astring()?.into_owned() })
    }

    /// Answers what is used and what the limits are.
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let account = session.account()?;
        if !self.root.is_empty() {
            return Ok(Answer::refused("NONEXISTENT", "There is no such quota root"));
        }
        let quota = account.node.quota().await?;
        write(&mut session.connection.out, &quota);
        Ok(Answer::ok("Done"))
    }
}

/// GETQUOTAROOT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetQuotaRoot {
    /// The folder, which need not exist (RFC 9208 §4.1.3).
    pub name: Name,
}

impl GetQuotaRoot {
    /// Reads the folder's name.
    ///
    /// # Errors
    /// It is missing or malformed.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.space()?;
        Ok(Self { name: name::parse(cursor)? })
    }

    /// Answers the root of the folder, which is that of every folder, and its quota.
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node, or for a name that no folder can have.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let account = session.account()?;
        let name = super::folder(self.name)?;
        let quota = account.node.quota().await?;
        let utf8 = session.enabled.utf8_names();
        let out = &mut session.connection.out;
        out.extend_from_slice(b"* QUOTAROOT ");
        name::write(out, name.as_str(), utf8);
        out.extend_from_slice(b" \"\"\r\n");
        write(out, &quota);
        Ok(Answer::ok("Done"))
    }
}

/// Reads a SETQUOTA.
///
/// # Errors
/// It is malformed.
pub fn parse_set(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.space()?;
    cursor.astring()?;
    cursor.space()?;
    cursor.list(LIMITS_MAX, |cursor| {
        cursor.atom()?;
        cursor.space()?;
        cursor.number64()
    })?;
    Ok(())
}

/// Refuses it: limits are the operator's (no QUOTASET in CAPABILITY, RFC 9208 §3.2).
///
/// # Errors
/// BAD before sign-in.
pub fn run_set(session: &mut Session) -> Outcome {
    session.account()?;
    Ok(Answer::refused("NOPERM", "Limits are set by the operator"))
}

/// A resource without a limit is not told; that of folders always has one.
fn write(out: &mut Vec<u8>, quota: &Quota) {
    out.extend_from_slice(b"* QUOTA \"\" (");
    let start = out.len();
    let storage = (quota.bytes.div_ceil(STORAGE_UNIT_BYTES), quota.bytes_max / STORAGE_UNIT_BYTES);
    let resources = [
        ("STORAGE", storage, quota.bytes_max),
        ("MESSAGE", (quota.messages, quota.messages_max), quota.messages_max),
        ("MAILBOX", (quota.folders, quota.folders_max), quota.folders_max),
    ];
    for (name, (used, limit), _) in resources.iter().filter(|(_, _, max)| *max > 0) {
        writer::word(out, start, name);
        for number in [used, limit] {
            out.push(b' ');
            writer::number(out, *number);
        }
    }
    out.extend_from_slice(b")\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_resources_with_a_limit() {
        let written = |quota: Quota| {
            let mut out = Vec::new();
            write(&mut out, &quota);
            String::from_utf8(out).unwrap()
        };
        let mut quota = Quota { bytes: 1025, messages: 3, folders: 6, folders_max: 10_000, ..Quota::default() };
        assert_eq!(written(quota), "* QUOTA \"\" (MAILBOX 6 10000)\r\n");
        quota.bytes_max = 1_048_576;
        quota.messages_max = 50;
        assert_eq!(written(quota), "* QUOTA \"\" (STORAGE 2 1024 MESSAGE 3 50 MAILBOX 6 10000)\r\n");
    }
}
