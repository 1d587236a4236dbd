//! Jaro's similarity and Winkler's lift for common first characters. Sources: M. A. Jaro, "Advances
//! in record-linkage methodology as applied to matching the 1985 census of Tampa, Florida" (1989);
//! W. E. Winkler, "String comparator metrics" (1990).

use super::positions::{Positions, WORD};
use super::{common_prefix, scalars};

/// How much a common prefix lifts a Jaro similarity, by character.
const WINKLER_SCALE: f64 = 0.1;
/// The longest prefix that lifts a Jaro similarity.
pub(super) const WINKLER_PREFIX: usize = 4;

/// The Jaro similarity, 0 to 1. Two empty texts are equal: 1.
#[must_use]
pub fn jaro_similarity(left: &str, right: &str) -> f64 {
    of_texts(left, right, 0)
}

/// The Jaro-Winkler similarity, 0 to 1: Jaro's, lifted by 0.1 for each of at most 4 first
/// characters in common, without a threshold for the lift. Two empty texts are equal: 1.
#[must_use]
pub fn jaro_winkler_similarity(left: &str, right: &str) -> f64 {
    of_texts(left, right, WINKLER_PREFIX)
}

fn of_texts(left: &str, right: &str, most: usize) -> f64 {
    if left == right {
        return 1.0;
    }
    if left.is_ascii() && right.is_ascii() {
        of_slices(left.as_bytes(), right.as_bytes(), most)
    } else {
        of_slices(&scalars(left), &scalars(right), most)
    }
}

fn of_slices<T: Copy + Eq + Into<u32>>(left: &[T], right: &[T], most: usize) -> f64 {
    if left.is_empty() || right.is_empty() {
        return if left.len() == right.len() { 1.0 } else { 0.0 };
    }
    let window = (left.len().max(right.len()) / 2).saturating_sub(1);
    let (matches, moved) = if right.len() <= WORD && left.len() <= WORD {
        one_word(left, right, window)
    } else {
        scan(left, right, window)
    };
    let prefix = common_prefix(&left[..left.len().min(most)], right);
    from_counts(
        count(matches),
        count(moved),
        count(left.len()),
        count(right.len()),
        count(prefix),
    )
}

/// Arrow's texts are shorter than 2^31 bytes, so nothing is cut off.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The similarity from what was counted: matches, how many of them stand at another place in their
/// order, both lengths, and the characters of the common prefix that lift it.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it is part of the kernels that are compiled for wider instructions"
)]
pub(super) fn from_counts(matches: u32, moved: u32, left: u32, right: u32, prefix: u32) -> f64 {
    let found = f64::from(matches);
    let in_order = f64::from(matches - moved / 2);
    let jaro = (found / f64::from(left) + found / f64::from(right) + in_order / found) / 3.0;
    let lifted = jaro + f64::from(prefix) * WINKLER_SCALE * (1.0 - jaro);
    // Without a match the quotient above is not a number.
    if matches == 0 { 0.0 } else { lifted }
}

/// Characters of `left` that occur in `right` within the window, and how many of them stand at
/// another place in their order. Each takes the first free occurrence.
fn one_word<T: Copy + Eq + Into<u32>>(left: &[T], right: &[T], window: usize) -> (usize, usize) {
    let positions = Positions::of(right);
    let mut taken = 0_u64;
    let mut found = 0_u64;
    for (index, &character) in left.iter().enumerate() {
        let from = index.saturating_sub(window);
        let to = (index + window).min(right.len() - 1);
        if from > to {
            break;
        }
        let within = (u64::MAX >> (WORD - 1 - (to - from))) << from;
        let free = positions.get(character) & within & !taken;
        if free != 0 {
            taken |= free & free.wrapping_neg();
            found |= 1 << index;
        }
    }
    let matches = found.count_ones() as usize;
    let mut moved = 0;
    while found != 0 {
        let (a, b) = (
            found.trailing_zeros() as usize,
            taken.trailing_zeros() as usize,
        );
        moved += usize::from(left[a] != right[b]);
        found &= found - 1;
        taken &= taken - 1;
    }
    (matches, moved)
}

/// [`one_word`] for texts longer than a word.
fn scan<T: Copy + Eq>(left: &[T], right: &[T], window: usize) -> (usize, usize) {
    let mut taken = vec![false; right.len()];
    let mut found = Vec::new();
    for (index, character) in left.iter().enumerate() {
        let from = index.saturating_sub(window).min(right.len());
        let to = (index + window + 1).min(right.len());
        if let Some(place) = (from..to).find(|&place| !taken[place] && right[place] == *character) {
            taken[place] = true;
            found.push(*character);
        }
    }
    let in_order = right
        .iter()
        .zip(&taken)
        .filter_map(|(c, taken)| taken.then_some(c));
    let moved = found.iter().zip(in_order).filter(|(a, b)| a != b).count();
    (found.len(), moved)
}
