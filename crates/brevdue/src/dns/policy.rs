//! The MTA-STS policy that a domain needs against the one that its host serves, fetched as other senders do.

use super::check::State;
use crate::failure::Failure;
use daemon::config::Config;
use dns::{Name, Resolver};
use outbound::guard::Guard;
use outbound::http::{HttpError, Https};
use outbound::mta_sts::{FetchError, Policy, fetch};
use outbound::tls::Tls;
use serde::Serialize;

/// What is served.
#[derive(Debug, Serialize)]
pub(super) struct Served {
    pub(super) url: String,
    pub(super) state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) found: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

impl Served {
    /// Whether nothing is to be done about it.
    pub(super) fn is_good(&self) -> bool {
        self.state == State::Ok
    }
}

/// Fetches the policy with the authorities, port and rules on addresses of outbound.
pub(super) async fn check(
    resolver: &Resolver,
    config: &Config,
    domain: &str,
    (wanted, url): (&str, String),
) -> Result<Served, Failure> {
    let config = &config.outbound;
    let ca = Some(config.ca.as_path()).filter(|file| !file.as_os_str().is_empty());
    let guard = Guard { allow_private: config.allow_private, ..Guard::default() };
    let https = match Tls::load(ca) {
        Ok(tls) => Https::new(resolver.clone(), &tls, guard)?,
        // The records can be told of all the same.
        Err(error) => return Ok(Served { url, state: State::Unknown, found: None, note: Some(error.to_string()) }),
    };
    let name: Name = domain.parse()?;
    let wanted = Policy::parse(wanted.as_bytes())?;
    Ok(match fetch(&https, &name, config.https_port).await {
        Ok((found, text)) => {
            let (state, note) = compared(&wanted, &found);
            Served { url, state, found: Some(text), note }
        }
        Err(error) => Served { url, state: state_of(&error), found: None, note: Some(error.to_string()) },
    })
}

fn state_of(error: &FetchError) -> State {
    match error {
        FetchError::Status(404 | 410) => State::Missing,
        FetchError::Http(HttpError::Name(error)) if error.is_absent() => State::Missing,
        FetchError::Http(_) => State::Unknown,
        FetchError::Status(_) | FetchError::Kind | FetchError::Policy(_) => State::Differs,
    }
}

/// The mode must be the same, and every MX must be named; how long it is kept is the operator's own business.
fn compared(wanted: &Policy, found: &Policy) -> (State, Option<String>) {
    if wanted.mode != found.mode {
        return (State::Differs, Some("its mode is another".to_owned()));
    }
    let missing: Vec<&str> = wanted.patterns.iter().map(String::as_str).filter(|host| !found.names(host)).collect();
    if !missing.is_empty() {
        return (State::Differs, Some(format!("it does not name {}", missing.join(", "))));
    }
    let note = (wanted.max_age != found.max_age).then(|| "with another max_age, which is fine".to_owned());
    (State::Ok, note)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Policy {
        Policy::parse(format!("version: STSv1\n{text}").as_bytes()).unwrap()
    }

    #[test]
    fn mode_and_hosts_count() {
        let wanted = policy("mode: enforce\nmx: a.example.com\nmx: b.example.com\nmax_age: 604800");
        let state = |text: &str| compared(&wanted, &policy(text)).0;
        assert_eq!(state("mode: enforce\nmx: *.example.com\nmax_age: 86400"), State::Ok);
        assert_eq!(state("mode: testing\nmx: *.example.com\nmax_age: 86400"), State::Differs);
        assert_eq!(state("mode: enforce\nmx: a.example.com\nmax_age: 604800"), State::Differs);
    }
}
