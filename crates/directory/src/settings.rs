//! The settings of a domain: one typed table with name, form, default and help, and the policy that it comes to. Pure; what
//! a setting does is for those who read the policy.

mod form;
mod publish;

pub use form::{Form, NO_STORE};
pub use publish::{MtaStsMode, Publish, mta_sts_id};

use model::Octets;
use std::collections::BTreeMap;
use wire::directory::{Enforcement, Policy};

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// As it is named on the command line.
    pub name: &'static str,
    /// What may be set.
    pub form: Form,
    /// What holds while nothing is set, in its form's own spelling.
    pub default: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
}

const fn setting(name: &'static str, form: Form, default: &'static str, help: &'static str) -> Setting {
    Setting { name, form, default, help }
}

/// Seconds of greylisting at most: senders give up on a host that asks for more.
const GREYLIST_SECONDS_MAX: u32 = 3_600;
/// Messages or recipients an hour at most that a limit can be set to; more is what 0, no limit, is for.
const PER_HOUR_MAX: u32 = 1_000_000;

/// Every setting, in the order in which people read them.
pub const SETTINGS: [Setting; 29] = [
    setting(
        "allow",
        Form::Sources,
        "",
        "Sources whose mail passes the policy: networks, addresses of hosts, domains, addresses of people. Goes before deny.",
    ),
    setting("deny", Form::Sources, "", "Sources whose mail is refused."),
    setting(
        "fcrdns",
        Form::Enforcement,
        "score",
        "A host whose address has no name, or a name that does not lead back to it.",
    ),
    setting(
        "dnsbl_zones",
        Form::Zones,
        "",
        "Block lists of hosts that are asked, in DNS. Mind their terms of use: most want a resolver of your own.",
    ),
    setting("dnsbl", Form::Enforcement, "refuse", "A host that one of dnsbl_zones lists."),
    setting(
        "uribl_zones",
        Form::Zones,
        "",
        "Block lists of domains in links that are asked, in DNS. What they list counts towards the score.",
    ),
    setting(
        "greylist",
        Form::Switch,
        "off",
        "Whether an unknown sender is told to come again; known and well-signed ones are not.",
    ),
    setting(
        "greylist_seconds",
        Form::Number { min: 1, max: GREYLIST_SECONDS_MAX },
        "300",
        "Seconds until a greylisted sender may come again.",
    ),
    setting(
        "source_messages_per_hour",
        Form::Number { min: 0, max: PER_HOUR_MAX },
        "3600",
        "Messages an hour from one host; 0 is no limit.",
    ),
    setting(
        "recipient_messages_per_hour",
        Form::Number { min: 0, max: PER_HOUR_MAX },
        "3600",
        "Messages an hour for one recipient; 0 is no limit.",
    ),
    setting("spf", Form::Enforcement, "score", "A host that the sender's domain does not name (SPF fail)."),
    setting("dkim", Form::Enforcement, "score", "A message whose signatures do not verify, or that has none."),
    setting(
        "dmarc",
        Form::Enforcement,
        "refuse",
        "A message that fails DMARC; refuse obeys the policy of the domain in From: reject refuses, quarantine puts into Junk.",
    ),
    setting("content", Form::Switch, "on", "Whether the content counts towards the score."),
    setting("junk_score", Form::Score, "5", "The score from which on a message goes into Junk."),
    setting("refuse_score", Form::Score, "15", "The score from which on a message is refused."),
    setting(
        "subaddress",
        Form::Choice(&["+", "-", "=", ".", "_", "none"]),
        "+",
        "What separates a name from its subaddress: mail for ann+shop comes to ann.",
    ),
    setting(
        "send_recipients_per_hour",
        Form::Number { min: 0, max: PER_HOUR_MAX },
        "500",
        "Recipients an hour of one account that sends; 0 is no limit.",
    ),
    setting(
        "quota_bytes",
        Form::Octets,
        "0",
        "Octets that all mailboxes of the domain may hold together; 0 is no limit.",
    ),
    setting(
        "backup_store",
        Form::Store,
        "",
        "The store of the backup worker that backups of the domain's mailboxes go to, none for nowhere; empty for the worker's first.",
    ),
    setting(
        "sent_copy",
        Form::Switch,
        "off",
        "Whether submission puts a copy into Sent; most programs do so themselves.",
    ),
    setting(
        "mx_hosts",
        Form::Hosts,
        "",
        "Host names of the MX in the records that `brevdue dns` prints; empty for the configured ones.",
    ),
    setting(
        "client_host",
        Form::Host,
        "",
        "Host name of IMAP, POP3 and submission in the records; empty for the configured one.",
    ),
    setting(
        "spf_policy",
        Form::Choice(&["reject", "softfail", "neutral"]),
        "reject",
        "What the SPF record asks for hosts that it does not name.",
    ),
    setting(
        "spf_include",
        Form::Hosts,
        "",
        "Domains whose SPF records the domain's own includes: other services that send for it.",
    ),
    setting(
        "dmarc_policy",
        Form::Choice(&["none", "quarantine", "reject"]),
        "quarantine",
        "What the DMARC record asks of others for mail that fails it.",
    ),
    setting(
        "report_address",
        Form::Mailbox,
        "",
        "Where DMARC and TLS reports are sent; empty for postmaster of the domain.",
    ),
    setting(
        "mta_sts",
        Form::Choice(&["none", "testing", "enforce"]),
        "testing",
        "The mode of the MTA-STS policy: whether others must deliver over TLS with a valid certificate.",
    ),
    setting(
        "mta_sts_seconds",
        Form::Number { min: 86_400, max: 31_557_600 },
        "604800",
        "Seconds for which others keep the MTA-STS policy.",
    ),
];

