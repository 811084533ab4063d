//! What the other server says first (RFC 9051 §7.1.4, §7.1.5).

use super::wire::{Wire, is_bye};
use crate::failure::Failure;

/// How it greets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// It wants to know who is there.
    Hello,
    /// It knows already.
    Preauth,
}

/// Reads the greeting.
pub async fn greeting(wire: &mut Wire) -> Result<Greeting, Failure> {
    let said = wire.response().await?;
    if is_bye(&said) || !said.starts_with(b"* ") {
        return Err(Failure::refused(format!("it does not want to: {}", String::from_utf8_lossy(&said))));
    }
    let known = said.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"* PREAUTH "));
    Ok(if known { Greeting::Preauth } else { Greeting::Hello })
}
