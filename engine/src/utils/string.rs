//! Distance and similarity of two texts, on Unicode scalar values, bit-parallel.
//!
//! This module holds the only Levenshtein of the product; a test searches the repository for a
//! second one. Sources: G. Myers, "A fast bit-vector algorithm for approximate string matching
//! based on dynamic programming" (1999); H. Hyyrö, "A bit-vector algorithm for computing
//! Levenshtein and Damerau edit distances" (2003), whose carries between words serve texts of more
//! than 64 characters; W. E. Winkler, "String comparator metrics" (1990).

use std::collections::HashMap;

/// Bits of a machine word, and so the characters that one word can hold.
const WORD: usize = 64;
/// How much a common prefix lifts a Jaro similarity, by character.
const WINKLER_SCALE: f64 = 0.1;
/// The longest prefix that lifts a Jaro similarity.
const WINKLER_PREFIX: usize = 4;

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
#[expect(
    clippy::cast_precision_loss,
    reason = "lengths of texts stay far below 2^52"
)]
pub fn levenshtein_similarity(left: &str, right: &str) -> f64 {
    let longest = length(left).max(length(right));
    if longest == 0 {
        return 1.0;
    }
    // One division rounds once, so that 17 of 20 equals the 0.85 that a person writes.
    (longest - levenshtein_distance(left, right)) as f64 / longest as f64
}

/// The Jaro-Winkler similarity, 0 to 1: Jaro's, lifted by 0.1 for each of at most 4 first
/// characters in common, without a threshold for the lift. Two empty texts are equal: 1.
#[must_use]
pub fn jaro_winkler_similarity(left: &str, right: &str) -> f64 {
    if left == right {
        return 1.0;
    }
    if left.is_ascii() && right.is_ascii() {
        jaro_winkler(left.as_bytes(), right.as_bytes())
    } else {
        jaro_winkler(&scalars(left), &scalars(right))
    }
}

fn scalars(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn length(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    }
}

/// Where each character occurs in a pattern: one bit for each position, in words of 64.
struct Positions {
    words: usize,
    ascii: Vec<u64>,
    other: HashMap<u32, Vec<u64>>,
}

impl Positions {
    fn of<T: Copy + Into<u32>>(pattern: &[T]) -> Self {
        let words = pattern.len().div_ceil(WORD).max(1);
        let mut positions = Self {
            words,
            ascii: vec![0; 128 * words],
            other: HashMap::new(),
        };
        for (index, &character) in pattern.iter().enumerate() {
            let (code, bit) = (character.into(), 1_u64 << (index % WORD));
            if code < 128 {
                positions.ascii[code as usize * words + index / WORD] |= bit;
            } else {
                positions
                    .other
                    .entry(code)
                    .or_insert_with(|| vec![0; words])[index / WORD] |= bit;
            }
        }
        positions
    }

    fn get<T: Into<u32>>(&self, character: T, word: usize) -> u64 {
        let code = character.into();
        if code < 128 {
            self.ascii[code as usize * self.words + word]
        } else {
            self.other.get(&code).map_or(0, |words| words[word])
        }
    }
}

fn distance<T: Copy + Eq + Into<u32>>(left: &[T], right: &[T]) -> usize {
    let prefix = common_prefix(left, right, usize::MAX);
    let (left, right) = (&left[prefix..], &right[prefix..]);
    let suffix = left
        .iter()
        .rev()
        .zip(right.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (left, right) = (&left[..left.len() - suffix], &right[..right.len() - suffix]);
    let (pattern, text) = if left.len() <= right.len() {
        (left, right)
    } else {
        (right, left)
    };
    if pattern.is_empty() {
        return text.len();
    }
    let positions = Positions::of(pattern);
    if positions.words == 1 {
        distance_one_word(pattern.len(), text, &positions)
    } else {
        distance_blocks(pattern.len(), text, &positions)
    }
}

/// Columns of the dynamic-programming matrix as two bit vectors: where it rises and where it falls.
fn distance_one_word<T: Copy + Into<u32>>(
    pattern: usize,
    text: &[T],
    positions: &Positions,
) -> usize {
    let (mut rises, mut falls) = (u64::MAX, 0_u64);
    let last = 1_u64 << (pattern - 1);
    let mut distance = pattern;
    for &character in text {
        let equal = positions.get(character, 0);
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

fn distance_blocks<T: Copy + Into<u32>>(
    pattern: usize,
    text: &[T],
    positions: &Positions,
) -> usize {
    let mut columns = vec![(u64::MAX, 0_u64); positions.words];
    let last = 1_u64 << ((pattern - 1) % WORD);
    let mut distance = pattern;
    for &character in text {
        let (mut carry_rise, mut carry_fall) = (1_u64, 0_u64);
        for (word, (rises, falls)) in columns.iter_mut().enumerate() {
            let equal = positions.get(character, word) | carry_fall;
            let diagonal = ((equal & *rises).wrapping_add(*rises) ^ *rises) | equal | *falls;
            let right_rises = *falls | !(diagonal | *rises);
            let right_falls = diagonal & *rises;
            if word + 1 == positions.words {
                distance += usize::from(right_rises & last != 0);
                distance -= usize::from(right_falls & last != 0);
            }
            let shifted_rises = (right_rises << 1) | carry_rise;
            let shifted_falls = (right_falls << 1) | carry_fall;
            carry_rise = right_rises >> (WORD - 1);
            carry_fall = right_falls >> (WORD - 1);
            *rises = shifted_falls | !(diagonal | shifted_rises);
            *falls = shifted_rises & diagonal;
        }
    }
    distance
}

fn common_prefix<T: Eq>(left: &[T], right: &[T], most: usize) -> usize {
    left.iter()
        .zip(right)
        .take(most)
        .take_while(|(a, b)| a == b)
        .count()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "lengths of texts stay far below 2^52"
)]
fn jaro_winkler<T: Copy + Eq + Into<u32>>(left: &[T], right: &[T]) -> f64 {
    if left.is_empty() || right.is_empty() {
        return if left.len() == right.len() { 1.0 } else { 0.0 };
    }
    let window = (left.len().max(right.len()) / 2).saturating_sub(1);
    let (matches, moved) = if right.len() <= WORD && left.len() <= WORD {
        jaro_one_word(left, right, window)
    } else {
        jaro_scan(left, right, window)
    };
    if matches == 0 {
        return 0.0;
    }
    let found = matches as f64;
    let transpositions = (moved / 2) as f64;
    let jaro =
        (found / left.len() as f64 + found / right.len() as f64 + (found - transpositions) / found)
            / 3.0;
    let prefix = common_prefix(left, right, WINKLER_PREFIX) as f64;
    jaro + prefix * WINKLER_SCALE * (1.0 - jaro)
}

/// Characters of `left` that occur in `right` within the window, and how many of them stand at
/// another place in their order. Each takes the first free occurrence.
fn jaro_one_word<T: Copy + Eq + Into<u32>>(
    left: &[T],
    right: &[T],
    window: usize,
) -> (usize, usize) {
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
        let free = positions.get(character, 0) & within & !taken;
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

/// [`jaro_one_word`] for texts longer than a word.
fn jaro_scan<T: Copy + Eq>(left: &[T], right: &[T], window: usize) -> (usize, usize) {
    let mut taken = vec![false; right.len()];
    let mut found = Vec::new();
    for (index, character) in left.iter().enumerate() {
        let from = index.saturating_sub(window);
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
