//! Names looked up: over HTTPS or plain, from several servers, validated with DNSSEC, cached here and among front-ends.
//!
//! Every look-up has an end: [`limits`] bounds its time, its queries and what is kept of the answer. What is found is not
//! judged: whether an address may be connected to is for the caller, with [`is_public`].

mod answer;
mod cache;
mod config;
pub mod limits;
pub mod name;
mod public;
mod records;
mod resolver;
mod upstream;
mod wildcard;

pub use config::ResolverError;
pub use name::{Name, NameError};
pub use public::is_public;
pub use records::{Answer, LookupError, Mx, Srv, Tlsa};
pub use resolver::Resolver;
