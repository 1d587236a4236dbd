//! `/runs/{id}/reviews` and `/projects/{project}/reviews`
//!
//! A review is a group of pairs that a person decides. The outputs of the run stay as they were
//! published; what was decided stands beside them.

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

use super::answer::Tagged;
use super::etag::{IfMatch, etag};
use super::input::{ApiJson, ApiQuery};
use super::page::{Page, PageQuery, page, time, wrong_cursor};
use crate::app::App;
use crate::auth::{ProjectAccess, RunAccess, Viewer};
use crate::cache::{Key, Stale};
use crate::db;
use crate::db::audit::{Action, Mutation};
use crate::db::exceptions::ReviewPair;
use crate::db::reviews::{After, Change, Event, Move, Review, State as ReviewState};
use crate::error::ApiError;
use changing::Changing;

mod changing;

/// The longest comment.
const MAX_COMMENT: usize = 4000;

/// The query of a project's list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Where the page begins: `nextCursor` of the page before.
    cursor: Option<String>,
    /// Items a page; 100 when absent.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<i64>,
    /// `open` when absent.
    state: Option<ReviewState>,
}

/// `POST /runs/{id}/reviews/{group}/comments`
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewComment")]
#[serde(deny_unknown_fields)]
pub struct CommentRequest {
    /// What to write.
    #[schemars(length(min = 1, max = MAX_COMMENT))]
    comment: String,
}

/// A review.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Review")]
#[serde(rename_all = "camelCase")]
pub struct ReviewResponse {
    /// The run.
    run_id: Uuid,
    /// The group of pairs that it is about.
    group_id: String,
    /// Where it is in its life.
    state: ReviewState,
    /// The pairs of the group.
    pairs: Vec<ReviewPair>,
    /// When the run was published.
    created_at: DateTime<Utc>,
    /// When it was decided.
    decided_at: Option<DateTime<Utc>>,
    /// The e-mail address of whoever decided it.
    decided_by: Option<String>,
    /// The version, for `If-Match`.
    etag: String,
}

