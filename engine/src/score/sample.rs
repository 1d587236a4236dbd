//! Which pairs training looks at: a fixed number, picked by hashes of the keys.

use crate::keys::Keys;
use std::iter;

/// The fewest random pairs, where there are as many.
const LEAST_RANDOM: u64 = 100_000;
/// The most random pairs.
const MOST_RANDOM: u64 = 2_000_000;
/// Random pairs for each record, between those bounds.
const RANDOM_BY_RECORD: u64 = 10;
/// The most candidate pairs.
pub const MOST_CANDIDATES: u64 = 2_000_000;

/// The open records of a side in the order of a hash of their keys, which differs by side.
#[must_use]
pub fn shuffled(keys: &Keys, open: &[bool], side: u64) -> Vec<u32> {
    let mut order: Vec<(u64, u32)> = (0..)
        .zip(keys.iter().zip(open))
        .filter(|(_, (_, open))| **open)
        .map(|(index, (key, _))| (hash(key.as_bytes(), side), index))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, index)| index).collect()
}

/// FNV-1a over the bytes, then Stafford's mix of the bits.
fn hash(bytes: &[u8], seed: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// How many random pairs of two sides are looked at.
#[must_use]
pub fn random_pairs(lefts: usize, rights: usize) -> u64 {
    let (lefts, rights) = (lefts as u64, rights as u64);
    let wanted = RANDOM_BY_RECORD * (lefts + rights);
    wanted
        .clamp(LEAST_RANDOM, MOST_RANDOM)
        .min(lefts.saturating_mul(rights))
}

/// Distinct pairs of shuffled records: round by round each left record meets another right one.
pub fn random<'a>(
    left: &'a [u32],
    right: &'a [u32],
    pairs: u64,
) -> impl Iterator<Item = (u32, u32)> + 'a {
    let mut places = (0..right.len()).flat_map(move |round| {
        let rights = (0..left.len()).map(move |place| right[(place + round) % right.len()]);
        left.iter().copied().zip(rights)
    });
    let mut open = pairs;
    iter::from_fn(move || {
        open = open.checked_sub(1)?;
        places.next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn keys(count: usize) -> Keys {
        (0..count).map(|n| format!("k{n}")).collect()
    }

    #[test]
    fn the_order_follows_the_keys_and_not_their_places() {
        let mut names = keys(50);
        let before: Vec<String> = (shuffled(&names, &[true; 50], 1).iter())
            .map(|&index| names[index as usize].to_owned())
            .collect();
        let reversed: Vec<String> = names.iter().map(str::to_owned).collect();
        names = reversed.iter().rev().collect();
        let after: Vec<String> = (shuffled(&names, &[true; 50], 1).iter())
            .map(|&index| names[index as usize].to_owned())
            .collect();
        assert_eq!(before, after);
        assert_ne!(
            shuffled(&names, &[true; 50], 1),
            shuffled(&names, &[true; 50], 2)
        );
        let mut open = [true; 50];
        open[7] = false;
        assert!(!shuffled(&names, &open, 1).contains(&7));
    }

    #[test]
    fn pairs_are_distinct_and_use_every_record_alike() {
        let (left, right) = (
            shuffled(&keys(30), &[true; 30], 1),
            shuffled(&keys(20), &[true; 20], 2),
        );
        let all: BTreeSet<_> = random(&left, &right, 600).collect();
        assert_eq!(all.len(), 600);
        let some: Vec<_> = random(&left, &right, 120).collect();
        assert!((0..30).all(|l| some.iter().filter(|(left, _)| *left == l).count() == 4));
        assert_eq!(random_pairs(30, 20), 600);
        assert_eq!(random(&[], &right, 5).count(), 0);
    }
}
