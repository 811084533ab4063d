//! The sender rewriting scheme: a reverse-path of ours for mail that is forwarded, so that SPF passes and bounces come home.
//!
//! `SRS0=hash=day=domain=local@us` stands for `local@domain`. Mail that comes with another forwarder's SRS0 path becomes
//! `SRS1=hash=forwarder==hash=day=domain=local@us`: a bounce then goes to that forwarder, who knows what its own hash is
//! worth. The hash is keyed, so nobody can use us to send to whom they like; the day lets it end.

use jiff::Timestamp;
use model::limits::LOCAL_PART_BYTES_MAX;
use vault::Secret32;

/// Days that a rewritten address is good for: queues give up after five, and some vacation messages take two weeks.
pub const DAYS_MAX: i64 = 21;
/// Characters of the hash, of 5 bits each: guessing one takes hundreds of millions of RCPT commands, and the local-part
/// must stay within 64 octets (RFC 5321 §4.5.3.1.1).
const HASH_CHARS: usize = 6;
/// Days are counted in two characters of 5 bits.
const DAY_MODULUS: i64 = 1024;
/// RFC 4648 §6: no two characters differ in case alone, for some hosts change the case of a local-part.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Why an address is not rewritten, or not turned back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SrsError {
    /// It has no form that this can be done with.
    #[error("not an address of the form that is needed")]
    Form,
    /// The rewritten local-part would be over 64 octets.
    #[error("the rewritten address would be too long")]
    TooLong,
    /// The hash was not made here.
    #[error("the address was not rewritten here")]
    Hash,
    /// More than [`DAYS_MAX`] days old.
    #[error("the rewritten address has expired")]
    Expired,
}

/// The secrets: one to make hashes with, and those before it, which still count.
pub struct Keys<'a> {
    current: &'a Secret32,
    older: &'a [Secret32],
}

/// Whether a local-part has one of the forms of this scheme, whoever made it.
pub fn is_rewritten(local: &str) -> bool {
    let local = unquote(local);
    Form::parse(&local).is_some()
}

impl<'a> Keys<'a> {
    /// Newest first, as the directory gives them; `None` when there is none.
    pub fn new(secrets: &'a [Secret32]) -> Option<Self> {
        let (current, older) = secrets.split_first()?;
        Some(Self { current, older })
    }

    /// The reverse-path to forward with, at this domain. The null reverse-path stays what it is.
    ///
    /// # Errors
    /// [`SrsError::Form`] and [`SrsError::TooLong`].
    pub fn forward(&self, sender: &str, domain: &str, at: Timestamp) -> Result<String, SrsError> {
        if sender.is_empty() {
            return Ok(String::new());
        }
        let (local, from) = sender.rsplit_once('@').ok_or(SrsError::Form)?;
        let local = unquote(local);
        let is_domain =
            |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '=' | '"' | '\\' | '<' | '>' | '(' | ')');
        if local.is_empty() || local.contains(char::is_control) || from.is_empty() || !from.chars().all(is_domain) {
            return Err(SrsError::Form);
        }
        let rewritten = match Form::parse(&local) {
            // What another forwarder made is turned over to that forwarder, whole but for the tag.
            Some(Form::Zero { tail, .. }) => self.first_hop(from, tail),
            Some(Form::One { forwarder, tail, .. }) => self.first_hop(forwarder, tail),
            None => {
                let day = day_stamp(day_of(at));
                let hash = hash(self.current, &[&day, from, &local]);
                format!("SRS0={hash}={day}={from}={local}")
            }
        };
        if rewritten.len() > LOCAL_PART_BYTES_MAX {
            return Err(SrsError::TooLong);
        }
        Ok(format!("{}@{domain}", quote(&rewritten)))
    }

    fn first_hop(&self, forwarder: &str, tail: &str) -> String {
        let hash = hash(self.current, &[forwarder, tail]);
        format!("SRS1={hash}={forwarder}={tail}")
    }

    /// Where a bounce to this local-part of ours goes.
    ///
    /// # Errors
    /// [`SrsError::Form`], [`SrsError::Hash`] and [`SrsError::Expired`].
    pub fn reverse(&self, local: &str, at: Timestamp) -> Result<String, SrsError> {
        let local = unquote(local);
        match Form::parse(&local).ok_or(SrsError::Form)? {
            Form::Zero { hash, day, domain, local, .. } => {
                self.check(hash, &[day, domain, local])?;
                let stamped = read_day(day).ok_or(SrsError::Form)?;
                let age = (day_of(at) - stamped).rem_euclid(DAY_MODULUS);
                // A clock elsewhere in the fleet may be a little ahead.
                if age > DAYS_MAX && age != DAY_MODULUS - 1 {
                    return Err(SrsError::Expired);
                }
                Ok(format!("{}@{domain}", quote(local)))
            }
            Form::One { hash, forwarder, tail } => {
                self.check(hash, &[forwarder, tail])?;
                Ok(format!("{}@{forwarder}", quote(&format!("SRS0{tail}"))))
            }
        }
    }

    fn check(&self, given: &str, parts: &[&str]) -> Result<(), SrsError> {
        let given = given.to_ascii_uppercase();
        let fits = |key: &Secret32| vault::same(hash(key, parts).as_bytes(), given.as_bytes());
        // Each is tried, whichever fits: how long it takes says nothing.
        let count = std::iter::once(self.current).chain(self.older).filter(|key| fits(key)).count();
        if count > 0 { Ok(()) } else { Err(SrsError::Hash) }
    }
}

