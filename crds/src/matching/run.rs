//! What holds for a run as a whole: conversion of currencies, the model, budgets and outputs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::Dataset;

/// Candidate pairs that one run may compare unless `limits.maxPairs` says otherwise.
pub const DEFAULT_MAX_PAIRS: u64 = 500_000_000;
/// Bytes that one run may hold in memory unless `limits.memory` says otherwise: 2 GiB.
pub const DEFAULT_MEMORY: u64 = 2 << 30;
/// Scored pairs that one run may keep for assignment unless `limits.maxEdges` says otherwise.
pub const DEFAULT_MAX_EDGES: u64 = 20_000_000;

/// Converts amounts to one currency with a table of rates, in decimal arithmetic. Outputs and
/// differences keep the original amounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fx {
    /// A dataset with the columns `date`, `currency` and `rate`: what one unit of the currency is
    /// worth in the base currency from that date on, until the next one.
    pub rates: Dataset,
    /// The currency to convert to, as the rates' and the records' columns write it, such as `EUR`.
    #[schemars(length(min = 1, max = 16))]
    pub base: String,
    /// The canonical column of amounts, a decimal on both sides. The result is rounded half to even
    /// at the column's own scale.
    #[schemars(length(min = 1, max = 253))]
    pub amount: String,
    /// The canonical column of currencies.
    #[schemars(length(min = 1, max = 253))]
    pub currency: String,
    /// The canonical column of dates: the rate is the newest one not after it.
    #[schemars(length(min = 1, max = 253))]
    pub date: String,
    /// What happens to a record without a rate; `fail` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingRate>,
}

/// What happens to a record whose currency has no rate on or before its date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MissingRate {
    /// The run fails and names the currency and the date. The default.
    #[default]
    Fail,
    /// The record ends as `rejected`.
    Reject,
}

/// A model of `score: fellegiSunter`, as `reconcile train` and every training run write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// A file path, relative to the job's YAML. For the CLI only: a platform reads no local files.
    #[schemars(length(min = 1, max = 4096))]
    pub uri: String,
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
    /// Memory that the run may use, such as `512Mi` or `2Gi` (at least `64Mi`); `2Gi` when absent.
    /// Values that do not fit are kept in files without a name in the temporary folder, and the run
    /// is slower. Of each record its key and a few numbers stay in memory, and the scored pairs that
    /// are kept: a run that needs more for these fails and says how much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "Option<String>",
        regex(pattern = "^[0-9]{1,12}(Ki|Mi|Gi|Ti|k|M|G|T)?$"),
        length(max = 16)
    )]
    pub memory: Option<Memory>,
}

/// An amount of memory, written as a Kubernetes quantity of whole bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Memory(u64);

/// The least memory that a run can be given: 64 MiB.
const LEAST_MEMORY: u64 = 64 << 20;

impl Memory {
    /// The amount in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl TryFrom<String> for Memory {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = match unit {
            "" => Some(1),
            "k" => Some(1000),
            "M" => Some(1000_u64.pow(2)),
            "G" => Some(1000_u64.pow(3)),
            "T" => Some(1000_u64.pow(4)),
            "Ki" => Some(1 << 10),
            "Mi" => Some(1 << 20),
            "Gi" => Some(1 << 30),
            "Ti" => Some(1 << 40),
            _ => None,
        };
        let bytes = number
            .parse::<u64>()
            .ok()
            .zip(factor)
            .and_then(|(n, f)| n.checked_mul(f));
        match bytes {
            Some(bytes) if bytes >= LEAST_MEMORY => Ok(Self(bytes)),
            Some(_) => Err(format!("`{text}` is too little; a run needs at least 64Mi")),
            None => Err(format!(
                "`{text}` is no amount of memory; write a whole number and a unit, such as 512Mi or 2Gi"
            )),
        }
    }
}

impl From<Memory> for String {
    fn from(memory: Memory) -> Self {
        let units = [("Gi", 30), ("Mi", 20), ("Ki", 10)];
        units
            .iter()
            .find(|(_, shift)| memory.0.trailing_zeros() >= *shift)
            .map_or_else(
                || memory.0.to_string(),
                |(unit, shift)| format!("{}{unit}", memory.0 >> shift),
            )
    }
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
    /// Bytes of memory.
    pub memory: u64,
}

/// Which outputs to write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The formats; Parquet is always written. `[parquet]` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4))]
    pub formats: Option<Vec<OutputFormat>>,
    /// Which pairs `pairs.parquet` and `pairs.csv` hold; `all` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairsOutput>,
}

/// Which pairs the outputs hold. The summary always counts all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PairsOutput {
    /// Every pair. The default.
    #[default]
    All,
    /// Pairs that differ or need a review; what simply matches is only counted.
    Exceptions,
}

/// Formats of outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OutputFormat {
    /// Apache Parquet; always written.
    Parquet,
    /// Comma-separated values: `pairs.csv`.
    Csv,
    /// A workbook for people: `report.xlsx`.
    Xlsx,
    /// A page for people, with charts: `report.html`.
    Html,
}
