//! One comparison: two columns, a method, a weight, and what a null means.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// What a null on either side means; when absent `mismatch`, and under `fellegiSunter` `neutral`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nulls: Option<Nulls>,
    /// For `score: fellegiSunter`: the similarities from which each level of agreement begins, from
    /// the highest to the lowest, each over 0 and at most 1. When absent: for number and date 1 and
    /// the similarities at a sixteenth, an eighth, a quarter, half and the whole of the bound (for a
    /// date only those of a day or more); for text 1, two equal steps down to `atLeast`, rounded down
    /// to hundredths, and `atLeast`; for exact and soundex 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(range(min = 0.0, max = 1.0)))]
    pub levels: Vec<f64>,
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

/// One column compared on matched pairs. Two nulls do not differ; a null and a value do.
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
pub struct Difference {
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
    /// Any other value is a difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<Exact>,
    /// A number out of the bound is a difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<NumberBound>,
    /// A date out of the window is a difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<DateWindow>,
    /// A text less similar than this is a difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextSimilarity>,
}

impl Difference {
    /// The same columns and method as a comparison in which nulls do not hold.
    #[must_use]
    pub fn comparison(&self) -> Comparison {
        Comparison {
            column: self.column.clone(),
            left: self.left.clone(),
            right: self.right.clone(),
            exact: self.exact,
            number: self.number.clone(),
            date: self.date,
            text: self.text,
            weight: None,
            required: false,
            nulls: None,
            levels: Vec::new(),
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
    /// 1 − d / max length, with d the Damerau-Levenshtein distance, in which two neighbours that
    /// changed places count once (Damerau 1964).
    DamerauLevenshtein,
    /// Jaro (1989).
    Jaro,
    /// Jaro-Winkler (Winkler 1990), p 0.1, prefix of at most 4, no boost threshold.
    JaroWinkler,
    /// The words of both texts sorted, then the share of characters in their longest common
    /// subsequence: 2 · LCS / (length + length).
    TokenSort,
    /// As `tokenSort` over the words in common and the words of each text, the best of three: a
    /// text whose words all occur in the other has 1.
    TokenSet,
    /// The Dice coefficient of both texts' pairs of neighbouring characters.
    Qgram,
    /// 1 where both American Soundex codes are equal, else 0: English names by their sound.
    Soundex,
}

/// What a null on either side of a comparison means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Nulls {
    /// The comparison does not hold; similarity 0. The default but under `fellegiSunter`.
    #[default]
    Mismatch,
    /// The comparison is left out of the average and of the match weight, and does not fail `all` or
    /// `required`. The default under `fellegiSunter`.
    Neutral,
    /// The comparison holds; similarity 1.
    Match,
}
