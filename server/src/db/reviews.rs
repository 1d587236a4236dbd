//! The tables `reviews` and `review_events`: what people decide about pairs.
//!
//! A decision is about a group of pairs of one published run and changes none of its outputs. Every
//! change of a review is an event with the version that it made, so the history has no gaps.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use super::audit::Mutation;
use super::named::NamedQuery;
use super::version::Expected;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT r.run_id, r.group_id, r.number, r.state, r.version, r.created_at, \
             r.decided_at, u.email AS decided_by \
             FROM reviews r LEFT JOIN users u ON u.id = r.decided_by ",
            $rest
        )
    };
}

const FIND: NamedQuery = NamedQuery::new(
    "reviews.find",
    select!("WHERE r.run_id = $1 AND r.group_id = $2"),
)
.sampled("reviews", "run_id, group_id");
const LIST_OF_PROJECT: NamedQuery = NamedQuery::new("reviews.list_of_project", select!(
    "WHERE r.project_id = $1 AND r.state = $2 AND (r.created_at, r.run_id, r.number) > ($3, $4, $5) \
     ORDER BY r.created_at, r.run_id, r.number LIMIT $6"
)).sampled("reviews", "project_id, state, created_at, run_id, number, 101");
const LIST_OF_RUN: NamedQuery = NamedQuery::new(
    "reviews.list_of_run",
    select!("WHERE r.run_id = $1 AND r.number > $2 ORDER BY r.number LIMIT $3"),
)
.sampled("reviews", "run_id, 0, 101");
const HISTORY: NamedQuery = NamedQuery::new(
    "reviews.history",
    "SELECT e.version, e.action, u.email AS by, e.comment, e.created_at AS at \
     FROM review_events e JOIN users u ON u.id = e.user_id \
     WHERE e.run_id = $1 AND e.group_id = $2 AND e.version > $3 ORDER BY e.version LIMIT $4",
)
.sampled("review_events", "run_id, group_id, 0, 101");
const OPEN: NamedQuery = NamedQuery::new(
    "reviews.open",
    "INSERT INTO reviews (run_id, group_id, project_id, number) \
     SELECT run_id, group_id, $2, min(number) FROM run_exceptions \
     WHERE run_id = $1 AND outcome = 'review' GROUP BY run_id, group_id",
)
.sampled("reviews", "run_id, project_id");
const LOCK: NamedQuery = NamedQuery::new(
    "reviews.lock",
    "SELECT state, version FROM reviews WHERE run_id = $1 AND group_id = $2 FOR UPDATE",
)
.sampled("reviews", "run_id, group_id");
const DECIDE: NamedQuery = NamedQuery::new(
    "reviews.decide",
    "UPDATE reviews SET version = version + 1, state = $3, \
       decided_at = CASE WHEN $3 = 'open' THEN NULL ELSE now() END, \
       decided_by = CASE WHEN $3 = 'open' THEN NULL ELSE $4::uuid END \
     WHERE run_id = $1 AND group_id = $2 RETURNING version",
)
.sampled("reviews", "run_id, group_id, 'accepted', gen_random_uuid()");
const COUNT: NamedQuery = NamedQuery::new(
    "reviews.count",
    "UPDATE runs SET \
       reviews_open = reviews_open + ($3 = 'open')::int - ($2 = 'open')::int, \
       reviews_accepted = reviews_accepted + ($3 = 'accepted')::int - ($2 = 'accepted')::int, \
       reviews_rejected = reviews_rejected + ($3 = 'rejected')::int - ($2 = 'rejected')::int \
     WHERE id = $1",
)
.sampled("runs", "id, 'open', 'accepted'");
const COMMENTED: NamedQuery = NamedQuery::new(
    "reviews.commented",
    "UPDATE reviews SET version = version + 1 \
     WHERE run_id = $1 AND group_id = $2 RETURNING version",
)
.sampled("reviews", "run_id, group_id");
const RECORD: NamedQuery = NamedQuery::new(
    "reviews.record",
    "INSERT INTO review_events (run_id, group_id, version, action, user_id, comment) \
     VALUES ($1, $2, $3, $4, $5, $6)",
)
.sampled(
    "reviews",
    "run_id, group_id, version, 'commented', gen_random_uuid(), 'why'",
);

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] = &[
    FIND,
    LIST_OF_PROJECT,
    LIST_OF_RUN,
    HISTORY,
    OPEN,
    LOCK,
    DECIDE,
    COUNT,
    COMMENTED,
    RECORD,
];

