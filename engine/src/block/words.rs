//! Texts that share a word: `words(expression, most)`.
//!
//! A word is a run of letters and digits. One that more than `most` open records of either side
//! have tells nothing apart and does not count. A pair that shares several words is one pair: it
//! belongs to the first of them, in the order of their numbers.

use crate::error::Error;
use crate::expression::Words;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use std::cmp::Ordering;
use std::collections::HashMap;

/// The texts of both sides, and how common a word may be.
#[derive(Clone, Debug)]
pub struct Worded {
    /// What is asked, as in `words(memo, 50)`.
    pub label: String,
    /// The left texts.
    pub left: ArrayRef,
    /// The right texts.
    pub right: ArrayRef,
    most: u32,
}

/// The words that count, by row of either side.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// Of the left side's rows.
    pub left: PerRow,
    /// Of the right side's rows.
    pub right: PerRow,
    /// The words, by number.
    pub texts: Vec<String>,
}

/// Numbers of words by row, ascending, each once.
#[derive(Clone, Debug, Default)]
pub struct PerRow {
    ends: Vec<u32>,
    numbers: Vec<u32>,
}

impl PerRow {
    /// The words of a row.
    pub fn of(&self, row: usize) -> &[u32] {
        let from = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.numbers[from as usize..self.ends[row] as usize]
    }
}

impl Worded {
    /// Takes both sides' texts.
    ///
    /// # Errors
    /// When a side has no texts.
    pub fn new(
        words: &Words,
        left: &ArrayRef,
        right: &ArrayRef,
        path: &str,
    ) -> Result<Self, Error> {
        let texts = |side: &str, array: &ArrayRef| match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Ok(cast(array, &DataType::Utf8)?)
            }
            other => Err(Error::spec(
                path,
                format!(
                    "words needs a text and `{}` is {other} on the {side}",
                    words.sql
                ),
            )),
        };
        Ok(Self {
            label: words.to_string(),
            left: texts("left", left)?,
            right: texts("right", right)?,
            most: words.most,
        })
    }

    /// The words that count among the rows that take part. Words are numbered as they first occur
    /// on the left.
    pub fn shared(&self, takes_part: &(impl Fn(usize) -> bool, impl Fn(usize) -> bool)) -> Shared {
        let (left, right) = (self.left.as_string::<i32>(), self.right.as_string::<i32>());
        let mut known: HashMap<&str, Word> = HashMap::new();
        let mut all: Vec<&str> = Vec::new();
        each(left, &takes_part.0, |_, words| {
            for &word in words {
                let found = known.entry(word).or_insert_with(|| {
                    all.push(word);
                    Word::default()
                });
                found.left += 1;
            }
        });
        each(right, &takes_part.1, |_, words| {
            for word in words {
                if let Some(found) = known.get_mut(word) {
                    found.right += 1;
                }
            }
        });
        let mut texts = Vec::new();
        for word in all {
            if let Some(found) = known.get_mut(word)
                && found.left <= self.most
                && (1..=self.most).contains(&found.right)
            {
                found.number = u32::try_from(texts.len()).ok();
                texts.push(word.to_owned());
            }
        }
        let number = |word: &&str| known.get(word)?.number;
        Shared {
            left: per_row(left, &takes_part.0, number),
            right: per_row(right, &takes_part.1, number),
            texts,
        }
    }
}

/// How many rows of either side have a word, and its number where it counts.
#[derive(Default)]
struct Word {
    left: u32,
    right: u32,
    number: Option<u32>,
}

/// Hands out each row's words, each once, in their order.
fn each<'a>(
    texts: &'a StringArray,
    takes_part: impl Fn(usize) -> bool,
    mut give: impl FnMut(usize, &[&'a str]),
) {
    let mut words = Vec::new();
    for row in 0..texts.len() {
        words.clear();
        if texts.is_valid(row) && takes_part(row) {
            let parts = texts.value(row).split(|c: char| !c.is_alphanumeric());
            words.extend(parts.filter(|word| !word.is_empty()));
            words.sort_unstable();
            words.dedup();
        }
        give(row, &words);
    }
}

fn per_row(
    texts: &StringArray,
    takes_part: impl Fn(usize) -> bool,
    number: impl Fn(&&str) -> Option<u32>,
) -> PerRow {
    let mut found = PerRow::default();
    each(texts, takes_part, |_, words| {
        let from = found.numbers.len();
        found.numbers.extend(words.iter().filter_map(&number));
        found.numbers[from..].sort_unstable();
        found
            .ends
            .push(u32::try_from(found.numbers.len()).unwrap_or(u32::MAX));
    });
    found
}

impl Shared {
    /// The first word that two rows share.
    pub fn first(&self, left: u32, right: u32) -> Option<u32> {
        let (left, right) = (self.left.of(left as usize), self.right.of(right as usize));
        let (mut l, mut r) = (0, 0);
        while let (Some(one), Some(other)) = (left.get(l), right.get(r)) {
            match one.cmp(other) {
                Ordering::Less => l += 1,
                Ordering::Greater => r += 1,
                Ordering::Equal => return Some(*one),
            }
        }
        None
    }
}
