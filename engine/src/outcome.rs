//! Outcomes: what became of every record, and the proof that none was lost.

use crate::assign::{Assignment, Chosen};
use crate::error::Error;
use crate::records::Records;
use serde::{Deserialize, Serialize};

/// One of the two datasets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The dataset being checked.
    Left,
    /// The dataset checked against.
    Right,
}

impl Side {
    /// `left` or `right`, as in paths and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}

/// The result of a run in figures: `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The left side's records by outcome.
    pub left: SideSummary,
    /// The right side's records by outcome.
    pub right: SideSummary,
    /// Matched, differing and review pairs, whether or not `output.pairs` lists them all.
    pub pairs: u64,
    /// (matched + differing) / rows over both sides, 0 to 1; 0 where there are no rows.
    pub match_rate: f64,
    /// The passes, in order.
    pub passes: Vec<PassSummary>,
    /// How long the run took, in seconds.
    pub seconds: f64,
    /// `sha256:` and the hash of the specification's canonical JSON.
    pub spec_hash: String,
}

/// One side's rows by outcome. The outcomes add up to `rows`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SideSummary {
    /// Rows of the file.
    pub rows: u64,
    /// Records in a confirmed pair.
    pub matched: u64,
    /// Records in a confirmed pair whose compared columns differ.
    pub differing: u64,
    /// Records in a pair that a person decides.
    pub review: u64,
    /// Records in no pair.
    pub unmatched: u64,
    /// Rows set aside because another row has their key.
    pub duplicate: u64,
    /// Rows that could not be read or have no key.
    pub rejected: u64,
}

/// One pass in figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PassSummary {
    /// The pass's name.
    pub name: String,
    /// Its pairs in the result, confirmed or for review.
    pub pairs: u64,
    /// The candidate pairs that it compared.
    pub candidates: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// What became of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The records match.
    Matched,
    /// The records match, and a column compared on matched pairs differs.
    Differing,
    /// A person decides.
    Review,
}

impl Outcome {
    /// As written in `pairs.parquet`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Differing => "differing",
            Self::Review => "review",
        }
    }
}

/// A pair of the result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The pair and its score.
    pub chosen: Chosen,
    /// The pass that made it, by index.
    pub pass: usize,
    /// What became of it.
    pub outcome: Outcome,
}

/// Which records are taken, over the passes.
#[derive(Debug)]
pub struct Ledger {
    /// Left records in no confirmed pair yet.
    pub left_open: Vec<bool>,
    /// Right records in no confirmed pair yet.
    pub right_open: Vec<bool>,
    confirmed: Vec<Pair>,
    review: Vec<Pair>,
}

impl Ledger {
    /// Nothing is decided yet.
    #[must_use]
    pub fn new(lefts: usize, rights: usize) -> Self {
        Self {
            left_open: vec![true; lefts],
            right_open: vec![true; rights],
            confirmed: Vec::new(),
            review: Vec::new(),
        }
    }

    /// Books what a pass decided. Confirmed records leave; those for review go on.
    pub fn book(&mut self, pass: usize, assignment: &Assignment) {
        for &chosen in &assignment.confirmed {
            self.left_open[chosen.edge.left as usize] = false;
            self.right_open[chosen.edge.right as usize] = false;
            self.confirmed.push(Pair {
                chosen,
                pass,
                outcome: Outcome::Matched,
            });
        }
        let review = |&chosen| Pair {
            chosen,
            pass,
            outcome: Outcome::Review,
        };
        self.review.extend(assignment.review.iter().map(review));
    }

    /// The pairs of the result, by left key: every confirmed one, and of those for review the first
    /// of each record, in the order of passes, where no later pass confirmed one of its records.
    #[must_use]
    pub fn close(self) -> Vec<Pair> {
        let (mut left, mut right) = (self.left_open, self.right_open);
        let mut pairs = self.confirmed;
        for pair in self.review {
            let (l, r) = (
                pair.chosen.edge.left as usize,
                pair.chosen.edge.right as usize,
            );
            if left[l] && right[r] {
                left[l] = false;
                right[r] = false;
                pairs.push(pair);
            }
        }
        pairs.sort_by_key(|pair| (pair.chosen.edge.left, pair.chosen.edge.right));
        pairs
    }
}

/// The fate of each record of one side: the pair that it is in, if any.
pub struct Fates {
    outcomes: Vec<Option<Outcome>>,
}

impl Fates {
    /// Reads the records' fates from the pairs.
    ///
    /// # Errors
    /// [`Error::Conservation`] when a record is in two pairs.
    pub fn of(pairs: &[Pair], side: Side, records: usize) -> Result<Self, Error> {
        let mut outcomes = vec![None; records];
        for pair in pairs {
            let index = match side {
                Side::Left => pair.chosen.edge.left,
                Side::Right => pair.chosen.edge.right,
            };
            if outcomes[index as usize].replace(pair.outcome).is_some() {
                return Err(Error::Conservation {
                    side: side.name(),
                    detail: "a record is in two pairs".into(),
                });
            }
        }
        Ok(Self { outcomes })
    }

    /// The indices of the records in no pair, in the order of keys.
    #[must_use]
    pub fn unmatched(&self) -> Vec<u32> {
        (0_u32..)
            .zip(&self.outcomes)
            .filter(|(_, outcome)| outcome.is_none())
            .map(|(index, _)| index)
            .collect()
    }

    /// Counts the side's rows by outcome. `plain` matched records were set aside and are not among
    /// `records`.
    ///
    /// # Errors
    /// [`Error::Conservation`] when the outcomes do not add up to the rows of the file.
    pub fn count(&self, records: &Records, side: Side, plain: u64) -> Result<SideSummary, Error> {
        let of = |outcome| self.outcomes.iter().filter(|o| **o == outcome).count() as u64;
        let summary = SideSummary {
            rows: records.rows,
            matched: of(Some(Outcome::Matched)) + plain,
            differing: of(Some(Outcome::Differing)),
            review: of(Some(Outcome::Review)),
            unmatched: of(None),
            duplicate: records.duplicates.len() as u64,
            rejected: records.rejected.len() as u64,
        };
        let SideSummary {
            rows,
            matched,
            differing,
            review,
            unmatched,
            duplicate,
            rejected,
        } = summary;
        let total = matched + differing + review + unmatched + duplicate + rejected;
        if total == rows {
            Ok(summary)
        } else {
            Err(Error::Conservation {
                side: side.name(),
                detail: format!("the outcomes add up to {total} of {rows} rows: {summary:?}"),
            })
        }
    }
}
