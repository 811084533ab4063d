//! A front-end's links to the primaries: one multiplexed, self-healing connection per node shard.
