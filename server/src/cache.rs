//! Cached answers on two levels: this process over Redis over the database.
//!
//! The promise: after a change is acknowledged, no process answers with what was before it.
//! `docs/caching.md` has the protocol and why it holds; in short:
//!
//! - A process serves from either level only under a *right* of a *generation*, which it renews in
//!   the database ([`right`]) and which lapses by its own clock where it cannot.
//! - Whoever changed something takes the keys from Redis, tells every process that holds a right,
//!   and waits until each says that it has forgotten them ([`settle`]). Where one does not, the
//!   generation is ended in the database, and the rights to it are waited out.
//! - A slow reader can bring nothing back: what it puts into either level counts only where nothing
//!   was forgotten since it began ([`memory`], [`shared`]).

use serde::de::DeserializeOwned;
use sqlx::PgPool;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Config;
use crate::redis::{Link, Message};
use crate::telemetry::{CacheLevel, CacheOutcome, Metrics};
use memory::Memory;
use right::Rights;
use shared::Found;
use word::Replies;

mod key;
mod memory;
mod reads;
mod right;
mod rows;
mod settle;
mod shared;
mod word;

pub use key::{Key, Stale};

/// No entry is served for longer than this after it was read from the database.
pub const LIFE: Duration = Duration::from_secs(30);

/// The caches of this process, and its part in everybody else's.
#[derive(Clone, Debug)]
pub struct MultiLevelCache(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    id: Uuid,
    db: PgPool,
    redis: Arc<Link>,
    /// None where this process caches nothing itself.
    memory: Option<Memory>,
    rights: Rights,
    replies: Replies,
    /// When the last end of a generation that was waited for began.
    last_end: tokio::sync::Mutex<Option<Instant>>,
    metrics: Arc<Metrics>,
}

impl MultiLevelCache {
    /// The caches of a process that serves. They are empty and unused until [`Self::keep`] runs.
    #[must_use]
    pub fn new(
        id: Uuid,
        config: &Config,
        db: PgPool,
        redis: Arc<Link>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let memory = (config.cache_bytes > 0).then(|| Memory::new(config.cache_bytes));
        Self::with(id, db, redis, memory, metrics)
    }

    /// For a command that changes something and serves nothing.
    #[must_use]
    pub fn of_command(db: PgPool) -> Self {
        let redis = Arc::new(Link::none());
        Self::with(Uuid::new_v4(), db, redis, None, Arc::default())
    }

    fn with(
        id: Uuid,
        db: PgPool,
        redis: Arc<Link>,
        memory: Option<Memory>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self(Arc::new(Parts {
            id,
            db,
            redis,
            memory,
            rights: Rights::default(),
            replies: Replies::default(),
            last_end: tokio::sync::Mutex::default(),
            metrics,
        }))
    }

    /// The channels that a process listens on.
    #[must_use]
    pub fn channels(id: Uuid) -> Vec<String> {
        vec![word::CHANGES.to_owned(), word::replies_to(id)]
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &PgPool {
        &self.0.db
    }

    /// Listens to other processes and keeps the right to serve from the caches, until told to stop.
    pub async fn keep(self, messages: Option<mpsc::Receiver<Message>>, stop: CancellationToken) {
        let listener = messages.map(|messages| tokio::spawn(self.clone().listen(messages)));
        if self.0.memory.is_some() {
            self.keep_right(&stop).await;
        } else {
            stop.cancelled().await;
        }
        if let Some(listener) = listener {
            listener.abort();
        }
    }

    /// Whether this process may serve from its caches now.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.0.rights.current().is_some()
    }

    /// An answer, from the nearest level that has it; none where it does not exist.
    async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, sqlx::Error> {
        let (Some(memory), Some(right)) = (&self.0.memory, self.0.rights.current()) else {
            self.count(key, CacheLevel::Database, CacheOutcome::Bypass);
            let row = rows::load(&self.0.db, key).await?;
            return row.map(|row| decoded(&row.bytes)).transpose();
        };
        let text = key.to_string();
        if let Some(value) = memory
            .get(&text, right.epoch)
            .as_deref()
            .and_then(rows::decode)
        {
            self.count(key, CacheLevel::Memory, CacheOutcome::Hit);
            return Ok(Some(value));
        }
        self.count(key, CacheLevel::Memory, CacheOutcome::Miss);
        // Both before anything is read: what is forgotten from here on makes the entry void, and
        // its time counts from here.
        let (ticket, began) = (memory.ticket(&text, right.epoch), Instant::now());
        let Some(session) = &right.session else {
            let Some(row) = self.load(key).await? else {
                return Ok(None);
            };
            if row.lasting {
                let life = row.holds.unwrap_or(LIFE).min(LIFE);
                memory.put(text, ticket, Arc::clone(&row.bytes), began + life);
            }
            return decoded(&row.bytes).map(Some);
        };
        let place = right.place(&text);
        let lease = Uuid::new_v4().simple().to_string();
        let granted = match shared::fetch(session, &place, &lease).await {
            Ok(Found::Value(bytes, left)) => {
                if let Some(value) = rows::decode(&bytes) {
                    self.count(key, CacheLevel::Redis, CacheOutcome::Hit);
                    memory.put(text, ticket, bytes.into(), began + left);
                    return Ok(Some(value));
                }
                false
            }
            Ok(Found::Granted) => true,
            Ok(Found::Busy) | Err(_) => false,
        };
        self.count(key, CacheLevel::Redis, CacheOutcome::Miss);
        let Some(row) = self.load(key).await? else {
            return Ok(None);
        };
        if granted && row.lasting {
            let life = row.holds.unwrap_or(LIFE).min(LIFE);
            let left = life.saturating_sub(began.elapsed());
            let kept = shared::offer(session, &place, &lease, &row.bytes, left).await;
            // This process keeps only what Redis took: a change that is being made keeps values out
            // of Redis before it is committed, and so out of here.
            if kept.unwrap_or_default() {
                memory.put(text, ticket, Arc::clone(&row.bytes), began + life);
            }
        }
        decoded(&row.bytes).map(Some)
    }

    async fn load(&self, key: &Key) -> Result<Option<rows::Row>, sqlx::Error> {
        self.count(key, CacheLevel::Database, CacheOutcome::Read);
        rows::load(&self.0.db, key).await
    }

    fn count(&self, key: &Key, level: CacheLevel, outcome: CacheOutcome) {
        self.0.metrics.cache_request(key.kind(), level, outcome);
    }

    /// Looks at every entry that this process would serve now: how many there are, and those that
    /// the database has otherwise. For tests.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn deviations(&self) -> Result<(usize, Vec<String>), sqlx::Error> {
        let (Some(memory), Some(right)) = (&self.0.memory, self.0.rights.current()) else {
            return Ok((0, Vec::new()));
        };
        let (entries, mut found) = (memory.all(right.epoch), Vec::new());
        let count = entries.len();
        for (text, bytes) in entries {
            let row = match Key::parse(&text) {
                Some(key) => rows::load(&self.0.db, &key).await?,
                None => None,
            };
            if row.is_none_or(|row| row.bytes != bytes) {
                found.push(text);
            }
        }
        Ok((count, found))
    }
}

fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, sqlx::Error> {
    rows::decode(bytes).ok_or_else(|| sqlx::Error::Decode("a row cannot be read back".into()))
}
