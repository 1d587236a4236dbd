//! The right to serve from the caches: renewed in the database, and lapsing by this process's own
//! clock, so that no clocks are compared.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::MultiLevelCache;
use crate::db::cache::Renewal;
use crate::redis::Session;

/// How long a right lasts after it was asked for, as whoever waits it out reckons.
pub(super) const TERM: Duration = Duration::from_secs(2);
/// How long the holder reckons. Clocks of two machines may differ in speed by far less.
const OWN_TERM: Duration = Duration::from_millis(1800);
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_millis(500);

/// The right to serve from the caches.
#[derive(Clone, Debug)]
pub(super) struct Right {
    /// Counts the rights of this process that nothing was missed under.
    pub(super) epoch: u64,
    /// The generation of entries.
    pub(super) generation: i64,
    /// Redis, unless this process is the only one.
    pub(super) session: Option<Session>,
    namespace: Arc<str>,
    until: Instant,
}

impl Right {
    /// The key in Redis.
    pub(super) fn place(&self, key: &str) -> String {
        place(&self.namespace, self.generation, key)
    }
}

/// The key in Redis.
pub(super) fn place(namespace: &str, generation: i64, key: &str) -> String {
    format!("rp:cache:{namespace}:{generation}:{key}")
}

#[derive(Debug, Default)]
struct Held {
    right: Option<Arc<Right>>,
    epoch: u64,
    /// Rights to earlier generations are refused, should they still be on their way.
    least: i64,
}

/// The right of this process, while it has one.
#[derive(Debug, Default)]
pub(super) struct Rights {
    held: RwLock<Held>,
    /// A renewal is due now.
    due: Notify,
}

impl Rights {
    /// The right, unless it has lapsed.
    pub(super) fn current(&self) -> Option<Arc<Right>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let right = held.right.as_ref()?;
        (Instant::now() < right.until).then(|| Arc::clone(right))
    }

    /// Gives up the right to everything before a generation.
    pub(super) fn end(&self, generation: i64) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.least = held.least.max(generation);
        if held
            .right
            .as_ref()
            .is_some_and(|it| it.generation < generation)
        {
            held.right = None;
        }
        drop(held);
        self.due.notify_one();
    }

    /// Takes what came of a renewal that was asked for at a moment.
    fn take(&self, asked: Instant, renewal: &Renewal, session: Option<&Session>) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if !renewal.holds || renewal.generation < held.least {
            held.right = None;
            return;
        }
        let same_session = |other: Option<&Session>| match (other, session) {
            (Some(a), Some(b)) => a.is(b),
            (None, None) => true,
            _ => false,
        };
        // Where the row was there all along, whoever changed something waited for this process or
        // ended the generation; so with the generation unchanged nothing was missed, even where
        // the right had lapsed in between.
        let unbroken = !renewal.fresh
            && held.right.as_ref().is_some_and(|right| {
                right.generation == renewal.generation && same_session(right.session.as_ref())
            });
        if !unbroken {
            held.epoch += 1;
        }
        held.right = Some(Arc::new(Right {
            epoch: held.epoch,
            generation: renewal.generation,
            session: session.cloned(),
            namespace: renewal.namespace.to_string().into(),
            until: asked + OWN_TERM,
        }));
    }

    fn give_up(&self) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.right = None;
    }
}

impl MultiLevelCache {
    /// Renews the right until told to stop, and gives it up then.
    pub(super) async fn keep_right(&self, stop: &CancellationToken) {
        let parts = &self.0;
        let mut sessions = parts.redis.sessions();
        let mut told = false;
        while !stop.is_cancelled() {
            match tokio::time::timeout(TERM, self.renew()).await {
                Ok(Ok(())) => told = false,
                result => {
                    if !std::mem::replace(&mut told, true) {
                        let error = result.map_or_else(
                            |it| it.to_string(),
                            |it| match it {
                                Ok(()) => String::new(),
                                Err(error) => error.to_string(),
                            },
                        );
                        tracing::warn!(error, "cannot renew the right to cache; reading through");
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(RENEWAL) => {}
                () = parts.rights.due.notified() => {}
                // Where there is no Redis, nothing ever changes here.
                Ok(()) = sessions.changed() => {}
                () = stop.cancelled() => {}
            }
        }
        parts.rights.give_up();
        let left = crate::db::cache::leave(&parts.db, parts.id);
        if !matches!(tokio::time::timeout(TERM, left).await, Ok(Ok(()))) {
            tracing::debug!("the right to cache was not given back; it lapses");
        }
    }

    async fn renew(&self) -> Result<(), sqlx::Error> {
        let parts = &self.0;
        let session = parts.redis.session();
        let asked = Instant::now();
        let incarnation = session.as_ref().map(Session::incarnation);
        let renewal = crate::db::cache::renew(&parts.db, parts.id, incarnation).await?;
        parts.rights.take(asked, &renewal, session.as_ref());
        Ok(())
    }

    /// Names this process among all.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.0.id
    }
}
