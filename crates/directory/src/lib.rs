//! The catalogue: accounts, domains, aliases, credentials and placement, with its gRPC service and the client that the
//! other roles use. It holds wrapped keys only, and leaves opening them to the front-ends. It takes snapshots of itself,
//! encrypted, for the backup worker.

mod backup;
mod catalogue;
pub mod client;
pub mod server;
pub mod settings;

pub use catalogue::{Catalogue, CopyError, Error, Restored, restore};
pub use client::DirectoryClient;
pub use server::run;

#[cfg(test)]
mod tests;
