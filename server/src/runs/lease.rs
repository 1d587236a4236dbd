//! A running claim's lease: renewed by heartbeats, and the engine told when it is lost.

use engine::Phase;
use sqlx::PgPool;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

use crate::db::queue::{Claim, Status};

/// Progress is written at most this often.
const PROGRESS_PAUSE: Duration = Duration::from_secs(1);

/// What an attempt is doing, shared by the engine's threads and the heartbeat.
#[derive(Debug, Default)]
pub(super) struct Watch {
    phase: Mutex<Option<String>>,
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
}

impl Watch {
    /// Makes the engine stop.
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(super) fn begin(&self, phase: impl Into<String>) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = Some(phase.into());
        self.done.store(0, Ordering::Relaxed);
        self.total.store(0, Ordering::Relaxed);
    }

    fn status(&self) -> Status {
        let phase = self
            .phase
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let number =
            |value: &AtomicU64| i64::try_from(value.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        let (done, total) = (number(&self.done), number(&self.total));
        Status {
            phase,
            progress: (total > 0).then_some((done.min(total), total)),
        }
    }
}

impl engine::Progress for Watch {
    fn phase(&self, phase: Phase) {
        self.begin(phase.to_string());
    }

    fn advance(&self, done: u64, total: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Renews the lease until it is lost, and returns then. Progress goes along with it.
pub(super) async fn keep(db: PgPool, claim: Claim, lease: Duration, watch: &Watch) {
    let pause = PROGRESS_PAUSE.min(lease / 3);
    let (mut renewed, mut written) = (Instant::now(), Status::default());
    loop {
        tokio::time::sleep(pause).await;
        let status = watch.status();
        if status == written && renewed.elapsed() < lease / 3 {
            continue;
        }
        let before = Instant::now();
        let left = lease.saturating_sub(renewed.elapsed());
        match tokio::time::timeout(left, claim.heartbeat(&db, lease, &status)).await {
            Ok(Ok(true)) => (renewed, written) = (before, status),
            Ok(Ok(false)) => return,
            Ok(Err(error)) => tracing::warn!(%error, "heartbeat failed"),
            Err(_) => tracing::warn!("heartbeat took too long"),
        }
        // Others may take the run over from here on, so working on would be in vain.
        if renewed.elapsed() >= lease {
            return;
        }
    }
}
