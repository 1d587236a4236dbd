//! Levenshtein's distance, bit-parallel. Sources: G. Myers, "A fast bit-vector algorithm for
//! approximate string matching based on dynamic programming" (1999); H. Hyyrö, "A bit-vector
//! algorithm for computing Levenshtein and Damerau edit distances" (2003), whose carries between
//! words serve texts of more than 64 characters.

use super::positions::{BlockPositions, Positions, WORD};
use super::{length, scalars, share, trim};

/// The Levenshtein distance: the fewest insertions, deletions and substitutions of one character
/// that turn one text into the other. 0 to the length of the longer text, in characters.
///
/// Takes O(n · ⌈m/64⌉) steps for texts of n and m characters.
#[must_use]
pub fn levenshtein_distance(left: &str, right: &str) -> usize {
    if left == right {
        return 0;
    }
    if left.is_ascii() && right.is_ascii() {
        distance(left.as_bytes(), right.as_bytes())
    } else {
        distance(&scalars(left), &scalars(right))
    }
}

/// 1 − d / max length, with d the [`levenshtein_distance`]; 0 to 1. Two empty texts are equal: 1.
#[must_use]
pub fn levenshtein_similarity(left: &str, right: &str) -> f64 {
    let longest = length(left).max(length(right));
    share(longest - levenshtein_distance(left, right), longest)
}

fn distance<T: Copy + Eq + Into<u32>>(left: &[T], right: &[T]) -> usize {
    let (pattern, text) = trim(left, right);
    if pattern.is_empty() {
        text.len()
    } else if pattern.len() <= WORD {
        one_word(pattern.len(), text, &Positions::of(pattern))
    } else {
        blocks(pattern.len(), text, &BlockPositions::of(pattern))
    }
}

/// Columns of the dynamic-programming matrix as two bit vectors: where it rises and where it falls.
fn one_word<T: Copy + Into<u32>>(pattern: usize, text: &[T], positions: &Positions) -> usize {
    let (mut rises, mut falls) = (u64::MAX, 0_u64);
    let last = 1_u64 << (pattern - 1);
    let mut distance = pattern;
    for &character in text {
        let equal = positions.get(character);
        let diagonal = ((equal & rises).wrapping_add(rises) ^ rises) | equal | falls;
        let right_rises = falls | !(diagonal | rises);
        let right_falls = diagonal & rises;
        distance += usize::from(right_rises & last != 0);
        distance -= usize::from(right_falls & last != 0);
        let shifted = (right_rises << 1) | 1;
        rises = (right_falls << 1) | !(diagonal | shifted);
        falls = shifted & diagonal;
    }
    distance
}

fn blocks<T: Copy + Into<u32>>(pattern: usize, text: &[T], positions: &BlockPositions) -> usize {
    let mut columns = vec![(u64::MAX, 0_u64); positions.words];
    let last = 1_u64 << ((pattern - 1) % WORD);
    let mut distance = pattern;
    for &character in text {
        let (mut carry_rise, mut carry_fall) = (1_u64, 0_u64);
        let (mut right_rises, mut right_falls) = (0, 0);
        for ((rises, falls), equal) in columns.iter_mut().zip(positions.get(character)) {
            let equal = equal | carry_fall;
            let diagonal = ((equal & *rises).wrapping_add(*rises) ^ *rises) | equal | *falls;
            right_rises = *falls | !(diagonal | *rises);
            right_falls = diagonal & *rises;
            let shifted_rises = (right_rises << 1) | carry_rise;
            let shifted_falls = (right_falls << 1) | carry_fall;
            carry_rise = right_rises >> (WORD - 1);
            carry_fall = right_falls >> (WORD - 1);
            *rises = shifted_falls | !(diagonal | shifted_rises);
            *falls = shifted_rises & diagonal;
        }
        distance += usize::from(right_rises & last != 0);
        distance -= usize::from(right_falls & last != 0);
    }
    distance
}
