//! Blocks derived from the comparisons of a pass that gives none.
//!
//! What must hold makes one block that loses no pair: equal values for `exact`, near values for
//! numbers and dates. A comparison must hold under `all`, where it is `required`, and in a weighted
//! score where all others together do not reach the threshold without it. Texts that are similar
//! enough share no key in general, so they narrow nothing down there.
//!
//! Where too little must hold, blocks are chosen by what the data is like: keys of single columns
//! that are selective enough, and pairs of keys of different columns, until the pairs reach a
//! budget for each record. They lose pairs that agree in none of them.

mod choose;

use super::Open;
use super::evaluate::{Block, Equal, Within};
use super::join::Join;
use super::stored::{self, Made, Source};
use crate::error::Error;
use crate::plan::{ComparisonPlan, OwnedMethod, PassPlan};
use crate::values::Form;
use choose::choose;
use crds::matching::{Nulls, Score};
use datafusion::prelude::SessionContext;

/// The candidate pairs for each open record that derived blocks may give, where pairs are lost.
const PER_RECORD: u64 = 50;
/// So many candidate pairs are never too many.
const ALWAYS: u64 = 1_000_000;
/// Slack for a comparison of sums of weights, far above their rounding errors.
const SLACK: f64 = 1e-9;
/// What the keys made from one comparison take for each record, by estimate.
const BYTES_OF_KEYS: u64 = 80;

/// The blocks of a pass.
pub struct Derived {
    /// An OR of blocks.
    pub blocks: Vec<Block>,
    /// How they were derived, for people; none where the specification gives them.
    pub how: Option<&'static str>,
}

/// Derives the blocks of a pass within `budget` pairs.
///
/// # Errors
/// [`Error::Budget`] when no block within the budget can be found.
pub fn derived(
    session: &SessionContext,
    pass: &PassPlan,
    left: Open<'_>,
    right: Open<'_>,
    budget: u64,
) -> Result<Derived, Error> {
    let must = match (left.held(), right.held()) {
        (Some(_), Some(_)) => must_hold(pass, left, right)?,
        _ => of_files(session, pass, left, right)?,
    };
    let complete = |block: Block| Derived {
        blocks: vec![block],
        how: Some("no pair that can match is left out"),
    };
    // Under `all` a pair is never lost; what is over the budget is told by its largest keys.
    if pass.score == Score::All {
        return Ok(complete(must));
    }
    let count = |open: &[bool]| open.iter().filter(|open| **open).count() as u64;
    let (lefts, rights) = (count(left.open), count(right.open));
    let allowance = ALWAYS.max(PER_RECORD * (lefts + rights)).min(budget);
    let narrowed = !must.equals.is_empty() || !must.nears.is_empty();
    let pairs = if narrowed {
        Join::new(&must.condition(left.open, right.open)?).pairs
    } else {
        lefts.saturating_mul(rights)
    };
    if pairs <= allowance {
        return Ok(complete(must));
    }
    let must = if must.numbered.is_some() {
        must_hold(pass, left, right)?
    } else {
        must
    };
    check_memory(pass, left, right)?;
    let blocks = choose(pass, &must, left, right, allowance)?;
    if blocks.is_empty() {
        return Err(Error::Budget {
            pass: pass.name.clone(),
            detail: format!(
                "no block within {allowance} candidate pairs follows from {}.compare: its columns \
                 have too few different values",
                pass.path
            ),
            worst: String::new(),
            remedy: "Give the pass a block that tells records apart".into(),
        });
    }
    Ok(Derived {
        blocks,
        how: Some("pairs that agree in none of the blocks are left out"),
    })
}

