//! The status of a job: counts, a place and conditions, never records.

use crds::condition::{self, JobCondition, JobReason, Status};
use crds::decode::SpecError;
use crds::job::{ReconciliationJobStatus, RunStatus, SideCounts};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::api::DynamicObject;

use super::resource;
use super::validate::ValidatedJob;
use crate::api::{Run, RunState, Summary};
use crate::context::Context;
use crate::error::Error;
use crate::status::{publish_transitions, transitions, write};

/// How much of the list of mistakes fits into a condition.
const LONGEST_MESSAGE: usize = 8000;

/// Where a job stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The spec is wrong.
    Invalid(Vec<SpecError>),
    /// The namespace is no member of the project.
    Forbidden(String),
    /// There is no such platform.
    PlatformNotFound(String),
    /// The platform does not serve yet.
    PlatformNotReady(String),
    /// A ConfigMap or key does not exist.
    SourceNotFound(String),
    /// There is a run.
    Run(Box<Run>),
}

impl Outcome {
    /// The namespace is no member of the project, or there is no such project: it is not told which.
    pub fn forbidden(job: &ValidatedJob) -> Self {
        Self::Forbidden(format!(
            "the namespace {} is no member of the project {} of the platform {}; the platform's \
             owner can list it in spec.projects",
            job.namespace,
            job.project,
            job.platform_text()
        ))
    }
}

/// Whether a run has ended.
pub fn is_terminal(state: RunState) -> bool {
    match state {
        RunState::Succeeded | RunState::Failed | RunState::Cancelled => true,
        RunState::Queued | RunState::Running => false,
    }
}

/// The status as it was read; what does not fit its type counts as absent and is written anew.
fn read(object: &DynamicObject) -> ReconciliationJobStatus {
    serde_json::from_value(object.data["status"].clone()).unwrap_or_default()
}

/// Whether the newest run is that of the job's matching part.
pub fn last_run_is(object: &DynamicObject, job: &ValidatedJob) -> bool {
    read(object)
        .last_run
        .is_some_and(|run| run.id == job.run_id.to_string())
}

/// Whether there is nothing left to do in this generation: its run has ended and the status says so.
pub fn is_finished(object: &DynamicObject, job: &ValidatedJob) -> bool {
    let generation = object.metadata.generation;
    let ended = [JobCondition::Complete, JobCondition::Failed]
        .iter()
        .any(|it| condition::is_true(&read(object).conditions, it.as_str(), generation));
    ended && last_run_is(object, job)
}

/// Writes where the job stands, if its status says something else.
pub async fn update(
    context: &Context,
    object: &DynamicObject,
    outcome: &Outcome,
) -> Result<(), Error> {
    let old = read(object);
    let new = status(&old, outcome, object.metadata.generation, Timestamp::now());
    if new == old {
        return Ok(());
    }
    let resource = resource();
    let reference = object.object_ref(&resource);
    write(context, &resource, &reference, &serde_json::to_value(&new)?).await?;
    let changed = transitions(&old.conditions, &new.conditions);
    publish_transitions(context, &reference, &changed, is_problem).await;
    Ok(())
}

fn is_problem(condition: &Condition) -> bool {
    const PROBLEMS: [JobReason; 5] = [
        JobReason::InvalidSpec,
        JobReason::Forbidden,
        JobReason::PlatformNotFound,
        JobReason::SourceNotFound,
        JobReason::RunFailed,
    ];
    PROBLEMS.iter().any(|it| it.as_str() == condition.reason)
}

