//! The host names that records point to: those of the domain's settings, else the configured ones.

use crate::failure::Failure;
use daemon::config::Config;
use directory::settings::Publish;

/// Host names.
pub(super) struct Names {
    /// Where mail comes in, at least one, the first to be tried first.
    pub(super) mx: Vec<String>,
    /// Where mail goes out, besides those.
    pub(super) send: Vec<String>,
    /// Where people's programs connect.
    pub(super) client: String,
}

impl Names {
    /// What holds for a domain with these settings.
    pub(super) fn of(publish: &Publish, config: &Config) -> Result<Self, Failure> {
        let own = (!config.mx.hostname.is_empty()).then(|| config.mx.hostname.clone());
        let mx = [publish.mx_hosts.clone(), config.mail.mx_hosts.clone(), own.into_iter().collect()];
        let mx = mx.into_iter().find(|hosts| !hosts.is_empty()).ok_or_else(|| {
            Failure::refused(
                "no MX host is named: set mx_hosts in [mail] of the configuration, or mx_hosts of the domain",
            )
        })?;
        let mx: Vec<String> = mx.iter().map(|host| host.to_ascii_lowercase()).collect();
        let client = [publish.client_host.clone(), config.mail.client_host.clone()];
        let client = client.into_iter().find(|host| !host.is_empty()).or_else(|| mx.first().cloned());
        let send = config.mail.send_hosts.iter().map(|host| host.to_ascii_lowercase());
        let send = send.filter(|host| !mx.contains(host)).collect();
        Ok(Self { mx, send, client: client.unwrap_or_default().to_ascii_lowercase() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use directory::settings::Settings;

    #[test]
    fn a_domains_own_names_go_before_the_configured_ones() {
        let mut config = Config::default();
        let set = |text: &str| -> Publish {
            let pair = |name: &str| (name.to_owned(), text.to_owned());
            Publish::from(&[pair("mx_hosts"), pair("client_host")].into_iter().collect::<Settings>())
        };
        assert!(Names::of(&Publish::from(&Settings::default()), &config).is_err());
        config.mx.hostname = "MX.example.com".to_owned();
        let names = Names::of(&set(""), &config).ok().unwrap();
        assert_eq!((names.mx, names.client), (vec!["mx.example.com".to_owned()], "mx.example.com".to_owned()));
        config.mail.mx_hosts = vec!["a.example.com".to_owned(), "b.example.com".to_owned()];
        config.mail.send_hosts = vec!["b.example.com".to_owned(), "out.example.com".to_owned()];
        config.mail.client_host = "mail.example.com".to_owned();
        let names = Names::of(&set(""), &config).ok().unwrap();
        assert_eq!((names.mx, names.send), (config.mail.mx_hosts.clone(), vec!["out.example.com".to_owned()]));
        assert_eq!(names.client, "mail.example.com");
        let names = Names::of(&set("own.x.test"), &config).ok().unwrap();
        assert_eq!((names.mx, names.client), (vec!["own.x.test".to_owned()], "own.x.test".to_owned()));
    }
}
