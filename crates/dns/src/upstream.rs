//! The servers, as one thing that is asked one question at a time. Here the library ends: what comes out is an [`Answered`].

use crate::answer::Answered;
use crate::config::{self, ResolverError};
use crate::limits::{RETRIES_MAX, VALIDATIONS_MAX};
use crate::records::{Kind, LookupError};
use daemon::config::Dns;
use futures_util::StreamExt;
use hickory_resolver::net::dnssec::DnssecDnsHandle;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle, RetryDnsHandle};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{DnsRequestOptions, Query};
use hickory_resolver::proto::rr::Name;
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};
use std::sync::Arc;

type Servers = RetryDnsHandle<NameServerPool<TokioRuntimeProvider>>;

/// How answers come.
pub(crate) enum Upstream {
    /// As the servers give them.
    Plain(Servers),
    /// Validated here (RFC 4035 §4), whatever the servers say about it.
    Validating(DnssecDnsHandle<Servers>),
}

impl Upstream {
    pub(crate) fn new(dns: &Dns) -> Result<Self, ResolverError> {
        let context = PoolContext::new(config::options(dns.dnssec), TlsConfig { config: config::tls(&dns.ca)? });
        let pool =
            NameServerPool::from_config(config::servers(dns)?, Arc::new(context), TokioRuntimeProvider::default());
        let servers = RetryDnsHandle::new(pool, RETRIES_MAX);
        if !dns.dnssec {
            return Ok(Self::Plain(servers));
        }
        let anchors = Arc::new(config::trust_anchors(&dns.trust_anchor)?);
        let validating = DnssecDnsHandle::with_trust_anchor(servers, anchors).validation_cache_size(VALIDATIONS_MAX);
        Ok(Self::Validating(validating))
    }

    pub(crate) fn validates(&self) -> bool {
        matches!(self, Self::Validating(_))
    }

    /// One query, within the servers' time and tries.
    pub(crate) async fn ask(&self, name: &Name, kind: Kind) -> Result<Answered, LookupError> {
        let query = Query::query(name.clone(), kind.wire());
        let mut options = DnsRequestOptions::default();
        options.use_edns = true;
        options.edns_set_dnssec_ok = self.validates();
        // RFC 5452 §9: another thing that a forger off the path has to guess.
        options.case_randomization = true;
        let answered = match self {
            Self::Plain(servers) => servers.lookup(query, options).next().await,
            Self::Validating(servers) => servers.lookup(query, options).next().await,
        };
        match answered {
            Some(Ok(response)) => Ok(Answered::Message(Box::new(response.into_message()))),
            Some(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) => Ok(Answered::Absent {
                no_such_name: none.response_code == hickory_resolver::proto::op::ResponseCode::NXDomain,
                ttl_seconds: none.negative_ttl,
            }),
            Some(Err(NetError::Dns(DnsError::DnssecBogus))) => Err(LookupError::Bogus),
            // The denial has no proof, and the proof says why.
            Some(Err(NetError::Dns(DnsError::Nsec { response, proof, .. }))) if proof.is_insecure() => {
                Ok(Answered::Message(Box::new(response.into_message())))
            }
            Some(Err(NetError::Dns(DnsError::Nsec { response, .. }))) => {
                Ok(Answered::Unproven(Box::new(response.into_message())))
            }
            Some(Err(error)) => {
                // The text may name what was asked.
                tracing::debug!(%error, "a DNS query failed");
                Err(LookupError::Failed)
            }
            None => Err(LookupError::Failed),
        }
    }
}
