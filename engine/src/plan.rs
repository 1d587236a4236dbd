//! The plan: a specification whose columns are found and whose types fit.
//!
//! [`mod@check`] runs twice over the same rules: before any data is opened, with what the declarations
//! say, and once the files are read, with what is there. After the second time nothing can be
//! missing, so [`Plan::new`] only copies.

mod blocks;
mod check;

pub use check::{mistakes_in_the_rest, of_schema, validate, words};

use crate::assign::{Edge, Rules};
use crate::expression::{self, Entry};
use crate::score::levels::Levels;
use crate::split::weighed::{Measure, Thresholds};
use crate::sum::SumPlan;
use check::check;
use crds::decode::SpecError;
use crds::matching::{
    Cardinality, Comparison, DateWindow, MatchingSpec, Method, Nulls, NumberBound, Pass, Score,
    TextSimilarity,
};
use datafusion::arrow::datatypes::Schema;
use datafusion::prelude::SessionContext;
use std::collections::BTreeSet;

/// The least probability of a part by itself that a sum under `fellegiSunter` looks at: about 20 bits
/// against it, which no amount makes up for.
const LEAST_PART: f64 = 1e-6;

/// What to run, with columns as places in the batches of both sides.
#[derive(Debug)]
pub struct Plan {
    /// The passes, in order.
    pub passes: Vec<PassPlan>,
    /// The columns compared on matched pairs, in the order of the specification. Their `nulls` is
    /// [`Nulls::Mismatch`]; two nulls are equal all the same, which [`crate::diff`] sees to.
    pub differences: Vec<ComparisonPlan>,
}

/// One pass.
#[derive(Clone, Debug)]
pub struct PassPlan {
    /// Its name.
    pub name: String,
    /// Where it stands in the specification, as in `passes[0]`.
    pub path: String,
    /// Which pairs are compared: an OR of ANDs. None where it is derived from the comparisons.
    pub blocks: Option<Vec<Vec<Entry>>>,
    /// The comparisons, in the order of the specification.
    pub comparisons: Vec<ComparisonPlan>,
    /// How comparisons become a score.
    pub score: Score,
    /// How pairs that share a record are decided.
    pub rules: Rules,
    /// What the pass adds up, where it does.
    pub sum: Option<SumPlan>,
    /// From this score a pair is kept.
    pub keep: f64,
    /// From this score a person looks at a pair, or at a group of a sum.
    pub review: f64,
}

/// One comparison.
#[derive(Clone, Debug)]
pub struct ComparisonPlan {
    /// The column, or both where their names differ.
    pub label: String,
    /// The left column's place.
    pub left: usize,
    /// The right column's place.
    pub right: usize,
    /// What is compared.
    pub method: OwnedMethod,
    /// The share in a weighted score.
    pub weight: f64,
    /// Whether a pair that fails this comparison is dropped.
    pub must_hold: bool,
    /// What a null means.
    pub nulls: Nulls,
    /// The levels of agreement under `fellegiSunter`.
    pub levels: Levels,
}

/// [`Method`] that owns its settings.
#[derive(Clone, Debug)]
pub enum OwnedMethod {
    /// Equal values.
    Exact,
    /// Numbers within a bound.
    Number(NumberBound),
    /// Dates within a window.
    Date(DateWindow),
    /// Similar texts.
    Text(TextSimilarity),
}

impl OwnedMethod {
    /// The method as the specification writes it.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Exact => serde_json::json!({"exact": {}}),
            Self::Number(bound) => serde_json::json!({"number": bound}),
            Self::Date(window) => serde_json::json!({"date": window}),
            Self::Text(text) => serde_json::json!({"text": text}),
        }
    }
}

impl PassPlan {
    /// The places of the columns that the comparisons look at, on the left and on the right.
    #[must_use]
    pub fn columns(&self) -> [Vec<usize>; 2] {
        let of = |place: fn(&ComparisonPlan) -> usize| -> Vec<usize> {
            let places: BTreeSet<usize> = self.comparisons.iter().map(place).collect();
            places.into_iter().collect()
        };
        [of(|plan| plan.left), of(|plan| plan.right)]
    }
}

