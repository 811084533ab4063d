//! Rules: where the mail of an address, of addresses of a form, or of all others of a domain goes.

mod edit;

pub(crate) use edit::{AddRule, ChangeRule, RemoveRule};

use super::{Catalogue, Error, Subject, bounded, listing_limit};
use model::Domain;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// What a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleKind {
    /// One address.
    Exact = 0,
    /// Every local-part that matches.
    Pattern = 1,
    /// Whatever else comes for the domain.
    CatchAll = 2,
}

/// Whether mail is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleMode {
    Accept = 0,
    Refuse = 1,
    FailSoftly = 2,
    Swallow = 3,
}

/// Where mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Into the address's own mailbox.
    Store,
    /// An address, or in a pattern's rule the template of one.
    Forward(String),
    /// A webhook's id.
    Webhook(String),
}

impl Target {
    fn columns(&self) -> (i64, &str) {
        match self {
            Self::Store => (0, ""),
            Self::Forward(address) => (1, address),
            Self::Webhook(id) => (2, id),
        }
    }
}

/// What a rule is known by; no two have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleName {
    pub(crate) domain: Domain,
    pub(crate) kind: RuleKind,
    /// The whole local-part in lower case, a regular expression, or nothing.
    pub(crate) pattern: String,
}

impl RuleName {
    /// Whose routes a change of the rule changes.
    fn subject(&self) -> Subject {
        match self.kind {
            RuleKind::Exact => Subject::Alias(format!("{}@{}", self.pattern, self.domain)),
            RuleKind::Pattern | RuleKind::CatchAll => Subject::Domain(self.domain.to_string()),
        }
    }
}

/// A rule as it stands in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleRow {
    pub(super) id: i64,
    pub(crate) domain: String,
    pub(crate) kind: RuleKind,
    pub(crate) pattern: String,
    pub(crate) position: u32,
    pub(crate) targets: Vec<Target>,
    pub(crate) mode: RuleMode,
    pub(crate) text: String,
    pub(crate) account: String,
    pub(crate) queue_id: String,
    pub(crate) node_id: String,
    pub(crate) created_ms: i64,
}

/// The rule of this name.
pub(super) async fn find(connection: &mut SqliteConnection, name: &RuleName) -> Result<Option<RuleRow>, Error> {
    let row = sqlx::query(
        "SELECT id, domain, kind, pattern, position, mode, text, account, queue_id, node_id, created_ms
         FROM rule WHERE domain = ? AND kind = ? AND pattern = ?",
    )
    .bind(name.domain.as_str())
    .bind(name.kind as i64)
    .bind(&name.pattern)
    .fetch_optional(&mut *connection)
    .await?;
    match row {
        Some(row) => Ok(Some(with_targets(connection, row_of(&row)?).await?)),
        None => Ok(None),
    }
}

/// The patterns of a domain in their order, without their targets.
pub(super) async fn patterns_of(connection: &mut SqliteConnection, domain: &Domain) -> Result<Vec<RuleRow>, Error> {
    let rows = sqlx::query(
        "SELECT id, domain, kind, pattern, position, mode, text, account, queue_id, node_id, created_ms
         FROM rule WHERE domain = ? AND kind = 1 ORDER BY position",
    )
    .bind(domain.as_str())
    .fetch_all(connection)
    .await?;
    rows.iter().map(row_of).collect()
}

/// The rule with its targets, which [`row_of`] leaves out.
pub(super) async fn with_targets(connection: &mut SqliteConnection, rule: RuleRow) -> Result<RuleRow, Error> {
    let rows = sqlx::query("SELECT kind, value FROM rule_target WHERE rule_id = ? ORDER BY kind, value")
        .bind(rule.id)
        .fetch_all(connection)
        .await?;
    let targets = rows.iter().map(|row| target_of(row.try_get("kind")?, row.try_get("value")?));
    Ok(RuleRow { targets: targets.collect::<Result<_, Error>>()?, ..rule })
}

fn target_of(kind: i64, value: String) -> Result<Target, Error> {
    match kind {
        0 => Ok(Target::Store),
        1 => Ok(Target::Forward(value)),
        2 => Ok(Target::Webhook(value)),
        _ => Err(Error::Damaged("a target of an unknown kind")),
    }
}

pub(super) fn row_of(row: &SqliteRow) -> Result<RuleRow, Error> {
    Ok(RuleRow {
        id: row.try_get("id")?,
        domain: row.try_get("domain")?,
        kind: match row.try_get::<i64, _>("kind")? {
            0 => RuleKind::Exact,
            1 => RuleKind::Pattern,
            2 => RuleKind::CatchAll,
            _ => return Err(Error::Damaged("a rule of an unknown kind")),
        },
        pattern: row.try_get("pattern")?,
        position: u32::try_from(row.try_get::<i64, _>("position")?).map_err(|_| Error::Damaged("a position"))?,
        targets: Vec::new(),
        mode: match row.try_get::<i64, _>("mode")? {
            0 => RuleMode::Accept,
            1 => RuleMode::Refuse,
            2 => RuleMode::FailSoftly,
            3 => RuleMode::Swallow,
            _ => return Err(Error::Damaged("a rule of an unknown mode")),
        },
        text: row.try_get("text")?,
        account: row.try_get("account")?,
        queue_id: row.try_get("queue_id")?,
        node_id: row.try_get("node_id")?,
        created_ms: row.try_get("created_ms")?,
    })
}

impl Catalogue {
    /// The rules of one domain, or all: exact ones by address, patterns in their order, then the catch-all.
    pub(crate) async fn rules(&self, domain: Option<&Domain>) -> Result<Vec<RuleRow>, Error> {
        if let Some(domain) = domain
            && !self.has_domain(domain).await?
        {
            return Err(Error::UnknownDomain);
        }
        let rows = sqlx::query(
            "SELECT id, domain, r.kind, pattern, position, mode, text, account, queue_id, node_id, created_ms,
                    t.kind AS target_kind, value
             FROM rule r LEFT JOIN rule_target t ON rule_id = id WHERE ?1 IS NULL OR domain = ?1
             ORDER BY domain, r.kind, position, pattern, t.kind, value LIMIT ?2",
        )
        .bind(domain.map(Domain::as_str))
        .bind(listing_limit())
        .fetch_all(&self.readers)
        .await?;
        let mut rules: Vec<RuleRow> = Vec::new();
        for row in bounded(rows)? {
            let rule = row_of(&row)?;
            if rules.last().is_none_or(|last| last.id != rule.id) {
                rules.push(rule);
            }
            if let (Some(last), Some(kind)) = (rules.last_mut(), row.try_get("target_kind")?) {
                last.targets.push(target_of(kind, row.try_get("value")?)?);
            }
        }
        Ok(rules)
    }
}