/// A rewritten local-part, taken apart.
enum Form<'a> {
    /// `tail` is everything after the tag, its separator included.
    Zero {
        hash: &'a str,
        day: &'a str,
        domain: &'a str,
        local: &'a str,
        tail: &'a str,
    },
    One {
        hash: &'a str,
        forwarder: &'a str,
        tail: &'a str,
    },
}

impl<'a> Form<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (tag, tail) = text.split_at_checked(4)?;
        // Other implementations also separate the tag with + or -.
        let rest = tail.strip_prefix(['=', '+', '-'])?;
        let (hash, rest) = rest.split_once('=')?;
        if tag.eq_ignore_ascii_case("SRS0") {
            let (day, rest) = rest.split_once('=')?;
            let (domain, local) = rest.split_once('=')?;
            let filled = !hash.is_empty() && !day.is_empty() && !domain.is_empty() && !local.is_empty();
            return filled.then_some(Self::Zero { hash, day, domain, local, tail });
        }
        if tag.eq_ignore_ascii_case("SRS1") {
            let (forwarder, tail) = rest.split_once('=')?;
            let filled = !hash.is_empty() && !forwarder.is_empty() && tail.starts_with(['=', '+', '-']);
            return filled.then_some(Self::One { hash, forwarder, tail });
        }
        None
    }
}

/// The case of letters does not count, since it may change on the way.
fn hash(key: &Secret32, parts: &[&str]) -> String {
    let text = parts.join("\0").to_lowercase();
    let tag = vault::mac(key.expose(), &[b"srs\0", text.as_bytes()]);
    let mut bits = u64::from_be_bytes(std::array::from_fn(|at| tag.get(at).copied().unwrap_or_default()));
    let mut out = String::with_capacity(HASH_CHARS);
    for _ in 0..HASH_CHARS {
        bits = bits.rotate_left(5);
        out.push(base32(bits & 31));
    }
    out
}

fn base32(digit: u64) -> char {
    BASE32.get(usize::try_from(digit).unwrap_or_default()).map_or('A', |byte| char::from(*byte))
}

fn day_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}

fn day_stamp(day: i64) -> String {
    let day = day.rem_euclid(DAY_MODULUS).unsigned_abs();
    [base32(day >> 5), base32(day & 31)].iter().collect()
}

fn read_day(stamp: &str) -> Option<i64> {
    let digit = |byte: u8| BASE32.iter().position(|known| *known == byte.to_ascii_uppercase());
    match stamp.as_bytes() {
        [high, low] => i64::try_from((digit(*high)? << 5) | digit(*low)?).ok(),
        _ => None,
    }
}

/// The local-part without quotes (RFC 5321 §4.1.2).
fn unquote(local: &str) -> String {
    let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return local.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

/// With quotes where it is no dot-string.
fn quote(local: &str) -> String {
    let atom = |atom: &str| {
        !atom.is_empty()
            && atom.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
    };
    if local.split('.').all(atom) {
        return local.to_owned();
    }
    format!("\"{}\"", local.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests;
