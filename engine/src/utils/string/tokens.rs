//! Similarities of texts as words in any order, as `RapidFuzz` defines `fuzz.token_sort_ratio` and
//! `fuzz.token_set_ratio`, divided by 100.

use super::indel::{common_subsequence, indel_similarity};
use super::{length, share};
use arrow::array::{Array, StringArray, StringBuilder};
use std::cmp::Ordering;

/// The [`indel_similarity`] of both texts' words, sorted and joined by single spaces; 0 to 1.
/// Words are what Unicode's white space separates. Two texts without words are equal: 1.
#[must_use]
pub fn token_sort_similarity(left: &str, right: &str) -> f64 {
    indel_similarity(&sorted(left, false), &sorted(right, false))
}

/// The greatest [`indel_similarity`] among three texts: the words that both have, and these with
/// the other words of either side behind them; 0 to 1. Each word counts once. 1 if all words of
/// one side are among the other's, and for two texts without words; 0 if only one has words.
#[must_use]
pub fn token_set_similarity(left: &str, right: &str) -> f64 {
    of_sets(
        &sorted(left, true),
        &sorted(right, true),
        &mut Scratch::default(),
    )
}

/// The words of a text, sorted by scalar values and joined by single spaces.
fn sorted(text: &str, once: bool) -> String {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.sort_unstable();
    if once {
        words.dedup();
    }
    words.join(" ")
}

/// A column with each text's words sorted, once each if `once`.
pub(super) fn sorted_column(column: &StringArray, once: bool) -> StringArray {
    let mut texts = StringBuilder::with_capacity(column.len(), column.values().len());
    for text in column {
        texts.append_value(sorted(text.unwrap_or_default(), once));
    }
    texts.finish()
}

/// Room for the words of either side that the other does not have, kept from pair to pair.
#[derive(Default)]
pub(super) struct Scratch {
    left: String,
    right: String,
}

/// [`token_set_similarity`] of texts whose words are sorted, without a word twice, and joined by
/// single spaces.
pub(super) fn of_sets(left: &str, right: &str, scratch: &mut Scratch) -> f64 {
    if left.is_empty() || right.is_empty() {
        return f64::from(u8::from(left == right));
    }
    let (only_left, only_right) = (&mut scratch.left, &mut scratch.right);
    only_left.clear();
    only_right.clear();
    // Words that both have, and their characters.
    let (mut words, mut characters) = (0, 0);
    let (mut lefts, mut rights) = (left.split(' ').peekable(), right.split(' ').peekable());
    loop {
        let order = match (lefts.peek(), rights.peek()) {
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        match order {
            Ordering::Less => append(only_left, lefts.next()),
            Ordering::Greater => append(only_right, rights.next()),
            Ordering::Equal => {
                rights.next();
                words += 1;
                characters += lefts.next().map_or(0, length);
            }
        }
    }
    if words > 0 && (only_left.is_empty() || only_right.is_empty()) {
        return 1.0;
    }
    let (common, lengths) = common_subsequence(only_left, only_right);
    if words == 0 {
        return share(2 * common, lengths);
    }
    // Spaces stand between the words that both have, and before the rest of either side.
    let both = characters + words - 1;
    let alone = |rest: &str| share(2 * both, 2 * both + 1 + length(rest));
    share(2 * (both + 1 + common), 2 * (both + 1) + lengths)
        .max(alone(only_left))
        .max(alone(only_right))
}

fn append(words: &mut String, word: Option<&str>) {
    if !words.is_empty() {
        words.push(' ');
    }
    words.push_str(word.unwrap_or_default());
}
