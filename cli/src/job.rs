//! Reading a job's file, and carrying the job out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use crds::decode::{SpecError, rest_of_yaml, spec_from_yaml};
use crds::matching::MatchingSpec;
use engine::Error;

use crate::threads::Threads;
use crate::{FAILED, WRONG};

/// Why a job cannot be run.
pub enum JobError {
    /// Its file cannot be read.
    File(io::Error),
    /// It is wrong.
    Spec(Vec<SpecError>),
    /// It names a record that there is not.
    UnknownKey(String),
    /// It is right and fails all the same.
    Failed(String),
}

impl From<Error> for JobError {
    fn from(error: Error) -> Self {
        match error {
            Error::Spec(errors) => Self::Spec(errors),
            Error::UnknownKey { .. } => Self::UnknownKey(error.to_string()),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<sources::Error> for JobError {
    fn from(error: sources::Error) -> Self {
        match error {
            sources::Error::Spec(errors) => Self::Spec(errors),
            sources::Error::Failed(message) => Self::Failed(message),
        }
    }
}

impl JobError {
    /// Says it on standard error, a line a mistake.
    pub fn report(self, job: &Path) -> ExitCode {
        match self {
            Self::File(error) => eprintln!("error: {}: {error}", job.display()),
            Self::UnknownKey(message) => eprintln!("error: {message}"),
            Self::Failed(message) => {
                eprintln!("error: {message}");
                return ExitCode::from(FAILED);
            }
            Self::Spec(errors) => {
                for error in &errors {
                    eprintln!("{error}");
                }
                let count = errors.len();
                let noun = if count == 1 { "mistake" } else { "mistakes" };
                eprintln!("error: {}: {count} {noun}", job.display());
            }
        }
        ExitCode::from(WRONG)
    }
}

/// Reads and checks a job, and tells on standard error what of it has no effect. Opens no data.
///
/// # Errors
/// When the file cannot be read, or with every mistake in it.
pub fn read(path: &Path) -> Result<MatchingSpec, JobError> {
    let text = fs::read_to_string(path).map_err(JobError::File)?;
    // The engine knows the language alone; in a whole manifest it stands under `spec`.
    let prefix = if is_manifest(&text) { "spec." } else { "" };
    let prefixed = |error: SpecError| SpecError {
        path: format!("{prefix}{}", error.path),
        message: error.message,
    };
    let spec = spec_from_yaml(&text).map_err(|mut errors| {
        if let Some(rest) = rest_of_yaml(&text, &errors) {
            let more = engine::mistakes_in_the_rest(&rest);
            errors.extend(more.into_iter().map(prefixed));
        }
        JobError::Spec(errors)
    })?;
    engine::validate(&spec)
        .map_err(|errors| JobError::Spec(errors.into_iter().map(prefixed).collect()))?;
    for note in engine::notes(&spec) {
        eprintln!("note: {prefix}{} {}", note.path, note.message);
    }
    Ok(spec)
}

/// The file of the job's model, whose `uri` is relative to the job's folder.
pub fn model(job: &Path, spec: &MatchingSpec) -> Option<PathBuf> {
    let model = spec.model.as_ref()?;
    Some(job.parent().unwrap_or(Path::new("")).join(&model.uri))
}

fn is_manifest(text: &str) -> bool {
    text.lines()
        .any(|line| line.trim_end() == "kind: ReconciliationJob")
}

/// Runs what a command does for a job to its end.
///
/// # Errors
/// Those of the work, or of the system that has no threads for it.
pub fn block_on<T>(
    threads: Threads,
    work: impl Future<Output = Result<T, JobError>>,
) -> Result<T, JobError> {
    let runtime = threads.start();
    let runtime = runtime.map_err(|error| JobError::Failed(error.to_string()))?;
    runtime.block_on(work)
}
