//! Storage nodes: where they are reached, and which one the next mailbox goes to.

use super::{Catalogue, Error, Subject, Write, bounded, listing_limit};
use model::NodeId;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeMap;

/// A node as it registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeRow {
    pub(crate) id: String,
    /// One per shard, in shard order.
    pub(crate) session_endpoints: Vec<String>,
    pub(crate) grpc_endpoint: String,
}

/// A node says where it is reached; saying the same again changes nothing.
pub(crate) struct RegisterNode {
    pub(crate) id: NodeId,
    pub(crate) session_endpoints: Vec<String>,
    pub(crate) grpc_endpoint: String,
}

impl Write for RegisterNode {
    type Answer = ();

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<(), Error> {
        if self.is_known(connection).await? {
            return Ok(());
        }
        let id = self.id.as_str();
        sqlx::query(
            "INSERT INTO node (id, grpc_endpoint) VALUES (?, ?)
             ON CONFLICT DO UPDATE SET grpc_endpoint = excluded.grpc_endpoint",
        )
        .bind(id)
        .bind(&self.grpc_endpoint)
        .execute(&mut *connection)
        .await?;
        sqlx::query("DELETE FROM node_endpoint WHERE node_id = ?").bind(id).execute(&mut *connection).await?;
        for (shard, endpoint) in (0_i64..).zip(&self.session_endpoints) {
            sqlx::query("INSERT INTO node_endpoint (node_id, shard, endpoint) VALUES (?, ?, ?)")
                .bind(id)
                .bind(shard)
                .bind(endpoint)
                .execute(&mut *connection)
                .await?;
        }
        subjects.push(Subject::Node(id.to_owned()));
        Ok(())
    }
}

impl RegisterNode {
    async fn is_known(&self, connection: &mut SqliteConnection) -> Result<bool, Error> {
        let grpc: Option<String> = sqlx::query_scalar("SELECT grpc_endpoint FROM node WHERE id = ?")
            .bind(self.id.as_str())
            .fetch_optional(&mut *connection)
            .await?;
        let sessions: Vec<String> =
            sqlx::query_scalar("SELECT endpoint FROM node_endpoint WHERE node_id = ? ORDER BY shard")
                .bind(self.id.as_str())
                .fetch_all(connection)
                .await?;
        Ok(grpc.is_some_and(|known| known == self.grpc_endpoint) && sessions == self.session_endpoints)
    }
}

/// Counts one more mailbox on `wanted`, or else on the node with the fewest, and says which it is.
pub(super) async fn take_place(connection: &mut SqliteConnection, wanted: Option<&NodeId>) -> Result<String, Error> {
    let chosen: Option<String> = match wanted {
        Some(id) => {
            sqlx::query_scalar("UPDATE node SET mailboxes = mailboxes + 1 WHERE id = ? RETURNING id").bind(id.as_str())
        }
        None => sqlx::query_scalar(
            "UPDATE node SET mailboxes = mailboxes + 1
             WHERE id = (SELECT id FROM node ORDER BY mailboxes, id LIMIT 1) RETURNING id",
        ),
    }
    .fetch_optional(connection)
    .await?;
    chosen.ok_or(if wanted.is_some() { Error::UnknownNode } else { Error::NoNode })
}

/// The node with the fewest mailboxes, without counting one more.
pub(super) async fn choose(connection: &mut SqliteConnection) -> Result<String, Error> {
    let chosen = sqlx::query_scalar("SELECT id FROM node ORDER BY mailboxes, id LIMIT 1").fetch_optional(connection);
    chosen.await?.ok_or(Error::NoNode)
}

impl Catalogue {
    /// Every node, by id.
    pub(crate) async fn nodes(&self) -> Result<Vec<NodeRow>, Error> {
        let rows = sqlx::query(
            "SELECT id, grpc_endpoint, endpoint FROM node JOIN node_endpoint ON node_id = id ORDER BY id, shard LIMIT ?",
        )
        .bind(listing_limit())
        .fetch_all(&self.readers)
        .await?;
        let mut nodes = BTreeMap::<String, NodeRow>::new();
        for row in bounded(rows)? {
            let id: String = row.try_get("id")?;
            let grpc_endpoint = row.try_get("grpc_endpoint")?;
            let node = nodes.entry(id.clone()).or_insert(NodeRow { id, session_endpoints: Vec::new(), grpc_endpoint });
            node.session_endpoints.push(row.try_get("endpoint")?);
        }
        Ok(nodes.into_values().collect())
    }
}
