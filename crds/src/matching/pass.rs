//! Passes: which pairs are compared, by which rules, and how competing pairs are decided.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::comparison::{Bound, Comparison, Nulls};

/// One round of matching.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!has(self.review) || !has(self.accept) || self.review <= self.accept",
        "message": "review must not be above accept"
    },
    {
        "rule": "!has(self.score) || self.score == 'all' || has(self.accept)",
        "message": "score weighted and fellegiSunter need accept, the score from which a pair is matched"
    },
    {
        "rule": "(has(self.score) && self.score != 'all') || (!has(self.accept) && !has(self.review))",
        "message": "accept and review need score weighted or fellegiSunter; under score all every comparison holds or the pair is none"
    },
    {
        "rule": "has(self.sum) || has(self.compare)",
        "message": "set compare, sum or both"
    },
    {
        "rule": "!has(self.sum) || (has(self.cardinality) && self.cardinality in ['oneToMany', 'manyToOne'])",
        "message": "sum needs cardinality oneToMany or manyToOne: the many add up to the one"
    },
    {
        "rule": "!has(self.sum) || (has(self.block) && !has(self.assign) && (has(self.compare) || (!has(self.score) && !has(self.margin))))",
        "message": "sum needs block, takes no assign, and score and margin only beside compare"
    }
]))]
pub struct Pass {
    /// The pass's name, unique in the job; every matched pair carries it.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// How many records of each side a match joins; `oneToOne` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cardinality: Option<Cardinality>,
    /// Which pairs are compared at all: an OR of ANDs. Each entry is an SQL expression over one
    /// side's canonical columns, `near(column, width)` or `words(expression, most)`; two records are
    /// a candidate pair when, in at least one inner list, every expression is equal on both sides and
    /// not null, every `near` holds, that is, both numbers (or dates, in days) differ by at most the
    /// width, and `words` holds, of which a list may have one: both texts share a word, a run of
    /// letters and digits, that at most `most` of the records open to the pass have on either side.
    /// When absent it is derived from `compare`; `reconcile validate --plan` prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 8), inner(length(min = 1, max = 1024)))
    )]
    pub block: Option<Vec<Vec<String>>>,
    /// The comparisons that make the score. At least one of `compare` and `sum` is set. Beside `sum`
    /// they say which records may add up to one and, under a score, which of several sums it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64))]
    pub compare: Vec<Comparison>,
    /// Matches one record with several of the other side that add up to it. Alone it goes by the
    /// amounts; with `compare` also by what else the records have in common.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum: Option<Sum>,
    /// How comparisons become a score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// How candidate pairs that share a record are decided; `optimal` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assign: Option<Assign>,
    /// At or above this score a pair is matched, 0 to 1. Required by `weighted` and `fellegiSunter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub accept: Option<f64>,
    /// At or above this score, and below `accept`, a person decides, 0 to 1. When absent nothing
    /// goes to review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub review: Option<f64>,
    /// A pair whose record has another candidate with a score this near, or nearer, is ambiguous
    /// and goes to review, 0 to 1; 0, the default, lets keys break ties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub margin: Option<f64>,
}

impl Pass {
    /// How comparisons become a score, with the default filled in.
    #[must_use]
    pub fn effective_score(&self) -> Score {
        self.score.unwrap_or_default()
    }

    /// How many records of each side a match joins, with the default filled in.
    #[must_use]
    pub fn effective_cardinality(&self) -> Cardinality {
        self.cardinality.unwrap_or_default()
    }

    /// How pairs that share a record are decided, with the default filled in.
    #[must_use]
    pub fn effective_assign(&self) -> Assign {
        self.assign.unwrap_or_default()
    }

    /// What a null means in one of the pass's comparisons, with the default of its score filled in.
    #[must_use]
    pub fn effective_nulls(&self, comparison: &Comparison) -> Nulls {
        let default = match self.effective_score() {
            Score::FellegiSunter => Nulls::Neutral,
            Score::All | Score::Weighted => Nulls::Mismatch,
        };
        comparison.nulls.unwrap_or(default)
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

/// How many records of each side a match joins. `many` is the right side of `oneToMany`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Cardinality {
    /// Each record is in at most one pair. The default.
    #[default]
    OneToOne,
    /// A left record with any number of right records; a right record has one left record.
    OneToMany,
    /// A right record with any number of left records; a left record has one right record.
    ManyToOne,
    /// Every pair holds; records joined through pairs are one group.
    ManyToMany,
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
    /// The probability of a match, 0 to 1, from weights learned without labels (Fellegi and Sunter
    /// 1969; expectation maximisation after Winkler 1988). Where a record has one partner at most,
    /// candidates compete for it while the weights are learned, and what loses to a better partner
    /// teaches how pairs look that are nearly a match, such as two persons of one household.
    /// `weight` is ignored.
    FellegiSunter,
}

/// How candidate pairs that share a record are decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Assign {
    /// The largest total score, each record at most once; where several assignments have it, the one
    /// that comes first by left keys, then right keys, and its pairs say `tied`. Under `fellegiSunter`
    /// the total of match weights. The default.
    #[default]
    Optimal,
    /// Best score first, each record at most once; ties break on the keys.
    Greedy,
}

/// One record equals the sum of several records of the other side, as an invoice that is paid in
/// parts.
///
/// Without `compare` only one-of-a-kind sums are matched; where other records add up as well, or
/// another record needs some of them, a person decides.
///
/// With `compare` each part is compared with the one record. Under `score: all` every comparison must
/// hold for a record to be a part at all, and the rest is as without. Under `weighted` a group's score
/// is the mean of its parts' scores; it is matched at or over `accept` where it scores higher, by more
/// than `margin`, than every other group that needs one of its records. Under `fellegiSunter` a
/// group's score is the probability that it holds, beside all others that need one of its records and
/// beside its records being no group: its parts' match weights add up, with log₂ of how rarely another
/// amount lies where the sum does. A single record that equals the sum competes like a group. Of true
/// sums one in twenty is taken to be off, within `abs` or beyond.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sum {
    /// The canonical column of numbers that add up.
    #[schemars(length(min = 1, max = 253))]
    pub column: String,
    /// The largest difference between the sum and the one record, a decimal in quotes such as
    /// `"0.01"`; `"0"` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "Option<String>",
        regex(pattern = "^[0-9]{1,18}(\\.[0-9]{1,18})?$"),
        length(max = 37)
    )]
    pub abs: Option<Bound>,
    /// The most records that may add up, 2 to 64; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 64))]
    pub max_parts: Option<u32>,
    /// How many days a part may lie before or after the one record; needs `dateColumn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 36_500))]
    pub window_days: Option<u32>,
    /// The canonical column of dates that `windowDays` looks at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub date_column: Option<String>,
    /// Steps of the search for one record; 200,000 when absent. A record whose search needs more
    /// goes to review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub node_budget: Option<u64>,
    /// Candidate parts of one record; 5,000 when absent. A record with more goes to review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1_000_000))]
    pub max_candidates: Option<u32>,
}

impl Sum {
    /// The most records that may add up, with the default filled in.
    #[must_use]
    pub fn effective_max_parts(&self) -> u32 {
        self.max_parts.unwrap_or(10)
    }

    /// Steps of the search for one record, with the default filled in.
    #[must_use]
    pub fn effective_node_budget(&self) -> u64 {
        self.node_budget.unwrap_or(200_000)
    }

    /// Candidate parts of one record, with the default filled in.
    #[must_use]
    pub fn effective_max_candidates(&self) -> u32 {
        self.max_candidates.unwrap_or(5_000)
    }
}
