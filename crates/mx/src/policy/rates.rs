//! How much one source may send, and one recipient gets, in an hour.

use super::{Facts, For, Word};
use crate::Mx;
use crate::answers::policy as answers;
use std::net::IpAddr;
use std::time::Duration;

/// What the settings count in.
const HOUR: Duration = Duration::from_secs(3600);

/// Counts this recipient, and says whether that is too many. A limit of 0 is none.
pub async fn word(mx: &Mx, facts: &Facts, whom: For<'_>) -> Word {
    let over = |limit: u32, count: u64| limit > 0 && count > u64::from(limit);
    let limit = whom.policy.source_messages_per_hour;
    if limit > 0 {
        // Each domain counts for itself: its limit is its own.
        let key = [&network(facts.client.address)[..], facts.domain_key(whom.recipient).as_bytes()].concat();
        if over(limit, mx.shared.count("mx-source", &key, HOUR).await) {
            return Word::Refused(answers::SOURCE_RATE);
        }
    }
    let limit = whom.policy.recipient_messages_per_hour;
    if limit > 0 && over(limit, mx.shared.count("mx-recipient", whom.recipient.as_bytes(), HOUR).await) {
        return Word::Refused(answers::RECIPIENT_RATE);
    }
    Word::Pass
}

/// An IPv4 address; of IPv6 the /64 that one customer has.
pub fn network(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().get(..8).unwrap_or_default().to_vec(),
    }
}
