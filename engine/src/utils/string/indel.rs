//! The Indel similarity, which the token methods use: insertions and deletions only, so the longest
//! common subsequence, bit-parallel. Source: H. Hyyrö, "Bit-parallel LCS-length computation
//! revisited" (2004).

use super::positions::{BlockPositions, Positions, WORD};
use super::{scalars, share, trim};

/// 1 − d / (sum of lengths), with d the fewest insertions and deletions of one character that turn
/// one text into the other; 0 to 1. Two empty texts are equal: 1.
#[must_use]
pub fn indel_similarity(left: &str, right: &str) -> f64 {
    let (common, lengths) = common_subsequence(left, right);
    share(2 * common, lengths)
}

/// The length of the longest common subsequence and the sum of both lengths, in characters.
pub(super) fn common_subsequence(left: &str, right: &str) -> (usize, usize) {
    if left.is_ascii() && right.is_ascii() {
        common(left.as_bytes(), right.as_bytes())
    } else {
        common(&scalars(left), &scalars(right))
    }
}

fn common<T: Copy + Eq + Into<u32>>(left: &[T], right: &[T]) -> (usize, usize) {
    let lengths = left.len() + right.len();
    let (pattern, text) = trim(left, right);
    // What both have at their ends is in the subsequence.
    let ends = left.len().min(right.len()) - pattern.len();
    let between = if pattern.is_empty() {
        0
    } else if pattern.len() <= WORD {
        one_word(pattern, text)
    } else {
        blocks(pattern, text)
    };
    (ends + between, lengths)
}

fn one_word<T: Copy + Into<u32>>(pattern: &[T], text: &[T]) -> usize {
    let positions = Positions::of(pattern);
    let mut state = u64::MAX;
    for &character in text {
        let hit = state & positions.get(character);
        state = state.wrapping_add(hit) | (state - hit);
    }
    (!state & (u64::MAX >> (WORD - pattern.len()))).count_ones() as usize
}

fn blocks<T: Copy + Into<u32>>(pattern: &[T], text: &[T]) -> usize {
    let positions = BlockPositions::of(pattern);
    let mut states = vec![u64::MAX; positions.words];
    for &character in text {
        let mut carry = false;
        for (state, equal) in states.iter_mut().zip(positions.get(character)) {
            let hit = *state & equal;
            let (sum, over) = state.overflowing_add(hit);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            carry = over | over_again;
            *state = sum | (*state - hit);
        }
    }
    let unused = positions.words * WORD - pattern.len();
    if let Some(last) = states.last_mut() {
        *last |= !(u64::MAX >> unused);
    }
    states
        .iter()
        .map(|state| state.count_zeros() as usize)
        .sum()
}
