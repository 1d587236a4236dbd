//! `/runs/{id}/events`

use axum::extract;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, Stream, StreamExt};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

use super::runs::RunProgress;
use crate::app::App;
use crate::auth::{RunAccess, Viewer};
use crate::db::runs::{Standing, State};
use crate::error::ApiError;
use crate::openapi::{Gives, Operation, header as headers};
use crate::runs::watch::Watching;

/// What an event tells.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RunEvent")]
#[serde(rename_all = "camelCase")]
struct RunEvent<'a> {
    /// The run's id.
    id: Uuid,
    /// Where it is in its life.
    state: State,
    /// What the engine is doing.
    phase: Option<&'a str>,
    /// How far it is in that.
    progress: Option<RunProgress>,
    /// Attempts that began.
    attempt: i32,
    /// When it ended.
    completed_at: Option<DateTime<Utc>>,
}

impl<'a> From<&'a Standing> for RunEvent<'a> {
    fn from(standing: &'a Standing) -> Self {
        Self {
            id: standing.id,
            state: standing.state,
            phase: standing.phase.as_deref(),
            progress: RunProgress::of(standing.progress_done, standing.progress_total),
            attempt: standing.attempt,
            completed_at: standing.completed_at,
        }
    }
}

/// A stream of events, or that there will be no more.
pub enum Events {
    /// The client knows the end.
    Known,
    /// What comes, with comments that keep a quiet stream open.
    Stream(Sse<KeepAliveStream<BoxStream<'static, Result<Event, Infallible>>>>),
}

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        let Self::Stream(stream) = self else {
            return StatusCode::NO_CONTENT.into_response();
        };
        let mut response = stream.into_response();
        let headers = response.headers_mut();
        // A proxy that collects a response before it passes it on would hold the events back.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl Gives for Events {
    fn describe(operation: &mut Operation<'_>) {
        let told = operation.schema_of::<RunEvent<'static>>();
        let event = json!({
            "type": "object",
            "description": "The fields of an event",
            "properties": {
                "event": {"const": "run"},
                "id": {"type": "string", "description": "A name for what the event tells"},
                "retry": {"type": "integer", "description": "Milliseconds until it is worth another try"},
                "data": {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": told,
                },
            },
        });
        operation
            .answers_with(200, "text/event-stream", event)
            .gives_header(200, headers::CACHE_CONTROL)
            .answers_nothing(204);
    }
}

/// A run as it goes on: an event whenever it stands differently, until it is final.
///
/// An event's id names what it told. A client that comes back with `Last-Event-ID` is told at once
/// where the run stands now, unless that is what it knows; where it knows the end, the answer is
/// 204, which tells an `EventSource` to come back no more. A stream ends after the life of an access
/// token: whoever comes back is asked again who they are.
///
/// # Errors
/// `Unavailable` where this process has as many streams as it may.
pub async fn stream(
    extract::State(app): extract::State<App>,
    RunAccess { run, .. }: RunAccess<Viewer>,
    headers: HeaderMap,
) -> Result<Events, ApiError> {
    let now = Standing::from(&run);
    let known = headers
        .get("last-event-id")
        .is_some_and(|id| id.as_bytes() == id_of(&now).as_bytes());
    if known && now.state.is_final() {
        return Ok(Events::Known);
    }
    let watching = app.watchers.watch(now.clone()).ok_or_else(too_many)?;
    let first = (!known).then_some(now);
    let events = events(watching, first, Instant::now() + app.tokens.life());
    let heartbeat = KeepAlive::new()
        .interval(app.config.event_heartbeat)
        .text("heartbeat");
    Ok(Events::Stream(
        Sse::new(events.boxed()).keep_alive(heartbeat),
    ))
}

/// The answer where this process has as many streams as it may.
pub(crate) fn too_many() -> ApiError {
    ApiError::Unavailable("this process has as many event streams as it may".into())
}

fn events(
    watching: Watching,
    first: Option<Standing>,
    end: Instant,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let retry = Event::default().retry(Duration::from_secs(2));
    let opening = stream::once(async { Ok(retry) });
    let standings = stream::unfold(Some((watching, first)), move |state| async move {
        let (mut watching, first) = state?;
        let standing = match first {
            Some(first) => first,
            None => tokio::time::timeout_at(end, watching.next()).await.ok()??,
        };
        let more = !standing.state.is_final();
        Some((standing, more.then_some((watching, None))))
    });
    opening.chain(standings.map(|standing| Ok(event(&standing))))
}

fn event(standing: &Standing) -> Event {
    let json = json(standing);
    Event::default().event("run").id(hash(&json)).data(json)
}

/// A name for what an event tells.
fn id_of(standing: &Standing) -> String {
    hash(&json(standing))
}

fn hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..8])
}

/// It is a struct of plain values, so it can always be written.
fn json(standing: &Standing) -> String {
    serde_json::to_string(&RunEvent::from(standing)).unwrap_or_default()
}
