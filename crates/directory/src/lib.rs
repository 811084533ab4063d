//! The catalogue: accounts, domains, aliases, credentials and placement, with its gRPC service and the client that the
//! other roles use. It holds wrapped keys only, and leaves opening them to the front-ends.

mod catalogue;
pub mod client;
pub mod server;
pub mod settings;

pub use catalogue::{Catalogue, Error};
pub use client::DirectoryClient;
pub use server::run;

#[cfg(test)]
mod tests;
