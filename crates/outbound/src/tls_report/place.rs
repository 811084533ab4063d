//! Where a domain wants its reports (RFC 8460 §3): the TXT record at `_smtp._tls`.

use crate::limits::REPORT_PLACES_MAX;
use http::Uri;

/// One place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// By mail.
    Mail(String),
    /// By POST.
    Post(Uri),
}

/// The places that the only record of this version names, those that can be used; none when there are several records.
pub fn places<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Vec<Place> {
    let mut ours = records.into_iter().filter_map(|record| std::str::from_utf8(record).ok()).filter(|text| {
        let version = text.split(';').next().unwrap_or_default();
        version.trim_end() == "v=TLSRPTv1"
    });
    let (Some(only), None) = (ours.next(), ours.next()) else { return Vec::new() };
    let rua = only.split(';').skip(1).find_map(|field| field.trim().strip_prefix("rua="));
    let uris = rua.unwrap_or_default().split(',').map(str::trim);
    uris.filter_map(place).take(REPORT_PLACES_MAX).collect()
}

fn place(uri: &str) -> Option<Place> {
    if let Some(address) = uri.strip_prefix("mailto:") {
        // Header fields of the URI (RFC 6068 §2) are nothing that we would set.
        let address = address.split('?').next()?;
        return address.parse::<model::Address>().is_ok().then(|| Place::Mail(address.to_owned()));
    }
    let uri: Uri = uri.parse().ok()?;
    (uri.scheme_str() == Some("https") && uri.host().is_some()).then_some(Place::Post(uri))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let of = |records: &[&str]| places(records.iter().map(|record| record.as_bytes()));
        let mail = Place::Mail("reports@example.com".to_owned());
        let post = Place::Post("https://reporting.example.com/v1/tlsrpt".parse().unwrap());
        assert_eq!(of(&["v=TLSRPTv1;rua=mailto:reports@example.com"]), std::slice::from_ref(&mail));
        let both = "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt , mailto:reports@example.com?x=y";
        assert_eq!(of(&["v=spf1 -all", both]), [post, mail]);
        assert_eq!(of(&["v=TLSRPTv1; rua=http://a.test/,mailto:,ftp://x"]), []);
        assert_eq!(of(&["v=TLSRPTv1; rua=mailto:a@b.test", "v=TLSRPTv1; rua=mailto:c@d.test"]), []);
        assert_eq!(of(&[]), []);
    }
}
