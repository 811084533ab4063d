//! Which shard of a node serves a mailbox. Front-ends and nodes must agree, so that it stands here.

use model::MailboxId;

/// The shard, below `shards`, that serves the mailbox. Identifiers are random, so their first bytes spread evenly.
///
/// A node without shards has none to give: the answer is 0 then, which no caller can connect to.
pub fn shard_of(mailbox: &MailboxId, shards: usize) -> usize {
    let [a, b, c, d, ..] = *mailbox.as_bytes();
    (u32::from_be_bytes([a, b, c, d]) as usize).checked_rem(shards).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_fixed_and_in_range() {
        let id: MailboxId = "0000000a00000000000000ff".parse().unwrap();
        assert_eq!([1, 2, 3, 4, 7].map(|shards| shard_of(&id, shards)), [0, 0, 1, 2, 3]);
        assert_eq!(shard_of(&id, 0), 0);
        assert_eq!(shard_of(&MailboxId::from_bytes([0xff; 12]), 4), 3);
    }
}
