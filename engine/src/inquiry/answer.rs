//! What is known of two records, for people and machines.

use serde::Serialize;

/// Why two records are a pair, or why they are not.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// One sentence.
    pub verdict: String,
    /// Whether the result has the pair, confirmed or for review.
    pub is_pair: bool,
    /// The left record and what became of it.
    pub left: RecordAnswer,
    /// The right record and what became of it.
    pub right: RecordAnswer,
    /// The columns that differ in the confirmed pairs of either record.
    pub differences: Vec<ColumnDifference>,
    /// What every pass made of the two, in order.
    pub passes: Vec<PassAnswer>,
}

/// A record and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordAnswer {
    /// The key.
    pub key: String,
    /// `matched`, `differing`, `review` or `unmatched`.
    pub outcome: String,
    /// The pass that made its pairs; none where it has none.
    pub pass: Option<String>,
    /// The keys of the records of the other side that it is in a pair with.
    pub partners: Vec<String>,
    /// Its columns, in their order.
    pub values: Vec<Value>,
}

/// A value of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Value {
    /// The canonical name of the column.
    pub column: String,
    /// As the file has it; none where it is null.
    pub original: Option<String>,
    /// As it is compared, where that is something else.
    pub normalized: Option<String>,
}

/// A column of a matched pair that says something else on either side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnDifference {
    /// The pair's left key.
    pub left_key: String,
    /// The pair's right key.
    pub right_key: String,
    /// The column, or both names where they differ.
    pub column: String,
    /// The left value; none where it is null.
    pub left: Option<String>,
    /// The right value; none where it is null.
    pub right: Option<String>,
    /// Right minus left, for numbers, and for dates in days.
    pub delta: Option<String>,
}

/// What a pass made of the two records.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PassAnswer {
    /// Where the pass stands in the specification, as in `passes[0]`.
    pub path: String,
    /// Its name.
    pub name: String,
    /// What became of the pair.
    pub decision: Decision,
    /// The same in words.
    pub detail: String,
    /// What took the left record before this pass.
    pub left_taken: Option<Taken>,
    /// What took the right record before this pass.
    pub right_taken: Option<Taken>,
    /// The blocks. The pair is compared where one of them holds. Empty where the pass has none.
    pub blocks: Vec<BlockAnswer>,
    /// The comparisons, also where no block lets the pass make them.
    pub comparisons: Vec<ComparisonAnswer>,
    /// Under `fellegiSunter` the weight of any pair before its values are seen, in bits.
    pub prior: Option<f64>,
    /// Under `fellegiSunter` what is taken off because records that lose to a better partner look
    /// like this too, in bits; 0 or negative.
    pub rivals: Option<f64>,
    /// Under `fellegiSunter` the match weight, in bits: the prior, all contributions and `rivals`.
    pub weight: Option<f64>,
    /// The score, 0 to 1; none where the pass adds up.
    pub score: Option<f64>,
    /// From this score a pair is confirmed.
    pub accept: f64,
    /// From this score a pair is kept.
    pub review: f64,
    /// A runner-up this near makes a pair ambiguous; 0: none does.
    pub margin: f64,
    /// Whether the pair reaches `accept` and a runner-up within the margin sent it to review.
    pub ambiguous: bool,
    /// Whether keys alone decided for the pair.
    pub tied: bool,
    /// The left record's other pairs that were scored and kept: the five best and those chosen.
    pub left_rivals: Vec<Rival>,
    /// The right record's.
    pub right_rivals: Vec<Rival>,
    /// The groups of either record that the pass added up.
    pub groups: Vec<SumGroup>,
}

/// What became of the pair in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// An earlier pass had taken one of the records.
    Taken,
    /// No block holds, so the pair was not compared.
    NotBlocked,
    /// A comparison that must hold does not.
    RequiredFailed,
    /// The score is below `review`, or below `accept` where there is no `review`.
    BelowThreshold,
    /// One of the records went into another pair.
    AssignedElsewhere,
    /// The pair was kept and not chosen, and neither record went into another.
    NotChosen,
    /// No sum was found with the two.
    NoSum,
    /// A person decides.
    Review,
    /// The records left as a pair.
    Confirmed,
}

/// The pass that took a record, and its partners there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// The pass's name.
    pub pass: String,
    /// The keys of the partners.
    pub partners: Vec<String>,
}

/// A block of a pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockAnswer {
    /// Its entries, joined by AND.
    pub block: String,
    /// The first entry that does not hold; none where all do.
    pub failed: Option<FailedEntry>,
}

/// An entry of a block that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedEntry {
    /// The entry.
    pub entry: String,
    /// Its value for the left record; none where it is null.
    pub left: Option<String>,
    /// Its value for the right record; none where it is null.
    pub right: Option<String>,
}

/// A comparison of the two records.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparisonAnswer {
    /// The column, or both names where they differ.
    pub column: String,
    /// The left value as it is compared; none where it is null.
    pub left: Option<String>,
    /// The right value as it is compared; none where it is null.
    pub right: Option<String>,
    /// 0 to 1; none where a null leaves the comparison out.
    pub similarity: Option<f64>,
    /// Whether it holds; one that is left out does.
    pub holds: bool,
    /// Whether the pair is dropped where it does not hold.
    pub required: bool,
    /// Its share in a weighted score; none under `fellegiSunter`.
    pub weight: Option<f64>,
    /// What it adds: similarity × weight, or under `fellegiSunter` bits.
    pub contribution: f64,
    /// Under `fellegiSunter` the level of agreement, from 0 for the lowest; none where a value is
    /// missing.
    pub level: Option<u8>,
    /// Under `fellegiSunter` the part of the contribution that comes from the value's frequency, in
    /// bits.
    pub frequency: Option<f64>,
}

/// Another pair of one of the records.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rival {
    /// The key of the other record.
    pub key: String,
    /// 0 to 1.
    pub score: f64,
    /// The match weight in bits, under `fellegiSunter`.
    pub weight: Option<f64>,
    /// `confirmed` or `review` where the pass chose this pair.
    pub chosen: Option<String>,
}

/// Records that add up to one of the other side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SumGroup {
    /// `left` or `right`: the side of the sum.
    pub side: String,
    /// The key of the record that is the sum.
    pub whole: String,
    /// The keys of the records that add up.
    pub parts: Vec<String>,
    /// `confirmed` or `review`.
    pub outcome: String,
    /// `unique`, `ambiguous`, `contested`, `unsure` or `budgetExhausted`.
    pub why: String,
    /// Where it is contested, the key of another record that needs some of the parts.
    pub rival: Option<String>,
    /// The sum of the parts less the whole.
    pub residual: String,
}
