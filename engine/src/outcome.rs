//! Outcomes: what became of every record, and the proof that none was lost.

use crate::error::Error;
use crate::ledger::Pair;
use crate::records::Records;
use schemars::JsonSchema;
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassSummary {
    /// The pass's name.
    pub name: String,
    /// Its pairs in the result, confirmed or for review.
    pub pairs: u64,
    /// The candidate pairs that it compared; the steps of its search where it adds records up.
    pub candidates: u64,
    /// Records whose search for a sum ended at a budget, so that a person decides.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub exhausted: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
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

    /// The outcome of a record that has a pair with each; none where both cannot be.
    fn beside(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Review, Self::Review) => Some(Self::Review),
            (Self::Review, _) | (_, Self::Review) => None,
            (Self::Matched, Self::Matched) => Some(Self::Matched),
            _ => Some(Self::Differing),
        }
    }
}

/// The fate of each record of one side: the group that it is in, if any, and its outcome.
pub struct Fates {
    outcomes: Vec<Option<(u32, Outcome)>>,
}

impl Fates {
    /// Reads the records' fates from the pairs. A record differs when one of its pairs does.
    ///
    /// # Errors
    /// [`Error::Conservation`] when a record is in two groups, or both confirmed and for review.
    pub fn of(pairs: &[Pair], side: Side, records: usize) -> Result<Self, Error> {
        let mut outcomes: Vec<Option<(u32, Outcome)>> = vec![None; records];
        for pair in pairs {
            let index = match side {
                Side::Left => pair.chosen.edge.left,
                Side::Right => pair.chosen.edge.right,
            };
            let broken = |detail: &str| Error::Conservation {
                side: side.name(),
                detail: detail.into(),
            };
            let fate = &mut outcomes[index as usize];
            *fate = match *fate {
                None => Some((pair.group, pair.outcome)),
                Some((group, _)) if group != pair.group => {
                    return Err(broken("a record is in two groups"));
                }
                Some((group, outcome)) => {
                    let outcome = outcome
                        .beside(pair.outcome)
                        .ok_or_else(|| broken("a record is both confirmed and for review"))?;
                    Some((group, outcome))
                }
            };
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
        let of = |outcome: Option<Outcome>| {
            let fates = self.outcomes.iter();
            fates.filter(|fate| fate.map(|(_, o)| o) == outcome).count() as u64
        };
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
