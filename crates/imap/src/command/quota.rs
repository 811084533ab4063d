//! GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208): the quota root `""` is of everything that the mailbox holds, and
//! `account`, where the account has a limit, of all mailboxes of the account together.

use crate::codec::cursor::{Cursor, Parsed};
use crate::codec::{Name, name, writer};
use crate::session::Session;
use crate::session::answer::{Answer, Outcome};
use wire::session::Quota;

/// Octets of the unit of STORAGE (RFC 9208 §5.1).
const STORAGE_UNIT_BYTES: u64 = 1024;
/// The root of what the account's mailboxes hold together.
const ACCOUNT: &str = "account";
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
        let quota = account.node.quota().await?;
        let out = &mut session.connection.out;
        match self.root.as_slice() {
            b"" => write(out, &quota),
            root if root == ACCOUNT.as_bytes() && has_pool(&quota) => write_pool(out, &quota),
            _ => return Ok(Answer::refused("NONEXISTENT", "There is no such quota root")),
        }
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

    /// Answers the roots of the folder, which are those of every folder, and their quotas.
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
        out.extend_from_slice(b" \"\"");
        if has_pool(&quota) {
            out.extend_from_slice(format!(" {ACCOUNT}").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        write(out, &quota);
        if has_pool(&quota) {
            write_pool(out, &quota);
        }
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

/// A resource: its name, what is used of it, and its limit.
type Resource = (&'static str, u64, u64);

/// STORAGE rounds what is used up, and the limit down: who has some left has it indeed.
fn storage(bytes: u64, bytes_max: u64) -> Resource {
    // A limit of less than the unit is one all the same.
    let limit = if bytes_max == 0 { 0 } else { (bytes_max / STORAGE_UNIT_BYTES).max(1) };
    ("STORAGE", bytes.div_ceil(STORAGE_UNIT_BYTES), limit)
}

fn has_pool(quota: &Quota) -> bool {
    quota.account_bytes_max > 0 || quota.account_messages_max > 0
}

fn write(out: &mut Vec<u8>, quota: &Quota) {
    let resources = [
        storage(quota.bytes, quota.bytes_max),
        ("MESSAGE", quota.messages, quota.messages_max),
        ("MAILBOX", quota.folders, quota.folders_max),
    ];
    write_root(out, "\"\"", &resources);
}

fn write_pool(out: &mut Vec<u8>, quota: &Quota) {
    let messages = ("MESSAGE", quota.account_messages, quota.account_messages_max);
    write_root(out, ACCOUNT, &[storage(quota.account_bytes, quota.account_bytes_max), messages]);
}

/// A resource without a limit is not told; that of folders always has one.
fn write_root(out: &mut Vec<u8>, root: &str, resources: &[Resource]) {
    out.extend_from_slice(format!("* QUOTA {root} (").as_bytes());
    let start = out.len();
    for (name, used, limit) in resources.iter().filter(|(_, _, limit)| *limit > 0) {
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
        assert!(!has_pool(&quota));
    }

    #[test]
    fn a_pool_is_a_root_of_its_own() {
        let quota = Quota { account_bytes: 3072, account_bytes_max: 4095, account_messages: 9, ..Quota::default() };
        assert!(has_pool(&quota));
        let mut out = Vec::new();
        write_pool(&mut out, &quota);
        write_pool(&mut out, &Quota { account_bytes_max: 1023, account_messages_max: 10, ..quota });
        let expected = "* QUOTA account (STORAGE 3 3)\r\n* QUOTA account (STORAGE 3 1 MESSAGE 9 10)\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
