//! What is done with mail for a recipient: the rule or alias that the address falls to, with local forwards followed to where
//! they end. Loops are cut, and the work and the answer are bounded.

use super::alias::AliasRow;
use super::find::{self, Found, Hit, Wanted};
use super::rule::{RuleMode, Target};
use super::{Catalogue, Error};
use crate::settings::Settings;
use model::Address;
use model::limits::RECIPIENTS_MAX;
use sqlx::sqlite::SqliteConnection;
use std::collections::{BTreeSet, VecDeque};

/// Local forwards that may lead one to another.
pub(crate) const HOPS_MAX: usize = 8;
/// Addresses that are looked at for one recipient.
const ADDRESSES_MAX: usize = 256;
/// Webhooks of one recipient.
const WEBHOOKS_MAX: usize = 16;

/// What a peer is told when local forwards lead nowhere.
const LEADS_NOWHERE: &str = "This address leads to no mailbox";
/// What it is told when they lead to too many; an operator can help while it waits.
const LEADS_TO_TOO_MANY: &str = "This address leads to too many others";

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    Accept,
    Refuse,
    FailSoftly,
    Swallow,
}

/// The answer for one recipient.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) disposition: Disposition,
    /// What the peer is told, empty for the usual words.
    pub(crate) text: String,
    /// Mailboxes, each with the subaddress that its mail came to.
    pub(crate) stores: Vec<(AliasRow, Option<String>)>,
    /// Addresses of others.
    pub(crate) forwards: Vec<String>,
    pub(crate) webhooks: Vec<String>,
    pub(crate) settings: Settings,
    pub(crate) owner: AliasRow,
    /// Names whose change makes the answer stale.
    pub(crate) depends_on: BTreeSet<String>,
}

/// Whether somebody may send as an address.
pub(crate) struct Sender {
    pub(crate) login: AliasRow,
    pub(crate) allowed: bool,
    /// Of the sender's domain, when it is ours.
    pub(crate) settings: Option<Settings>,
}

impl Catalogue {
    /// The route of a recipient; the errors are those of [`Catalogue::alias`].
    pub(crate) async fn route(&self, address: &Address) -> Result<Route, Error> {
        // One snapshot, so that no change is seen by half.
        let mut read = self.readers.begin().await?;
        let wanted = Wanted::new(address);
        let settings = find::settings(&mut read, &wanted).await?;
        let mut depends_on = BTreeSet::new();
        let hit = match find::find(&mut read, &self.compiled, &wanted, &settings, &mut depends_on).await? {
            Found::Hit(hit) => *hit,
            Found::UnknownAlias => return Err(Error::UnknownAlias),
            Found::UnknownDomain => return Err(Error::UnknownDomain),
        };
        let owner = hit.owner.clone();
        let first = find::rule_local(address) + "@" + address.domain().as_str();
        let mut expansion = Expansion { seen: BTreeSet::from([first]), depends_on, ..Expansion::default() };
        expansion.take(hit, 0);
        expansion.follow(self, &mut read).await?;
        read.rollback().await?;
        Ok(expansion.route(settings, owner))
    }

    /// Whether who signs in as `login` may send as `sender`: an alias or a rule of the same account takes mail for it, or is
    /// said to swallow what is answered.
    pub(crate) async fn may_send(&self, login: &Address, sender: &Address) -> Result<Sender, Error> {
        let login = self.alias(login).await?;
        let mut read = self.readers.begin().await?;
        let wanted = Wanted::new(sender);
        let settings = find::settings(&mut read, &wanted).await?;
        let found = find::find(&mut read, &self.compiled, &wanted, &settings, &mut Vec::new()).await?;
        read.rollback().await?;
        let (allowed, settings) = match found {
            Found::Hit(hit) => {
                let lives = matches!(hit.mode, RuleMode::Accept | RuleMode::Swallow) && !hit.owner.disabled;
                (lives && !login.disabled && hit.owner.account == login.account, Some(settings))
            }
            Found::UnknownAlias => (false, Some(settings)),
            Found::UnknownDomain => (false, None),
        };
        Ok(Sender { login, allowed, settings })
    }
}

