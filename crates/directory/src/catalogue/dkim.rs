//! DKIM keys of domains. The private ones stand here sealed; a copy of the catalogue signs nothing.

use super::{Catalogue, Error, Sealer, Subject, Write, domain, now_ms};
use model::Domain;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use vault::signing::{Algorithm, PrivateKey};
use zeroize::Zeroizing;

/// Keys of one domain: two that sign, two that come, and those that went lately.
pub(crate) const KEYS_PER_DOMAIN_MAX: usize = 16;
/// What the sealer is told that it seals.
const WHAT: &str = "a DKIM key";

/// What a key is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// In DNS; signs after the next rotation.
    Next = 0,
    Active = 1,
    /// In DNS until what it signed has arrived.
    Retired = 2,
}

/// A key as it stands in the catalogue, without its private part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) domain: String,
    pub(crate) selector: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) state: KeyState,
    pub(crate) public_key: Vec<u8>,
    pub(crate) created_ms: i64,
    pub(crate) retired_ms: i64,
}

/// A key that was just made, its private part sealed.
pub(crate) struct NewKey {
    /// `None`: one is made from the date and the algorithm.
    pub(crate) selector: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) public_key: Vec<u8>,
    pub(crate) sealed: Vec<u8>,
}

impl NewKey {
    /// A new key of a domain. Blocking: an RSA key takes a tenth of a second.
    pub(crate) fn generate(
        sealer: &Sealer,
        domain: &Domain,
        algorithm: Algorithm,
        selector: Option<String>,
    ) -> Result<Self, Error> {
        let key = PrivateKey::generate(algorithm).map_err(|_| Error::Random)?;
        let sealed = sealer.seal(WHAT, &owner(domain.as_str(), key.public()), key.pkcs8())?;
        Ok(Self { selector, algorithm, public_key: key.public().to_vec(), sealed })
    }
}

/// Whose a sealed key is: so it cannot be passed off as another domain's, nor beside another public key.
fn owner(domain: &str, public_key: &[u8]) -> String {
    vault::digest(public_key).iter().fold(format!("{domain} "), |text, byte| format!("{text}{byte:02x}"))
}

/// A key that signs.
pub(crate) struct OpenKey {
    pub(crate) selector: String,
    pub(crate) algorithm: Algorithm,
    /// PKCS#8.
    pub(crate) private_key: Zeroizing<Vec<u8>>,
}

/// Gives a domain one more key, which signs after the next rotation.
pub(crate) struct AddKey {
    pub(crate) domain: Domain,
    pub(crate) key: NewKey,
}

impl Write for AddKey {
    type Answer = KeyRow;

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<KeyRow, Error> {
        if !domain::is_known(connection, &self.domain).await? {
            return Err(Error::UnknownDomain);
        }
        subjects.push(Subject::Domain(self.domain.to_string()));
        insert(connection, &self.domain, &self.key, KeyState::Next).await
    }
}

/// The next keys sign from now on, and of their algorithms no other.
pub(crate) struct Rotate(pub(crate) Domain);

impl Write for Rotate {
    type Answer = Vec<KeyRow>;

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<Vec<KeyRow>, Error> {
        if !domain::is_known(connection, &self.0).await? {
            return Err(Error::UnknownDomain);
        }
        sqlx::query(
            "UPDATE dkim_key SET state = 2, retired_ms = ?2 WHERE domain = ?1 AND state = 1
             AND algorithm IN (SELECT algorithm FROM dkim_key WHERE domain = ?1 AND state = 0)",
        )
        .bind(self.0.as_str())
        .bind(now_ms())
        .execute(&mut *connection)
        .await?;
        let active = sqlx::query("UPDATE dkim_key SET state = 1 WHERE domain = ? AND state = 0")
            .bind(self.0.as_str())
            .execute(&mut *connection)
            .await?;
        if active.rows_affected() == 0 {
            return Err(Error::NoNextKey);
        }
        subjects.push(Subject::Domain(self.0.to_string()));
        of(connection, &self.0).await
    }
}

/// The key signs no more; saying it again changes nothing.
pub(crate) struct RetireKey {
    pub(crate) domain: Domain,
    pub(crate) selector: String,
}

impl Write for RetireKey {
    type Answer = KeyRow;

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<KeyRow, Error> {
        let changed = sqlx::query(
            "UPDATE dkim_key SET state = 2, retired_ms = ? WHERE domain = ? AND selector = ? AND state <> 2",
        )
        .bind(now_ms())
        .bind(self.domain.as_str())
        .bind(&self.selector)
        .execute(&mut *connection)
        .await?;
        if changed.rows_affected() > 0 {
            subjects.push(Subject::Domain(self.domain.to_string()));
        }
        one(connection, &self.domain, &self.selector).await
    }
}

/// A retired key is forgotten.
pub(crate) struct RemoveKey {
    pub(crate) domain: Domain,
    pub(crate) selector: String,
}

impl Write for RemoveKey {
    type Answer = ();

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<(), Error> {
        if one(connection, &self.domain, &self.selector).await?.state != KeyState::Retired {
            return Err(Error::KeyInUse);
        }
        sqlx::query("DELETE FROM dkim_key WHERE domain = ? AND selector = ?")
            .bind(self.domain.as_str())
            .bind(&self.selector)
            .execute(connection)
            .await?;
        subjects.push(Subject::Domain(self.domain.to_string()));
        Ok(())
    }
}

