//! Runs as they go on, for everybody who watches.
//!
//! One task a process looks every second, with one query for all watched runs, and only while
//! somebody watches. `NOTIFY` would be quicker by half a second and dearer: every heartbeat of every
//! run would notify every process, commits that notify wait for each other, and each statement that
//! changes a state would have to remember it. Whoever ended a run, here it shows.

use sqlx::PgPool;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::db;
use crate::db::runs::Standing;

/// How often the watched runs are looked at.
const PAUSE: Duration = Duration::from_secs(1);

/// What a run's watchers are told; none once the run is gone.
type Told = Option<Standing>;

/// Lets a bounded number of requests watch runs.
#[derive(Clone, Debug)]
pub struct Watchers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    db: PgPool,
    places: Arc<Semaphore>,
    runs: Mutex<Runs>,
    closed: CancellationToken,
}

#[derive(Debug, Default)]
struct Runs {
    senders: HashMap<Uuid, watch::Sender<Told>>,
    looked_at: bool,
}

/// A place among the watchers of a run; given back when it is dropped.
#[derive(Debug)]
pub struct Watching {
    told: watch::Receiver<Told>,
    last: Standing,
    closed: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Watchers {
    /// Nobody watches yet.
    #[must_use]
    pub fn new(db: PgPool, places: usize) -> Self {
        Self(Arc::new(Shared {
            db,
            places: Arc::new(Semaphore::new(places)),
            runs: Mutex::default(),
            closed: CancellationToken::new(),
        }))
    }

    /// Ends all watching: the process stops.
    pub fn close(&self) {
        self.0.closed.cancel();
    }

    /// Watches a run that stands as given; none where all places are taken.
    #[must_use]
    pub fn watch(&self, standing: Standing) -> Option<Watching> {
        let place = Arc::clone(&self.0.places).try_acquire_owned().ok()?;
        let mut runs = self.0.lock();
        let sender = runs.senders.entry(standing.id);
        let told = sender
            .or_insert_with(|| watch::Sender::new(None))
            .subscribe();
        if !runs.looked_at {
            runs.looked_at = true;
            tokio::spawn(look(Arc::clone(&self.0)));
        }
        Some(Watching {
            told,
            last: standing,
            closed: self.0.closed.clone(),
            _place: place,
        })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at the watched runs until nobody watches.
async fn look(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let watched: Vec<Uuid> = {
            let mut runs = shared.lock();
            runs.senders.retain(|_, sender| sender.receiver_count() > 0);
            if runs.senders.is_empty() {
                runs.looked_at = false;
                return;
            }
            runs.senders.keys().copied().collect()
        };
        let found = match db::runs::standings(&shared.db, &watched).await {
            Ok(found) => found,
            Err(error) => {
                // What was told stays true of the past; the next look tells what is new.
                tracing::warn!(%error, "watched runs cannot be read");
                continue;
            }
        };
        let mut found: HashMap<Uuid, Standing> = found.into_iter().map(|it| (it.id, it)).collect();
        let runs = shared.lock();
        for id in watched {
            let now = found.remove(&id);
            if let Some(sender) = runs.senders.get(&id) {
                // Told whether it changed or not: each watcher knows what it saw last.
                sender.send_replace(now);
            }
        }
    }
}

impl Watching {
    /// Where the run stands, once that is something else than last time; none when there is no
    /// more to come.
    pub async fn next(&mut self) -> Told {
        loop {
            tokio::select! {
                () = self.closed.cancelled() => return None,
                changed = self.told.changed() => changed.ok()?,
            }
            let now = self.told.borrow_and_update().clone()?;
            if now != self.last {
                self.last = now.clone();
                return Some(now);
            }
        }
    }
}
