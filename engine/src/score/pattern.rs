//! Patterns of agreement, and how often each occurs.
//!
//! Training looks at pairs only through their patterns, the levels of all comparisons together.
//! There are few of them, so what is worked out for a pattern costs little for many pairs.

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

/// How often each pattern occurs, and which pattern each pair has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns {
    /// The patterns in their order, with their counts.
    pub counts: Vec<(Pattern, u64)>,
    /// For each pair, in the order of the pairs, the place of its pattern among `counts`.
    pub places: Vec<u32>,
}

/// Counts the patterns of pairs, of which several threads see some each.
#[derive(Default)]
pub struct Counter {
    known: HashMap<Pattern, u32, BuildHasherDefault<Folded>>,
    counts: Vec<u64>,
    /// Runs of pairs: the number of the first one, and the numbers of their patterns.
    runs: Vec<(usize, Vec<u32>)>,
}

impl Counter {
    /// Counts pairs that follow each other; `first` is the number of the first one.
    pub fn add(&mut self, first: usize, patterns: impl IntoIterator<Item = Pattern>) {
        let numbers = patterns
            .into_iter()
            .map(|pattern| self.count(pattern, 1))
            .collect();
        self.runs.push((first, numbers));
    }

    fn count(&mut self, pattern: Pattern, pairs: u64) -> u32 {
        let next = u32::try_from(self.counts.len()).unwrap_or(u32::MAX);
        let number = *self.known.entry(pattern).or_insert(next);
        if number == next {
            self.counts.push(0);
        }
        self.counts[number as usize] += pairs;
        number
    }

    /// Adds what another counter counted.
    pub fn merge(&mut self, mut other: Self) {
        let mut numbers = vec![0; other.counts.len()];
        for (pattern, number) in other.known {
            let number = number as usize;
            numbers[number] = self.count(pattern, other.counts[number]);
        }
        for (_, run) in &mut other.runs {
            for number in run {
                *number = numbers[*number as usize];
            }
        }
        self.runs.append(&mut other.runs);
    }

    /// The patterns in their order, and those of the pairs in theirs.
    #[must_use]
    pub fn sorted(mut self) -> Patterns {
        let mut known: Vec<(Pattern, u32)> = self.known.into_iter().collect();
        known.sort_unstable();
        let mut places = vec![0; known.len()];
        for (place, &(_, number)) in (0..).zip(&known) {
            places[number as usize] = place;
        }
        self.runs.sort_unstable_by_key(|(first, _)| *first);
        let numbers = self.runs.iter().flat_map(|(_, run)| run);
        Patterns {
            places: numbers.map(|&number| places[number as usize]).collect(),
            counts: (known.into_iter())
                .map(|(pattern, number)| (pattern, self.counts[number as usize]))
                .collect(),
        }
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
        let none = Pattern::new(0);
        let mut one = Counter::default();
        one.add(2, [pattern, none]);
        let mut other = Counter::default();
        other.add(0, [none, none]);
        one.merge(other);
        let patterns = one.sorted();
        assert_eq!(patterns.counts, [(none, 3), (pattern, 1)]);
        assert_eq!(patterns.places, [0, 0, 1, 0]);
    }
}
