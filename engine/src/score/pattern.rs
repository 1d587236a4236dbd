//! Patterns of agreement, and how often each occurs.
//!
//! Training looks at pairs only through their patterns, the levels of all comparisons together.
//! There are few of them, so its cost does not grow with the number of pairs.

use super::levels::MISSING;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Bits of one comparison's level: up to 9 levels and [`MISSING`].
const BITS: usize = 4;
/// The most comparisons of a pass.
const COMPARISONS: usize = 64;
/// Levels in one word.
const IN_WORD: usize = 64 / BITS;
const WORDS: usize = COMPARISONS / IN_WORD;

/// The levels of the comparisons of one pair, and the blocks that gave it. Ordered, so that sums
/// over patterns have one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    /// Bit k is set where block k gives the pair.
    pub blocks: u16,
    words: [u64; WORDS],
}

impl Pattern {
    /// A pattern of no agreement.
    #[must_use]
    pub fn new(blocks: u16) -> Self {
        Self {
            blocks,
            words: [0; WORDS],
        }
    }

    /// Sets a level that is not set yet.
    pub fn set(&mut self, comparison: usize, level: u8) {
        self.words[comparison / IN_WORD] |= u64::from(level) << (comparison % IN_WORD * BITS);
    }

    /// The level of a comparison, or [`MISSING`].
    #[must_use]
    pub fn level(&self, comparison: usize) -> u8 {
        let shifted = self.words[comparison / IN_WORD] >> (comparison % IN_WORD * BITS);
        shifted.to_le_bytes()[0] & MISSING
    }
}

impl std::hash::Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for word in self.words {
            state.write_u64(word);
        }
        state.write_u64(u64::from(self.blocks));
    }
}

/// Multiplies and folds word by word: patterns come from levels, not from an adversary who could
/// choose them one by one.
#[derive(Default)]
struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let mixed = (self.0 ^ word ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// How often each pattern occurs.
#[derive(Default)]
pub struct Counter(HashMap<Pattern, u64, BuildHasherDefault<Folded>>);

impl Counter {
    /// Counts one pair.
    pub fn add(&mut self, pattern: Pattern) {
        *self.0.entry(pattern).or_default() += 1;
    }

    /// Adds what another counter counted.
    pub fn merge(&mut self, other: Self) {
        for (pattern, count) in other.0 {
            *self.0.entry(pattern).or_default() += count;
        }
    }

    /// The patterns in their order, with their counts.
    #[must_use]
    pub fn sorted(self) -> Vec<(Pattern, u64)> {
        let mut counts: Vec<_> = self.0.into_iter().collect();
        counts.sort_unstable();
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_come_back_and_counts_add_up() {
        let mut pattern = Pattern::new(5);
        for comparison in 0..COMPARISONS {
            pattern.set(comparison, u8::try_from(comparison % 16).unwrap());
        }
        assert!((0..COMPARISONS).all(|c| usize::from(pattern.level(c)) == c % 16));
        let mut one = Counter::default();
        one.add(pattern);
        one.add(Pattern::new(0));
        let mut other = Counter::default();
        other.add(pattern);
        one.merge(other);
        assert_eq!(one.sorted(), [(Pattern::new(0), 1), (pattern, 2)]);
    }
}
