//! What a SORT compares: the criteria, the columns that they need, and the first address of a field.

use model::UidSet;

/// One thing to sort by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortCriterion {
    /// What is compared.
    pub field: SortField,
    /// From high to low.
    pub reverse: bool,
}

/// What can be compared (RFC 5256 §3, RFC 5957 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortField {
    /// INTERNALDATE, date and time.
    Arrival,
    /// Mailbox of the first Cc address.
    Cc,
    /// The Date field as an instant, INTERNALDATE where there is none.
    Date,
    /// Display name of the first From address, or the address where it has none.
    DisplayFrom,
    /// The same of To.
    DisplayTo,
    /// Mailbox of the first From address.
    From,
    /// Octets.
    Size,
    /// Base subject.
    Subject,
    /// Mailbox of the first To address.
    To,
    /// Those in the first set first, then those in the second, at last those in none.
    Rank(Vec<UidSet>),
}

/// Which columns of the email row are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Columns {
    date: bool,
    subject: bool,
    envelope: bool,
}

impl Columns {
    pub(super) fn of(criteria: &[SortCriterion]) -> Self {
        let mut columns = Self::default();
        for criterion in criteria {
            match criterion.field {
                SortField::Arrival | SortField::Size | SortField::Rank(_) => {}
                SortField::Date => columns.date = true,
                SortField::Subject => columns.subject = true,
                SortField::Cc | SortField::From | SortField::To | SortField::DisplayFrom | SortField::DisplayTo => {
                    columns.envelope = true
                }
            }
        }
        columns
    }

    /// In the order that `Key::of` reads: what is not asked for is NULL, and the email row is not read for nothing.
    pub(super) fn sql(self) -> String {
        let column = |wanted: bool, name: &'static str| if wanted { name } else { "NULL" };
        let (date, subject) = (column(self.date, "e.sent_ms"), column(self.subject, "e.base_subject"));
        let envelope = column(self.envelope, "e.envelope");
        let join = if self.date || self.subject || self.envelope { "JOIN email e ON e.id = m.email " } else { "" };
        format!(
            "SELECT m.uid, m.internal_ms, m.size, {date}, {subject}, {envelope} FROM message m {join}\
             WHERE m.folder = ?1 AND m.uid BETWEEN ?2 AND ?3 ORDER BY m.uid"
        )
    }
}

/// Which address field of an ENVELOPE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressField {
    From = 2,
    To = 5,
    Cc = 6,
}

/// The first address of a field; parts that are NIL are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FirstAddress {
    name: Option<Vec<u8>>,
    mailbox: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
}

impl FirstAddress {
    /// RFC 5256 §3: what stands before the `@`; of a group its name.
    pub(super) fn mailbox(&self) -> String {
        String::from_utf8_lossy(self.mailbox.as_deref().unwrap_or_default()).into_owned()
    }

    /// RFC 5957 §3: the display name, else the address, of a group its name.
    pub(super) fn display(&self) -> String {
        if let Some(name) = &self.name {
            let name = message::text::decoded_words(name);
            if !name.trim().is_empty() {
                return name;
            }
        }
        match &self.host {
            Some(host) => format!("{}@{}", self.mailbox(), String::from_utf8_lossy(host)),
            None => message::text::decoded_words(self.mailbox.as_deref().unwrap_or_default()),
        }
    }
}

/// The first address of a field in a stored ENVELOPE; `None` where the field has none.
pub(crate) fn first_address(envelope: &[u8], field: AddressField) -> Option<FirstAddress> {
    let mut reader = Strings(envelope);
    reader.skip(b'(')?;
    for _ in 0..field as usize {
        reader.value()?;
        reader.skip(b' ')?;
    }
    reader.skip(b'(')?;
    reader.skip(b'(')?;
    let name = reader.string()?;
    reader.skip(b' ')?;
    reader.string()?;
    reader.skip(b' ')?;
    let mailbox = reader.string()?;
    reader.skip(b' ')?;
    Some(FirstAddress { name, mailbox, host: reader.string()? })
}

/// Strings and lists of them, as `message` writes them.
struct Strings<'a>(&'a [u8]);

impl Strings<'_> {
    fn skip(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    /// A string or NIL.
    #[allow(clippy::option_option, reason = "NIL is a value; the outer one says that it cannot be read")]
    fn string(&mut self) -> Option<Option<Vec<u8>>> {
        if let Some(rest) = self.0.strip_prefix(b"NIL") {
            self.0 = rest;
            return Some(None);
        }
        if let Some(rest) = self.0.strip_prefix(b"{") {
            let end = memchr::memchr(b'\n', rest)?;
            let digits = std::str::from_utf8(rest.get(..end)?.strip_suffix(b"}\r")?).ok()?;
            let (octets, rest) = rest.get(end + 1..)?.split_at_checked(digits.parse().ok()?)?;
            self.0 = rest;
            return Some(Some(octets.to_vec()));
        }
        self.skip(b'"')?;
        let mut out = Vec::new();
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            match byte {
                b'"' => return Some(Some(out)),
                b'\\' => {
                    let (&escaped, rest) = self.0.split_first()?;
                    self.0 = rest;
                    out.push(escaped);
                }
                other => out.push(other),
            }
        }
    }

    /// A string, or a list of lists of strings.
    fn value(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            if self.skip(b'(').is_some() {
                depth += 1;
            } else if self.skip(b')').is_some() {
                depth = depth.checked_sub(1)?;
            } else {
                self.string()?;
            }
            if depth == 0 {
                return Some(());
            }
            let _ = self.skip(b' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_addresses_are_read_from_the_envelope() {
        let envelope = b"(\"date (x)\" {3}\r\n\"(a ((\"A \\\"B\\\"\" NIL \"jo\" \"x.dk\")(NIL NIL \"b\" \"y\")) ((NIL NIL \"s\" \"x\")) \
            ((NIL NIL \"s\" \"x\")) ((NIL NIL \"Pals\" NIL)(NIL NIL \"c\" \"d\")(NIL NIL NIL NIL)) NIL NIL NIL \"<1@x>\")";
        let from = first_address(envelope, AddressField::From).unwrap();
        assert_eq!((from.mailbox().as_str(), from.display().as_str()), ("jo", "A \"B\""));
        let to = first_address(envelope, AddressField::To).unwrap();
        assert_eq!((to.mailbox().as_str(), to.display().as_str()), ("Pals", "Pals"));
        assert_eq!(first_address(envelope, AddressField::Cc), None);
        assert_eq!(first_address(b"(", AddressField::Cc), None);
    }
}
