//! What is done to a catalogue, one acknowledged step after the other: each kind of write, alone and several in one commit.

use crate::catalogue::*;
use model::{CredentialId, Domain, MailboxId, SnapshotId};
use sqlx::sqlite::SqliteConnection;

/// Pages of log after which the writer moves them into the file: few, so that small histories have checkpoints.
const CHECKPOINT_PAGES: u32 = 12;

/// The writer makes checkpoints as often as that from now on. Nothing is written.
pub(super) struct Checkpoints;

impl Write for Checkpoints {
    type Answer = ();
    const COUNTS: bool = false;

    async fn apply(self, connection: &mut SqliteConnection, _: &mut Vec<Subject>) -> Result<(), Error> {
        let sql = format!("PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(connection).await?;
        Ok(())
    }
}

fn domain() -> Domain {
    "x.test".parse().unwrap()
}

fn mailbox(number: u8) -> MailboxId {
    MailboxId::from_bytes([number; 12])
}

pub(in crate::tests) fn credential(number: u8) -> CredentialRow {
    CredentialRow {
        id: CredentialId::from_bytes([number; 8]),
        label: format!("label {number}"),
        kind: CredentialKind::Generated,
        wrapped_key: vec![number; 77],
        created_ms: 1,
    }
}

pub(in crate::tests) fn alias(name: &str, number: u8) -> AddAlias {
    AddAlias {
        address: format!("{name}@x.test").parse().unwrap(),
        account: "ann".parse().unwrap(),
        mailbox: mailbox(number),
        sealing_public_key: vec![number; 1216],
        wrapped_sealing_key: vec![number; 90],
        credentials: vec![credential(number), credential(number | 0x80)],
        node: None,
        rule: None,
    }
}

pub(in crate::tests) fn node(port: u16) -> RegisterNode {
    RegisterNode {
        id: "node-1".parse().unwrap(),
        session_endpoints: vec![format!("127.0.0.1:{port}"), "[::1]:4002".to_owned()],
        grpc_endpoint: "node.example:4000".to_owned(),
    }
}

pub(in crate::tests) fn add_domain(name: &str) -> AddDomain {
    AddDomain { domain: name.parse().unwrap(), keys: Vec::new() }
}

fn key(number: u8) -> AddKey {
    let key = NewKey {
        selector: Some(format!("key-{number}")),
        algorithm: vault::signing::Algorithm::Ed25519,
        public_key: vec![number; 32],
        sealed: vec![number; 120],
    };
    AddKey { domain: domain(), key }
}

fn forward() -> AddRule {
    AddRule {
        name: RuleName { domain: domain(), kind: RuleKind::Exact, pattern: "all".to_owned() },
        targets: vec![Target::Forward("a@elsewhere.test".to_owned()), Target::Forward("b@elsewhere.test".to_owned())],
        account: None,
        position: 0,
        queue: mailbox(90),
    }
}

fn grant(version: u64) -> Grant {
    let space = |bytes| Space { bytes, messages: 1 };
    Grant {
        mailbox: mailbox(1),
        version,
        held: space(1000),
        waiting: space(0),
        promised: space(0),
        least: space(0),
        wish: space(5000),
    }
}

fn snapshot(number: u8) -> NoteSnapshot {
    NoteSnapshot(SnapshotRow {
        id: SnapshotId::from_bytes([number; 12]),
        taken_ms: 1,
        bytes: 9,
        sha256: [number; 32],
        changes: 3,
        schema: 5,
        uploaded: false,
        why: String::new(),
    })
}

/// The steps. `acknowledged` is called after each, when it is told that it is done.
pub(super) async fn run(catalogue: &Catalogue, mut acknowledged: impl AsyncFnMut(&Catalogue)) {
    macro_rules! step {
        ($write:expr) => {
            catalogue.write($write).await.map(drop).unwrap();
            acknowledged(catalogue).await;
        };
    }
    catalogue.write(Checkpoints).await.unwrap();
    step!(node(4001));
    step!(add_domain("x.test"));
    step!(alias("ann", 1));
    step!(key(1));
    step!(Rotate(domain()));
    step!(AddCredential { address: "ann@x.test".parse().unwrap(), credential: credential(40) });
    step!(RevokeCredential { address: "ann@x.test".parse().unwrap(), label: "label 1".to_owned() });
    step!(MarkBorn(mailbox(1)));
    // Said again: nothing is written.
    catalogue.write(node(4001)).await.unwrap();
    step!(SetDomain { domain: domain(), setting: "quota_bytes".to_owned(), value: Some("5000000".to_owned()) });
    step!(LimitAccount { account: "ann".parse().unwrap(), bytes_max: Some(9_000_000), messages_max: None });
    step!(grant(0));
    step!(grant(1));
    step!(forward());
    step!(snapshot(1));
    step!(SettleSnapshot::Failed(SnapshotId::from_bytes([1; 12]), "no room".to_owned()));
    step!(SettleSnapshot::Uploaded(SnapshotId::from_bytes([1; 12])));
    // Four in one commit, of which one is refused and takes no other with it.
    let (one, two, again, three) = tokio::join!(
        catalogue.write(alias("bob", 2)),
        catalogue.write(alias("cid", 3)),
        catalogue.write(alias("bob", 4)),
        catalogue.write(add_domain("y.test")),
    );
    assert!(one.is_ok() && two.is_ok() && three.is_ok() && matches!(again, Err(Error::AliasExists)));
    acknowledged(catalogue).await;
    step!(EraseAlias { address: "bob@x.test".parse().unwrap(), step: EraseStep::Close });
    step!(EraseAlias { address: "bob@x.test".parse().unwrap(), step: EraseStep::Forget });
    step!(RemoveRule(forward().name));
    step!(alias("bob", 5));
}