/// Within a writing transaction: adds the key under a selector that is free.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    domain: &Domain,
    key: &NewKey,
    state: KeyState,
) -> Result<KeyRow, Error> {
    let known = of(connection, domain).await?;
    if known.len() >= KEYS_PER_DOMAIN_MAX {
        return Err(Error::TooManyKeys(KEYS_PER_DOMAIN_MAX));
    }
    let taken = |selector: &str| known.iter().any(|key| key.selector == selector);
    let selector = match &key.selector {
        Some(selector) if taken(selector) => return Err(Error::KeyExists),
        Some(selector) => selector.clone(),
        None => free_selector(key.algorithm, taken),
    };
    sqlx::query(
        "INSERT INTO dkim_key (domain, selector, algorithm, state, public_key, sealed_private_key, created_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(domain.as_str())
    .bind(&selector)
    .bind(match key.algorithm {
        Algorithm::Rsa2048 => 0,
        Algorithm::Ed25519 => 1,
    })
    .bind(state as i64)
    .bind(&key.public_key)
    .bind(&key.sealed)
    .bind(now_ms())
    .execute(&mut *connection)
    .await?;
    one(connection, domain, &selector).await
}

/// Such as `bd20261124-rsa`, with a number behind it when there was one on that day already.
fn free_selector(algorithm: Algorithm, taken: impl Fn(&str) -> bool) -> String {
    let kind = match algorithm {
        Algorithm::Rsa2048 => "rsa",
        Algorithm::Ed25519 => "ed25519",
    };
    let name = format!("bd{}-{kind}", jiff::Timestamp::now().strftime("%Y%m%d"));
    let numbered = (2..).map(|n| format!("{name}-{n}"));
    std::iter::once(name.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(name)
}

async fn one(connection: &mut SqliteConnection, domain: &Domain, selector: &str) -> Result<KeyRow, Error> {
    of(connection, domain).await?.into_iter().find(|key| key.selector == selector).ok_or(Error::UnknownKey)
}

/// Within a transaction: the domain's keys, those that sign first, then those that come.
async fn of(connection: &mut SqliteConnection, domain: &Domain) -> Result<Vec<KeyRow>, Error> {
    let rows = sqlx::query(
        "SELECT domain, selector, algorithm, state, public_key, created_ms, retired_ms FROM dkim_key WHERE domain = ?
         ORDER BY CASE state WHEN 1 THEN 0 WHEN 0 THEN 1 ELSE 2 END, algorithm, created_ms, selector",
    )
    .bind(domain.as_str())
    .fetch_all(connection)
    .await?;
    rows.iter().map(row_of).collect()
}

fn row_of(row: &SqliteRow) -> Result<KeyRow, Error> {
    Ok(KeyRow {
        domain: row.try_get("domain")?,
        selector: row.try_get("selector")?,
        algorithm: algorithm_of(row)?,
        state: match row.try_get::<i64, _>("state")? {
            0 => KeyState::Next,
            1 => KeyState::Active,
            2 => KeyState::Retired,
            _ => return Err(Error::Damaged("a DKIM key of an unknown state")),
        },
        public_key: row.try_get("public_key")?,
        created_ms: row.try_get("created_ms")?,
        retired_ms: row.try_get("retired_ms")?,
    })
}

fn algorithm_of(row: &SqliteRow) -> Result<Algorithm, Error> {
    match row.try_get::<i64, _>("algorithm")? {
        0 => Ok(Algorithm::Rsa2048),
        1 => Ok(Algorithm::Ed25519),
        _ => Err(Error::Damaged("a DKIM key of an unknown algorithm")),
    }
}

impl Catalogue {
    /// The keys of a domain.
    pub(crate) async fn keys(&self, domain: &Domain) -> Result<Vec<KeyRow>, Error> {
        of(&mut *self.readers.acquire().await?, domain).await
    }

    /// The keys that sign for a domain, opened; none for a domain that is none of ours.
    pub(crate) async fn signing_keys(&self, domain: &Domain) -> Result<Vec<OpenKey>, Error> {
        let rows = sqlx::query(
            "SELECT selector, algorithm, public_key, sealed_private_key FROM dkim_key WHERE domain = ? AND state = 1
             ORDER BY algorithm, selector",
        )
        .bind(domain.as_str())
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                let (public, sealed): (Vec<u8>, Vec<u8>) =
                    (row.try_get("public_key")?, row.try_get("sealed_private_key")?);
                Ok(OpenKey {
                    selector: row.try_get("selector")?,
                    algorithm: algorithm_of(row)?,
                    private_key: self.sealer.open_sealed(WHAT, &owner(domain.as_str(), &public), &sealed)?,
                })
            })
            .collect()
    }

    /// Domains that have no key at all, which a catalogue of an earlier version leaves.
    pub(crate) async fn domains_without_keys(&self) -> Result<Vec<Domain>, Error> {
        let names: Vec<String> =
            sqlx::query_scalar("SELECT name FROM domain WHERE name NOT IN (SELECT domain FROM dkim_key) ORDER BY name")
                .fetch_all(&self.readers)
                .await?;
        names.iter().map(|name| name.parse().map_err(|_| Error::Damaged("a domain's name"))).collect()
    }
}
