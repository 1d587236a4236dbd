//! Similarities of texts, 0 to 1, on Unicode scalar values: one pair at a time, and in batches over
//! two columns.
//!
//! This module and its folder hold the only Levenshtein of the product; a test searches the
//! repository for a second one. Two empty texts are equal: 1, whatever the method.
//!
//! A batch goes through [`prepare`], once for each column, and [`similarities`], for any number of
//! batches of pairs. Pairs of ASCII texts of up to 64 characters are then computed many at once, by
//! the widest vector instructions of the machine; all others one at a time. Every way gives the
//! same bits.

mod batch;
mod damerau;
mod dispatch;
mod groups;
mod indel;
mod jaro;
mod lanes;
mod levenshtein;
mod positions;
mod qgram;
mod soundex;
mod texts;
mod tokens;

pub use batch::{Method, Prepared, prepare, similarities};
pub use damerau::{damerau_levenshtein_distance, damerau_levenshtein_similarity};
pub use indel::indel_similarity;
pub use jaro::{jaro_similarity, jaro_winkler_similarity};
pub use levenshtein::{levenshtein_distance, levenshtein_similarity};
pub use qgram::qgram_similarity;
pub use soundex::{soundex, soundex_similarity};
pub use tokens::{token_set_similarity, token_sort_similarity};

/// The similarity of two texts, 0 to 1.
#[must_use]
pub fn similarity(method: Method, left: &str, right: &str) -> f64 {
    match method {
        Method::Levenshtein => levenshtein_similarity(left, right),
        Method::DamerauLevenshtein => damerau_levenshtein_similarity(left, right),
        Method::Jaro => jaro_similarity(left, right),
        Method::JaroWinkler => jaro_winkler_similarity(left, right),
        Method::TokenSort => token_sort_similarity(left, right),
        Method::TokenSet => token_set_similarity(left, right),
        Method::Qgram => qgram_similarity(left, right),
        Method::Soundex => soundex_similarity(left, right),
    }
}

fn scalars(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// Length in Unicode scalar values.
fn length(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    }
}

/// `part` of `whole`, 1 if there is nothing. One division rounds once, so that 17 of 20 equals the
/// 0.85 that a person writes.
#[expect(
    clippy::cast_precision_loss,
    reason = "lengths of texts stay far below 2^52"
)]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}

fn common_prefix<T: Eq>(left: &[T], right: &[T]) -> usize {
    left.iter().zip(right).take_while(|(a, b)| a == b).count()
}

/// Both texts without their common beginning and end, the shorter one first.
fn trim<'a, T: Eq>(left: &'a [T], right: &'a [T]) -> (&'a [T], &'a [T]) {
    let prefix = common_prefix(left, right);
    let (left, right) = (&left[prefix..], &right[prefix..]);
    let suffix = left
        .iter()
        .rev()
        .zip(right.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (left, right) = (&left[..left.len() - suffix], &right[..right.len() - suffix]);
    if left.len() <= right.len() {
        (left, right)
    } else {
        (right, left)
    }
}
