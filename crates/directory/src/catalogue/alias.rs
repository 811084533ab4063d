//! Aliases: an address with its mailbox, sealing key and placement.

use super::credential::{self, CredentialRow};
use super::{AddRule, Catalogue, Error, Subject, Write, bounded, listing_limit, node, now_ms};
use model::{AccountId, Address, Domain, MailboxId, NodeId};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// An alias as it stands in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AliasRow {
    /// Normalised, without the subaddress.
    pub(crate) address: String,
    pub(crate) account: String,
    pub(crate) mailbox_id: String,
    pub(crate) node_id: String,
    pub(crate) epoch: u64,
    /// Empty in a listing.
    pub(crate) sealing_public_key: Vec<u8>,
    pub(crate) disabled: bool,
    pub(crate) born: bool,
}

/// Makes an alias with the keys that the caller made.
pub(crate) struct AddAlias {
    pub(crate) address: Address,
    /// Made when it is not there yet.
    pub(crate) account: AccountId,
    pub(crate) mailbox: MailboxId,
    pub(crate) sealing_public_key: Vec<u8>,
    pub(crate) wrapped_sealing_key: Vec<u8>,
    pub(crate) credentials: Vec<CredentialRow>,
    /// `None`: the node with the fewest mailboxes.
    pub(crate) node: Option<NodeId>,
    /// Where its mail goes, when that is not into its mailbox alone.
    pub(crate) rule: Option<AddRule>,
}

impl Write for AddAlias {
    type Answer = AliasRow;

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<AliasRow, Error> {
        let alias = self.address.alias();
        self.check_free(connection, &alias).await?;
        let node_id = node::take_place(connection, self.node.as_ref()).await?;
        self.insert_alias(connection, &alias).await?;
        sqlx::query("INSERT INTO placement (mailbox_id, node_id, epoch) VALUES (?, ?, 1)")
            .bind(self.mailbox.to_string())
            .bind(&node_id)
            .execute(&mut *connection)
            .await?;
        sqlx::query("INSERT INTO sealing_key (address, public_key, wrapped_private_key) VALUES (?, ?, ?)")
            .bind(&alias)
            .bind(&self.sealing_public_key)
            .bind(&self.wrapped_sealing_key)
            .execute(&mut *connection)
            .await?;
        for credential in &self.credentials {
            credential::insert(connection, &alias, credential).await?;
        }
        if let Some(rule) = &self.rule {
            rule.insert(connection).await?;
        }
        subjects.push(Subject::Alias(alias.clone()));
        Ok(AliasRow {
            address: alias,
            account: self.account.to_string(),
            mailbox_id: self.mailbox.to_string(),
            node_id,
            epoch: 1,
            sealing_public_key: self.sealing_public_key,
            disabled: false,
            born: false,
        })
    }
}

impl AddAlias {
    async fn check_free(&self, connection: &mut SqliteConnection, alias: &str) -> Result<(), Error> {
        let row = sqlx::query(
            "SELECT EXISTS (SELECT 1 FROM domain WHERE name = ?),
                    EXISTS (SELECT 1 FROM alias WHERE address = ?),
                    EXISTS (SELECT 1 FROM alias WHERE mailbox_id = ?)",
        )
        .bind(self.address.domain().as_str())
        .bind(alias)
        .bind(self.mailbox.to_string())
        .fetch_one(connection)
        .await?;
        match (row.try_get::<bool, _>(0)?, row.try_get::<bool, _>(1)?, row.try_get::<bool, _>(2)?) {
            (false, _, _) => Err(Error::UnknownDomain),
            (true, true, _) => Err(Error::AliasExists),
            (true, false, true) => Err(Error::MailboxExists),
            (true, false, false) => Ok(()),
        }
    }

