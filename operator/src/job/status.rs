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
    let mut draft = Draft {
        status: old.clone(),
        generation,
        now,
    };
    draft.status.observed_generation = generation;
    match outcome {
        Outcome::Run(run) => draft.run(run),
        Outcome::Invalid(errors) => draft.refusal(JobReason::InvalidSpec, &listed(errors)),
        Outcome::Forbidden(message) => draft.refusal(JobReason::Forbidden, message),
        Outcome::PlatformNotFound(platform) => draft.refusal(
            JobReason::PlatformNotFound,
            &format!("there is no ReconciliationPlatform {platform}"),
        ),
        Outcome::PlatformNotReady(platform) => draft.refusal(
            JobReason::PlatformNotReady,
            &format!("the ReconciliationPlatform {platform} does not serve yet"),
        ),
        Outcome::SourceNotFound(message) => draft.refusal(JobReason::SourceNotFound, message),
    }
    draft.status
}

/// A status that is being changed.
struct Draft {
    status: ReconciliationJobStatus,
    generation: Option<i64>,
    now: Timestamp,
}

impl Draft {
    fn set(&mut self, type_: JobCondition, status: Status, reason: JobReason, message: &str) {
        condition::set(
            &mut self.status.conditions,
            type_.as_str(),
            status,
            reason.as_str(),
            message,
            self.generation,
            self.now,
        );
    }

    /// Keeps the end of this run alone: that of an earlier one says nothing any more.
    fn keep_end(&mut self, end: Option<JobCondition>) {
        let is_end = |type_: &str| {
            [JobCondition::Complete, JobCondition::Failed]
                .iter()
                .any(|it| it.as_str() == type_)
        };
        self.status.conditions.retain(|condition| {
            !is_end(&condition.type_) || end.is_some_and(|end| end.as_str() == condition.type_)
        });
    }

    fn refusal(&mut self, reason: JobReason, message: &str) {
        self.set(JobCondition::Accepted, Status::False, reason, message);
        self.set(
            JobCondition::Running,
            Status::False,
            JobReason::Waiting,
            "no run was started",
        );
        self.set(JobCondition::Ready, Status::False, reason, message);
        self.keep_end(None);
        self.status.state = Some("Pending".into());
    }

    fn run(&mut self, run: &Run) {
        self.set(
            JobCondition::Accepted,
            Status::True,
            JobReason::AsExpected,
            "the job is valid and its namespace may run it",
        );
        let said = run
            .error
            .as_ref()
            .map_or("the run failed", |error| error.message.as_str());
        let (state, reason, end, message) = match run.state {
            RunState::Queued => ("Queued", JobReason::Queued, None, "no result yet"),
            RunState::Running => ("Running", JobReason::RunInProgress, None, "no result yet"),
            RunState::Succeeded => (
                "Succeeded",
                JobReason::RunSucceeded,
                Some(JobCondition::Complete),
                "the run succeeded",
            ),
            RunState::Failed => (
                "Failed",
                JobReason::RunFailed,
                Some(JobCondition::Failed),
                said,
            ),
            RunState::Cancelled => (
                "Cancelled",
                JobReason::RunCancelled,
                Some(JobCondition::Failed),
                "the run was cancelled",
            ),
        };
        let holds = |it: bool| if it { Status::True } else { Status::False };
        self.set(
            JobCondition::Running,
            holds(end.is_none()),
            reason,
            &progress(run),
        );
        let succeeded = run.state == RunState::Succeeded;
        self.set(JobCondition::Ready, holds(succeeded), reason, message);
        if let Some(end) = end {
            self.set(end, Status::True, reason, message);
        }
        self.keep_end(end);
        self.status.state = Some(state.into());
        let same = |last: &RunStatus| last.id == run.id.to_string();
        let before = self.status.last_run.take().filter(same);
        self.status.last_run = Some(run_status(run, before));
    }
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
    for error in errors {
        let line = error.to_string();
        if text.len() + line.len() > LONGEST_MESSAGE {
            text.push_str("\nand more");
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
    }
    text
}

#[cfg(test)]
mod tests;