impl Plan {
    /// Finds the columns of the specification in both sides.
    ///
    /// # Errors
    /// Every column that is missing and every comparison whose columns' types do not fit.
    pub fn new(
        spec: &MatchingSpec,
        left: &Schema,
        right: &Schema,
        session: &SessionContext,
    ) -> Result<Self, Vec<SpecError>> {
        check(spec, &of_schema(left), &of_schema(right), session)?;
        let missing = |error: &dyn std::fmt::Display| {
            vec![SpecError {
                path: String::new(),
                message: error.to_string(),
            }]
        };
        let place = |schema: &Schema, name: &str| schema.index_of(name).map_err(|e| missing(&e));
        let planned = |comparison: &Comparison, must_hold: bool, nulls: Nulls| {
            let (left_name, right_name) = comparison.columns();
            Ok::<_, Vec<SpecError>>(ComparisonPlan {
                label: label(left_name, right_name),
                left: place(left, left_name)?,
                right: place(right, right_name)?,
                method: owned(comparison.method()),
                weight: comparison.effective_weight(),
                must_hold,
                nulls,
                levels: Levels::of(comparison.method(), &comparison.levels),
            })
        };
        let mut passes = Vec::new();
        for (index, pass) in spec.passes.iter().enumerate() {
            let mut comparisons = Vec::new();
            for comparison in &pass.compare {
                let nulls = pass.effective_nulls(comparison);
                comparisons.push(planned(comparison, must_hold(pass, comparison), nulls)?);
            }
            let entry = |text: &String| {
                expression::entry(session, text).map_err(|message| missing(&message))
            };
            let blocks = match &pass.block {
                None => None,
                Some(blocks) => Some(
                    (blocks.iter())
                        .map(|block| block.iter().map(entry).collect())
                        .collect::<Result<Vec<Vec<Entry>>, _>>()?,
                ),
            };
            passes.push(PassPlan {
                name: pass.name.clone(),
                path: format!("passes[{index}]"),
                blocks,
                comparisons,
                score: pass.effective_score(),
                rules: Rules {
                    method: pass.effective_assign(),
                    cardinality: pass.effective_cardinality(),
                    accept: pass.accept_threshold(),
                    margin: pass.margin.unwrap_or_default(),
                },
                sum: (pass.sum.as_ref())
                    .map(|sum| SumPlan::new(sum, pass.effective_cardinality(), left, right))
                    .transpose()?,
                keep: keep(pass),
                review: pass.keep_threshold(),
            });
        }
        let differences = spec
            .diff
            .iter()
            .map(|difference| planned(&difference.comparison(), true, Nulls::Mismatch))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            passes,
            differences,
        })
    }
}

/// From which score on a pair is kept. One that is a part of a sum may say little by itself.
fn keep(pass: &Pass) -> f64 {
    match (&pass.sum, pass.effective_score()) {
        (Some(_), Score::FellegiSunter) => LEAST_PART,
        (Some(_), Score::Weighted) => 0.0,
        _ => pass.keep_threshold(),
    }
}

impl PassPlan {
    /// Whether a left and whether a right record has one partner at most. A sum's parts share theirs.
    #[must_use]
    pub fn one_partner(&self) -> [bool; 2] {
        match self.rules.cardinality {
            _ if self.weighs_sums() => [false, false],
            Cardinality::OneToOne => [true, true],
            Cardinality::OneToMany => [false, true],
            Cardinality::ManyToOne => [true, false],
            Cardinality::ManyToMany => [false, false],
        }
    }

    /// Whether what each comparison says of a pair is kept, for sums that share it.
    #[must_use]
    pub fn weighs_sums(&self) -> bool {
        self.sum.is_some() && self.score == Score::FellegiSunter
    }

    /// The bytes that a kept pair takes while pairs are kept and decided.
    #[must_use]
    pub fn bytes_of_pair(&self) -> u64 {
        let edge = 2 * size_of::<Edge>();
        let sum = match (&self.sum, self.weighs_sums()) {
            (None, _) => 0,
            // The pair as a candidate, from both of its ends, and what is said of it, twice.
            (Some(_), true) => 96 + 16 * self.comparisons.len(),
            (Some(_), false) => 96,
        };
        (edge + sum) as u64
    }

    /// What a sum's groups need to hold, where comparisons score its pairs.
    #[must_use]
    pub fn thresholds(&self) -> Option<Thresholds> {
        let measure = match self.score {
            Score::All => return None,
            Score::Weighted => Measure::Mean,
            Score::FellegiSunter => Measure::Odds,
        };
        Some(Thresholds {
            measure,
            accept: self.rules.accept,
            review: self.review,
            margin: self.rules.margin,
        })
    }
}

fn label(left: &str, right: &str) -> String {
    if left == right {
        left.to_owned()
    } else {
        format!("{left}/{right}")
    }
}

fn owned(method: Method<'_>) -> OwnedMethod {
    match method {
        Method::Exact => OwnedMethod::Exact,
        Method::Number(bound) => OwnedMethod::Number(bound.clone()),
        Method::Date(window) => OwnedMethod::Date(*window),
        Method::Text(similarity) => OwnedMethod::Text(*similarity),
    }
}

fn must_hold(pass: &Pass, comparison: &Comparison) -> bool {
    comparison.required || pass.effective_score() == Score::All
}
