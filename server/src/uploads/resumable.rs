//! Uploads piece by piece. Each request's bytes are an object of their own, because an object store
//! cannot append; the last one puts them together, looks at the whole and keeps it as an upload.

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::{DEADLINE, IDLE, Placed, stage};
use crate::app::App;
use crate::cache::Stale;
use crate::db;
use crate::db::audit::{Action, Entry, Mutation, Origin, Subject};
use crate::db::upload_sessions::{Piece, Session};
use crate::db::uploads::Upload;
use crate::error::ApiError;
use crate::storage::Storage;

/// A session that nobody continues is given up after this long.
pub const LIFE: Duration = Duration::from_hours(24);
/// Unfinished sessions of one project.
pub const MAX_OPEN: i64 = 100;
/// Requests that one file may be sent with.
const MAX_PIECES: usize = 10_000;
const PREFIX: &str = "pieces";
/// A piece that no session knows may be one that is being written.
const ABANDONED: Duration = Duration::from_hours(3);
const SWEEP: Duration = Duration::from_hours(1);

/// What came of a request with a piece.
#[derive(Debug)]
pub enum Progress {
    /// So many bytes are there by now.
    Received(i64),
    /// All is there, and this is the upload.
    Complete(Upload),
}

/// Takes the next bytes of a session, which is at `offset`. What arrived before a connection broke
/// is kept.
///
/// # Errors
/// `Conflict` where the session is elsewhere by now, `TooLarge` for more than its length, and those
/// of an upload with the last piece; where the whole is refused the session is given up.
pub async fn receive(
    app: &App,
    session: &Session,
    offset: i64,
    body: impl Stream<Item = Result<Bytes, ApiError>>,
    origin: Origin,
) -> Result<Progress, ApiError> {
    if session.upload_id.is_some() || offset != session.received {
        return Err(elsewhere());
    }
    let mut keys = db::upload_sessions::pieces(&app.db, session.id).await?;
    if keys.len() >= MAX_PIECES {
        return Err(ApiError::conflict(
            "the upload has as many pieces as it may; begin again with larger ones",
        ));
    }
    let room = u64::try_from(session.length - offset).unwrap_or_default();
    let key = Path::from(format!("{PREFIX}/{}/{}", session.id, Uuid::new_v4()));
    let size = write(&app.storage, &key, body, room).await?;
    let received = offset.saturating_add_unsigned(size);
    if received == session.length {
        if size > 0 {
            keys.push(key.to_string());
        }
        return finish(app, session, (offset, &keys), origin).await;
    }
    if size == 0 {
        return Ok(Progress::Received(received));
    }
    let piece = Piece {
        start: offset,
        size: received - offset,
        key: key.as_ref(),
    };
    let added = db::upload_sessions::add(&app.db, session.id, piece, LIFE).await;
    if !matches!(added, Ok(true)) {
        discard(&app.storage, &[key.to_string()]).await;
    }
    if added? {
        Ok(Progress::Received(received))
    } else {
        Err(elsewhere())
    }
}

/// Gives a session up and removes its pieces.
///
/// # Errors
/// Errors of the database.
pub async fn give_up(app: &App, session: &Session, origin: Origin) -> Result<(), ApiError> {
    let keys = db::upload_sessions::pieces(&app.db, session.id).await?;
    let mut change = Mutation::begin(&app.cache, origin).await?;
    db::upload_sessions::delete(&mut change, session.id).await?;
    let entry = Entry::new(Action::UploadGiveUp, Subject::UploadSession(session.id));
    let entry = entry.of_project(session.project_id);
    change.commit(entry, Stale::nothing()).await?;
    discard(&app.storage, &keys).await;
    Ok(())
}

fn elsewhere() -> ApiError {
    ApiError::conflict(
        "Upload-Offset is not where the upload is; ask for its state and go on there",
    )
}

/// Writes what comes, up to the end of the body or of the connection, and says how much it was.
async fn write(
    storage: &Storage,
    key: &Path,
    body: impl Stream<Item = Result<Bytes, ApiError>>,
    room: u64,
) -> Result<u64, ApiError> {
    let mut writer = storage.writer(key);
    let mut body = pin!(body);
    let mut size = 0;
    let copied = tokio::time::timeout(DEADLINE, async {
        while let Ok(Some(Ok(chunk))) = tokio::time::timeout(IDLE, body.next()).await {
            size += chunk.len() as u64;
            if size > room {
                return Err(ApiError::TooLarge(room));
            }
            writer.put(chunk).await?;
        }
        Ok(())
    })
    .await;
    // After the deadline, what is there is there.
    let result = copied.unwrap_or(Ok(()));
    if result.is_err() || size == 0 {
        if let Err(error) = writer.abort().await {
            tracing::debug!(%error, "nothing to abort");
        }
        return result.map(|()| 0);
    }
    writer
        .shutdown()
        .await
        .map_err(|error| ApiError::Internal(format!("completing a piece: {error}")))?;
    Ok(size)
}

