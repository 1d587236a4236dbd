//! The table `run_exceptions`: what of a run somebody should look at.

use super::named::NamedQuery;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT e.number, e.outcome, e.side, e.left_key, e.right_key, e.group_id, e.pass, \
             e.score, e.line, e.source_column, e.reason FROM run_exceptions e ",
            $rest
        )
    };
}

const LIST: NamedQuery = NamedQuery::new(
    "exceptions.list",
    select!("WHERE e.run_id = $1 AND e.number > $2 ORDER BY e.number LIMIT $3"),
)
.sampled("run_exceptions", "run_id, 0, 101");
const LIST_OF_OUTCOME: NamedQuery = NamedQuery::new(
    "exceptions.list_of_outcome",
    select!("WHERE e.run_id = $1 AND e.number > $2 AND e.outcome = $4 ORDER BY e.number LIMIT $3"),
)
.sampled("run_exceptions", "run_id, 0, 101, outcome");
const PAIRS_OF_REVIEWS: NamedQuery = NamedQuery::new(
    "exceptions.pairs_of_reviews",
    "SELECT e.run_id, e.group_id, e.left_key, e.right_key, e.pass, \
       e.score, e.reason \
     FROM unnest($1::uuid[], $2::text[]) AS r (run_id, group_id) \
     JOIN run_exceptions e ON e.run_id = r.run_id AND e.group_id = r.group_id \
     WHERE e.outcome = 'review' ORDER BY e.run_id, e.number",
)
.sampled("reviews", "ARRAY[run_id], ARRAY[group_id]");
const INSERT: NamedQuery = NamedQuery::new("exceptions.insert", "INSERT INTO run_exceptions (run_id, number, outcome, side, left_key, right_key, \
       group_id, pass, score, line, source_column, reason) \
     SELECT $1, e.* FROM unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::text[], \
       $7::text[], $8::text[], $9::float8[], $10::bigint[], $11::text[], $12::text[]) AS e").sampled("run_exceptions", "run_id, ARRAY[number], ARRAY[outcome], ARRAY[side], ARRAY[left_key], ARRAY[right_key], ARRAY[group_id], ARRAY[pass], ARRAY[score], ARRAY[line], ARRAY[source_column], ARRAY[reason]");

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] = &[LIST, LIST_OF_OUTCOME, PAIRS_OF_REVIEWS, INSERT];
/// Rows of one statement.
const BATCH: usize = 2000;

/// The outcomes of records that are exceptions, in the order in which they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// A pair that a person decides.
    Review,
    /// A pair whose compared columns differ.
    Differing,
    /// A row set aside because another row has its key.
    Duplicate,
    /// A row that could not be read.
    Rejected,
    /// A record without a counterpart.
    Unmatched,
}

impl Outcome {
    /// As in the table and in the outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Differing => "differing",
            Self::Duplicate => "duplicate",
            Self::Rejected => "rejected",
            Self::Unmatched => "unmatched",
        }
    }
}

impl TryFrom<String> for Outcome {
    type Error = sqlx::Error;

    fn try_from(text: String) -> Result<Self, sqlx::Error> {
        match text.as_str() {
            "review" => Ok(Self::Review),
            "differing" => Ok(Self::Differing),
            "duplicate" => Ok(Self::Duplicate),
            "rejected" => Ok(Self::Rejected),
            "unmatched" => Ok(Self::Unmatched),
            _ => Err(sqlx::Error::Decode("unknown outcome".into())),
        }
    }
}

/// A pair or a row that somebody should look at.
#[derive(Clone, Debug, PartialEq, FromRow, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exception {
    /// The place among the run's exceptions, from 1.
    pub number: i32,
    /// What became of it.
    #[sqlx(try_from = "String")]
    pub outcome: Outcome,
    /// `left` or `right` for a row; none for a pair.
    pub side: Option<String>,
    /// The left record's key.
    pub left_key: Option<String>,
    /// The right record's key.
    pub right_key: Option<String>,
    /// The group that a pair belongs to.
    pub group_id: Option<String>,
    /// The pass that made the pair.
    pub pass: Option<String>,
    /// The pair's score.
    pub score: Option<f64>,
    /// The line of a row that was set aside.
    pub line: Option<i64>,
    /// The column for which a row was rejected, as the file calls it.
    #[serde(rename = "column")]
    pub source_column: Option<String>,
    /// Why.
    pub reason: String,
}

