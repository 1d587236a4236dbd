//! The model's file: what training learned, for people to read and for later runs to use.

use super::fellegi_sunter::monotone_bits;
use super::train::Learned;
use crate::error::Error;
use crate::plan::{ComparisonPlan, PassPlan};
use crds::decode::SpecError;
use crds::matching::{Nulls, Score};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The only version of the file so far.
const VERSION: u32 = 1;

/// The trained passes of a job: `model.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Model {
    /// The version of this format: 1.
    pub version: u32,
    /// One entry for each pass with `score: fellegiSunter`, in the order of the specification.
    pub passes: Vec<PassModel>,
}

/// What was learned for one pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PassModel {
    /// The pass's name.
    pub name: String,
    /// λ: the share of matches among all pairs of both sides.
    pub prior: f64,
    /// ρ: how many rivals there are for every other pair. A rival looks like a match and is none,
    /// for one of its records has a better partner; 0 where there are none to speak of.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rivals: f64,
    /// The comparisons, in the order of the specification.
    pub comparisons: Vec<ComparisonModel>,
    /// What it was learned from.
    pub training: Training,
}

/// What was learned for one comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComparisonModel {
    /// The column, or both where their names differ.
    pub columns: String,
    /// The method, as the specification writes it.
    pub method: Value,
    /// What a null means.
    pub nulls: Nulls,
    /// The levels, from the lowest to the highest.
    pub levels: Vec<LevelModel>,
}

/// What was learned for one level of agreement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LevelModel {
    /// The similarity from which it begins; 0 for the lowest: the comparison does not hold.
    pub from: f64,
    /// Its share among matches.
    pub m: f64,
    /// Its share among other pairs.
    pub u: f64,
    /// Its share among rivals; none where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<f64>,
    /// log₂(m/u), not falling from level to level. Equal values have a weight of their own by how
    /// often the value occurs in the data at hand.
    pub weight: f64,
}

/// What a pass was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Training {
    /// Left records that were open in the pass.
    pub left_records: u64,
    /// Right records that were open in the pass.
    pub right_records: u64,
    /// Candidate pairs that m and λ were learned from.
    pub candidates: u64,
    /// Random pairs that u was learned from.
    pub random_pairs: u64,
    /// Steps of expectation maximisation.
    pub iterations: u64,
    /// Whether it stopped because nothing changed any more.
    pub converged: bool,
}

impl Model {
    /// A model of these passes.
    #[must_use]
    pub fn new(passes: Vec<PassModel>) -> Self {
        Self {
            version: VERSION,
            passes,
        }
    }

    /// Reads a model's file.
    ///
    /// # Errors
    /// When the file cannot be read, is no model or has another version.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read(path).map_err(Error::io(path))?;
        let wrong = |detail: String| Error::Input {
            file: path.display().to_string(),
            detail,
        };
        let model: Self = serde_json::from_slice(&text).map_err(|error| {
            wrong(format!(
                "is no model: {error}; write one with `reconcile train`"
            ))
        })?;
        let positive = |share: f64| share > 0.0 && share < 1.0;
        let sound = |pass: &PassModel| {
            let levels = pass
                .comparisons
                .iter()
                .flat_map(|comparison| &comparison.levels);
            let rivals = |level: &LevelModel| match level.r {
                None => pass.rivals == 0.0,
                Some(r) => pass.rivals > 0.0 && positive(r),
            };
            positive(pass.prior)
                && (0.0..1.0).contains(&pass.rivals)
                && levels
                    .clone()
                    .all(|level| positive(level.m) && positive(level.u) && rivals(level))
        };
        if model.version != VERSION {
            let version = model.version;
            return Err(wrong(format!(
                "has version {version} and this program reads version {VERSION}; train it again"
            )));
        }
        match model.passes.iter().find(|pass| !sound(pass)) {
            None => Ok(model),
            Some(pass) => Err(wrong(format!(
                "pass `{}` has a prior, m, u or r that is no probability over 0 and under 1, or r without rivals; train it again",
                pass.name
            ))),
        }
    }

    /// The file's text.
    ///
    /// # Errors
    /// Only if a number cannot be written, which training never makes.
    pub fn text(&self) -> Result<String, Error> {
        serde_json::to_string_pretty(self)
            .map(|text| text + "\n")
            .map_err(|error| Error::Internal(format!("writing the model: {error}")))
    }

    /// The part for one pass.
    #[must_use]
    pub fn pass(&self, name: &str) -> Option<&PassModel> {
        self.passes.iter().find(|pass| pass.name == name)
    }

    /// Checks that the model was trained for these passes.
    ///
    /// # Errors
    /// Every difference, with the path of what the specification says.
    pub fn check(&self, passes: &[PassPlan]) -> Result<(), Error> {
        let mut errors = Vec::new();
        let mut add = |path: String, message: String| errors.push(SpecError { path, message });
        for pass in passes
            .iter()
            .filter(|pass| pass.score == Score::FellegiSunter)
        {
            let Some(trained) = self.pass(&pass.name) else {
                let names: Vec<&String> = self.passes.iter().map(|pass| &pass.name).collect();
                add(
                    format!("{}.name", pass.path),
                    format!(
                        "the model has no pass `{}`; it has {}",
                        pass.name,
                        quoted(&names)
                    ),
                );
                continue;
            };
            let (wanted, found) = (pass.comparisons.len(), trained.comparisons.len());
            if wanted != found {
                add(
                    format!("{}.compare", pass.path),
                    format!("has {wanted} comparisons and the model {found}; train it again"),
                );
                continue;
            }
            for (at, (plan, trained)) in pass
                .comparisons
                .iter()
                .zip(&trained.comparisons)
                .enumerate()
            {
                for difference in trained.differences(plan) {
                    add(
                        format!("{}.compare[{at}]", pass.path),
                        format!("{difference}; train it again"),
                    );
                }
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Error::Spec(errors))
        }
    }
}

