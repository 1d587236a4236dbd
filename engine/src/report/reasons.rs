//! Why pairs are pairs, with the values of their records at hand.

use super::figures::Steps;
use super::lists::Results;
use crate::error::Error;
use crate::explain;
use crate::ledger::Pair;
use crate::plan::PassPlan;
use crate::score::Scorer;
use crate::values::{Form, Window};
use datafusion::arrow::array::ArrayRef;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is needed to say why some pairs are pairs.
pub struct Reasons<'a> {
    passes: &'a [PassPlan],
    /// The values of either side as they were read.
    originals: [Window; 2],
    /// The values as they are compared.
    compared: [Window; 2],
    /// By pass.
    scorers: Vec<Option<Arc<Scorer>>>,
}

/// The columns of either side that comparisons and sums look at, with `more` of the left side.
fn columns(passes: &[PassPlan], more: &[usize]) -> [Vec<usize>; 2] {
    let mut places: [BTreeSet<usize>; 2] = Default::default();
    places[0].extend(more);
    for pass in passes {
        let sum = pass.sum.as_ref().map(|sum| sum.amounts);
        for (side, columns) in pass.columns().into_iter().enumerate() {
            places[side].extend(columns);
            places[side].extend(sum.map(|amounts| amounts[side]));
        }
    }
    places.map(|places| places.into_iter().collect())
}

impl<'a> Reasons<'a> {
    /// For how many pairs there is room at a time.
    pub fn rows_at_a_time(results: &Results<'_>, more: &[usize]) -> usize {
        let columns = columns(&results.plan.passes, more);
        let rows = results.sides.iter().zip(&columns);
        rows.map(|(side, columns)| side.values.rows_at_a_time(Form::Original, columns))
            .min()
            .unwrap_or(usize::MAX)
    }

    /// For some pairs, by index, with `more` columns of their left records.
    ///
    /// # Errors
    /// When values cannot be read back.
    pub fn of(results: &Results<'a>, more: &[usize], pairs: &[u32]) -> Result<Self, Error> {
        let passes = results.plan.passes.as_slice();
        let columns = columns(passes, more);
        let edges = || {
            pairs
                .iter()
                .map(|&pair| results.pairs[pair as usize].chosen.edge)
        };
        let windows = |form| {
            let [left, right] = results.sides.map(|side| &side.values);
            let left = left.window(form, &columns[0], edges().map(|edge| edge.left))?;
            let right = right.window(form, &columns[1], edges().map(|edge| edge.right))?;
            Ok::<_, Error>([left, right])
        };
        let compared = windows(Form::Compared)?;
        let [left, right] = &compared;
        let scorers = (passes.iter().zip(results.scorings))
            .map(|(pass, scoring)| {
                let scoring = scoring.as_ref();
                scoring
                    .map(|scoring| scoring.within(pass, left, right))
                    .transpose()
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            passes,
            originals: windows(Form::Original)?,
            compared,
            scorers,
        })
    }

    /// The original values of a left column, and below where they are.
    pub fn left_column(&self, column: usize) -> &ArrayRef {
        self.originals[0].batch.column(column)
    }

    /// Where a pair's left record stands in [`Self::left_column`].
    pub fn left_place(&self, pair: &Pair) -> u32 {
        self.originals[0].place(pair.chosen.edge.left)
    }

    /// Why a pair is one.
    ///
    /// # Errors
    /// When Arrow cannot write a value.
    pub fn reason(&self, pair: &Pair) -> Result<String, Error> {
        let edge = pair.chosen.edge;
        let pass = &self.passes[pair.pass];
        let [left, right] = &self.originals;
        let left = (&left.batch, left.place(edge.left) as usize);
        let right = (&right.batch, right.place(edge.right) as usize);
        match (&pair.split, &pass.sum, &self.scorers[pair.pass]) {
            (Some(split), Some(sum), scorer) => {
                let text = explain::reason_of_sum(sum, split, left, right)?;
                let Some(scorer) = scorer else {
                    return Ok(text);
                };
                let [l, r] = &self.compared;
                let explained = scorer.explain(l.place(edge.left), r.place(edge.right));
                let compared = explain::reason(pass, &explained, left, right, None)?;
                Ok(format!("{text}; {compared}"))
            }
            (_, _, Some(scorer)) => {
                let [l, r] = &self.compared;
                let explained = scorer.explain(l.place(edge.left), r.place(edge.right));
                explain::reason(pass, &explained, left, right, Some(&pair.chosen))
            }
            _ => Err(Error::Internal(
                "a pair without a pass that compares".into(),
            )),
        }
    }

    /// How a pair's score adds up; none where comparisons only hold or fail.
    pub fn steps(&self, pair: &Pair) -> Option<Steps> {
        let edge = pair.chosen.edge;
        let [l, r] = &self.compared;
        let scorer = self.scorers[pair.pass].as_ref()?;
        let explained = scorer.explain(l.place(edge.left), r.place(edge.right));
        // A sum's score is that of the group.
        let score = pair.split.map_or(edge.score, |_| explained.score);
        explain::steps(&self.passes[pair.pass], &explained, score)
    }
}
