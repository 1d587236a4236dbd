//! The controller of `ReconciliationPlatform`: dereference → validate → build → apply → status.

mod apply;
mod build;
mod declare;
mod dereference;
pub mod manifest;
mod status;
mod validate;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crds::platform::ReconciliationPlatform;
use futures::StreamExt;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{self, Action};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::context::{Context, RECONCILE_TIMEOUT};
use crate::error::Error;
use crate::metrics::Controller;

/// A platform, or why it cannot be read: one bad object must not stall the others.
pub type Guarded = DeserializeGuard<ReconciliationPlatform>;

/// How long a platform is left alone when no watch reports anything: its declared projects are told
/// to its API again.
const RESYNC: Duration = Duration::from_mins(10);
/// How long something is waited for that no watch reports.
const UNWATCHED: Duration = Duration::from_secs(15);

struct Shared {
    context: Arc<Context>,
    backoff: Backoff,
}

/// Runs the controller until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let shared = Arc::new(Shared {
        backoff: Backoff::new(Duration::from_secs(1), Duration::from_mins(2)),
        context: Arc::clone(&context),
    });
    watch::controller(&context.client)
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(timed, retry, shared)
        .for_each(|result| async {
            match result {
                Ok(_) | Err(controller::Error::ObjectNotFound(_)) => {}
                Err(controller::Error::ReconcilerFailed(error, object)) => {
                    tracing::warn!(%error, namespace = object.namespace, name = object.name, "a platform could not be reconciled");
                }
                Err(error) => tracing::warn!(%error, "the platform controller"),
            }
        })
        .await;
}

async fn timed(platform: Arc<Guarded>, shared: Arc<Shared>) -> Result<Action, Error> {
    let started = Instant::now();
    let reconciled = Box::pin(reconcile(&platform, &shared.context));
    let result = tokio::time::timeout(RECONCILE_TIMEOUT, reconciled)
        .await
        .unwrap_or(Err(Error::TimedOut));
    shared
        .context
        .metrics
        .reconciled(Controller::Platform, started.elapsed());
    if result.is_ok() {
        let (namespace, name) = key(&platform);
        shared.backoff.reset(&namespace, &name);
    }
    result
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the controller's"
)]
fn retry(platform: Arc<Guarded>, error: &Error, shared: Arc<Shared>) -> Action {
    shared
        .context
        .metrics
        .failed(Controller::Platform, error.reason());
    let (namespace, name) = key(&platform);
    Action::requeue(shared.backoff.next(&namespace, &name))
}

fn key(platform: &Guarded) -> (String, String) {
    let meta = platform.meta();
    (
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

async fn reconcile(guarded: &Guarded, context: &Context) -> Result<Action, Error> {
    let platform = match &guarded.0 {
        Ok(platform) => platform,
        Err(invalid) => return status::unreadable(context, invalid).await,
    };
    if platform.metadata.deletion_timestamp.is_some() {
        // What it owns is collected by Kubernetes.
        context
            .declared
            .lock()
            .await
            .remove(&platform.uid().unwrap_or_default());
        return Ok(Action::await_change());
    }
    let validated = match validate::validate(platform, &context.config, &context.secret_policy) {
        Ok(validated) => validated,
        Err(invalid) => {
            let conditions = status::of_invalid(&invalid);
            return status::update(context, platform, &conditions, None).await;
        }
    };
    let facts = dereference::dereference(context, &validated).await?;
    let resources = build::build(&validated, &facts);
    let applied = match apply::apply(context, &validated, resources).await {
        Ok(applied) => applied,
        Err(error @ (Error::Refused { .. } | Error::Taken { .. })) => {
            let conditions = status::of_refused(&error);
            status::update(context, platform, &conditions, None).await?;
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    let declared = declare::projects(context, &validated, &applied).await;
    let conditions = status::of_applied(&validated, &applied, declared.as_ref().err());
    let action =
        status::update(context, platform, &conditions, Some((&validated, &applied))).await?;
    declared?;
    Ok(action)
}

/// Ten hexadecimal digits of a SHA-256, for names and annotations.
pub fn short_hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
        .chars()
        .take(10)
        .collect()
}

/// The reference to a platform.
fn reference(namespace: &str, name: &str) -> ObjectRef<Guarded> {
    ObjectRef::new(name).within(namespace)
}