fn quoted(names: &[&String]) -> String {
    if names.is_empty() {
        return "none".into();
    }
    crate::source::quoted(names)
}

impl PassModel {
    /// Writes down what was learned for a pass.
    #[must_use]
    pub fn new(pass: &PassPlan, learned: &Learned, training: Training) -> Self {
        let rivals = learned.rivals.as_ref();
        let comparisons = (pass.comparisons.iter().enumerate())
            .map(|(index, plan)| ComparisonModel {
                columns: plan.label.clone(),
                method: plan.method.json(),
                nulls: plan.nulls,
                levels: levels(
                    plan,
                    &learned.m[index],
                    &learned.u[index],
                    rivals.map(|rivals| &*rivals.r[index]),
                ),
            })
            .collect();
        Self {
            name: pass.name.clone(),
            prior: learned.prior,
            rivals: rivals.map_or(0.0, |rivals| rivals.ratio),
            comparisons,
            training,
        }
    }

    /// The model as its file gives it back, so that a run that trains and a run that uses its file
    /// score alike to the last bit.
    ///
    /// # Errors
    /// Only if a number cannot be written, which training never makes.
    pub fn as_read_back(&self) -> Result<Self, Error> {
        serde_json::to_string(self)
            .and_then(|text| serde_json::from_str(&text))
            .map_err(|error| Error::Internal(format!("writing the model: {error}")))
    }

    /// λ for as many open records: the share of the larger side's records that have a match stays as
    /// it was in training.
    #[must_use]
    pub fn prior_between(&self, lefts: usize, rights: usize) -> f64 {
        (self.prior * self.scale(lefts, rights)).clamp(f64::MIN_POSITIVE, 0.5)
    }

    /// ρ for as many open records: rivals by record stay as they were in training.
    #[must_use]
    pub fn rivals_between(&self, lefts: usize, rights: usize) -> f64 {
        (self.rivals * self.scale(lefts, rights)).min(1.0)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers of records stay far below 2^52"
    )]
    fn scale(&self, lefts: usize, rights: usize) -> f64 {
        let training = &self.training;
        let trained = training.left_records.max(training.right_records).max(1);
        trained as f64 / lefts.max(rights).max(1) as f64
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

fn levels(plan: &ComparisonPlan, m: &[f64], u: &[f64], r: Option<&[f64]>) -> Vec<LevelModel> {
    let from = std::iter::once(0.0).chain(plan.levels.from().iter().copied());
    let weights = monotone_bits(m, u);
    let r = (0..).map(|level: usize| r.map(|r| r[level]));
    from.zip(m.iter().zip(u).zip(r))
        .zip(weights)
        .map(|((from, ((&m, &u), r)), weight)| LevelModel {
            from,
            m,
            u,
            r,
            weight,
        })
        .collect()
}

impl ComparisonModel {
    /// m by level, from the lowest to the highest.
    #[must_use]
    pub fn m(&self) -> Vec<f64> {
        self.levels.iter().map(|level| level.m).collect()
    }

    /// r by level, from the lowest to the highest; none where the model knows no rivals.
    #[must_use]
    pub fn r(&self) -> Option<Vec<f64>> {
        self.levels.iter().map(|level| level.r).collect()
    }

    /// u by level, from the lowest to the highest.
    #[must_use]
    pub fn u(&self) -> Vec<f64> {
        self.levels.iter().map(|level| level.u).collect()
    }

    fn differences(&self, plan: &ComparisonPlan) -> Vec<String> {
        let from: Vec<f64> = self.levels.iter().skip(1).map(|level| level.from).collect();
        let written = |from: &[f64]| {
            let levels: Vec<String> = from.iter().rev().map(ToString::to_string).collect();
            format!("[{}]", levels.join(", "))
        };
        let nulls = |nulls: Nulls| {
            serde_json::json!(nulls)
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let parts = [
            ("columns", plan.label.clone(), self.columns.clone()),
            (
                "method",
                plan.method.json().to_string(),
                self.method.to_string(),
            ),
            ("levels", written(plan.levels.from()), written(&from)),
            ("nulls", nulls(plan.nulls), nulls(self.nulls)),
        ];
        parts
            .into_iter()
            .filter(|(_, here, there)| here != there)
            .map(|(part, here, there)| format!("{part}: {here} here, {there} in the model"))
            .collect()
    }
}