/// An address that a local forward leads to.
struct Step {
    address: Address,
    /// As the target has it: another host may mind the case.
    written: String,
    /// How many forwards led there.
    hops: usize,
}

/// Local forwards as they are followed.
#[derive(Default)]
struct Expansion {
    /// Addresses that were met; one that is met again is cut.
    seen: BTreeSet<String>,
    ahead: VecDeque<Step>,
    stores: Vec<(AliasRow, Option<String>)>,
    forwards: Vec<String>,
    webhooks: Vec<String>,
    depends_on: BTreeSet<String>,
    /// What was said where mail is refused, or fails softly.
    refused: Option<String>,
    softly: Option<String>,
    swallowed: bool,
}

impl Expansion {
    async fn follow(&mut self, catalogue: &Catalogue, read: &mut SqliteConnection) -> Result<(), Error> {
        while let Some(step) = self.ahead.pop_front() {
            let wanted = Wanted::new(&step.address);
            let settings = find::settings(read, &wanted).await?;
            match find::find(read, &catalogue.compiled, &wanted, &settings, &mut self.depends_on).await? {
                Found::Hit(hit) => self.take(*hit, step.hops),
                Found::UnknownAlias => self.refused = Some(String::new()),
                Found::UnknownDomain => self.forwards.push(step.written),
            }
            if self.is_too_much() {
                self.softly = Some(LEADS_TO_TOO_MANY.to_owned());
                break;
            }
        }
        Ok(())
    }

    fn is_too_much(&self) -> bool {
        self.seen.len() > ADDRESSES_MAX
            || self.stores.len() > RECIPIENTS_MAX
            || self.forwards.len() > RECIPIENTS_MAX
            || self.webhooks.len() > WEBHOOKS_MAX
    }

    /// What is done with one address on the way.
    fn take(&mut self, hit: Hit, hops: usize) {
        match hit.mode {
            RuleMode::Accept => {}
            RuleMode::Refuse => return self.refused = Some(hit.text),
            RuleMode::FailSoftly => return self.softly = Some(hit.text),
            RuleMode::Swallow => return self.swallowed = true,
        }
        for target in hit.targets {
            match target {
                Target::Store if !hit.has_mailbox || hit.owner.disabled => self.refused = Some(String::new()),
                Target::Store => {
                    if self.stores.iter().all(|(known, _)| known.address != hit.owner.address) {
                        self.stores.push((hit.owner.clone(), hit.subaddress.clone()));
                    }
                }
                Target::Webhook(id) => {
                    if !self.webhooks.contains(&id) {
                        self.webhooks.push(id);
                    }
                }
                Target::Forward(to) => self.forward(to, hops + 1),
            }
        }
    }

    fn forward(&mut self, written: String, hops: usize) {
        if hops > HOPS_MAX {
            self.refused = Some(LEADS_NOWHERE.to_owned());
            return;
        }
        match written.parse::<Address>() {
            Ok(address) => {
                if self.seen.insert(find::rule_local(&address) + "@" + address.domain().as_str()) {
                    self.ahead.push_back(Step { address, written, hops });
                }
            }
            // What a pattern caught does not make an address.
            Err(_) => self.refused = Some(String::new()),
        }
    }

    /// A soft failure anywhere keeps the whole waiting at the sender's, so that nobody misses it. What is refused at one place
    /// is left out while there are others.
    fn route(self, settings: Settings, owner: AliasRow) -> Route {
        let taken = !(self.stores.is_empty() && self.forwards.is_empty() && self.webhooks.is_empty());
        let (disposition, text) = match (self.softly, self.refused) {
            (Some(text), _) => (Disposition::FailSoftly, text),
            (None, _) if taken => (Disposition::Accept, String::new()),
            (None, Some(text)) => (Disposition::Refuse, text),
            (None, None) if self.swallowed => (Disposition::Swallow, String::new()),
            (None, None) => (Disposition::Refuse, LEADS_NOWHERE.to_owned()),
        };
        let accepted = disposition == Disposition::Accept;
        let (stores, forwards, webhooks) =
            if accepted { (self.stores, self.forwards, self.webhooks) } else { Default::default() };
        Route { disposition, text, stores, forwards, webhooks, settings, owner, depends_on: self.depends_on }
    }
}
