//! A writer's part: after it, no process serves what was before the change.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use uuid::Uuid;

use super::key::Extent;
use super::right::{TERM, place};
use super::shared::{self, Change, LEASE};
use super::word::{CHANGES, Question};
use super::{LIFE, MultiLevelCache, Stale};
use crate::db;
use crate::db::cache::{Holder, View};
use crate::redis::Session;

/// How often it is looked whether the others have taken note of a new generation.
const LOOK: Duration = Duration::from_millis(25);
/// The pause before the database is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// By then every entry that was there at the change has run out by itself: it was read from the
/// database at most a life ago, or was on its way into Redis under a lease.
const RUN_OUT: Duration = LIFE.saturating_add(LEASE).saturating_add(TERM);

impl MultiLevelCache {
    /// Tells of a change before it is committed. Nothing depends on it but how long an old value
    /// may be served should this process die between the commit and [`Self::settle`].
    pub async fn announce(&self, stale: &Stale) {
        let Extent::Keys(keys) = &stale.0 else {
            return;
        };
        if fault("no-invalidation") {
            return;
        }
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        self.forget(&keys);
        if let (Some(right), Some(session)) = (self.0.rights.current(), self.0.redis.session()) {
            let places: Vec<String> = keys.iter().map(|key| right.place(key)).collect();
            let message = self.told(None, keys);
            let sent = shared::drop_keys(&session, &places, Change::ToCome, (CHANGES, &message));
            // Where it fails, the session is over and its end is in the log.
            let _ = sent.await;
        }
    }

    /// Returns once no process serves what was before a change that is committed.
    pub async fn settle(&self, stale: &Stale) {
        if stale.is_nothing() || fault("no-invalidation") {
            return;
        }
        let committed = Instant::now();
        while committed.elapsed() < RUN_OUT {
            match self.try_to_settle(stale).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, "a change cannot be told to other processes yet");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn try_to_settle(&self, stale: &Stale) -> Result<(), sqlx::Error> {
        let settled = match &stale.0 {
            Extent::Nothing => true,
            Extent::Keys(keys) => {
                let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
                self.forget(&keys);
                self.tell(&keys).await?
            }
            Extent::Everything => false,
        };
        if !settled && !fault("no-waiting") {
            self.end_generation().await?;
        }
        Ok(())
    }

    pub(super) fn forget(&self, keys: &[String]) {
        if let Some(memory) = &self.0.memory {
            memory.forget(keys.iter().map(String::as_str));
        }
    }

    /// Takes keys from Redis and has all processes forget them; false where one may not have.
    async fn tell(&self, keys: &[String]) -> Result<bool, sqlx::Error> {
        let parts = &self.0;
        let session = parts.redis.session();
        let (mut dropped, mut question) = (BTreeSet::new(), None);
        // The generation is most likely still the one that this process knows, so that Redis and
        // the database are asked once each.
        if let (Some(session), Some(right)) = (&session, parts.rights.current()) {
            let places = keys.iter().map(|key| right.place(key)).collect();
            question = self.drop_and_ask(session, places, keys).await;
            if question.is_none() {
                return Ok(false);
            }
            dropped.insert(right.generation);
        }
        // Seen after the keys were taken away: a process that is not seen begins after this, and
        // finds nothing old in the generations that were seen.
        let mut view = db::cache::view(&parts.db).await?;
        for _ in 0..3 {
            let Some(served) = generations(&view, session.as_ref(), parts.id) else {
                return Ok(false);
            };
            let missing: Vec<i64> = served.difference(&dropped).copied().collect();
            if missing.is_empty() {
                let others = view.holders.iter().map(|holder| holder.id);
                let others: BTreeSet<Uuid> = others.filter(|id| *id != parts.id).collect();
                return Ok(match &mut question {
                    Some(question) if !fault("no-waiting") => question.all(others).await,
                    _ => others.is_empty() || fault("no-waiting"),
                });
            }
            let Some(session) = &session else {
                return Ok(false);
            };
            let namespace = view.namespace.to_string();
            for generation in missing {
                let places = keys.iter().map(|key| place(&namespace, generation, key));
                // Only the last question counts: whoever answered an earlier one may have read
                // anew what was taken away just now.
                question = self.drop_and_ask(session, places.collect(), keys).await;
                if question.is_none() {
                    return Ok(false);
                }
                dropped.insert(generation);
            }
            view = db::cache::view(&parts.db).await?;
        }
        Ok(false)
    }

    /// Takes values from Redis and asks all processes to forget their keys; none where Redis fails.
    async fn drop_and_ask(
        &self,
        session: &Session,
        places: Vec<String>,
        keys: &[String],
    ) -> Option<Question<'_>> {
        let question = self.0.replies.ask();
        let message = self.told(Some(question.number), keys.to_vec());
        let told = (CHANGES, &message[..]);
        let dropped = shared::drop_keys(session, &places, Change::Made, told);
        dropped.await.is_ok().then_some(question)
    }

    /// Ends the generation and waits until nobody has a right to it or to one before. That takes
    /// the time between two renewals where everybody is well, and a term where somebody is not.
    ///
    /// Many changes at once end one generation together: an end that began after a change was
    /// committed is its end as well.
    async fn end_generation(&self) -> Result<(), sqlx::Error> {
        let asked = Instant::now();
        let mut last = self.0.last_end.lock().await;
        if last.is_some_and(|begun| begun > asked) {
            return Ok(());
        }
        let begun = Instant::now();
        self.end_generation_alone().await?;
        *last = Some(begun);
        Ok(())
    }

    async fn end_generation_alone(&self) -> Result<(), sqlx::Error> {
        let parts = &self.0;
        let generation = db::cache::end_generation(&parts.db).await?;
        let ended = Instant::now();
        parts.rights.end(generation);
        loop {
            let over = ended.elapsed() >= TERM;
            let view = db::cache::view(&parts.db).await?;
            let late: Vec<&Holder> = view
                .holders
                .iter()
                .filter(|holder| holder.id != parts.id && holder.generation < generation)
                .collect();
            if late.is_empty() {
                return Ok(());
            }
            if over {
                // None has renewed its right since, or it would have the new generation.
                for holder in late {
                    db::cache::expel(&parts.db, holder).await?;
                }
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The generations that somebody may serve from Redis; none where Redis is out of reach, or where
/// somebody hears of changes from another Redis or not at all.
fn generations(view: &View, session: Option<&Session>, own: Uuid) -> Option<BTreeSet<i64>> {
    let here = session.map(Session::incarnation);
    let mut found = BTreeSet::new();
    if let Some(redis) = view.redis.as_deref() {
        if here != Some(redis) {
            return None;
        }
        found.insert(view.generation);
    }
    for holder in &view.holders {
        match holder.redis.as_deref() {
            Some(redis) if here == Some(redis) => drop(found.insert(holder.generation)),
            // This process alone, from its own memory.
            None if holder.id == own => {}
            _ => return None,
        }
    }
    Some(found)
}

/// Faults for a test that shows that stale reads would be found.
#[cfg(feature = "faults")]
fn fault(name: &str) -> bool {
    std::env::var("CACHE_FAULT").is_ok_and(|fault| fault == name)
}

#[cfg(not(feature = "faults"))]
fn fault(_: &str) -> bool {
    false
}