/// The next status.
fn status(
    old: &ReconciliationJobStatus,
    outcome: &Outcome,
    generation: Option<i64>,
    now: Timestamp,
) -> ReconciliationJobStatus {
    let mut new = old.clone();
    new.observed_generation = generation;
    let conditions = &mut new.conditions;
    let mut set = |type_: JobCondition, status, reason: JobReason, message: &str| {
        condition::set(
            conditions,
            type_.as_str(),
            status,
            reason.as_str(),
            message,
            generation,
            now,
        );
    };
    let refusal = match outcome {
        Outcome::Run(run) => {
            let same = old
                .last_run
                .as_ref()
                .is_some_and(|it| it.id == run.id.to_string());
            set(
                JobCondition::Accepted,
                Status::True,
                JobReason::AsExpected,
                "the job is valid and its namespace may run it",
            );
            let (running, running_reason) = match run.state {
                RunState::Queued => (Status::True, JobReason::Queued),
                RunState::Running => (Status::True, JobReason::RunInProgress),
                RunState::Succeeded => (Status::False, JobReason::RunSucceeded),
                RunState::Failed => (Status::False, JobReason::RunFailed),
                RunState::Cancelled => (Status::False, JobReason::RunCancelled),
            };
            set(
                JobCondition::Running,
                running,
                running_reason,
                &progress(run),
            );
            if !is_terminal(run.state) {
                set(
                    JobCondition::Ready,
                    Status::False,
                    running_reason,
                    "no result yet",
                );
            }
            let said = run
                .error
                .as_ref()
                .map_or("", |error| error.message.as_str());
            let end = match run.state {
                RunState::Succeeded => Some((
                    JobCondition::Complete,
                    Status::True,
                    JobReason::RunSucceeded,
                    "the run succeeded",
                )),
                RunState::Failed => Some((
                    JobCondition::Failed,
                    Status::False,
                    JobReason::RunFailed,
                    said,
                )),
                RunState::Cancelled => Some((
                    JobCondition::Failed,
                    Status::False,
                    JobReason::RunCancelled,
                    "the run was cancelled",
                )),
                RunState::Queued | RunState::Running => None,
            };
            if let Some((type_, ready, reason, message)) = end {
                set(JobCondition::Ready, ready, reason, message);
                set(type_, Status::True, reason, message);
            }
            // What ended another run, or ended this one otherwise, says nothing any more.
            let current = end.map(|(type_, ..)| type_.as_str());
            new.conditions.retain(|condition| {
                let ends = [JobCondition::Complete, JobCondition::Failed]
                    .iter()
                    .any(|it| it.as_str() == condition.type_);
                !ends || Some(condition.type_.as_str()) == current
            });
            new.state = Some(
                match run.state {
                    RunState::Queued => "Queued",
                    RunState::Running => "Running",
                    RunState::Succeeded => "Succeeded",
                    RunState::Failed => "Failed",
                    RunState::Cancelled => "Cancelled",
                }
                .into(),
            );
            let before = old.last_run.clone().filter(|_| same);
            new.last_run = Some(run_status(run, before));
            return new;
        }
        Outcome::Invalid(errors) => (JobReason::InvalidSpec, listed(errors)),
        Outcome::Forbidden(message) => (JobReason::Forbidden, message.clone()),
        Outcome::PlatformNotFound(platform) => (
            JobReason::PlatformNotFound,
            format!("there is no ReconciliationPlatform {platform}"),
        ),
        Outcome::PlatformNotReady(platform) => (
            JobReason::PlatformNotReady,
            format!("the ReconciliationPlatform {platform} does not serve yet"),
        ),
        Outcome::SourceNotFound(message) => (JobReason::SourceNotFound, message.clone()),
    };
    let (reason, message) = refusal;
    set(JobCondition::Accepted, Status::False, reason, &message);
    set(
        JobCondition::Running,
        Status::False,
        JobReason::Waiting,
        "no run was started",
    );
    set(JobCondition::Ready, Status::False, reason, &message);
    // An earlier run's end is not this generation's.
    new.conditions.retain(|condition| {
        condition.type_ != JobCondition::Complete.as_str()
            && condition.type_ != JobCondition::Failed.as_str()
    });
    new.state = Some("Pending".into());
    new
}

fn run_status(run: &Run, before: Option<RunStatus>) -> RunStatus {
    let summary = run.summary.as_ref();
    let before = before.unwrap_or_default();
    RunStatus {
        id: run.id.to_string(),
        phase: run.phase.clone(),
        start_time: run.started_at.map(seconds).or(before.start_time),
        completion_time: run.completed_at.map(seconds),
        left: summary.map(|summary| summary.left),
        right: summary.map(|summary| summary.right),
        match_rate: summary.map(match_rate),
        result_uri: run.result_uri.clone().filter(|_| is_terminal(run.state)),
    }
}

/// Kubernetes keeps times to the second; more would differ from what is read back.
fn seconds(time: Timestamp) -> Time {
    Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
}

fn match_rate(summary: &Summary) -> String {
    let rate = summary.match_rate.unwrap_or_else(|| {
        let sides = [&summary.left, &summary.right];
        let sum = |count: fn(&SideCounts) -> i64| sides.iter().map(|side| count(side)).sum::<i64>();
        #[expect(
            clippy::cast_precision_loss,
            reason = "four digits of a quotient of row counts"
        )]
        let quotient =
            sum(|side| side.matched + side.differing) as f64 / sum(|side| side.rows).max(1) as f64;
        quotient
    });
    format!("{rate:.4}")
}

fn progress(run: &Run) -> String {
    match (&run.phase, run.progress) {
        _ if is_terminal(run.state) => "the run has ended".into(),
        (Some(phase), Some(progress)) => {
            format!("{phase}: {} of {}", progress.done, progress.total)
        }
        (Some(phase), None) => phase.clone(),
        (None, _) => "the run waits for a worker".into(),
    }
}

fn listed(errors: &[SpecError]) -> String {
    let mut text = String::new();
    for (index, error) in errors.iter().enumerate() {
        let line = format!("{error}");
        if text.len() + line.len() > LONGEST_MESSAGE {
            text.push_str(&format!("\nand {} more", errors.len() - index));
            break;
        }
        if index > 0 {
            text.push('\n');
        }
        text.push_str(&line);
    }
    text
}

#[cfg(test)]
mod tests;
