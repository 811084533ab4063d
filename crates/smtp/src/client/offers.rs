//! What a server says of itself in its answer to EHLO (RFC 5321 §4.1.1.1).

use crate::reply::Reply;

/// Limits that a server announces (RFC 9422); `None` where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Recipients of one transaction.
    pub recipients_max: Option<u32>,
    /// Transactions of one connection.
    pub transactions_max: Option<u32>,
}

/// The extensions on offer that a client of ours makes use of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offers {
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    /// SIZE (RFC 1870): `Some(0)` when the server names no limit.
    pub size: Option<u64>,
    /// LIMITS (RFC 9422).
    pub limits: Limits,
    /// AUTH (RFC 4954): mechanisms in upper case.
    pub mechanisms: Vec<String>,
}

impl Offers {
    /// From a positive answer to EHLO. Lines that are not understood are passed over.
    pub fn of(reply: &Reply) -> Self {
        let mut offers = Self::default();
        // The first line is the server's name and its greeting.
        for line in reply.text().lines().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let Some(keyword) = words.next() else { continue };
            match keyword.to_ascii_uppercase().as_str() {
                "PIPELINING" => offers.pipelining = true,
                "8BITMIME" => offers.eight_bit = true,
                "SMTPUTF8" => offers.utf8 = true,
                "STARTTLS" => offers.starttls = true,
                "DSN" => offers.dsn = true,
                "REQUIRETLS" => offers.require_tls = true,
                "SIZE" => offers.size = Some(words.next().and_then(|number| number.parse().ok()).unwrap_or(0)),
                "LIMITS" => offers.limits = limits(words),
                "AUTH" => offers.mechanisms = words.map(str::to_ascii_uppercase).collect(),
                _ => {}
            }
        }
        offers
    }

    /// Whether a message of this size is over what the server takes (RFC 1870 §5).
    pub fn refuses_size(&self, octets: u64) -> bool {
        self.size.is_some_and(|max| max > 0 && octets > max)
    }
}

fn limits<'a>(words: impl Iterator<Item = &'a str>) -> Limits {
    let mut limits = Limits::default();
    for (name, value) in words.filter_map(|word| word.split_once('=')) {
        // RFC 9422 §4: a number of at most 20 digits, not 0.
        let value = value.parse().ok().filter(|value| *value > 0);
        match name.to_ascii_uppercase().as_str() {
            "RCPTMAX" => limits.recipients_max = value,
            "MAILMAX" => limits.transactions_max = value,
            _ => {}
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered() {
        let text = "mx.example Hello\npipelining\n8BITMIME\nSIZE 1000\nSTARTTLS\nAUTH plain LOGIN\nDSN\nSMTPUTF8\n\
                    LIMITS RCPTMAX=50 mailmax=9 X=1\nREQUIRETLS\nX-ELSE 1\n";
        let offers = Offers::of(&Reply::bare(250, text.into()));
        assert_eq!(
            offers,
            Offers {
                pipelining: true,
                eight_bit: true,
                utf8: true,
                starttls: true,
                dsn: true,
                require_tls: true,
                size: Some(1000),
                limits: Limits { recipients_max: Some(50), transactions_max: Some(9) },
                mechanisms: vec!["PLAIN".to_owned(), "LOGIN".to_owned()],
            }
        );
        assert!(offers.refuses_size(1001) && !offers.refuses_size(1000));
    }

    #[test]
    fn what_says_nothing_is_nothing() {
        // The first line is a name, whatever it says.
        assert_eq!(Offers::of(&Reply::bare(250, "PIPELINING".into())), Offers::default());
        let odd = Offers::of(&Reply::bare(250, "mx\nSIZE\nLIMITS RCPTMAX=0 RCPTMAX= MAILMAX\n\n".into()));
        assert_eq!(odd, Offers { size: Some(0), ..Offers::default() });
        assert!(!odd.refuses_size(u64::MAX));
    }
}
