//! The matching language: what to compare, by which rules.
//!
//! A [`MatchingSpec`] is read by [`crate::decode`], which finds every mistake at once and names its
//! path. A value of these types that was decoded there needs no further checks of its shape.

mod comparison;
mod dataset;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use comparison::{
    Bound, Comparison, DateWindow, Exact, Method, Nulls, NumberBound, PercentBase, TextMethod,
    TextSimilarity,
};
pub use dataset::{
    Column, ColumnType, ConfigMapSource, Dataset, Format, ReadOptions, Source, UploadSource,
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
    /// What to do with rows of one side that share a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Duplicates>,
    /// Budgets of a run, counted in rows and pairs and never in wall time.
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
        }
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

/// Candidate pairs that one run may compare unless `limits.maxPairs` says otherwise.
pub const DEFAULT_MAX_PAIRS: u64 = 500_000_000;
/// Scored pairs that one run may keep for assignment unless `limits.maxEdges` says otherwise.
pub const DEFAULT_MAX_EDGES: u64 = 20_000_000;

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
}

/// One round of matching.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!has(self.review) || !has(self.accept) || self.review <= self.accept",
        "message": "review must not be above accept"
    },
    {
        "rule": "!has(self.score) || self.score != 'weighted' || has(self.accept)",
        "message": "score weighted needs accept, the score from which a pair is matched"
    },
    {
        "rule": "(has(self.score) && self.score != 'all') || (!has(self.accept) && !has(self.review))",
        "message": "accept and review need score weighted; under score all every comparison holds or the pair is none"
    }
]))]
pub struct Pass {
    /// The pass's name, unique in the job; every matched pair carries it.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Which pairs are compared at all: an OR of ANDs. Each entry is an SQL expression over one
    /// side's canonical columns; two records are a candidate pair when every expression of at least
    /// one inner list is equal on both sides and not null. When absent, the columns of the `exact`
    /// comparisons that must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 8), inner(length(min = 1, max = 1024)))
    )]
    pub block: Option<Vec<Vec<String>>>,
    /// The comparisons that make the score.
    #[schemars(length(min = 1, max = 64))]
    pub compare: Vec<Comparison>,
    /// How comparisons become a score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// How candidate pairs that share a record are decided.
    pub assign: Assign,
    /// At or above this score a pair is matched, 0 to 1. Required by `weighted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub accept: Option<f64>,
    /// At or above this score, and below `accept`, a person decides, 0 to 1. When absent nothing
    /// goes to review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub review: Option<f64>,
}

impl Pass {
    /// How comparisons become a score, with the default filled in.
    #[must_use]
    pub fn effective_score(&self) -> Score {
        self.score.unwrap_or_default()
    }

    /// At or above this score a pair is matched; 1 under `all`.
    #[must_use]
    pub fn accept_threshold(&self) -> f64 {
        self.accept.unwrap_or(1.0)
    }

    /// At or above this score a pair is kept at all; below `accept` it goes to review.
    #[must_use]
    pub fn keep_threshold(&self) -> f64 {
        self.review.unwrap_or_else(|| self.accept_threshold())
    }
}

/// How the comparisons of a pass become one score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Score {
    /// Every comparison holds; the score is 1. The default.
    #[default]
    All,
    /// The weight-averaged similarity, 0 to 1.
    Weighted,
}

/// How candidate pairs that share a record are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Assign {
    /// Best score first, each record at most once; ties break on the keys.
    Greedy,
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

/// Budgets of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Candidate pairs that may be compared, over all passes; 500,000,000 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub max_pairs: Option<u64>,
    /// Scored pairs that may be kept for assignment in one pass; 20,000,000 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000_000_i64))]
    pub max_edges: Option<u64>,
    /// Rejected rows, over both sides, from which on the run fails. Without it they never do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub max_rejected: Option<u64>,
}

/// [`Limits`] with the defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EffectiveLimits {
    /// Candidate pairs, over all passes.
    pub max_pairs: u64,
    /// Scored pairs kept in one pass.
    pub max_edges: u64,
    /// Rejected rows that a run may have; none is no bound.
    pub max_rejected: Option<u64>,
}

/// Which outputs to write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The formats; Parquet is always written. `[parquet]` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2))]
    pub formats: Option<Vec<OutputFormat>>,
}

/// Formats of outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OutputFormat {
    /// Apache Parquet; always written.
    Parquet,
    /// Comma-separated values: `pairs.csv`.
    Csv,
}
