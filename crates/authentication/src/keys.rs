//! Keys and policies from DNS, laid ready for the library, which looks nothing up itself.
//!
//! The library asks a cache before it asks DNS. So what it will ask is looked up first, with our resolver's bounds and
//! caches, and its own resolver has no server: what was not laid ready is a temporary error.

use crate::limits::KEY_LOOKUPS_MAX;
use dns::{LookupError, Name, Resolver};
use futures_util::StreamExt;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dmarc::Dmarc;
use mail_auth::hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts};
use mail_auth::hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::hickory_resolver::{TokioResolver, net::NetError};
use mail_auth::{DnsError, Error, MessageAuthenticator, RecordSet, ResolverCache, Txt};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::Ipv4Addr;
use std::sync::OnceLock;
use std::time::Instant;

/// The library's checks, with a resolver that knows no server.
pub(crate) fn authenticator() -> Option<&'static MessageAuthenticator> {
    static AUTHENTICATOR: OnceLock<Option<MessageAuthenticator>> = OnceLock::new();
    let build = || match deaf_resolver() {
        Ok(resolver) => Some(MessageAuthenticator(resolver)),
        Err(error) => {
            tracing::error!(%error, "messages cannot be verified");
            None
        }
    };
    AUTHENTICATOR.get_or_init(build).as_ref()
}

fn deaf_resolver() -> Result<TokioResolver, NetError> {
    let mut options = ResolverOpts::default();
    options.attempts = 0;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    let tls =
        rustls::ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let config = ResolverConfig::from_name_servers(Vec::new());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .with_tls_config(tls)
        .build()
}

/// TXT records by name (lower case, with the final dot, as the library asks).
#[derive(Default)]
pub(crate) struct Ready {
    known: HashMap<Box<str>, Txt>,
}

impl ResolverCache<Box<str>, Txt> for Ready {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.known.get(name).cloned()
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

/// Says of every name that it is there: the one thing that the library would ask of addresses is asked by ourselves.
pub(crate) struct Everything;

impl ResolverCache<Box<str>, RecordSet<Ipv4Addr>> for Everything {
    fn get<Q>(&self, _: &Q) -> Option<RecordSet<Ipv4Addr>>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(RecordSet { rrset: [].into(), dnssec_status: Default::default() })
    }

    fn remove<Q>(&self, _: &Q) -> Option<RecordSet<Ipv4Addr>>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: RecordSet<Ipv4Addr>, _: Instant) {}
}

impl Ready {
    /// Looks the domain keys of these names up; at most [`KEY_LOOKUPS_MAX`] at once.
    pub(crate) async fn domain_keys(&mut self, resolver: &Resolver, names: Vec<String>) {
        self.fetch(resolver, names, domain_key).await;
    }

    /// Looks the DMARC policies of these names up.
    pub(crate) async fn policies(&mut self, resolver: &Resolver, names: Vec<String>) {
        self.fetch(resolver, names, policy).await;
    }

    async fn fetch(&mut self, resolver: &Resolver, mut names: Vec<String>, read: fn(&[Vec<u8>]) -> Txt) {
        names.iter_mut().for_each(|name| *name = name.to_lowercase());
        names.sort();
        names.dedup();
        names.retain(|name| !self.known.contains_key(name.as_str()));
        let mut found = futures_util::stream::iter(names)
            .map(|name| async move {
                let txt = match name.parse::<Name>() {
                    Ok(asked) => match resolver.txt(&asked).await {
                        Ok(answer) => read(&answer.records),
                        Err(error) => Txt::Error(translate(error)),
                    },
                    Err(_) => Txt::Error(translate(LookupError::NoSuchName)),
                };
                (name, txt)
            })
            .buffer_unordered(KEY_LOOKUPS_MAX);
        while let Some((name, txt)) = found.next().await {
            self.known.insert(name.into(), txt);
        }
    }

    /// Whether a policy stands at this very name.
    pub(crate) fn has_policy(&self, name: &str) -> bool {
        matches!(self.known.get(name), Some(Txt::Dmarc(_)))
    }

    /// Bits of the RSA key at the name, when one is there. An Ed25519 key has no size to judge.
    pub(crate) fn key_bits(&self, name: &str) -> Option<usize> {
        match self.known.get(&*name.to_lowercase()) {
            Some(Txt::DomainKey(key)) => Some(key.p.public_key_bits()),
            _ => None,
        }
    }
}

/// RFC 6376 §3.6.2.2: what several records mean is undefined; the first that is a key is taken.
pub(crate) fn domain_key(records: &[Vec<u8>]) -> Txt {
    let mut result = Err(Error::Dns(DnsError::InvalidRecordType));
    for record in records {
        result = DomainKey::parse(record);
        if result.is_ok() {
            break;
        }
    }
    result.into()
}

/// RFC 7489 §6.6.3, RFC 9989 §4.10.1: what does not begin as a policy or cannot be read is passed over; several are none.
pub(crate) fn policy(records: &[Vec<u8>]) -> Txt {
    let mut policies =
        records.iter().filter(|record| record.starts_with(b"v=DMARC1")).map(|record| Dmarc::parse(record));
    match (policies.next(), policies.next()) {
        (Some(Ok(policy)), None) => Ok(policy).into(),
        _ => Txt::Error(translate(LookupError::NoRecords)),
    }
}

fn translate(error: LookupError) -> Error {
    Error::Dns(match error {
        LookupError::NoSuchName => DnsError::RecordNotFound(ResponseCode::NXDomain),
        LookupError::NoRecords => DnsError::RecordNotFound(ResponseCode::NoError),
        LookupError::Bogus | LookupError::Failed | LookupError::Off => DnsError::Resolver(String::new()),
    })
}

#[cfg(test)]
mod tests {
    //! What stands in DNS is a stranger's: any of it is read or refused.

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn of_policies_there_is_one_or_none() {
        let read = |records: &[&str]| {
            let records: Vec<Vec<u8>> = records.iter().map(|record| record.as_bytes().to_vec()).collect();
            matches!(policy(&records), Txt::Dmarc(_))
        };
        assert!(read(&["v=DMARC1; p=none"]) && read(&["other", "v=DMARC1; p=none"]));
        assert!(!read(&["v=DMARC1; p=none", "v=DMARC1; p=none"]) && !read(&["p=none; v=DMARC1"]) && !read(&[]));
    }

    proptest! {
        #[test]
        fn anything(
            octets in proptest::collection::vec(any::<u8>(), 0..100),
            tags in "((v=DKIM1|v=DMARC1|k=rsa|k=ed25519|p=|p=[A-Za-z0-9+/]{0,40}=?|p=reject|sp=|np=none|t=y|t=s|rua=mailto:a@b!10m|pct=[0-9]{0,4}|h=sha256|s=email|=|\\x30\\x82| );?){0,10}",
        ) {
            drop(domain_key(&[octets.clone(), tags.clone().into_bytes()]));
            drop(policy(&[tags.into_bytes()]));
            drop(policy(&[[b"v=DMARC1".as_slice(), &octets].concat()]));
            // A key of these very octets.
            use base64::Engine;
            let key = base64::engine::general_purpose::STANDARD.encode(&octets);
            if let Txt::DomainKey(key) = domain_key(&[format!("v=DKIM1; k=rsa; p={key}").into_bytes()]) {
                let _ = key.p.public_key_bits();
                drop(key.p.verify_bytes(b"x", &octets, mail_auth::common::crypto::Algorithm::RsaSha256));
            }
        }
    }
}
