//! Chance: the order of equals, and jitter.

/// A number below `below`, or 0 for 0. Without randomness it is the lowest, which is a choice too.
pub(crate) fn below(below: u64) -> u64 {
    let drawn = vault::random::<8>().map_or(0, u64::from_be_bytes);
    drawn.checked_rem(below).unwrap_or(0)
}

/// Any order.
pub(crate) fn shuffle<T>(items: &mut [T]) {
    for at in (1..items.len()).rev() {
        items.swap(at, below(at as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost() {
        let mut items: Vec<u32> = (0..50).collect();
        shuffle(&mut items);
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
        assert_eq!(below(0), 0);
        assert!((0..100).all(|_| below(3) < 3));
    }
}
