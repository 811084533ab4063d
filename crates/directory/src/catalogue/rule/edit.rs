//! Rules are made, changed and taken away; each is looked at as a whole before it stands.

use super::{RuleKind, RuleMode, RuleName, RuleRow, Target, find};
use crate::catalogue::{Error, Subject, Write, domain, find as look_up, node, now_ms, setting, webhook};
use model::{AccountId, MailboxId};
use sqlx::sqlite::SqliteConnection;

/// Targets of one rule: a small list; large ones belong to a list server.
pub(crate) const TARGETS_PER_RULE_MAX: usize = 50;
/// Patterns of one domain: each is tried for an address that has no rule of its own.
pub(crate) const PATTERNS_PER_DOMAIN_MAX: usize = 100;

/// Makes a rule.
pub(crate) struct AddRule {
    pub(crate) name: RuleName,
    pub(crate) targets: Vec<Target>,
    /// Made when it is not there yet.
    pub(crate) account: Option<AccountId>,
    /// Of a pattern: before which it goes; 0 for the end.
    pub(crate) position: u32,
    /// A new id for what it forwards.
    pub(crate) queue: MailboxId,
}

impl Write for AddRule {
    type Answer = RuleRow;

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<RuleRow, Error> {
        subjects.push(self.name.subject());
        self.insert(connection).await
    }
}

impl AddRule {
    /// Within a writing transaction: adds the rule and its targets.
    pub(in crate::catalogue) async fn insert(&self, connection: &mut SqliteConnection) -> Result<RuleRow, Error> {
        if !domain::is_known(connection, &self.name.domain).await? {
            return Err(Error::UnknownDomain);
        }
        if find(connection, &self.name).await?.is_some() {
            return Err(Error::RuleExists);
        }
        let node_id = node::choose(connection).await?;
        let now = now_ms();
        if let Some(account) = &self.account {
            sqlx::query("INSERT INTO account (id, created_ms) VALUES (?, ?) ON CONFLICT DO NOTHING")
                .bind(account.as_str())
                .bind(now)
                .execute(&mut *connection)
                .await?;
        }
        let position = match self.name.kind {
            RuleKind::Pattern => patterns(connection, self.name.domain.as_str()).await?.len() + 1,
            RuleKind::Exact | RuleKind::CatchAll => 0,
        };
        if position > PATTERNS_PER_DOMAIN_MAX {
            return Err(Error::BadRule(format!(
                "the domain has {PATTERNS_PER_DOMAIN_MAX} patterns, as many as it may have"
            )));
        }
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO rule (domain, kind, pattern, position, mode, text, account, queue_id, node_id, created_ms)
             VALUES (?, ?, ?, ?, 0, '', ?, ?, ?, ?) RETURNING id",
        )
        .bind(self.name.domain.as_str())
        .bind(self.name.kind as i64)
        .bind(&self.name.pattern)
        .bind(i64::try_from(position).map_err(|_| Error::Damaged("a position"))?)
        .bind(self.account.as_ref().map_or("", AccountId::as_str))
        .bind(self.queue.to_string())
        .bind(node_id)
        .bind(now)
        .fetch_one(&mut *connection)
        .await?;
        if self.name.kind == RuleKind::Pattern && self.position > 0 {
            put_at(connection, self.name.domain.as_str(), id, self.position).await?;
        }
        change_targets(connection, id, &self.targets, &[]).await?;
        checked(connection, &self.name).await
    }
}

/// Changes a rule; an alias without one gets one that stores, first.
pub(crate) struct ChangeRule {
    pub(crate) name: RuleName,
    pub(crate) add: Vec<Target>,
    pub(crate) remove: Vec<Target>,
    pub(crate) mode: Option<(RuleMode, String)>,
    /// Of a pattern; 0 for where it is.
    pub(crate) position: u32,
    /// As of [`AddRule`], if it has to be made.
    pub(crate) queue: MailboxId,
}

impl Write for ChangeRule {
    type Answer = RuleRow;

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<RuleRow, Error> {
        let id = match find(connection, &self.name).await? {
            Some(rule) => rule.id,
            None => self.make(connection).await?.id,
        };
        change_targets(connection, id, &self.add, &self.remove).await?;
        if let Some((mode, text)) = &self.mode {
            sqlx::query("UPDATE rule SET mode = ?, text = ? WHERE id = ?")
                .bind(*mode as i64)
                .bind(text)
                .bind(id)
                .execute(&mut *connection)
                .await?;
        }
        if self.name.kind == RuleKind::Pattern && self.position > 0 {
            put_at(connection, self.name.domain.as_str(), id, self.position).await?;
        }
        subjects.push(self.name.subject());
        checked(connection, &self.name).await
    }
}

