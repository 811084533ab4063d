//! Links in a text: where they lead, and where they say that they do.

/// What a link counts that says another place than it leads to.
pub const ELSEWHERE_SCORE: f64 = 3.0;
/// Octets of HTML in which the text of one link is looked for; its tags are among them.
const SOURCE_BYTES_MAX: usize = 4 * 1024;
/// Octets of the text of one link that are read.
const TEXT_BYTES_MAX: usize = 300;

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The host it leads to, lower case, A-labels.
    pub host: String,
    /// The host that its text names, if the text is a URL or a domain.
    pub says: Option<String>,
}

impl Link {
    /// Whether the text names a host that is neither it, nor above it, nor below it.
    pub fn says_another(&self) -> bool {
        let below = |a: &str, b: &str| a == b || a.strip_suffix(b).is_some_and(|rest| rest.ends_with('.'));
        let bare = |name: &str| name.strip_prefix("www.").unwrap_or(name).to_owned();
        let host = bare(&self.host);
        self.says.as_deref().map(bare).is_some_and(|says| !below(&says, &host) && !below(&host, &says))
    }
}

/// Of plain text: every URL.
pub fn of_text(text: &str) -> Vec<Link> {
    let lower = text.to_ascii_lowercase();
    let starts = ["http://", "https://"].into_iter().flat_map(|scheme| lower.match_indices(scheme));
    let hosts = starts.filter_map(|(at, _)| host_of_url(text.get(at..)?));
    hosts.take(crate::limits::LINKS_MAX).map(|host| Link { host, says: None }).collect()
}

/// Of HTML: the anchors.
pub fn of_html(html: &str) -> Vec<Link> {
    let lower = html.to_ascii_lowercase();
    let mut links = Vec::new();
    let mut at = 0;
    while let Some(found) = lower.get(at..).and_then(|rest| rest.find("<a")) {
        let start = at + found + 2;
        at = start;
        if !lower.get(start..).is_some_and(|rest| rest.starts_with(char::is_whitespace)) {
            continue;
        }
        let Some(end) = lower.get(start..).and_then(|rest| rest.find('>')).map(|end| start + end) else { break };
        at = end + 1;
        let Some(host) = html.get(start..end).and_then(href).and_then(host_of_url) else { continue };
        // Tags that are never closed are looked through once, and not to the end for each link.
        let window_end = html.floor_char_boundary(at.saturating_add(SOURCE_BYTES_MAX));
        let text_end =
            lower.get(at..window_end).and_then(|rest| rest.find("</a")).map_or(window_end, |length| at + length);
        let says = html.get(at..text_end).and_then(|text| host_of_text(&without_tags(text)));
        links.push(Link { host, says });
        if links.len() == crate::limits::LINKS_MAX {
            break;
        }
    }
    links
}

/// The value of `href` among a tag's attributes.
fn href(attributes: &str) -> Option<&str> {
    let at = attributes.to_ascii_lowercase().find("href")?;
    let value = attributes.get(at + 4..)?.trim_start().strip_prefix('=')?.trim_start();
    match value.chars().next()? {
        quote @ ('"' | '\'') => value.get(1..)?.split(quote).next(),
        _ => value.split_whitespace().next(),
    }
}

fn without_tags(html: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
        if out.len() >= TEXT_BYTES_MAX {
            break;
        }
    }
    out
}

/// The host of an http or https URL.
fn host_of_url(url: &str) -> Option<String> {
    let url = url.trim_start();
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let is_end = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>' | '\\');
    let authority = rest.split(is_end).next()?;
    // What stands before an @ is a name to sign in with, and is there to be taken for the host.
    let host = authority.rsplit('@').next()?.split(':').next()?;
    normal(host)
}

/// The host that a text names, when it is nothing but a URL or a domain.
fn host_of_text(text: &str) -> Option<String> {
    let text = text.trim();
    if let Some(host) = host_of_url(text) {
        return Some(host);
    }
    let name = text.split('/').next()?;
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-');
    let ends_well =
        name.rsplit('.').next().is_some_and(|last| last.len() >= 2 && last.chars().all(char::is_alphabetic));
    if name.contains('.') && name.chars().all(is_name) && ends_well { normal(name) } else { None }
}

fn normal(host: &str) -> Option<String> {
    let name: dns::Name = host.trim_end_matches('.').parse().ok()?;
    // A name may hold spaces, and characters turn into some; a host does not.
    (name.labels() > 1 && !name.as_str().contains(' ')).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(host: &str, says: Option<&str>) -> Link {
        Link { host: host.to_owned(), says: says.map(str::to_owned) }
    }

    #[test]
    fn anchors_and_what_they_say() {
        let html = "<p><A class=x HREF='https://evil.example/x?y'><b>www.bank.example</b></a> <abbr>no</abbr>\
                    <a href=\"http://user@bank.example:80/\">click here</a> <a href=mailto:x@y.example>mail</a>\
                    <a href=https://sub.shop.example>https://shop.example/basket</a>";
        let links = of_html(html);
        assert_eq!(
            links,
            [
                link("evil.example", Some("www.bank.example")),
                link("bank.example", None),
                link("sub.shop.example", Some("shop.example")),
            ]
        );
        assert_eq!(links.iter().map(Link::says_another).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn urls_in_text() {
        assert_eq!(
            of_text("see HTTP://A.example/x, https://b.example. http://c"),
            [link("a.example", None), link("b.example", None)]
        );
    }

    #[test]
    fn links_that_are_never_closed_say_what_stands_next() {
        let html = format!("<a href=http://a.example>b.example{}", "<a href=http://a.example><".repeat(10_000));
        let links = of_html(&html);
        assert_eq!(links.len(), crate::limits::LINKS_MAX);
        assert_eq!(links.first(), Some(&link("a.example", Some("b.example"))));
        let far = format!("<a href=http://a.example>{}b.example</a>", "<b\u{e6}>".repeat(SOURCE_BYTES_MAX));
        assert_eq!(of_html(&far), [link("a.example", None)]);
    }

    #[test]
    fn broken_html_ends() {
        for html in ["<a", "<a ", "<a href", "<a href=", "<a href='", "<a href='http://x.example'>", "<a <a <a <a"] {
            of_html(html);
        }
    }
}