    async fn insert_alias(&self, connection: &mut SqliteConnection, alias: &str) -> Result<(), Error> {
        let now = now_ms();
        sqlx::query("INSERT INTO account (id, created_ms) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(self.account.as_str())
            .bind(now)
            .execute(&mut *connection)
            .await?;
        sqlx::query("INSERT INTO alias (address, domain, account, mailbox_id, created_ms) VALUES (?, ?, ?, ?, ?)")
            .bind(alias)
            .bind(self.address.domain().as_str())
            .bind(self.account.as_str())
            .bind(self.mailbox.to_string())
            .bind(now)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// The mailbox's file was made; saying it again changes nothing.
pub(crate) struct MarkBorn(pub(crate) MailboxId);

impl Write for MarkBorn {
    type Answer = ();

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<(), Error> {
        let mailbox = self.0.to_string();
        let alias: Option<String> =
            sqlx::query_scalar("UPDATE alias SET born = 1 WHERE mailbox_id = ? AND born = 0 RETURNING address")
                .bind(&mailbox)
                .fetch_optional(&mut *connection)
                .await?;
        if let Some(alias) = alias {
            subjects.push(Subject::Alias(alias));
            return Ok(());
        }
        let known = sqlx::query("SELECT 1 FROM alias WHERE mailbox_id = ?").bind(&mailbox).fetch_optional(connection);
        known.await?.map(|_| ()).ok_or(Error::UnknownMailbox)
    }
}

impl Catalogue {
    /// The alias of the address; an error says whether its domain is unknown too.
    pub(crate) async fn alias(&self, address: &Address) -> Result<AliasRow, Error> {
        // The connection goes back before another is asked for: whoever holds one and waits for a second waits for ever.
        let row = {
            let mut reader = self.readers.acquire().await?;
            by_address(&mut reader, &address.alias()).await?
        };
        match row {
            Some(row) => Ok(row),
            None if self.has_domain(address.domain()).await? => Err(Error::UnknownAlias),
            None => Err(Error::UnknownDomain),
        }
    }

    /// The aliases of one domain, or all, by address, without their keys.
    pub(crate) async fn aliases(&self, domain: Option<&Domain>) -> Result<Vec<AliasRow>, Error> {
        if let Some(domain) = domain
            && !self.has_domain(domain).await?
        {
            return Err(Error::UnknownDomain);
        }
        let rows = match domain {
            Some(domain) => sqlx::query(
                "SELECT a.address, account, a.mailbox_id, born, disabled, node_id, epoch
                 FROM alias a JOIN placement p ON p.mailbox_id = a.mailbox_id
                 WHERE domain = ? ORDER BY a.address LIMIT ?",
            )
            .bind(domain.as_str()),
            None => sqlx::query(
                "SELECT a.address, account, a.mailbox_id, born, disabled, node_id, epoch
                 FROM alias a JOIN placement p ON p.mailbox_id = a.mailbox_id ORDER BY a.address LIMIT ?",
            ),
        };
        let rows = rows.bind(listing_limit()).fetch_all(&self.readers).await?;
        bounded(rows)?.iter().map(row_of).collect()
    }
}

/// The alias of a normalised address.
pub(super) async fn by_address(connection: &mut SqliteConnection, address: &str) -> Result<Option<AliasRow>, Error> {
    let row = sqlx::query(
        "SELECT a.address, account, a.mailbox_id, born, disabled, node_id, epoch, public_key
         FROM alias a JOIN placement p ON p.mailbox_id = a.mailbox_id JOIN sealing_key s ON s.address = a.address
         WHERE a.address = ?",
    )
    .bind(address)
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok(AliasRow { sealing_public_key: row.try_get("public_key")?, ..row_of(&row)? })).transpose()
}

fn row_of(row: &SqliteRow) -> Result<AliasRow, Error> {
    Ok(AliasRow {
        address: row.try_get("address")?,
        account: row.try_get("account")?,
        mailbox_id: row.try_get("mailbox_id")?,
        node_id: row.try_get("node_id")?,
        epoch: row.try_get::<i64, _>("epoch")?.unsigned_abs(),
        sealing_public_key: Vec::new(),
        disabled: row.try_get("disabled")?,
        born: row.try_get("born")?,
    })
}