impl ChangeRule {
    async fn make(&self, connection: &mut SqliteConnection) -> Result<RuleRow, Error> {
        if self.name.kind != RuleKind::Exact || stored_in(connection, &self.name).await?.is_none() {
            return Err(Error::UnknownRule);
        }
        let (name, targets) = (self.name.clone(), vec![Target::Store]);
        AddRule { name, targets, account: None, position: 0, queue: self.queue }.insert(connection).await
    }
}

/// Takes a rule away: an address with a mailbox stores again, any other is unknown.
pub(crate) struct RemoveRule(pub(crate) RuleName);

impl Write for RemoveRule {
    type Answer = ();

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<(), Error> {
        let rule = find(connection, &self.0).await?.ok_or(Error::UnknownRule)?;
        sqlx::query("DELETE FROM rule WHERE id = ?").bind(rule.id).execute(&mut *connection).await?;
        if rule.kind == RuleKind::Pattern {
            let left = patterns(connection, &rule.domain).await?;
            number(connection, &left).await?;
        }
        subjects.push(self.0.subject());
        Ok(())
    }
}

/// The rule as it now is, if it makes sense as a whole; an error undoes the write that it stands in.
async fn checked(connection: &mut SqliteConnection, name: &RuleName) -> Result<RuleRow, Error> {
    let rule = find(connection, name).await?.ok_or(Error::Damaged("a rule that was just written"))?;
    let bad = |why: String| Err(Error::BadRule(why));
    if rule.targets.is_empty() && rule.mode == RuleMode::Accept {
        return bad("a rule that takes mail needs a target: a mailbox, an address or a webhook".to_owned());
    }
    if rule.targets.len() > TARGETS_PER_RULE_MAX {
        return bad(format!("a rule has at most {TARGETS_PER_RULE_MAX} targets"));
    }
    for target in &rule.targets {
        match target {
            Target::Store if stored_in(connection, name).await?.is_none() => {
                return bad("there is no mailbox of this address to store in; add the alias first".to_owned());
            }
            Target::Webhook(id) if !webhook::is_known(connection, id).await? => {
                return Err(Error::UnknownWebhook);
            }
            Target::Store | Target::Webhook(_) | Target::Forward(_) => {}
        }
    }
    Ok(rule)
}

/// The alias that a rule for an address stores in: of the address itself, or of what stands before its separator.
async fn stored_in(connection: &mut SqliteConnection, name: &RuleName) -> Result<Option<String>, Error> {
    if name.kind != RuleKind::Exact {
        return Ok(None);
    }
    let separator = setting::of(connection, &name.domain).await?.separator();
    let base = look_up::base(&name.pattern, separator).map_or(name.pattern.as_str(), |(base, _)| base);
    Ok(sqlx::query_scalar("SELECT address FROM alias WHERE address IN (?, ?) ORDER BY length(address) DESC LIMIT 1")
        .bind(format!("{}@{}", name.pattern, name.domain))
        .bind(format!("{base}@{}", name.domain))
        .fetch_optional(connection)
        .await?)
}

async fn change_targets(
    connection: &mut SqliteConnection,
    id: i64,
    add: &[Target],
    remove: &[Target],
) -> Result<(), Error> {
    for target in remove {
        let (kind, value) = target.columns();
        let gone = sqlx::query("DELETE FROM rule_target WHERE rule_id = ? AND kind = ? AND value = ?")
            .bind(id)
            .bind(kind)
            .bind(value)
            .execute(&mut *connection)
            .await?;
        if gone.rows_affected() == 0 {
            let what = if value.is_empty() { "its own mailbox" } else { value };
            return Err(Error::BadRule(format!("{what} is no target of this rule")));
        }
    }
    for target in add {
        let (kind, value) = target.columns();
        sqlx::query("INSERT INTO rule_target (rule_id, kind, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(id)
            .bind(kind)
            .bind(value)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The ids of a domain's patterns in their order.
async fn patterns(connection: &mut SqliteConnection, domain: &str) -> Result<Vec<i64>, Error> {
    Ok(sqlx::query_scalar("SELECT id FROM rule WHERE domain = ? AND kind = 1 ORDER BY position")
        .bind(domain)
        .fetch_all(connection)
        .await?)
}

async fn put_at(connection: &mut SqliteConnection, domain: &str, id: i64, position: u32) -> Result<(), Error> {
    let mut order = patterns(connection, domain).await?;
    order.retain(|each| *each != id);
    let at = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1).min(order.len());
    order.insert(at, id);
    number(connection, &order).await
}

async fn number(connection: &mut SqliteConnection, order: &[i64]) -> Result<(), Error> {
    for (position, id) in (1_i64..).zip(order) {
        sqlx::query("UPDATE rule SET position = ? WHERE id = ? AND position <> ?")
            .bind(position)
            .bind(id)
            .bind(position)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
