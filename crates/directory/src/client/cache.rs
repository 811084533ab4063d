//! What was looked up, bounded, and whether it may still be used. One lock, never held across an await.

use super::feed::FEED_TRUST_MS_MAX;
use super::mail::{Routed, SigningKey, Webhook};
use super::{Alias, Allowance, CredentialsReply, Lookup, NodeInfo};
use model::Domain;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use vault::Secret32;
use wire::directory::Policy;

/// Entries of one generation; two are kept. At some 2 KB an alias this is 16 MB at most, and as much for credentials.
const ENTRIES_PER_GENERATION_MAX: usize = 4_096;

/// Taken before a look-up: its answer is cached only if nothing changed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// Everything that is cached.
#[derive(Default)]
pub(super) struct Cache(Mutex<State>);

#[derive(Default)]
struct State {
    /// When the feed was last heard of with nothing left to catch up on.
    heard: Option<Instant>,
    /// How many changes came in.
    changes: u64,
    aliases: Generations<Lookup<Arc<Alias>>>,
    credentials: Generations<Lookup<Arc<CredentialsReply>>>,
    nodes: Option<Vec<NodeInfo>>,
    routes: Generations<RouteEntry>,
    signing_keys: Generations<Arc<[SigningKey]>>,
    webhooks: Generations<Option<Arc<Webhook>>>,
    allowances: Generations<Allowance>,
    srs_secrets: Option<Arc<[Secret32]>>,
    /// One policy of each domain, which the routes of its addresses share.
    policies: Generations<Arc<Policy>>,
}

/// A route, and the addresses and domains whose change makes it stale.
#[derive(Clone)]
pub(super) struct RouteEntry {
    pub(super) answer: Lookup<Arc<Routed>>,
    pub(super) depends_on: Arc<BTreeSet<String>>,
}

