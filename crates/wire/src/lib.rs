//! Protobuf, gRPC and the session link's frames, with the table of roles and verbs; the only crate with prost and tonic.

pub mod authority;
pub mod convert;
pub mod frame;
pub mod grpc;
pub mod kept;
pub mod peer;
mod secrets;
mod shard;

pub use shard::shard_of;

/// The session link between front-ends and a node's shards (`proto/session.proto`).
pub mod session {
    #![allow(
        missing_docs,
        clippy::all,
        clippy::large_futures,
        reason = "generated from proto/, which carries the documentation"
    )]
    tonic::include_proto!("brevdue.session.v1");
}
/// The node's gRPC service (`proto/node.proto`).
pub mod node {
    #![allow(
        missing_docs,
        clippy::all,
        clippy::large_futures,
        reason = "generated from proto/, which carries the documentation"
    )]
    tonic::include_proto!("brevdue.node.v1");
}
/// The directory's gRPC service (`proto/directory.proto`).
pub mod directory {
    #![allow(
        missing_docs,
        clippy::all,
        clippy::large_futures,
        reason = "generated from proto/, which carries the documentation"
    )]
    tonic::include_proto!("brevdue.directory.v1");
}
/// The queue's gRPC service on the nodes (`proto/queue.proto`).
pub mod queue {
    #![allow(
        missing_docs,
        clippy::all,
        clippy::large_futures,
        reason = "generated from proto/, which carries the documentation"
    )]
    tonic::include_proto!("brevdue.queue.v1");
}
/// Snapshots on the nodes, on their way into stores and back (`proto/backup.proto`).
pub mod backup {
    #![allow(
        missing_docs,
        clippy::all,
        clippy::large_futures,
        reason = "generated from proto/, which carries the documentation"
    )]
    tonic::include_proto!("brevdue.backup.v1");
}
