//! One attempt to deliver a message to one destination: over a connection that waits, or over a new one to the first host
//! that will have us (RFC 5321 §5.1).

use crate::connection::{Connection, Login, Opening, open};
use crate::fault::{Fault, Stage};
use crate::guard::Guard;
use crate::letter::{Letter, Recipient};
use crate::metrics;
use crate::outcome::{Outcome, Status, Verdict};
use crate::patience::Patience;
use crate::pool::Pool;
use crate::route::{Endpoint, Route, Routes};
use crate::text::{self, Source};
use crate::tls::{Demand, Tls};
use crate::tls_policy::{DomainPolicy, Judged, TlsPolicies};
use crate::transaction::{Sent, send};
use daemon::config::SmartHostTls;
use dns::{Name, Resolver};
use message::text::field_values;
use std::net::{IpAddr, SocketAddr};

/// The subject of status codes about security (RFC 3463 §3.8).
const SECURITY: u16 = 7;

/// Everything that attempts share.
pub struct Sender {
    /// Our name.
    pub hello: String,
    /// Names.
    pub resolver: Resolver,
    /// Where mail goes.
    pub routes: Routes,
    /// What TLS it needs.
    pub policies: TlsPolicies,
    /// How TLS is done.
    pub tls: Tls,
    /// Which addresses may be connected to.
    pub guard: Guard,
    /// The port of other servers.
    pub port: u16,
    /// TLS with the smart host.
    pub smart_tls: SmartHostTls,
    /// Who we are to it.
    pub login: Option<Login>,
    /// How long to wait.
    pub patience: Patience,
    /// Connections that wait.
    pub(crate) pool: Pool,
}

/// What an attempt came to.
#[derive(Debug)]
pub struct Attempted {
    /// One for each recipient, in order.
    pub outcomes: Vec<Outcome>,
    /// Nobody at the destination could be spoken to: others need not try now.
    pub unreachable: bool,
}

/// One message to one destination.
#[derive(Clone, Copy)]
pub struct Errand<'a> {
    /// The destination as the queue names it.
    pub destination: &'a str,
    /// The message.
    pub letter: &'a Letter,
    /// Its recipients there.
    pub recipients: &'a [Recipient],
    /// Its text.
    pub text: &'a dyn Source,
}

/// An attempt, and whether the destination's policy is why it came to nothing.
struct Tried {
    attempted: Attempted,
    for_want_of_tls: bool,
}

impl From<Attempted> for Tried {
    fn from(attempted: Attempted) -> Self {
        Self { attempted, for_want_of_tls: false }
    }
}

/// A host to try, with what is asked of it.
struct Target {
    host: String,
    addresses: Vec<SocketAddr>,
    judged: Judged,
    implicit_tls: bool,
    signs_in: bool,
    /// One of our own MX roles, by its address in the configuration: nobody else has to say who it is.
    is_home: bool,
    /// That a server calls itself by our name is no loop.
    may_be_us: bool,
}

impl Sender {
    /// Tries once.
    pub async fn attempt(&self, errand: &Errand<'_>) -> Attempted {
        let route = match self.routes.find(errand.destination).await {
            Ok(route) => route,
            Err(outcome) => return all(errand, &outcome, false),
        };
        let errand = &Errand { destination: shared_name(&route, errand.destination), ..*errand };
        let Route::Exchangers { domain, secure, .. } = &route else {
            return self.over_any(errand, &route, &DomainPolicy::none()).await.attempted;
        };
        // Reports and notices go to who has failures of TLS: no session of theirs is one to report (RFC 8460 §3).
        if errand.letter.of_system && is_tls_optional(errand).await {
            return self.without_policy(errand, &route).await;
        }
        let policy = self.policies.of_domain(domain, *secure).await;
        let tried = self.over_any(errand, &route, &policy).await;
        if tried.for_want_of_tls && !errand.letter.require_tls && is_tls_optional(errand).await {
            return self.without_policy(errand, &route).await;
        }
        tried.attempted
    }

    /// Whatever the domain asks for; others do not get the connection.
    async fn without_policy(&self, errand: &Errand<'_>, route: &Route) -> Attempted {
        let destination = format!("(any TLS) {}", errand.destination);
        let errand = &Errand { destination: &destination, ..*errand };
        self.over_any(errand, route, &DomainPolicy::none()).await.attempted
    }

    /// Over a connection that waits, or a new one.
    async fn over_any(&self, errand: &Errand<'_>, route: &Route, policy: &DomainPolicy) -> Tried {
        // What one message asks of TLS, a connection that was opened for another may not have.
        while !errand.letter.require_tls
            && let Some(connection) = self.pool.take(errand.destination)
        {
            if let Some(attempted) = self.over(errand, connection).await {
                return attempted.into();
            }
        }
        self.over_route(errand, route, policy).await
    }

