//! MTA-STS (RFC 8461): a domain's policy, found by its TXT record, fetched over HTTPS, kept for as long as it says.

mod fetch;
mod policy;

pub use fetch::{FetchError, Found, Policies, fetch};
pub use policy::{Mode, Policy, PolicyError, record_id};