/// The setting of this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// The settings of one domain: what was set, and the defaults for the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// What holds for a setting of the table.
    pub fn value(&self, name: &str) -> &str {
        self.0.get(name).map_or_else(|| find(name).map_or("", |setting| setting.default), String::as_str)
    }

    /// The policy that they come to.
    pub fn policy(&self) -> Policy {
        Policy {
            greylist: self.switch("greylist"),
            greylist_seconds: self.number("greylist_seconds"),
            fcrdns: self.enforcement("fcrdns"),
            dnsbl: self.enforcement("dnsbl"),
            dnsbl_zones: self.list("dnsbl_zones"),
            uribl_zones: self.list("uribl_zones"),
            allow: self.list("allow"),
            deny: self.list("deny"),
            spf: self.enforcement("spf"),
            dkim: self.enforcement("dkim"),
            dmarc: self.enforcement("dmarc"),
            content: self.switch("content"),
            junk_score: self.score("junk_score"),
            refuse_score: self.score("refuse_score"),
            source_messages_per_hour: self.number("source_messages_per_hour"),
            recipient_messages_per_hour: self.number("recipient_messages_per_hour"),
            subaddress_separator: self.separator().map(String::from).unwrap_or_default(),
            send_recipients_per_hour: self.number("send_recipients_per_hour"),
            sent_copy: self.switch("sent_copy"),
        }
    }

    /// What separates a name from its subaddress, `None` for nothing.
    pub fn separator(&self) -> Option<char> {
        match self.value("subaddress") {
            "none" => None,
            text => text.chars().next(),
        }
    }

    fn switch(&self, name: &str) -> bool {
        self.value(name) == "on"
    }

    // What was set was checked; a number that cannot be read could only come from a damaged file, and then 0 is no limit.
    fn number(&self, name: &str) -> u32 {
        self.value(name).parse().unwrap_or(0)
    }

    /// What all mailboxes of the domain may hold together, in octets; 0 is no limit.
    pub fn quota_bytes(&self) -> u64 {
        self.value("quota_bytes").parse().map_or(0, Octets::get)
    }

    fn score(&self, name: &str) -> f64 {
        self.value(name).parse().unwrap_or(f64::MAX)
    }

    fn enforcement(&self, name: &str) -> i32 {
        let enforcement = match self.value(name) {
            "refuse" => Enforcement::Refuse,
            "score" => Enforcement::Score,
            _ => Enforcement::Off,
        };
        enforcement.into()
    }

    fn list(&self, name: &str) -> Vec<String> {
        self.value(name).split(',').filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
    }
}

impl FromIterator<(String, String)> for Settings {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(set: T) -> Self {
        Self(set.into_iter().collect())
    }
}

#[cfg(test)]
mod tests;