/// The reviews of a project in a state, `open` when none is given: those of the oldest run first.
///
/// # Errors
/// `BadRequest` for a wrong cursor, limit or state.
pub async fn list_of_project(
    State(app): State<App>,
    access: ProjectAccess<Viewer>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<Page<ReviewResponse>>, ApiError> {
    let state = query.state.unwrap_or(ReviewState::Open);
    let query = PageQuery::new(query.cursor, query.limit);
    let (limit, after) = (query.limit()?, after(&query)?);
    let rows = db::reviews::list_of_project(&app.db, access.id(), state, after, limit + 1).await?;
    let position = |row: &Review| {
        let micros = row.created_at.timestamp_micros();
        format!("{micros}:{}:{}", row.run_id, row.number)
    };
    Ok(Json(
        with_pairs(&app, page(rows, limit, position, |row| row)).await?,
    ))
}

/// The reviews of a run, in the order of its exceptions.
///
/// # Errors
/// `BadRequest` for a wrong cursor or limit.
pub async fn list_of_run(
    State(app): State<App>,
    RunAccess { run, .. }: RunAccess<Viewer>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<ReviewResponse>>, ApiError> {
    let (limit, after) = (query.limit()?, query.number()?);
    let rows = db::reviews::list_of_run(&app.db, run.id, after, limit + 1).await?;
    let position = |row: &Review| row.number.to_string();
    Ok(Json(
        with_pairs(&app, page(rows, limit, position, |row| row)).await?,
    ))
}

/// A review, with its `ETag`.
///
/// # Errors
/// `NotFound`.
pub async fn show(
    State(app): State<App>,
    RunAccess { run, .. }: RunAccess<Viewer>,
    Path(path): Path<BTreeMap<String, String>>,
) -> Result<Tagged<ReviewResponse>, ApiError> {
    answer(&app, run.id, group(&path)?).await
}

/// What happened to a review, oldest first.
///
/// # Errors
/// `NotFound`, `BadRequest` for a wrong cursor or limit.
pub async fn history(
    State(app): State<App>,
    RunAccess { run, .. }: RunAccess<Viewer>,
    Path(path): Path<BTreeMap<String, String>>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<Event>>, ApiError> {
    let (limit, after) = (query.limit()?, query.offset()?);
    let group = group(&path)?;
    db::reviews::find(&app.db, run.id, group)
        .await?
        .ok_or(ApiError::NotFound)?;
    let rows = db::reviews::history(&app.db, run.id, group, after, limit + 1).await?;
    let position = |row: &Event| row.version.to_string();
    Ok(Json(page(rows, limit, position, |row| row)))
}

/// Says that the records belong together.
///
/// # Errors
/// `Forbidden` unless the caller is a person, `NotFound`, `PreconditionRequired` without `If-Match`,
/// `PreconditionFailed` where something happened since, `Conflict` where the state forbids it.
pub async fn accept(
    app: State<App>,
    changing: Changing,
    seen: IfMatch,
) -> Result<Tagged<ReviewResponse>, ApiError> {
    decide(app, changing, seen, Move::Accept).await
}

/// Says that the records do not belong together.
///
/// # Errors
/// As for [`accept`].
pub async fn reject(
    app: State<App>,
    changing: Changing,
    seen: IfMatch,
) -> Result<Tagged<ReviewResponse>, ApiError> {
    decide(app, changing, seen, Move::Reject).await
}

/// Takes a decision back.
///
/// # Errors
/// As for [`accept`].
pub async fn reopen(
    app: State<App>,
    changing: Changing,
    seen: IfMatch,
) -> Result<Tagged<ReviewResponse>, ApiError> {
    decide(app, changing, seen, Move::Reopen).await
}

/// Moves a review that is as the caller has seen it.
async fn decide(
    State(app): State<App>,
    changing: Changing,
    seen: IfMatch,
    step: Move,
) -> Result<Tagged<ReviewResponse>, ApiError> {
    let review = (changing.access.run.id, changing.group.as_str());
    db::reviews::find(&app.db, review.0, review.1)
        .await?
        .ok_or(ApiError::NotFound)?;
    let expected = seen.required()?;
    let mut change = Mutation::begin(&app.cache, changing.origin.clone()).await?;
    let user = changing.person.id;
    match db::reviews::decide(&mut change, review, &expected, step, user).await? {
        Change::Done => {
            let action = match step {
                Move::Accept => Action::ReviewAccept,
                Move::Reject => Action::ReviewReject,
                Move::Reopen => Action::ReviewReopen,
            };
            // The run counts its reviews.
            let stale = Stale::keys([Key::Run(review.0)]);
            change.commit(changing.entry(action), stale).await?;
            answer(&app, review.0, review.1).await
        }
        Change::Unknown => Err(ApiError::NotFound),
        Change::Changed => Err(ApiError::PreconditionFailed),
        Change::Illegal(state) => Err(ApiError::conflict(match state {
            ReviewState::Open => "the review is open: there is no decision to take back",
            ReviewState::Accepted => "the review is accepted; reopen it to decide otherwise",
            ReviewState::Rejected => "the review is rejected; reopen it to decide otherwise",
        })),
    }
}

/// Adds a comment. It makes a new version too: a decision is made with what was written in view.
///
/// # Errors
/// `Forbidden` unless the caller is a person, `NotFound`, `BadRequest`.
pub async fn comment(
    State(app): State<App>,
    changing: Changing,
    ApiJson(request): ApiJson<CommentRequest>,
) -> Result<Tagged<ReviewResponse, 201>, ApiError> {
    let comment = request.comment.trim();
    let length = comment.chars().count();
    if length == 0 || length > MAX_COMMENT || comment.contains('\0') {
        return Err(ApiError::bad_request(
            "comment must have 1 to 4000 characters",
        ));
    }
    let review = (changing.access.run.id, changing.group.as_str());
    let mut change = Mutation::begin(&app.cache, changing.origin.clone()).await?;
    if !db::reviews::comment(&mut change, review, changing.person.id, comment).await? {
        return Err(ApiError::NotFound);
    }
    // What was written stays out of the log, for it may quote records.
    let entry = changing.entry(Action::ReviewComment);
    change.commit(entry, Stale::nothing()).await?;
    answer(&app, review.0, review.1).await
}

fn group(path: &BTreeMap<String, String>) -> Result<&str, ApiError> {
    let group = path.get("group").map(String::as_str);
    group
        .filter(|group| !group.contains('\0'))
        .ok_or(ApiError::NotFound)
}

async fn answer<const STATUS: u16>(
    app: &App,
    run: Uuid,
    group: &str,
) -> Result<Tagged<ReviewResponse, STATUS>, ApiError> {
    let review = db::reviews::find(&app.db, run, group)
        .await?
        .ok_or(ApiError::NotFound)?;
    let pairs = db::exceptions::pairs_of_reviews(&app.db, &[run], &[group]).await?;
    Ok(Tagged {
        version: review.version,
        body: response(review, pairs),
    })
}

fn response(review: Review, pairs: Vec<ReviewPair>) -> ReviewResponse {
    ReviewResponse {
        run_id: review.run_id,
        group_id: review.group_id,
        state: review.state,
        pairs,
        created_at: review.created_at,
        decided_at: review.decided_at,
        decided_by: review.decided_by,
        etag: etag(review.version),
    }
}

/// Adds the pairs of all reviews of a page in one query.
async fn with_pairs(app: &App, page: Page<Review>) -> Result<Page<ReviewResponse>, ApiError> {
    let runs: Vec<Uuid> = page.items.iter().map(|item| item.run_id).collect();
    let groups: Vec<&str> = page.items.iter().map(|it| it.group_id.as_str()).collect();
    let pairs = db::exceptions::pairs_of_reviews(&app.db, &runs, &groups).await?;
    let mut by_review: HashMap<(Uuid, String), Vec<ReviewPair>> = HashMap::new();
    for pair in pairs {
        let review = by_review.entry((pair.run_id, pair.group_id.clone()));
        review.or_default().push(pair);
    }
    let items = page.items.into_iter().map(|review| {
        let pairs = by_review.remove(&(review.run_id, review.group_id.clone()));
        response(review, pairs.unwrap_or_default())
    });
    Ok(Page {
        items: items.collect(),
        next_cursor: page.next_cursor,
    })
}

/// The cursor of a project's list.
fn after(query: &PageQuery) -> Result<After, ApiError> {
    let Some(text) = query.position()? else {
        return Ok(After::START);
    };
    let parts: Vec<&str> = text.split(':').collect();
    let [micros, run, number] = parts[..] else {
        return Err(wrong_cursor());
    };
    match (time(micros), run.parse(), number.parse()) {
        (Some(created_at), Ok(run), Ok(number)) => Ok(After {
            created_at,
            run,
            number,
        }),
        _ => Err(wrong_cursor()),
    }
}
