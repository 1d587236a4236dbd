//! The matching language: what to compare, by which rules.
//!
//! A [`MatchingSpec`] is read by [`crate::decode`], which finds every mistake at once and names its
//! path. A value of these types that was decoded there needs no further checks of its shape.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// One side: where its rows are and how they are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dataset {
    /// A name for messages and reports; `left` or `right` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// Where the rows are: exactly one of `uri`, `upload` and `configMap`.
    pub source: Source,
    /// The file format. When absent it follows from the extension of the file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// How the file is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<ReadOptions>,
    /// The canonical columns that identify a row. When absent the row's number, from 1, is its key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)))]
    pub key: Vec<String>,
    /// Renamed and typed columns. A column that is not named here keeps its name; in a CSV file it
    /// is text, in a Parquet file it keeps its type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub columns: Vec<Column>,
}

/// Where the rows of a dataset are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.uri), has(self.upload), has(self.configMap)].filter(x, x).size() == 1",
    "message": "exactly one of uri, upload and configMap must be set"
}]))]
pub struct Source {
    /// A file path, relative to the job's YAML. For the CLI only: a platform reads no local files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub uri: Option<String>,
    /// A file uploaded to the same project of the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadSource>,
    /// A key of a ConfigMap in the job's namespace. For data under 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
}

/// A file uploaded with `POST /api/v2/projects/{project}/uploads`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadSource {
    /// The id that the upload was answered with, a UUID.
    #[schemars(length(equal = 36))]
    pub id: String,
}

/// One key of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapSource {
    /// The ConfigMap's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key whose value is the file; its extension gives the format unless `format` does.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// File formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// Comma-separated values (RFC 4180), UTF-8.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// How a file is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadOptions {
    /// The character between the fields of a CSV file, one ASCII character; `,` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(equal = 1))]
    pub delimiter: Option<String>,
    /// Whether the first line of a CSV file names its columns; true when absent. Without a header
    /// the columns are named `column_1`, `column_2` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// Texts that mean null; the empty text when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 253)))]
    pub null_values: Option<Vec<String>>,
}

/// A canonical column and how it is made from a column of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// The canonical name, used everywhere else in the job.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The name in the file; the canonical name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub from: Option<String>,
    /// The type: `text`, `integer`, `date` or `decimal(p,s)` with p digits, s of them after the
    /// point (1 ≤ p ≤ 38, 0 ≤ s ≤ p). A value that does not fit makes its row `rejected`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "Option<String>",
        regex(pattern = "^(text|integer|date|decimal\\([0-9]+, ?[0-9]+\\))$"),
        length(max = 32)
    )]
    pub data_type: Option<ColumnType>,
    /// How a date is written, in strftime notation such as `%d/%m/%Y`; `%Y-%m-%d` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64))]
    pub format: Option<String>,
}

/// The type of a canonical column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ColumnType {
    /// Unicode text.
    Text,
    /// A 64-bit signed integer.
    Integer,
    /// A calendar date.
    Date,
    /// An exact decimal number.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, at most `precision`.
        scale: u8,
    },
}

impl TryFrom<String> for ColumnType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let decimal = || {
            let (precision, scale) = text
                .strip_prefix("decimal(")?
                .strip_suffix(')')?
                .split_once(',')?;
            let (precision, scale) = (
                precision.trim().parse::<u8>().ok()?,
                scale.trim().parse::<u8>().ok()?,
            );
            (1..=38).contains(&precision).then_some(())?;
            (scale <= precision).then_some(Self::Decimal { precision, scale })
        };
        match text.as_str() {
            "text" => Ok(Self::Text),
            "integer" => Ok(Self::Integer),
            "date" => Ok(Self::Date),
            _ => decimal().ok_or_else(|| {
                format!(
                    "`{text}` is no column type; use text, integer, date or decimal(p,s) with \
                     1 ≤ p ≤ 38 and s ≤ p, such as decimal(18,2)"
                )
            }),
        }
    }
}

impl From<ColumnType> for String {
    fn from(value: ColumnType) -> Self {
        match value {
            ColumnType::Text => "text".into(),
            ColumnType::Integer => "integer".into(),
            ColumnType::Date => "date".into(),
            ColumnType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        }
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

/// One comparison of a value of the left record with a value of the right record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "[has(self.exact), has(self.number), has(self.date), has(self.text)].filter(x, x).size() == 1",
        "message": "exactly one of exact, number, date and text must be set"
    },
    {
        "rule": "has(self.column) ? !has(self.left) && !has(self.right) : has(self.left) && has(self.right)",
        "message": "set column, or left and right where the names differ"
    }
]))]
pub struct Comparison {
    /// The canonical column, where both sides call it the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub column: Option<String>,
    /// The left side's canonical column, where the names differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub left: Option<String>,
    /// The right side's canonical column, where the names differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub right: Option<String>,
    /// Equal values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<Exact>,
    /// Numbers within a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<NumberBound>,
    /// Dates within a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<DateWindow>,
    /// Similar texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextSimilarity>,
    /// The share of this comparison in a `weighted` score, over 0; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub weight: Option<f64>,
    /// Whether a pair that fails this comparison is removed, whatever its score.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    pub required: bool,
    /// What a null on either side means; `mismatch` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nulls: Option<Nulls>,
}

