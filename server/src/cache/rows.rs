//! What is read from the database for each key, and how it is written in a cache.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

use super::Key;
use crate::db;
use crate::db::projects::ProjectRef;

/// The form of values. A process that finds another form reads from the database instead.
const FORM: u8 = 1;

/// Larger values are not cached.
const MAX_BYTES: usize = 64 << 10;

/// Whose a session is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SessionRow {
    pub(super) user: Uuid,
}

/// A value as it is cached.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) bytes: Arc<[u8]>,
    /// How long it holds by itself, where it does not hold for ever.
    pub(super) holds: Option<Duration>,
    /// Whether it may be cached at all.
    pub(super) lasting: bool,
}

/// Reads what a key stands for. Nothing that does not exist is cached.
pub(super) async fn load(db: &PgPool, key: &Key) -> Result<Option<Row>, sqlx::Error> {
    match key {
        Key::Session(id) => {
            let live = db::sessions::find_live(db, *id).await?;
            let row = live.map(|live| (SessionRow { user: live.user_id }, live.remaining()));
            row.map(|(row, holds)| {
                let row = encode(&row)?;
                Ok(Row {
                    holds: Some(holds),
                    ..row
                })
            })
            .transpose()
        }
        Key::User(id) => plain(db::users::find_enabled(db, *id).await?.as_ref()),
        Key::Slug(slug) => {
            let project = db::projects::find(db, &ProjectRef::Slug(slug.clone())).await?;
            plain(project.map(|project| project.id).as_ref())
        }
        Key::Project(id) => plain(db::projects::find(db, &ProjectRef::Id(*id)).await?.as_ref()),
        Key::Counts(id) => {
            let mut connection = db.acquire().await?;
            let counts = db::projects::counts(&mut connection, &[*id]).await?;
            plain(Some(&counts.of(*id)))
        }
        Key::UserRole(project, user) => plain(
            db::members::role_of_user(db, *project, *user)
                .await?
                .as_ref(),
        ),
        Key::NamespaceRole(project, name) => {
            let role = db::members::role_of_namespace(db, *project, name).await?;
            plain(role.as_ref())
        }
        Key::Run(id) => {
            let run = db::runs::find(db, *id).await?;
            let row = plain(run.as_ref())?;
            let lasting = run.is_some_and(|run| run.state.is_final());
            Ok(row.map(|row| Row {
                lasting: row.lasting && lasting,
                ..row
            }))
        }
        Key::Job(id) => plain(db::jobs::exists(db, *id).await?.then_some(&true)),
    }
}

fn plain<T: Serialize>(value: Option<&T>) -> Result<Option<Row>, sqlx::Error> {
    value.map(encode).transpose()
}

fn encode<T: Serialize>(value: &T) -> Result<Row, sqlx::Error> {
    // Not JSON: numbers come back to the last bit.
    let mut bytes = vec![FORM];
    rmp_serde::encode::write_named(&mut bytes, value)
        .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    Ok(Row {
        lasting: bytes.len() <= MAX_BYTES,
        bytes: bytes.into(),
        holds: None,
    })
}

/// The value of cached bytes; none where they are of another form.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (form, rest) = bytes.split_first()?;
    (*form == FORM)
        .then(|| rmp_serde::from_slice(rest).ok())
        .flatten()
}
