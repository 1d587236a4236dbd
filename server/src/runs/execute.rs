//! A claim from its beginning to its one end.

use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::attempt::{self, Failure, Finished};
use super::exceptions::storable;
use super::lease::{self, Watch};
use crate::app::App;
use crate::db;
use crate::db::queue::{Claim, Publication};
use crate::storage::attempt_prefix;
use crate::telemetry::Outcome;

/// Writes of an ending are tried this often before the lease is left to run out.
const TRIES: u32 = 5;

/// Works on a claim until it is published, failed, given back or lost.
pub(super) async fn execute(app: &App, engine: &Handle, claim: Claim, stop: &CancellationToken) {
    let span =
        tracing::info_span!("run", id = %claim.id, attempt = claim.attempt, fence = claim.fence);
    async {
        tracing::info!("claimed");
        let prefix = attempt_prefix(claim.id, claim.fence);
        let outcome = work(app, engine, &claim, &prefix, stop).await;
        match outcome {
            Some(Outcome::Succeeded) => clean_other_attempts(app, &claim, &prefix).await,
            Some(_) => clean(app, &prefix).await,
            None => tracing::error!("the end cannot be recorded; the lease will run out"),
        }
        let outcome = outcome.unwrap_or(Outcome::Lost);
        app.metrics.run_ended(outcome);
        tracing::info!(?outcome, "ended");
    }
    .instrument(span)
    .await;
}

enum End {
    Stop,
    LeaseLost,
    Attempted(Result<Finished, Failure>),
}

/// How it ended; nothing where the database could not be told.
async fn work(
    app: &App,
    engine: &Handle,
    claim: &Claim,
    prefix: &Path,
    stop: &CancellationToken,
) -> Option<Outcome> {
    let watch = Arc::new(Watch::default());
    let lease = app.config.workers.lease;
    let end = {
        let mut attempt = std::pin::pin!(attempt::run(app, engine, claim, prefix, &watch));
        let end = tokio::select! {
            biased;
            () = stop.cancelled() => End::Stop,
            () = lease::keep(app.db.clone(), claim.clone(), lease, &watch) => End::LeaseLost,
            result = &mut attempt => End::Attempted(result),
        };
        if matches!(end, End::LeaseLost) {
            watch.cancel();
            // The engine's memory is free again only when it has stopped.
            let _ = attempt.await;
        }
        end
    };
    watch.cancel();
    match end {
        End::LeaseLost => Some(Outcome::Lost),
        End::Stop => {
            let handed = insist(|| claim.hand_back(&app.db).boxed()).await?;
            Some(if handed {
                Outcome::HandedBack
            } else {
                Outcome::Lost
            })
        }
        End::Attempted(Ok(finished)) => publish(app, claim, &finished, prefix).await,
        End::Attempted(Err(failure)) => give_up(app, claim, failure).await,
    }
}

async fn publish(app: &App, claim: &Claim, finished: &Finished, prefix: &Path) -> Option<Outcome> {
    let publication = Publication {
        summary: &finished.summary,
        prefix: prefix.as_ref(),
        exceptions: &finished.exceptions,
    };
    let published = insist(|| claim.publish(&app.db, &publication).boxed()).await?;
    if published {
        return Some(Outcome::Succeeded);
    }
    // An answer may have been lost on the way: then an earlier try published, and its outputs stay.
    let run = insist(|| db::runs::find(&app.db, claim.id).boxed()).await?;
    let ours = run
        .and_then(|run| run.output_prefix)
        .is_some_and(|it| it == prefix.as_ref());
    Some(if ours {
        Outcome::Succeeded
    } else {
        Outcome::Lost
    })
}

async fn give_up(app: &App, claim: &Claim, failure: Failure) -> Option<Outcome> {
    let Failure {
        kind,
        message,
        detail,
        retryable,
    } = failure;
    // The detail may quote a value of a record, so it is for the run's readers and not for the log.
    tracing::warn!(kind, retryable, message, "the attempt failed");
    if retryable && claim.attempt < app.config.workers.max_attempts {
        let pause = Duration::from_secs(1 << claim.attempt.clamp(0, 8));
        let queued = insist(|| claim.retry(&app.db, pause).boxed()).await?;
        return Some(if queued {
            Outcome::Retried
        } else {
            Outcome::Lost
        });
    }
    let mut message = storable(&message);
    let detail = detail.as_deref().map(storable);
    if retryable {
        message = format!("gave up after {} attempts: {message}", claim.attempt);
    }
    let failed = insist(|| {
        claim
            .fail(&app.db, kind, &message, detail.as_deref())
            .boxed()
    })
    .await?;
    Some(if failed {
        Outcome::Failed
    } else {
        Outcome::Lost
    })
}

/// Tries a write again while the database is away, for a moment.
async fn insist<'a, T>(
    mut write: impl FnMut() -> BoxFuture<'a, Result<T, sqlx::Error>>,
) -> Option<T> {
    for attempt in 1..=TRIES {
        match write().await {
            Ok(value) => return Some(value),
            Err(error) => tracing::warn!(%error, attempt, "the database could not be written"),
        }
        tokio::time::sleep(Duration::from_millis(200) * attempt).await;
    }
    None
}

async fn clean(app: &App, prefix: &Path) {
    if let Err(error) = app.storage.delete_prefix(prefix).await {
        tracing::warn!(%error, %prefix, "outputs of a lost attempt are left behind");
    }
}

/// Workers that died could not clean up after themselves.
async fn clean_other_attempts(app: &App, claim: &Claim, published: &Path) {
    for fence in 1..claim.fence {
        let prefix = attempt_prefix(claim.id, fence);
        if prefix != *published {
            clean(app, &prefix).await;
        }
    }
}
