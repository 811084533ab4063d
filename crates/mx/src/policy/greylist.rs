//! A first message from a stranger is put off: a host that queues mail comes back, most that do not are no loss. Who is
//! vouched for, and who came back before, does not wait.

use super::rates::network;
use super::{Facts, For, Word};
use crate::Mx;
use crate::answers::policy as answers;
use std::net::IpAddr;
use std::time::Duration;

/// How long a first try is remembered: senders give up after five days at the latest (RFC 5321 §4.5.4.1), and most try
/// every few hours.
const FIRST_TRY_TTL: Duration = Duration::from_secs(2 * 86_400);
/// How long somebody is known: monthly newsletters are.
const KNOWN_TTL: Duration = Duration::from_secs(36 * 86_400);

/// Whether this one has to wait.
pub async fn word(mx: &Mx, facts: &Facts, whom: For<'_>) -> Word {
    if !whom.policy.greylist || facts.is_vouched_for() {
        return Word::Pass;
    }
    let source = source(facts.client.address);
    let sender_domain = whom.sender.rsplit_once('@').map_or("", |(_, domain)| domain).to_ascii_lowercase();
    let known = [&source[..], b"\0", sender_domain.as_bytes()].concat();
    if mx.shared.get("mx-known", &known).await.is_some() {
        return Word::Pass;
    }
    let triplet = [&source[..], b"\0", whom.sender.as_bytes(), b"\0", whom.recipient.as_bytes()].concat();
    let now = mx.clock.now().as_second();
    let first =
        mx.shared.get("mx-grey", &triplet).await.and_then(|value| Some(i64::from_be_bytes(value.try_into().ok()?)));
    let Some(first) = first else {
        mx.shared.set("mx-grey", &triplet, &now.to_be_bytes(), FIRST_TRY_TTL).await;
        return Word::Refused(answers::GREYLISTED);
    };
    if now.saturating_sub(first) < i64::from(whom.policy.greylist_seconds) {
        return Word::Refused(answers::GREYLISTED);
    }
    mx.shared.set("mx-known", &known, b"1", KNOWN_TTL).await;
    Word::Pass
}

/// The /24 of IPv4, the /64 of IPv6: large senders try again from a neighbour.
fn source(address: IpAddr) -> Vec<u8> {
    let mut network = network(address);
    if network.len() == 4 {
        network.truncate(3);
    }
    network
}
