//! Blocks for people: what a pass's blocks are and how many pairs they give, and which of them hold
//! for one pair.

use super::evaluate::{Block, given_blocks};
use super::worst::worst;
use super::{Open, WORST_KEYS, blocks, found};
use crate::error::Error;
use crate::expression::Entry;
use crate::plan::PassPlan;
use crate::values::{Form, Values};
use crate::written;
use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::concat;
use datafusion::prelude::SessionContext;
use std::fmt::Write;

/// Whether a block gives one pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The block, as in `ccy AND near(date, 30)`.
    pub block: String,
    /// The first of its entries that does not hold; none where all do.
    pub failed: Option<Failed>,
}

/// An entry of a block that does not hold for a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The entry, as in `near(date, 30)`.
    pub entry: String,
    /// The left record's value; none where it is null.
    pub left: Option<String>,
    /// The right record's value; none where it is null.
    pub right: Option<String>,
}

/// Which blocks of a pass give a pair of records, block by block. Derived blocks depend on all
/// records that are open.
///
/// # Errors
/// As [`candidates`](super::candidates), save for the budget.
pub fn which_blocks(
    session: &SessionContext,
    pass: &PassPlan,
    (left, l): (Open<'_>, u32),
    (right, r): (Open<'_>, u32),
    budget: u64,
) -> Result<Vec<Verdict>, Error> {
    let (l, r) = (l as usize, r as usize);
    // Given blocks look at the pair alone; derived ones are chosen by all records.
    let mut found = if pass.blocks.is_some() {
        Vec::new()
    } else {
        blocks(session, pass, left, right, budget)?.blocks
    };
    let looks_at_files = found.iter().any(|block| block.numbered.is_some());
    let counting = counting_words(session, pass, (left, l), (right, r))?;
    let (l, r) = if pass.blocks.is_some() || looks_at_files {
        let one = |side: Open<'_>, row: usize| {
            let row = u32::try_from(row).unwrap_or(u32::MAX);
            let all = side.values.all_columns();
            let one = side.values.picked(Form::Compared, &all, &[row])?;
            Ok::<_, Error>(Values::Held {
                original: one.clone(),
                compared: one,
            })
        };
        let (lefts, rights) = (one(left, l)?, one(right, r)?);
        let open = |values| Open {
            values,
            open: &[true],
        };
        found = blocks(session, pass, open(&lefts), open(&rights), budget)?.blocks;
        (0, 0)
    } else {
        (l, r)
    };
    (found.iter().enumerate())
        .map(|(at, block)| {
            Ok(Verdict {
                block: block.text(),
                failed: failed(block, (l, r), counting.get(at) != Some(&false))?,
            })
        })
        .collect()
}

/// For each given block whether the two records share a word that counts, which all open records
/// say; nothing where no block asks for words.
fn counting_words(
    session: &SessionContext,
    pass: &PassPlan,
    (left, l): (Open<'_>, usize),
    (right, r): (Open<'_>, usize),
) -> Result<Vec<bool>, Error> {
    let has_words = |block: &Vec<Entry>| block.iter().any(|e| matches!(e, Entry::Words(_)));
    let blocks = pass.blocks.iter().flatten();
    if !blocks.clone().any(has_words) {
        return Ok(Vec::new());
    }
    let row = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
    let all = blocks.cloned().collect::<Vec<_>>();
    (given_blocks(session, pass, &all, left, right)?.iter())
        .map(|block| {
            let shared = block.condition(left.open, right.open)?.words;
            Ok(shared.is_none_or(|shared| shared.first(row(l), row(r)).is_some()))
        })
        .collect()
}

fn failed(
    block: &Block,
    (l, r): (usize, usize),
    shares_a_word: bool,
) -> Result<Option<Failed>, Error> {
    let value = |values: &ArrayRef, row: usize| {
        (values.is_valid(row))
            .then(|| written::text(values, row))
            .transpose()
    };
    let failed = |entry: &str, left: &ArrayRef, right: &ArrayRef| -> Result<_, Error> {
        Ok(Some(Failed {
            entry: entry.to_owned(),
            left: value(left, l)?,
            right: value(right, r)?,
        }))
    };
    for equal in &block.equals {
        let both = equal.left.is_valid(l) && equal.right.is_valid(r);
        if !both || !same(&equal.left, l, &equal.right, r)? {
            return failed(&equal.label, &equal.left, &equal.right);
        }
    }
    for near in &block.nears {
        let both = near.left.is_valid(l) && near.right.is_valid(r);
        let row = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
        if !both || !near.range.holds(row(l), row(r)) {
            return failed(&near.label, &near.left, &near.right);
        }
    }
    if let Some(words) = block.words.as_ref().filter(|_| !shares_a_word) {
        return failed(&words.label, &words.left, &words.right);
    }
    Ok(None)
}

/// Whether two values of one type are equal as a join sees them.
fn same(left: &ArrayRef, l: usize, right: &ArrayRef, r: usize) -> Result<bool, Error> {
    let both = concat(&[&left.slice(l, 1), &right.slice(r, 1)])?;
    let rows = crate::records::sortable(&[both])?;
    Ok(rows.row(0) == rows.row(1))
}

/// A pass's blocks in the open records, each with its pairs and its largest keys, their total, and
/// its share of `max_pairs`. Holds values of records: it is for those who may see the data.
///
/// # Errors
/// As [`candidates`](super::candidates), save for the budget, which is told instead.
pub fn describe(
    session: &SessionContext,
    pass: &PassPlan,
    left: Open<'_>,
    right: Open<'_>,
    max_pairs: u64,
) -> Result<String, Error> {
    let derived = blocks(session, pass, left, right, max_pairs)?;
    let mut text = String::new();
    let count = derived.blocks.len();
    let noun = if count == 1 { "block" } else { "blocks" };
    let _ = write!(text, "pass `{}`: {count} {noun}", pass.name);
    if let Some(how) = derived.how {
        let _ = write!(text, ", derived from compare: {how}");
    }
    text.push('\n');
    let mut total = 0_u64;
    for (index, block) in derived.blocks.into_iter().enumerate() {
        let found = found(pass, index, block, left, right)?;
        let pairs = found.join.pairs;
        total = total.saturating_add(pairs);
        let bound = if found.join.is_exact() {
            ""
        } else {
            "at most "
        };
        let _ = writeln!(
            text,
            "  {}. {}: {bound}{} pairs",
            index + 1,
            found.block.text(),
            grouped(pairs)
        );
        for worst in worst(&found, left, WORST_KEYS)? {
            let _ = writeln!(text, "       {} pairs from {worst}", grouped(worst.pairs));
        }
    }
    let _ = writeln!(
        text,
        "  in all at most {} pairs, {} of limits.maxPairs ({}){}",
        grouped(total),
        percent(total, max_pairs),
        grouped(max_pairs),
        if total > max_pairs {
            ": the run would stop here"
        } else {
            ""
        }
    );
    Ok(text)
}

fn percent(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1000 / u128::from(whole.max(1));
    match tenths {
        0 if part > 0 => "under 0.1 %".into(),
        _ => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// 1234567 as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