/// Puts the pieces together. Until that is done the session stays where it was before the last
/// piece, so that it can be sent again should this process die.
async fn finish(
    app: &App,
    session: &Session,
    (offset, keys): (i64, &[String]),
    origin: Origin,
) -> Result<Progress, ApiError> {
    // The piece that came with this request; the session does not know it.
    let last = &keys[keys.len().saturating_sub(1)..];
    let storage = app.storage.clone();
    let pieces = stream::iter(keys.to_vec())
        .then(move |key| {
            let storage = storage.clone();
            async move { storage.get(&Path::from(key)).await.map(|(_, bytes)| bytes) }
        })
        .try_flatten()
        .map_err(ApiError::from);
    let placed = match stage(app, &session.name, pieces).await {
        Ok(staged) => staged.place(app, session.project_id).await,
        Err(error) => Err(error),
    };
    let placed = match placed {
        Ok(placed) => placed,
        Err(error) => {
            if error.is_of_the_request() {
                // The whole is wrong, and no further piece can mend it.
                give_up(app, session, origin).await?;
            }
            discard(&app.storage, last).await;
            return Err(error);
        }
    };
    match record(app, session, offset, &placed, origin).await {
        Ok(upload) => {
            discard(&app.storage, keys).await;
            Ok(Progress::Complete(upload))
        }
        Err(error) => {
            discard(&app.storage, last).await;
            Err(error)
        }
    }
}

/// Records the upload and what became of the session, both or nothing.
async fn record(
    app: &App,
    session: &Session,
    offset: i64,
    placed: &Placed,
    origin: Origin,
) -> Result<Upload, ApiError> {
    let mut change = Mutation::begin(&app.cache, origin).await?;
    let (upload, _) = placed.record(&mut change).await?;
    if !db::upload_sessions::complete(&mut change, session.id, offset, upload.id).await? {
        return Err(elsewhere());
    }
    let entry = placed.entry(&upload).with("session", &session.id);
    change.commit(entry, placed.stale()).await?;
    Ok(upload)
}

async fn discard(storage: &Storage, keys: &[String]) {
    for key in keys {
        if let Err(error) = storage.delete(&Path::from(key.as_str())).await {
            tracing::warn!(%error, %key, "a piece is left behind for the next sweep");
        }
    }
}

/// Gives up what nobody continued, and removes pieces that no session knows, now and then, for ever.
pub async fn sweep(app: App) {
    loop {
        match sweep_once(&app, ABANDONED).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "deleted pieces of abandoned uploads"),
            Err(error) => tracing::warn!(%error, "abandoned uploads cannot be looked through"),
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// Gives up expired sessions and removes pieces older than this that no session knows; says how
/// many.
///
/// # Errors
/// Errors of the store and of the database.
pub async fn sweep_once(app: &App, age: Duration) -> Result<usize, ApiError> {
    db::upload_sessions::delete_expired(&app.db).await?;
    let now = chrono::Utc::now();
    let mut by_session: HashMap<Uuid, Vec<Path>> = HashMap::new();
    for object in app.storage.list(&Path::from(PREFIX)).await? {
        let old = now - object.last_modified;
        let session = object.location.parts().nth(1);
        let session = session.and_then(|part| part.as_ref().parse().ok());
        if let (Some(session), true) = (session, old.to_std().is_ok_and(|it| it >= age)) {
            by_session.entry(session).or_default().push(object.location);
        }
    }
    let sessions: Vec<Uuid> = by_session.keys().copied().collect();
    let known = db::upload_sessions::existing(&app.db, &sessions).await?;
    let known: HashSet<Uuid> = known.into_iter().collect();
    let mut count = 0;
    for (session, keys) in by_session {
        let mut in_use = HashSet::new();
        if known.contains(&session) {
            in_use.extend(db::upload_sessions::pieces(&app.db, session).await?);
        }
        for key in keys.iter().filter(|key| !in_use.contains(key.as_ref())) {
            app.storage.delete(key).await?;
            count += 1;
        }
    }
    Ok(count)
}