impl Comparison {
    /// The canonical columns of the left and of the right side.
    #[must_use]
    pub fn columns(&self) -> (&str, &str) {
        (
            self.left
                .as_deref()
                .or(self.column.as_deref())
                .unwrap_or_default(),
            self.right
                .as_deref()
                .or(self.column.as_deref())
                .unwrap_or_default(),
        )
    }

    /// The comparison's share in a weighted score.
    #[must_use]
    pub fn effective_weight(&self) -> f64 {
        self.weight.unwrap_or(1.0)
    }

    /// What to compare, as one value.
    #[must_use]
    pub fn method(&self) -> Method<'_> {
        if let Some(bound) = &self.number {
            Method::Number(bound)
        } else if let Some(window) = &self.date {
            Method::Date(window)
        } else if let Some(similarity) = &self.text {
            Method::Text(similarity)
        } else {
            Method::Exact
        }
    }
}

/// The one method that a [`Comparison`] names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method<'a> {
    /// Equal values.
    Exact,
    /// Numbers within a bound.
    Number(&'a NumberBound),
    /// Dates within a window.
    Date(&'a DateWindow),
    /// Similar texts.
    Text(&'a TextSimilarity),
}

/// Equality after normalisation. It has no settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exact {}

/// Numbers that may differ by a bound: within either bound is enough, and both are inclusive.
/// The similarity is 1 at equality, falls linearly to 0.5 at the wider bound, and is 0 beyond.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.abs) || has(self.percent)",
    "message": "set abs, percent or both"
}]))]
pub struct NumberBound {
    /// The largest absolute difference, a decimal in quotes such as `"0.05"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "Option<String>",
        regex(pattern = "^[0-9]{1,18}(\\.[0-9]{1,18})?$"),
        length(max = 37)
    )]
    pub abs: Option<Bound>,
    /// The largest difference in percent of the base, a decimal in quotes such as `"1"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "Option<String>",
        regex(pattern = "^[0-9]{1,18}(\\.[0-9]{1,18})?$"),
        length(max = 37)
    )]
    pub percent: Option<Bound>,
    /// What `percent` is a share of; `max` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<PercentBase>,
}

/// What a percentage is a share of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PercentBase {
    /// The larger of both absolute values. The default.
    #[default]
    Max,
    /// The left absolute value.
    Left,
    /// The right absolute value.
    Right,
}

/// A bound: a decimal number that is not negative, written as text so that it stays exact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bound {
    digits: i128,
    scale: u8,
}

impl Bound {
    /// The bound as `digits / 10^scale`, with 0 ≤ `digits` < 10^36 and 0 ≤ `scale` ≤ 18.
    #[must_use]
    pub fn parts(&self) -> (i128, u8) {
        (self.digits, self.scale)
    }
}

impl TryFrom<String> for Bound {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let well_formed = (1..=18).contains(&whole.len())
            && fraction.len() <= 18
            && digits_only(whole)
            && digits_only(fraction)
            && !text.ends_with('.');
        let digits = format!("{whole}{fraction}").parse::<i128>();
        match (well_formed, digits, u8::try_from(fraction.len())) {
            (true, Ok(digits), Ok(scale)) => Ok(Self { digits, scale }),
            _ => Err(format!(
                "`{text}` is no bound; write a decimal number of at most 18 digits before and 18 \
                 after the point, such as \"0.05\""
            )),
        }
    }
}

impl From<Bound> for String {
    fn from(bound: Bound) -> Self {
        let scale = usize::from(bound.scale);
        let digits = format!("{:0>width$}", bound.digits, width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if fraction.is_empty() {
            whole.into()
        } else {
            format!("{whole}.{fraction}")
        }
    }
}

/// Dates whose difference, right minus left in days, lies in a window; both ends are inclusive.
/// The similarity is 1 at equality, falls linearly to 0.5 at the end of the window on that side,
/// and is 0 beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.minDays <= self.maxDays",
    "message": "minDays must not be above maxDays"
}]))]
pub struct DateWindow {
    /// The smallest difference in days; negative when the right date may come first.
    #[schemars(range(min = -36_500, max = 36_500))]
    pub min_days: i32,
    /// The largest difference in days.
    #[schemars(range(min = -36_500, max = 36_500))]
    pub max_days: i32,
}

/// Similarity of two texts, 0 to 1, on Unicode scalar values after normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TextSimilarity {
    /// The method.
    pub method: TextMethod,
    /// A lower similarity counts as 0 and the comparison does not hold; 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub at_least: f64,
}

/// Methods of comparing texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TextMethod {
    /// 1 − d / max length, with d the Levenshtein distance (Levenshtein 1966).
    Levenshtein,
    /// Jaro-Winkler (Winkler 1990), p 0.1, prefix of at most 4, no boost threshold.
    JaroWinkler,
}

/// What a null on either side of a comparison means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Nulls {
    /// The comparison does not hold; similarity 0. The default.
    #[default]
    Mismatch,
    /// The comparison is left out of the average, and does not fail `all` or `required`.
    Neutral,
    /// The comparison holds; similarity 1.
    Match,
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