impl Cache {
    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.state().changes)
    }

    pub(super) fn alias(&self, address: &str) -> Option<Lookup<Arc<Alias>>> {
        self.trusted()?.aliases.get(address)
    }

    pub(super) fn put_alias(&self, ticket: Ticket, address: String, answer: Lookup<Arc<Alias>>) {
        if let Some(mut state) = self.unchanged(ticket) {
            state.aliases.put(address, answer);
        }
    }

    pub(super) fn credentials(&self, address: &str) -> Option<Lookup<Arc<CredentialsReply>>> {
        self.trusted()?.credentials.get(address)
    }

    pub(super) fn put_credentials(&self, ticket: Ticket, address: String, answer: Lookup<Arc<CredentialsReply>>) {
        if let Some(mut state) = self.unchanged(ticket) {
            state.credentials.put(address, answer);
        }
    }

    pub(super) fn nodes(&self) -> Option<Vec<NodeInfo>> {
        self.trusted()?.nodes.clone()
    }

    pub(super) fn put_nodes(&self, ticket: Ticket, nodes: Vec<NodeInfo>) {
        if let Some(mut state) = self.unchanged(ticket) {
            state.nodes = Some(nodes);
        }
    }

    pub(super) fn route(&self, address: &str) -> Option<Lookup<Arc<Routed>>> {
        self.trusted()?.routes.get(address).map(|entry| entry.answer)
    }

    pub(super) fn put_route(&self, ticket: Ticket, address: String, entry: RouteEntry) {
        if let Some(mut state) = self.unchanged(ticket) {
            state.routes.put(address, entry);
        }
    }

    pub(super) fn signing_keys(&self, domain: &str) -> Option<Arc<[SigningKey]>> {
        self.trusted()?.signing_keys.get(domain)
    }

    pub(super) fn put_signing_keys(&self, ticket: Ticket, domain: String, keys: Arc<[SigningKey]>) {
        if let Some(mut state) = self.unchanged(ticket) {
            state.signing_keys.put(domain, keys);
        }
    }

    pub(super) fn webhook(&self, id: &str) -> Option<Option<Arc<Webhook>>> {
        self.trusted()?.webhooks.get(id)
    }

    pub(super) fn put_webhook(&self, ticket: Ticket, id: String, webhook: Option<Arc<Webhook>>) {
        if let Some(mut state) = self.unchanged(ticket) {
            state.webhooks.put(id, webhook);
        }
    }

    pub(super) fn allowance(&self, mailbox: &str) -> Option<Allowance> {
        self.trusted()?.allowances.get(mailbox)
    }

    pub(super) fn put_allowance(&self, ticket: Ticket, mailbox: String, allowance: Allowance) {
        if let Some(mut state) = self.unchanged(ticket) {
            state.allowances.put(mailbox, allowance);
        }
    }

    pub(super) fn srs_secrets(&self) -> Option<Arc<[Secret32]>> {
        self.trusted()?.srs_secrets.clone()
    }

    pub(super) fn put_srs_secrets(&self, ticket: Ticket, secrets: Arc<[Secret32]>) {
        if let Some(mut state) = self.unchanged(ticket) {
            state.srs_secrets = Some(secrets);
        }
    }

    /// The policy that is kept for the domain if it is this one; else this one is kept from now on.
    pub(super) fn shared_policy(&self, domain: &Domain, policy: Policy) -> Arc<Policy> {
        let mut state = self.state();
        if let Some(kept) = state.policies.get(domain.as_str()).filter(|kept| **kept == policy) {
            return kept;
        }
        let policy = Arc::new(policy);
        state.policies.put(domain.to_string(), Arc::clone(&policy));
        policy
    }

    /// The feed has nothing more to say at this moment.
    pub(super) fn heard(&self) {
        self.state().heard = Some(Instant::now());
    }

    pub(super) fn forget_alias(&self, address: &str) {
        let mut state = self.changed();
        state.aliases.forget(|key, _| key == address);
        state.credentials.forget(|key, _| key == address);
        state.allowances.forget(|_, allowance| allowance.address == address);
        // That there was no route may be true no more of any spelling with a subaddress.
        let unknown = |key: &str, entry: &RouteEntry| entry.answer.is_unknown() && domain_of(key) == domain_of(address);
        state.routes.forget(|key, entry| entry.depends_on.contains(address) || unknown(key, entry));
    }

    pub(super) fn forget_domain(&self, domain: &str) {
        let mut state = self.changed();
        state.aliases.forget(|key, _| domain_of(key) == Some(domain));
        state.credentials.forget(|key, _| domain_of(key) == Some(domain));
        state.routes.forget(|key, entry| domain_of(key) == Some(domain) || entry.depends_on.contains(domain));
        state.signing_keys.forget(|key, _| key == domain);
        state.allowances.forget(|_, allowance| domain_of(&allowance.address) == Some(domain));
    }

    pub(super) fn forget_account(&self, account: &str) {
        self.changed().allowances.forget(|_, allowance| allowance.account_id == account);
    }

    pub(super) fn forget_nodes(&self) {
        self.changed().nodes = None;
    }

    pub(super) fn forget_webhook(&self, id: &str) {
        self.changed().webhooks.forget(|key, _| key == id);
    }

    pub(super) fn forget_srs_secrets(&self) {
        self.changed().srs_secrets = None;
    }

    pub(super) fn forget_everything(&self) {
        let mut state = self.changed();
        let (heard, changes) = (state.heard, state.changes);
        *state = State { heard, changes, ..State::default() };
    }

    /// The state, when it is recent enough to answer from.
    fn trusted(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.state();
        let trust = Duration::from_millis(FEED_TRUST_MS_MAX);
        state.heard.is_some_and(|heard| heard.elapsed() < trust).then_some(state)
    }

    fn unchanged(&self, ticket: Ticket) -> Option<MutexGuard<'_, State>> {
        let state = self.state();
        (state.heard.is_some() && state.changes == ticket.0).then_some(state)
    }

    fn changed(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        state.changes += 1;
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant of the state spans a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bounded map: when the young generation is full it becomes the old one, and the old one is forgotten. What is used
/// moves to the young one.
struct Generations<T> {
    young: HashMap<String, T>,
    old: HashMap<String, T>,
}

impl<T> Default for Generations<T> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<T: Clone> Generations<T> {
    fn get(&mut self, key: &str) -> Option<T> {
        if let Some(found) = self.young.get(key) {
            return Some(found.clone());
        }
        let (key, found) = self.old.remove_entry(key)?;
        self.put(key, found.clone());
        Some(found)
    }

    fn put(&mut self, key: String, value: T) {
        if self.young.len() >= ENTRIES_PER_GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// Looks at every entry: changes are rare against look-ups.
    fn forget(&mut self, which: impl Fn(&str, &T) -> bool) {
        self.young.retain(|key, value| !which(key, value));
        self.old.retain(|key, value| !which(key, value));
    }
}

fn domain_of(address: &str) -> Option<&str> {
    address.rsplit_once('@').map(|(_, domain)| domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(address: &str) -> Lookup<Arc<Alias>> {
        Lookup::Found(Arc::new(Alias { address: address.to_owned(), ..Alias::default() }))
    }

    #[test]
    fn nothing_is_used_before_the_feed_was_heard() {
        let cache = Cache::default();
        cache.put_alias(cache.ticket(), "a@x.test".to_owned(), alias("a@x.test"));
        cache.heard();
        assert_eq!(cache.alias("a@x.test"), None);
        cache.put_alias(cache.ticket(), "a@x.test".to_owned(), alias("a@x.test"));
        assert_eq!(cache.alias("a@x.test"), Some(alias("a@x.test")));
    }

    #[test]
    fn an_answer_that_a_change_overtook_is_not_cached() {
        let cache = Cache::default();
        cache.heard();
        let ticket = cache.ticket();
        cache.forget_alias("b@x.test");
        cache.put_alias(ticket, "a@x.test".to_owned(), alias("a@x.test"));
        assert_eq!(cache.alias("a@x.test"), None);
    }

    #[test]
    fn changes_drop_what_they_name() {
        let cache = Cache::default();
        cache.heard();
        for address in ["a@x.test", "b@x.test", "a@y.test"] {
            cache.put_alias(cache.ticket(), address.to_owned(), alias(address));
        }
        cache.put_nodes(cache.ticket(), Vec::new());
        cache.forget_alias("a@x.test");
        assert_eq!((cache.alias("a@x.test"), cache.alias("b@x.test")), (None, Some(alias("b@x.test"))));
        cache.forget_domain("x.test");
        assert_eq!((cache.alias("b@x.test"), cache.alias("a@y.test")), (None, Some(alias("a@y.test"))));
        cache.forget_everything();
        assert_eq!((cache.alias("a@y.test"), cache.nodes()), (None, None));
    }

    #[test]
    fn the_map_is_bounded_and_keeps_what_is_used() {
        let mut map = Generations::default();
        map.put("kept".to_owned(), 0);
        for n in 1..ENTRIES_PER_GENERATION_MAX * 5 {
            map.put(n.to_string(), n);
            assert_eq!(map.get("kept"), Some(0));
            assert!(map.young.len() + map.old.len() <= 2 * ENTRIES_PER_GENERATION_MAX);
        }
        assert_eq!(map.get("1"), None);
    }
}
