//! Files on their way in: streamed to the object store while they are hashed, bounded and looked at.
//!
//! A file is staged under a temporary key first and kept only when all of it was good, so whatever
//! goes wrong leaves nothing behind.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use sha2::{Digest, Sha256};
use std::pin::pin;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::app::App;
use crate::cache::{Key, Stale};
use crate::db;
use crate::db::audit::{Action, Entry, Mutation, Subject};
use crate::db::uploads::Upload;
use crate::error::ApiError;
use crate::storage::{temporary_key, upload_key};
use inspect::Inspector;

mod content;
mod inspect;
mod name;
pub mod resumable;
mod workbook;

pub use name::check_name;

/// A client that sends nothing for this long is given up.
const IDLE: Duration = Duration::from_secs(30);
/// An upload takes at most this long.
const DEADLINE: Duration = Duration::from_hours(2);

/// A file that is complete and good, and belongs to no project yet.
#[derive(Debug)]
#[must_use = "it stays in the store until it is kept or discarded"]
pub struct Staged {
    key: Path,
    name: String,
    sha256: Vec<u8>,
    size: u64,
}

/// Takes a file in. Nothing is left of one that is refused.
///
/// # Errors
/// `TooLarge`, `Unpacked` for what unpacks to too much, `UnsupportedMediaType` for content that is
/// not what the name says, `BadRequest` for content that ends early, `Timeout`.
pub async fn stage(
    app: &App,
    name: &str,
    body: impl Stream<Item = Result<Bytes, ApiError>>,
) -> Result<Staged, ApiError> {
    check_name(name)?;
    let key = temporary_key();
    let mut writer = app.storage.writer(&key);
    let max = app.config.max_upload_bytes;
    let copied = tokio::time::timeout(DEADLINE, copy(name, body, &mut writer, max)).await;
    let (sha256, size) = match copied.unwrap_or(Err(ApiError::Timeout)) {
        Ok(copied) => copied,
        Err(error) => {
            if let Err(error) = writer.abort().await {
                tracing::debug!(%error, "nothing to abort");
            }
            return Err(error);
        }
    };
    // A writer that was shut down cannot be aborted any more, whatever came of it.
    writer
        .shutdown()
        .await
        .map_err(|error| ApiError::Internal(format!("completing an upload: {error}")))?;
    let staged = Staged {
        key,
        name: name.to_owned(),
        sha256,
        size,
    };
    if let Err(error) = workbook::check(app, &staged, content::bound(size, max)).await {
        staged.discard(app).await;
        return Err(error);
    }
    Ok(staged)
}

impl Staged {
    /// Puts the content where a project's uploads are.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn place(self, app: &App, project: Uuid) -> Result<Placed, ApiError> {
        let key = upload_key(project, &self.sha256);
        if let Err(error) = app.storage.promote(&self.key, &key).await {
            self.discard(app).await;
            return Err(error.into());
        }
        let size =
            i64::try_from(self.size).map_err(|error| ApiError::Internal(error.to_string()))?;
        Ok(Placed {
            project,
            name: self.name,
            sha256: self.sha256,
            size,
        })
    }

    /// Removes the file again.
    pub async fn discard(self, app: &App) {
        if let Err(error) = app.storage.delete(&self.key).await {
            tracing::warn!(%error, key = %self.key, "a temporary object is left behind");
        }
    }
}

/// A file of a project that is to be recorded as an upload.
#[derive(Debug)]
pub struct Placed {
    /// The project.
    pub project: Uuid,
    /// The file name.
    pub name: String,
    /// The SHA-256 of the content.
    pub sha256: Vec<u8>,
    /// Bytes.
    pub size: i64,
}

impl Placed {
    /// Records the upload; false with the one that the project has of it already.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn record(&self, change: &mut Mutation) -> Result<(Upload, bool), sqlx::Error> {
        db::uploads::insert(change, self.project, &self.name, &self.sha256, self.size).await
    }

    /// What recording it makes stale.
    #[must_use]
    pub fn stale(&self) -> Stale {
        Stale::keys([Key::Counts(self.project)])
    }

    /// What the audit log says of it.
    #[must_use]
    pub fn entry(&self, upload: &Upload) -> Entry {
        Entry::new(Action::UploadCreate, Subject::Upload(upload.id))
            .of_project(self.project)
            .with("sha256", &hex::encode(&self.sha256))
            .with("size", &self.size)
    }
}

/// Copies the body; the object is complete only once the writer is shut down.
async fn copy(
    name: &str,
    body: impl Stream<Item = Result<Bytes, ApiError>>,
    writer: &mut BufWriter,
    max: u64,
) -> Result<(Vec<u8>, u64), ApiError> {
    let (mut hash, mut size) = (Sha256::new(), 0_u64);
    let mut inspector = Inspector::new(name, max)?;
    let mut body = pin!(body);
    while let Some(chunk) = tokio::time::timeout(IDLE, body.next())
        .await
        .map_err(|_| ApiError::Timeout)?
    {
        let chunk = chunk?;
        size += chunk.len() as u64;
        if size > max {
            return Err(ApiError::TooLarge(max));
        }
        hash.update(&chunk);
        inspector = inspector.look_at(chunk.clone()).await?;
        writer.put(chunk).await?;
    }
    inspector.finish()?;
    Ok((hash.finalize().to_vec(), size))
}