/// Holds the keys of all columns, which blocks are chosen from, against the memory where the values
/// do not fit it.
fn check_memory(pass: &PassPlan, left: Open<'_>, right: Open<'_>) -> Result<(), Error> {
    let mut needed = 0;
    for (side, of) in [
        (left, (|c| c.left) as fn(&ComparisonPlan) -> usize),
        (right, |c| c.right),
    ] {
        let columns: Vec<usize> = pass.comparisons.iter().map(of).collect();
        let values = side.values.weight(Form::Compared, &columns);
        needed += values + (side.open.len() * columns.len()) as u64 * BYTES_OF_KEYS;
    }
    let (left, right) = (left.values.room(), right.values.room());
    let room = if left.limit < right.limit {
        left
    } else {
        right
    };
    room.check(needed, || {
        format!(
            "pass `{}` has no block, and the keys from which its blocks would be chosen take",
            pass.name
        )
    })
}

/// As [`must_hold`], where values are in files.
fn of_files(
    session: &SessionContext,
    pass: &PassPlan,
    left: Open<'_>,
    right: Open<'_>,
) -> Result<Block, Error> {
    let mut block = Block::default();
    let mut sources = Vec::new();
    for (at, comparison) in pass.comparisons.iter().enumerate() {
        if !holds_always(pass, comparison) {
            continue;
        }
        let path = format!("{}.compare[{at}]", pass.path);
        if let OwnedMethod::Exact = comparison.method {
            sources.push(Source {
                label: comparison.label.clone(),
                path,
                from: Made::Columns([comparison.left, comparison.right]),
            });
        } else if let Some(near) = within(comparison, left, right, &path)? {
            block.nears.push(near);
        } else {
            continue;
        }
        block.columns.0.insert(comparison.left);
        block.columns.1.insert(comparison.right);
    }
    stored::number(session, &mut block, sources, left, right)?;
    Ok(block)
}

/// The block of the comparisons that must hold.
fn must_hold(pass: &PassPlan, left: Open<'_>, right: Open<'_>) -> Result<Block, Error> {
    let mut block = Block::default();
    for (at, comparison) in pass.comparisons.iter().enumerate() {
        if !holds_always(pass, comparison) {
            continue;
        }
        let path = format!("{}.compare[{at}]", pass.path);
        if let OwnedMethod::Exact = comparison.method {
            block.equals.push(equal(comparison, left, right, &path)?);
        } else if let Some(near) = within(comparison, left, right, &path)? {
            block.nears.push(near);
        } else {
            continue;
        }
        block.columns.0.insert(comparison.left);
        block.columns.1.insert(comparison.right);
    }
    Ok(block)
}

/// Whether every pair that is kept holds this comparison.
fn holds_always(pass: &PassPlan, comparison: &ComparisonPlan) -> bool {
    if comparison.nulls != Nulls::Mismatch {
        return false;
    }
    let needed = || {
        let all: f64 = pass.comparisons.iter().map(|c| c.weight).sum();
        // With all others at 1 the score is (all − weight) / all; comparisons that nulls leave out
        // make both smaller by the same amount, and the score with them.
        comparison.weight > (1.0 - pass.keep + SLACK) * all
    };
    comparison.must_hold || (pass.score == Score::Weighted && needed())
}

fn equal(
    comparison: &ComparisonPlan,
    left: Open<'_>,
    right: Open<'_>,
    path: &str,
) -> Result<Equal, Error> {
    let (l, r) = (
        left.column(comparison.left)?,
        right.column(comparison.right)?,
    );
    Equal::new(comparison.label.clone(), &l, &r, path)
}

/// The window of a number or date comparison; none for others and where the bound is no window.
fn within(
    comparison: &ComparisonPlan,
    left: Open<'_>,
    right: Open<'_>,
    path: &str,
) -> Result<Option<Within>, Error> {
    let sides = || {
        let left = left.column(comparison.left)?;
        Ok::<_, Error>((left, right.column(comparison.right)?))
    };
    match &comparison.method {
        OwnedMethod::Number(bound) => Within::of_number(bound, &comparison.label, sides()?, path),
        OwnedMethod::Date(window) => {
            Within::of_date(*window, &comparison.label, sides()?, path).map(Some)
        }
        OwnedMethod::Exact | OwnedMethod::Text(_) => Ok(None),
    }
}