/// Where a review is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ReviewState")]
pub enum State {
    /// Nobody has decided.
    Open,
    /// Somebody said that the records belong together.
    Accepted,
    /// Somebody said that they do not.
    Rejected,
}

/// What somebody does to a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The records belong together.
    Accept,
    /// They do not.
    Reject,
    /// The decision was a mistake.
    Reopen,
}

impl State {
    /// As in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }

    /// The state after a move; none where the move is illegal. Only an open review is decided, and
    /// only a decided one is opened again, so that no decision is replaced without a trace.
    #[must_use]
    pub fn after(self, step: Move) -> Option<Self> {
        match (self, step) {
            (Self::Open, Move::Accept) => Some(Self::Accepted),
            (Self::Open, Move::Reject) => Some(Self::Rejected),
            (Self::Accepted | Self::Rejected, Move::Reopen) => Some(Self::Open),
            (Self::Open, Move::Reopen)
            | (Self::Accepted | Self::Rejected, Move::Accept | Move::Reject) => None,
        }
    }
}

impl TryFrom<String> for State {
    type Error = sqlx::Error;

    fn try_from(text: String) -> Result<Self, sqlx::Error> {
        match text.as_str() {
            "open" => Ok(Self::Open),
            "accepted" => Ok(Self::Accepted),
            "rejected" => Ok(Self::Rejected),
            _ => Err(sqlx::Error::Decode("unknown state of a review".into())),
        }
    }
}

impl Move {
    fn action(self) -> &'static str {
        match self {
            Self::Accept => "accepted",
            Self::Reject => "rejected",
            Self::Reopen => "reopened",
        }
    }
}

/// A review: a group of pairs that a person decides.
#[derive(Clone, Debug, FromRow)]
pub struct Review {
    /// The run.
    pub run_id: Uuid,
    /// The group of pairs.
    pub group_id: String,
    /// The group's first exception.
    pub number: i32,
    /// Where it is in its life.
    #[sqlx(try_from = "String")]
    pub state: State,
    /// Grows with every event.
    pub version: i64,
    /// When the run was published.
    pub created_at: DateTime<Utc>,
    /// When it was decided.
    pub decided_at: Option<DateTime<Utc>>,
    /// The e-mail address of whoever decided it.
    pub decided_by: Option<String>,
}

/// A position in a project's list of reviews: what comes after it was published later.
#[derive(Clone, Copy, Debug)]
pub struct After {
    /// The last item's time.
    pub created_at: DateTime<Utc>,
    /// The last item's run.
    pub run: Uuid,
    /// The last item's number.
    pub number: i32,
}

impl After {
    /// Before the oldest.
    pub const START: Self = Self {
        created_at: DateTime::<Utc>::UNIX_EPOCH,
        run: Uuid::nil(),
        number: 0,
    };
}

/// Something that happened to a review.
#[derive(Clone, Debug, FromRow, Serialize, JsonSchema)]
#[schemars(rename = "ReviewEvent")]
pub struct Event {
    /// The version that it made.
    pub version: i64,
    /// `accepted`, `rejected`, `reopened` or `commented`.
    pub action: String,
    /// The e-mail address of whoever did it.
    pub by: String,
    /// What they wrote.
    pub comment: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What came of a change to a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was made.
    Done,
    /// There is no such review.
    Unknown,
    /// It has another version by now.
    Changed,
    /// It is in a state from which this is not done.
    Illegal(State),
}

/// A review.
///
/// # Errors
/// Errors of the database.
pub async fn find(db: &PgPool, run: Uuid, group: &str) -> Result<Option<Review>, sqlx::Error> {
    sqlx::query_as(FIND)
        .bind(run)
        .bind(group)
        .fetch_optional(db)
        .await
}

/// A page of a project's reviews in a state, oldest run first.
///
/// # Errors
/// Errors of the database.
pub async fn list_of_project(
    db: &PgPool,
    project: Uuid,
    state: State,
    after: After,
    limit: i64,
) -> Result<Vec<Review>, sqlx::Error> {
    sqlx::query_as(LIST_OF_PROJECT)
        .bind(project)
        .bind(state.as_str())
        .bind(after.created_at)
        .bind(after.run)
        .bind(after.number)
        .bind(limit)
        .fetch_all(db)
        .await
}

