//! The keys from which most pairs of a block come.

use super::join::Run;
use super::{Found, Open};
use crate::error::Error;
use crate::written;
use datafusion::arrow::array::ArrayRef;
use std::cmp::Reverse;
use std::fmt;
use std::ops::Range;

/// A key, its values, and how many pairs it gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worst {
    /// The values, as in `EUR, amount 100.00 to 101.50`.
    pub values: String,
    /// Left rows with this key.
    pub left: u64,
    /// Right rows that one of them at least is paired with.
    pub right: u64,
    /// The pairs that they give.
    pub pairs: u64,
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            values,
            left,
            right,
            ..
        } = self;
        write!(f, "({values}) with {left} × {right} rows")
    }
}

/// The `most` keys with most pairs. A key is the values that are equal and, where a block has a
/// window, one window's width of its values.
///
/// # Errors
/// When values cannot be read back.
pub fn worst(found: &Found, left: Open<'_>, most: usize) -> Result<Vec<Worst>, Error> {
    let runs = &found.join.runs;
    let bucket = |run: &Run| {
        let range = &found.condition.ranges[found.join.sorted_by?];
        Some(range.left(run.left).div_euclid(range.window().bucket()?))
    };
    let key = |at: usize| {
        let (run, word) = (&runs[at], found.join.words.get(at));
        (found.condition.left[run.left as usize], word, bucket(run))
    };
    let mut worst: Vec<(u64, Range<usize>)> = Vec::new();
    let mut start = 0;
    for end in 1..=runs.len() {
        if end < runs.len() && key(end) == key(start) {
            continue;
        }
        let same = start..end;
        start = end;
        let pairs = runs[same.clone()].iter().map(|run| run.pairs()).sum();
        if worst.len() == most && worst.last().is_some_and(|last| last.0 >= pairs) {
            continue;
        }
        worst.push((pairs, same));
        // Stable, so that of equals the first group stays, whose rows come first.
        worst.sort_by_key(|&(pairs, _)| Reverse(pairs));
        worst.truncate(most);
    }
    worst
        .into_iter()
        .map(|(pairs, same)| {
            let word = found.join.words.get(same.start).copied();
            let same = &runs[same];
            Ok(Worst {
                values: values(found, left, word, same)?,
                left: same.len() as u64,
                right: same.iter().map(|run| run.to).max().map_or(0, |to| {
                    u64::from(to - same.iter().map(|run| run.from).min().unwrap_or(to))
                }),
                pairs,
            })
        })
        .collect()
}

fn values(found: &Found, left: Open<'_>, word: Option<u32>, runs: &[Run]) -> Result<String, Error> {
    let Some(first) = runs.first() else {
        return Ok(String::new());
    };
    let text =
        |values: &ArrayRef, row: u32| written::text(values, row as usize).unwrap_or_default();
    let block = &found.block;
    let equals: Vec<String> = match &block.numbered {
        Some(numbered) => numbered.texts(block, left, first.left)?,
        None => (block.equals.iter())
            .map(|equal| text(&equal.left, first.left))
            .collect(),
    };
    let nears = block.nears.iter().map(|near| {
        let ends = (
            runs.iter().min_by_key(|run| near.range.left(run.left)),
            runs.iter().max_by_key(|run| near.range.left(run.left)),
        );
        let (low, high) = (ends.0.unwrap_or(first).left, ends.1.unwrap_or(first).left);
        let (low, high) = (text(&near.left, low), text(&near.left, high));
        if low == high {
            format!("{} {low}", near.column)
        } else {
            format!("{} {low} to {high}", near.column)
        }
    });
    let shared = found.condition.words.as_ref();
    let word = word.and_then(|word| shared?.texts.get(word as usize));
    let word = word.map(|word| format!("word {word}"));
    let all: Vec<String> = equals.into_iter().chain(nears).chain(word).collect();
    Ok(if all.is_empty() {
        "every record".into()
    } else {
        all.join(", ")
    })
}
