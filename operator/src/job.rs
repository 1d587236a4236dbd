//! The controller of `ReconciliationJob`: dereference → validate → submit → status.
//!
//! Jobs are watched as untyped objects: a spec that the schema lets through but the matching
//! language does not is reported on the job itself, with every path.

mod dereference;
mod status;
mod submit;
mod validate;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crds::job::ReconciliationJob;
use crds::platform::ReconciliationPlatform;
use futures::StreamExt;
use kube::api::{ApiResource, DynamicObject};
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{self, Action};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Controller as KubeController, watcher};
use kube::{Api, ResourceExt};
use tokio_util::sync::CancellationToken;

use self::dereference::Platform;
use self::status::Outcome;
use self::validate::ValidatedJob;
use crate::backoff::Backoff;
use crate::context::{CONCURRENCY, Context, RECONCILE_TIMEOUT};
use crate::error::Error;
use crate::metrics::Controller;

/// How often a run that is under way is looked at.
const POLL: Duration = Duration::from_secs(2);
/// How long something is waited for that no watch reports.
const UNWATCHED: Duration = Duration::from_secs(15);

struct Shared {
    context: Arc<Context>,
    backoff: Backoff,
}

/// Where jobs are in the API.
fn resource() -> ApiResource {
    ApiResource::erase::<ReconciliationJob>(&())
}

/// Runs the controller until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let shared = Arc::new(Shared {
        // A run is polled while its API pods restart, so the delay stays short.
        backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(30)),
        context: Arc::clone(&context),
    });
    let jobs: Api<DynamicObject> = Api::all_with(context.client.clone(), &resource());
    let controller = KubeController::new_with(jobs, watcher::Config::default(), resource());
    let store = controller.store();
    let platforms: Api<PartialObjectMeta<ReconciliationPlatform>> =
        Api::all(context.client.clone());
    controller
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .watches(platforms, watcher::Config::default(), move |platform| {
            on_platform(&store, &platform)
        })
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(timed, retry, shared)
        .for_each(|result| async {
            match result {
                Ok(_) | Err(controller::Error::ObjectNotFound(_)) => {}
                Err(controller::Error::ReconcilerFailed(error, object)) => {
                    tracing::warn!(%error, namespace = object.namespace, name = object.name, "a job could not be reconciled");
                }
                Err(error) => tracing::warn!(%error, "the job controller"),
            }
        })
        .await;
}

/// The jobs of the platform; a finished one is left alone at once.
fn on_platform(
    store: &Store<DynamicObject>,
    platform: &PartialObjectMeta<ReconciliationPlatform>,
) -> Vec<ObjectRef<DynamicObject>> {
    let (namespace, name) = (platform.namespace(), platform.name_any());
    store
        .state_filter(|job| {
            let reference = &job.data["spec"]["platformRef"];
            let job_namespace = job.namespace();
            let of = reference["namespace"].as_str().or(job_namespace.as_deref());
            reference["name"] == name.as_str() && of == namespace.as_deref()
        })
        .iter()
        .map(|job| ObjectRef::from_obj_with(job.as_ref(), resource()))
        .collect()
}

async fn timed(job: Arc<DynamicObject>, shared: Arc<Shared>) -> Result<Action, Error> {
    let started = Instant::now();
    let reconciled = Box::pin(reconcile(&job, &shared.context));
    let result = tokio::time::timeout(RECONCILE_TIMEOUT, reconciled)
        .await
        .unwrap_or(Err(Error::TimedOut));
    shared
        .context
        .metrics
        .reconciled(Controller::Job, started.elapsed());
    if result.is_ok() {
        shared
            .backoff
            .reset(&job.namespace().unwrap_or_default(), &job.name_any());
    }
    result
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the controller's"
)]
fn retry(job: Arc<DynamicObject>, error: &Error, shared: Arc<Shared>) -> Action {
    shared
        .context
        .metrics
        .failed(Controller::Job, error.reason());
    Action::requeue(
        shared
            .backoff
            .next(&job.namespace().unwrap_or_default(), &job.name_any()),
    )
}

async fn reconcile(object: &DynamicObject, context: &Context) -> Result<Action, Error> {
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let job = match validate::validate(object) {
        Ok(job) => job,
        Err(errors) => {
            status::update(context, object, &Outcome::Invalid(errors)).await?;
            return Ok(Action::await_change());
        }
    };
    if status::is_finished(object, &job) {
        return Ok(Action::await_change());
    }
    let outcome = advance(context, object, &job).await?;
    status::update(context, object, &outcome).await?;
    Ok(match outcome {
        Outcome::Run(run) if status::is_terminal(run.state) => Action::await_change(),
        Outcome::Run(_) => Action::requeue(POLL),
        // A change of the job or of its platform wakes it earlier.
        Outcome::PlatformNotFound(_) | Outcome::PlatformNotReady(_) => {
            Action::requeue(UNWATCHED * 4)
        }
        Outcome::Forbidden(_) => Action::requeue(UNWATCHED * 4),
        Outcome::SourceNotFound(_) => Action::requeue(UNWATCHED),
        Outcome::Invalid(_) => Action::await_change(),
    })
}

async fn advance(
    context: &Context,
    object: &DynamicObject,
    job: &ValidatedJob,
) -> Result<Outcome, Error> {
    let platform = match dereference::platform(context, job).await? {
        Platform::Found(platform) => platform,
        Platform::Missing => return Ok(Outcome::PlatformNotFound(job.platform_text())),
    };
    if !dereference::may_use(&platform, job) {
        return Ok(Outcome::forbidden(job));
    }
    let started = status::last_run_is(object, job);
    if !started && !dereference::serves(&platform) {
        return Ok(Outcome::PlatformNotReady(job.platform_text()));
    }
    submit::find_or_start(context, job).await
}