/// How many there were, and how many of them are kept as rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ExceptionCount")]
pub struct Count {
    /// In the result of the run.
    pub found: u64,
    /// In the table.
    pub kept: u64,
}

/// The exceptions of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exceptions {
    /// Those that are kept, by number.
    pub rows: Vec<Exception>,
    /// Groups among them that a person decides.
    pub reviews: i32,
    /// How many there were by outcome.
    pub counts: Counts,
}

/// Exceptions of a run by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ExceptionCounts")]
pub struct Counts {
    /// Pairs that a person decides.
    pub review: Count,
    /// Pairs whose compared columns differ.
    pub differing: Count,
    /// Rows set aside because another row has their key.
    pub duplicate: Count,
    /// Rows that could not be read.
    pub rejected: Count,
    /// Records without a counterpart.
    pub unmatched: Count,
}

impl Counts {
    /// The count of an outcome.
    pub fn of(&mut self, outcome: Outcome) -> &mut Count {
        match outcome {
            Outcome::Review => &mut self.review,
            Outcome::Differing => &mut self.differing,
            Outcome::Duplicate => &mut self.duplicate,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Unmatched => &mut self.unmatched,
        }
    }
}

/// A page of a run's exceptions after a number, of one outcome or of all.
///
/// # Errors
/// Errors of the database.
pub async fn list(
    db: &PgPool,
    run: Uuid,
    outcome: Option<Outcome>,
    after: i32,
    limit: i64,
) -> Result<Vec<Exception>, sqlx::Error> {
    match outcome {
        None => sqlx::query_as(LIST).bind(run).bind(after).bind(limit),
        Some(outcome) => sqlx::query_as(LIST_OF_OUTCOME)
            .bind(run)
            .bind(after)
            .bind(limit)
            .bind(outcome.as_str()),
    }
    .fetch_all(db)
    .await
}

/// A pair of a review.
#[derive(Clone, Debug, PartialEq, FromRow, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewPair {
    /// The run.
    #[serde(skip)]
    pub run_id: Uuid,
    /// The group.
    #[serde(skip)]
    pub group_id: String,
    /// The left record's key.
    pub left_key: String,
    /// The right record's key.
    pub right_key: String,
    /// The pass that made the pair.
    pub pass: String,
    /// The pair's score.
    pub score: f64,
    /// Why a person decides.
    pub reason: String,
}

/// The pairs of some reviews, named by run and group.
///
/// # Errors
/// Errors of the database.
pub async fn pairs_of_reviews(
    db: &PgPool,
    runs: &[Uuid],
    groups: &[&str],
) -> Result<Vec<ReviewPair>, sqlx::Error> {
    sqlx::query_as(PAIRS_OF_REVIEWS)
        .bind(runs)
        .bind(groups)
        .fetch_all(db)
        .await
}

/// Keeps a run's exceptions.
///
/// # Errors
/// Errors of the database.
pub(super) async fn insert(
    tx: &mut PgConnection,
    run: Uuid,
    rows: &[Exception],
) -> Result<(), sqlx::Error> {
    fn texts<'a>(
        rows: &'a [Exception],
        of: impl Fn(&'a Exception) -> Option<&'a String>,
    ) -> Vec<Option<&'a str>> {
        rows.iter().map(|row| of(row).map(String::as_str)).collect()
    }
    for rows in rows.chunks(BATCH) {
        let numbers: Vec<i32> = rows.iter().map(|row| row.number).collect();
        let outcomes: Vec<&str> = rows.iter().map(|row| row.outcome.as_str()).collect();
        let scores: Vec<Option<f64>> = rows.iter().map(|row| row.score).collect();
        let lines: Vec<Option<i64>> = rows.iter().map(|row| row.line).collect();
        let reasons: Vec<&str> = rows.iter().map(|row| row.reason.as_str()).collect();
        sqlx::query(INSERT)
            .bind(run)
            .bind(numbers)
            .bind(outcomes)
            .bind(texts(rows, |row| row.side.as_ref()))
            .bind(texts(rows, |row| row.left_key.as_ref()))
            .bind(texts(rows, |row| row.right_key.as_ref()))
            .bind(texts(rows, |row| row.group_id.as_ref()))
            .bind(texts(rows, |row| row.pass.as_ref()))
            .bind(scores)
            .bind(lines)
            .bind(texts(rows, |row| row.source_column.as_ref()))
            .bind(reasons)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}