    /// Over a connection that waited; `None` when it was gone, which says nothing about the server.
    async fn over(&self, errand: &Errand<'_>, connection: Connection) -> Option<Attempted> {
        metrics::reused();
        let remote = connection.remote().to_owned();
        let sent = self.send(errand, connection).await;
        let gone = sent.fault.as_ref().is_some_and(|fault| matches!(fault.stage(), Stage::Reset | Stage::Mail));
        let undecided = sent.outcomes.iter().all(Option::is_none);
        if gone && undecided { None } else { Some(settle(sent, &remote)) }
    }

    async fn over_route(&self, errand: &Errand<'_>, route: &Route, policy: &DomainPolicy) -> Tried {
        let require_tls = errand.letter.require_tls;
        let mut for_want_of_tls = false;
        let mut last = Outcome::deferred(Status::new(4, 4, 4), "no host of the destination can be tried", "");
        let mut all_refuse = true;
        for at in 0..hosts(route) {
            let target = match self.target(route, at, policy).await {
                Ok(target) => target,
                Err(outcome) => {
                    all_refuse &= outcome.verdict == Verdict::Failed;
                    for_want_of_tls |= outcome.status.subject == SECURITY;
                    last = outcome;
                    continue;
                }
            };
            for address in &target.addresses {
                match self.open(&target, *address, require_tls, policy).await {
                    Ok(connection) => return self.over_new(errand, connection).await.into(),
                    Err(fault) => {
                        let remote = format!("{} [{}]", target.host, address.ip());
                        last = match require_tls {
                            true => fault.outcome_under_require_tls(&remote),
                            false => fault.outcome(&remote),
                        };
                        for_want_of_tls |= fault.is_of_tls();
                        all_refuse &= last.verdict == Verdict::Failed;
                    }
                }
            }
        }
        // One host that may do better later is reason enough to come back.
        if !all_refuse && last.verdict == Verdict::Failed {
            last = Outcome { verdict: Verdict::Deferred, status: Status { class: 4, ..last.status }, ..last };
        }
        // What one message demands of TLS says nothing about the others.
        let attempted = all(errand, &last, last.verdict == Verdict::Deferred && !require_tls);
        Tried { attempted, for_want_of_tls }
    }

    async fn over_new(&self, errand: &Errand<'_>, connection: Connection) -> Attempted {
        let remote = connection.remote().to_owned();
        let sent = self.send(errand, connection).await;
        settle(sent, &remote)
    }

    /// Sends, and keeps the connection for the next message where it can go on.
    async fn send(&self, errand: &Errand<'_>, mut connection: Connection) -> Sent {
        let sent = Box::pin(send(&mut connection, errand.letter, errand.recipients, errand.text)).await;
        if let Some(fault) = &sent.fault {
            metrics::broken(fault);
        } else if let Some(done) = self.pool.put(errand.destination, connection) {
            tokio::spawn(done.quit());
        }
        sent
    }

    /// Opens a connection as the policy asks; where nothing is asked and TLS fails, once more without.
    async fn open(
        &self,
        target: &Target,
        address: SocketAddr,
        require_tls: bool,
        policy: &DomainPolicy,
    ) -> Result<Connection, Fault> {
        let demand = match &target.judged.demand {
            _ if require_tls && target.is_home => &Demand::Encrypted,
            demand if require_tls && !demand.is_verified() => {
                // RFC 8689 §4.2.1: whom nobody vouches for must not have the message.
                if !target.judged.is_named {
                    return Err(Fault::NoTls);
                }
                &Demand::Authority
            }
            demand => demand,
        };
        let mut opening = Opening {
            hello: &self.hello,
            host: &target.host,
            address,
            demand,
            implicit_tls: target.implicit_tls,
            login: self.login.as_ref().filter(|_| target.signs_in),
            tls: &self.tls,
            patience: self.patience,
        };
        let mut opened = Box::pin(open(&opening)).await;
        self.policies.note(policy, &target.judged, &target.host, address.ip(), opened.as_ref());
        if matches!(&opened, Err(Fault::Handshake(_))) && !demand.is_strict() && !target.implicit_tls {
            opening.demand = &Demand::Never;
            opened = Box::pin(open(&opening)).await;
        }
        let connection = opened?;
        if !target.may_be_us && connection.greeted_as().eq_ignore_ascii_case(&self.hello) {
            connection.quit().await;
            return Err(Fault::Loop);
        }
        metrics::opened(connection.security());
        // RFC 8689 §4.2.1: another host of the destination may offer it.
        if require_tls && !connection.offers().require_tls {
            connection.quit().await;
            return Err(Fault::NoRequireTls);
        }
        Ok(connection)
    }

