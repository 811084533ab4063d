//! Who vouches for a message: SPF, DKIM, ARC and DMARC checked as it passes by, signatures and seals made, and SRS.
//!
//! A message is never held: [`BodyStream`] keeps its header, up to [`limits::HEADER_BYTES_MAX`], and hashes its body as it
//! goes by. What comes of the checks is [`Results`]; what is done about it is for the caller.

mod arc;
mod body;
mod dkim;
mod dmarc;
mod field;
mod forged;
mod keys;
pub mod limits;
mod report;
mod results;
mod seal;
mod sign;
mod spf;
pub mod srs;
mod stream;
mod verify;
#[doc(hidden)]
pub mod zone;

pub use forged::{ForgedFilter, is_forged};
pub use results::{Arc, ArcSet, Dkim, Dmarc, Envelope, Identity, Iprev, Policy, Results, Spf, Verdict};
pub use seal::seal_arc;
pub use sign::{SignError, Signer, SigningKey};
pub use stream::{BodyStream, Checked};
pub use verify::{Peer, envelope, verify};
