//! Where policies come from, and where they are kept: among the workers, for as long as each says (RFC 8461 §3.3, §5.1).

use super::policy::{Policy, PolicyError, record_id};
use crate::http::{Ask, HttpError, Https};
use crate::limits::{POLICY_BYTES_MAX, POLICY_RETRY_SECONDS};
use crate::tls_report::Failure;
use bytes::Bytes;
use daemon::clock::Clock;
use daemon::shared::Shared;
use dns::{Name, Resolver};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// What policies are called among the workers.
const SHARED_KIND: &str = "mta-sts";
/// What fetches that failed are.
const SHARED_FAILED: &str = "mta-sts-failed";

/// Policies of other domains.
pub struct Policies {
    resolver: Resolver,
    https: Https,
    shared: Shared,
    port: u16,
    clock: Arc<dyn Clock>,
}

/// A policy as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: String,
    text: String,
    until_s: i64,
}

/// Why there is no policy to be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Its host does not answer, or is not the one that was meant.
    #[error("{0}")]
    Http(#[from] HttpError),
    /// It has no such file, or sends one on to somewhere else.
    #[error("the host of the policy answers {0}")]
    Status(u16),
    /// The file is of another type.
    #[error("the policy is not text/plain")]
    Kind,
    /// The file is no policy.
    #[error("{0}")]
    Policy(#[from] PolicyError),
}

impl FetchError {
    /// As a report says it (RFC 8460 §4.3.2.2).
    fn failure(&self) -> Failure {
        match self {
            Self::Http(_) | Self::Status(_) | Self::Kind => Failure::StsFetch,
            Self::Policy(_) => Failure::StsInvalid,
        }
    }
}

/// What is known of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Its policy.
    pub policy: Option<Policy>,
    /// Why it could not be brought up to date, for the report.
    pub failure: Option<Failure>,
}

impl Policies {
    /// None kept yet but what other workers did.
    pub fn new(resolver: Resolver, https: Https, shared: Shared, port: u16, clock: Arc<dyn Clock>) -> Self {
        Self { resolver, https, shared, port, clock }
    }

    /// The policy of a domain now. Without a record, and while a new one cannot be fetched, a kept one goes on until its end
    /// (RFC 8461 §3.3, §5.1): who can only suppress answers cannot switch it off.
    pub async fn of(&self, domain: &Name) -> Found {
        let now_s = self.clock.now().as_second();
        let kept = self.kept(domain).await.filter(|kept| kept.until_s > now_s);
        let kept_policy = || kept.as_ref().and_then(|kept| Policy::parse(kept.text.as_bytes()).ok());
        let Some(id) = self.id(domain).await else { return Found { policy: kept_policy(), failure: None } };
        if kept.as_ref().is_some_and(|kept| kept.id == id) {
            return Found { policy: kept_policy(), failure: None };
        }
        if self.shared.get(SHARED_FAILED, domain.as_str().as_bytes()).await.is_some() {
            return Found { policy: kept_policy(), failure: Some(Failure::StsFetch) };
        }
        match fetch(&self.https, domain, self.port).await {
            Ok((policy, text)) => {
                self.keep(domain, &Kept { id, text, until_s: now_s.saturating_add_unsigned(policy.max_age) }, &policy)
                    .await;
                Found { policy: Some(policy), failure: None }
            }
            Err(error) => {
                tracing::debug!(%error, "an MTA-STS policy cannot be had");
                let pause = Duration::from_secs(POLICY_RETRY_SECONDS);
                self.shared.set(SHARED_FAILED, domain.as_str().as_bytes(), b"1", pause).await;
                Found { policy: kept_policy(), failure: Some(error.failure()) }
            }
        }
    }

    async fn kept(&self, domain: &Name) -> Option<Kept> {
        let bytes = self.shared.get(SHARED_KIND, domain.as_str().as_bytes()).await?;
        serde_json::from_slice(&bytes).ok()
    }

    async fn keep(&self, domain: &Name, kept: &Kept, policy: &Policy) {
        if let Ok(bytes) = serde_json::to_vec(kept) {
            let age = Duration::from_secs(policy.max_age);
            self.shared.set(SHARED_KIND, domain.as_str().as_bytes(), &bytes, age).await;
        }
    }

    async fn id(&self, domain: &Name) -> Option<String> {
        let records = self.resolver.txt(&domain.child("_mta-sts").ok()?).await.ok()?.records;
        record_id(records.iter().map(Vec::as_slice))
    }
}

/// The policy of a domain and its text, from its host now (RFC 8461 §3.3): the one path, text/plain, no redirect, a certificate
/// for the name.
///
/// # Errors
/// See [`FetchError`].
pub async fn fetch(https: &Https, domain: &Name, port: u16) -> Result<(Policy, String), FetchError> {
    let authority = if port == 443 { String::new() } else { format!(":{port}") };
    let uri: Uri =
        format!("https://mta-sts.{domain}{authority}/.well-known/mta-sts.txt").parse().map_err(|_| HttpError::Url)?;
    let (headers, body) = (HeaderMap::new(), Bytes::new());
    let ask = Ask { method: Method::GET, uri, headers, body, answer_bytes_max: POLICY_BYTES_MAX };
    let answer = https.ask(&ask).await?;
    if answer.status != StatusCode::OK {
        return Err(FetchError::Status(answer.status.as_u16()));
    }
    let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/plain")) {
        return Err(FetchError::Kind);
    }
    let policy = Policy::parse(&answer.body)?;
    Ok((policy, String::from_utf8_lossy(&answer.body).into_owned()))
}