    /// One host of a route with its addresses and what TLS it must have.
    async fn target(&self, route: &Route, at: usize, policy: &DomainPolicy) -> Result<Target, Outcome> {
        match route {
            Route::Local(hosts) => match hosts.get(at) {
                Some(endpoint) => Ok(Target { is_home: true, ..self.own(endpoint, Demand::Opportunistic).await? }),
                None => Err(Outcome::deferred(Status::new(4, 4, 4), "no such host", "")),
            },
            Route::Smart(endpoint) => {
                let demand = match self.smart_tls {
                    SmartHostTls::Required | SmartHostTls::Implicit => Demand::Authority,
                    SmartHostTls::Opportunistic => Demand::Opportunistic,
                };
                let implicit_tls = self.smart_tls == SmartHostTls::Implicit;
                Ok(Target { implicit_tls, signs_in: true, ..self.own(endpoint, demand).await? })
            }
            Route::Literal(address) => {
                let judged = Judged::plain(Demand::Opportunistic);
                Ok(self.stranger(address.to_string(), &[*address], judged))
            }
            Route::Exchangers { domain, hosts, .. } => match hosts.get(at) {
                Some(host) => self.exchanger(domain, host, policy).await,
                None => Err(Outcome::deferred(Status::new(4, 4, 4), "no such host", "")),
            },
        }
    }

    /// A host of our own configuration: the system may know its name, and its address is nobody's business.
    async fn own(&self, endpoint: &Endpoint, demand: Demand) -> Result<Target, Outcome> {
        let found = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port)).await;
        let found =
            found.map_err(|error| Outcome::deferred(Status::new(4, 4, 3), &error.to_string(), &endpoint.host))?;
        Ok(Target {
            host: endpoint.host.clone(),
            addresses: found.collect(),
            judged: Judged::plain(demand),
            implicit_tls: false,
            signs_in: false,
            is_home: false,
            may_be_us: true,
        })
    }

    async fn exchanger(&self, domain: &Name, host: &Name, policy: &DomainPolicy) -> Result<Target, Outcome> {
        let addresses = self.resolver.addresses(host).await;
        let addresses = addresses.map_err(|error| {
            let text = format!("addresses of {host}: {error}");
            if error.is_absent() {
                Outcome::failed(Status::new(5, 4, 4), &text, "")
            } else {
                Outcome::deferred(Status::new(4, 4, 3), &text, "")
            }
        })?;
        let judged = self.policies.of_host(policy, domain, host, addresses.secure).await?;
        let target = self.stranger(host.to_string(), &addresses.records, judged);
        if target.addresses.is_empty() {
            return Err(Fault::Forbidden.outcome(host.as_str()));
        }
        Ok(target)
    }

    fn stranger(&self, host: String, addresses: &[IpAddr], judged: Judged) -> Target {
        let addresses = self.guard.order(addresses).into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect();
        Target { host, addresses, judged, implicit_tls: false, signs_in: false, is_home: false, may_be_us: false }
    }
}

/// RFC 8689 §3: the field has this one value.
async fn is_tls_optional(errand: &Errand<'_>) -> bool {
    let header = text::header(errand.text).await;
    field_values(&header.text, "TLS-Required").iter().any(|value| value.trim() == "No")
}

/// Under what connections of a route wait for the next message: all that go the same way share them. No domain is so called.
fn shared_name<'a>(route: &Route, destination: &'a str) -> &'a str {
    match route {
        Route::Local(_) => "(local)",
        Route::Smart(_) => "(smart host)",
        Route::Exchangers { .. } | Route::Literal(_) => destination,
    }
}

fn hosts(route: &Route) -> usize {
    match route {
        Route::Local(hosts) => hosts.len(),
        Route::Exchangers { hosts, .. } => hosts.len(),
        Route::Smart(_) | Route::Literal(_) => 1,
    }
}

fn all(errand: &Errand<'_>, outcome: &Outcome, unreachable: bool) -> Attempted {
    Attempted { outcomes: vec![outcome.clone(); errand.recipients.len()], unreachable }
}

/// Recipients that were not decided have what the fault means.
fn settle(sent: Sent, remote: &str) -> Attempted {
    let rest = match &sent.fault {
        Some(fault) => fault.outcome(remote),
        // Nothing is left undecided without a fault.
        None => Outcome::deferred(Status::new(4, 3, 0), "not decided", remote),
    };
    let outcomes = sent.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| rest.clone())).collect();
    Attempted { outcomes, unreachable: false }
}