/// A page of a run's reviews after a number.
///
/// # Errors
/// Errors of the database.
pub async fn list_of_run(
    db: &PgPool,
    run: Uuid,
    after: i32,
    limit: i64,
) -> Result<Vec<Review>, sqlx::Error> {
    sqlx::query_as(LIST_OF_RUN)
        .bind(run)
        .bind(after)
        .bind(limit)
        .fetch_all(db)
        .await
}

/// A page of what happened to a review after a version.
///
/// # Errors
/// Errors of the database.
pub async fn history(
    db: &PgPool,
    run: Uuid,
    group: &str,
    after: i64,
    limit: i64,
) -> Result<Vec<Event>, sqlx::Error> {
    sqlx::query_as(HISTORY)
        .bind(run)
        .bind(group)
        .bind(after)
        .bind(limit)
        .fetch_all(db)
        .await
}

/// Opens a review for each group of a run's review pairs.
///
/// # Errors
/// Errors of the database.
pub(super) async fn open(
    tx: &mut PgConnection,
    run: Uuid,
    project: Uuid,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(OPEN).bind(run).bind(project);
    query.execute(tx).await.map(drop)
}

/// Moves a review where it has the expected version. The run's counts move along.
///
/// # Errors
/// Errors of the database.
pub async fn decide(
    change: &mut Mutation,
    (run, group): (Uuid, &str),
    expected: &Expected,
    step: Move,
    user: Uuid,
) -> Result<Change, sqlx::Error> {
    let found: Option<(String, i64)> = sqlx::query_as(LOCK)
        .bind(run)
        .bind(group)
        .fetch_optional(&mut **change)
        .await?;
    let Some((state, current)) = found else {
        return Ok(Change::Unknown);
    };
    if !expected.allows(current) {
        return Ok(Change::Changed);
    }
    let before = State::try_from(state)?;
    let Some(after) = before.after(step) else {
        return Ok(Change::Illegal(before));
    };
    let version: i64 = sqlx::query_scalar(DECIDE)
        .bind(run)
        .bind(group)
        .bind(after.as_str())
        .bind(user)
        .fetch_one(&mut **change)
        .await?;
    sqlx::query(COUNT)
        .bind(run)
        .bind(before.as_str())
        .bind(after.as_str())
        .execute(&mut **change)
        .await?;
    record(change, (run, group, version), step.action(), user, None).await?;
    Ok(Change::Done)
}

/// Adds a comment; false where there is no such review.
///
/// # Errors
/// Errors of the database.
pub async fn comment(
    change: &mut Mutation,
    (run, group): (Uuid, &str),
    user: Uuid,
    comment: &str,
) -> Result<bool, sqlx::Error> {
    let version: Option<i64> = sqlx::query_scalar(COMMENTED)
        .bind(run)
        .bind(group)
        .fetch_optional(&mut **change)
        .await?;
    let Some(version) = version else {
        return Ok(false);
    };
    let of = (run, group, version);
    record(change, of, "commented", user, Some(comment)).await?;
    Ok(true)
}

async fn record(
    tx: &mut PgConnection,
    (run, group, version): (Uuid, &str, i64),
    action: &str,
    user: Uuid,
    comment: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query(RECORD)
        .bind(run)
        .bind(group)
        .bind(version)
        .bind(action)
        .bind(user)
        .bind(comment)
        .execute(tx)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::{Move, State};
    use rstest::rstest;

    #[rstest]
    #[case(State::Open, Move::Accept, Some(State::Accepted))]
    #[case(State::Open, Move::Reject, Some(State::Rejected))]
    #[case(State::Open, Move::Reopen, None)]
    #[case(State::Accepted, Move::Accept, None)]
    #[case(State::Accepted, Move::Reject, None)]
    #[case(State::Accepted, Move::Reopen, Some(State::Open))]
    #[case(State::Rejected, Move::Accept, None)]
    #[case(State::Rejected, Move::Reject, None)]
    #[case(State::Rejected, Move::Reopen, Some(State::Open))]
    fn moves_of_a_review(#[case] from: State, #[case] step: Move, #[case] to: Option<State>) {
        assert_eq!(from.after(step), to);
    }
}
