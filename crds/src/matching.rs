//! The matching language: what to compare, by which rules.
//!
//! A [`MatchingSpec`] is read by [`crate::decode`], which finds every mistake at once and names its
//! path. A value of these types that was decoded there needs no further checks of its shape.

mod comparison;
mod dataset;
mod location;
mod pass;
mod run;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use comparison::{
    Bound, Comparison, DateWindow, Difference, Exact, Method, Nulls, NumberBound, PercentBase,
    TextMethod, TextSimilarity,
};
pub use dataset::{
    Column, ColumnType, ConfigMapSource, Dataset, Encoding, Format, ReadOptions, SecretKey, Source,
    SqlSource, UploadSource,
};
pub use location::Location;
pub use pass::{Assign, Cardinality, Pass, Score, Sum};
pub use run::{
    DEFAULT_MAX_EDGES, DEFAULT_MAX_PAIRS, DEFAULT_MEMORY, EffectiveLimits, Fx, Limits, Memory,
    MissingRate, Model, Output, OutputFormat, PairsOutput,
};

/// What to reconcile: two datasets and the rules that pair their records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatchingSpec {
    /// The left dataset, by convention the one being checked (the ledger, the source table).
    pub left: Dataset,
    /// The right dataset, by convention the one checked against (the statement, the copy).
    pub right: Dataset,
    /// Clean-up applied before comparing and blocking. Keys and outputs keep the original values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub normalize: Vec<Normalize>,
    /// Matching passes, in order. A record that a pass matched leaves; the rest go on to the next.
    #[schemars(
        length(min = 1, max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub passes: Vec<Pass>,
    /// Columns compared on matched pairs. A difference makes the pair `differing`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub diff: Vec<Difference>,
    /// What to do with rows of one side that share a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Duplicates>,
    /// Converts amounts of both sides to one currency, for comparing, blocking and sums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fx: Option<Fx>,
    /// A trained model for passes with `score: fellegiSunter`, used instead of training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    /// Budgets of a run, counted in rows, pairs and bytes and never in wall time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Which outputs to write beside `summary.json` and the Parquet files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
}

impl MatchingSpec {
    /// The specification as one line of JSON with sorted keys, the input of every hash of it.
    #[must_use]
    pub fn canonical_json(&self) -> String {
        // serde_json's map is sorted by key, so going through `Value` fixes the order.
        serde_json::to_value(self).map_or_else(|_| String::new(), |value| value.to_string())
    }

    /// What happens to duplicate keys of the left and of the right side.
    #[must_use]
    pub fn duplicate_policies(&self) -> (DuplicatePolicy, DuplicatePolicy) {
        let duplicates = self.duplicates.clone().unwrap_or_default();
        (
            duplicates.left.unwrap_or_default(),
            duplicates.right.unwrap_or_default(),
        )
    }

    /// The budgets, with their defaults filled in.
    #[must_use]
    pub fn effective_limits(&self) -> EffectiveLimits {
        let limits = self.limits.clone().unwrap_or_default();
        EffectiveLimits {
            max_pairs: limits.max_pairs.unwrap_or(DEFAULT_MAX_PAIRS),
            max_edges: limits.max_edges.unwrap_or(DEFAULT_MAX_EDGES),
            max_rejected: limits.max_rejected,
            memory: limits.memory.map_or(DEFAULT_MEMORY, Memory::bytes),
        }
    }

    /// Which pairs `pairs.parquet` and `pairs.csv` hold.
    #[must_use]
    pub fn pairs_output(&self) -> PairsOutput {
        self.output
            .as_ref()
            .and_then(|output| output.pairs)
            .unwrap_or_default()
    }

    /// The formats asked for; Parquet alone when the specification is silent.
    #[must_use]
    pub fn formats(&self) -> Vec<OutputFormat> {
        self.output
            .as_ref()
            .and_then(|output| output.formats.clone())
            .unwrap_or_else(|| vec![OutputFormat::Parquet])
    }
}

/// Clean-up of one text column on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Normalize {
    /// The canonical column.
    #[schemars(length(min = 1, max = 253))]
    pub column: String,
    /// The steps, applied in order.
    #[schemars(length(min = 1, max = 16))]
    pub steps: Vec<NormalizeStep>,
}

/// One step of cleaning a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NormalizeStep {
    /// Unicode normalisation form KC (UAX #15): full-width forms, ligatures and composed accents.
    Nfkc,
    /// Unicode lower case.
    Lowercase,
    /// Every character that is neither a letter, a digit nor white space becomes a space.
    StripPunctuation,
    /// Runs of white space become one space; none is left at either end.
    CollapseWhitespace,
    /// Latin letters become those of basic Latin, as banks write them: ä, ö and ü become ae, oe and
    /// ue, ß ss, æ ae, ø and œ oe, þ th; others lose their accents. Other scripts stay.
    BasicLatin,
}

/// What to do with rows that share a key, by side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Duplicates {
    /// The left side's policy; `report` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<DuplicatePolicy>,
    /// The right side's policy; `report` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<DuplicatePolicy>,
}

/// What to do with rows of one side that share a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DuplicatePolicy {
    /// Every row of the group ends as `duplicate`. The default.
    #[default]
    Report,
    /// The first row in the order of all canonical values stays; the others end as `duplicate`.
    First,
    /// Every row of the group ends as `rejected`.
    Reject,
}
