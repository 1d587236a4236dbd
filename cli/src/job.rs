//! Reading a job's file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use crds::decode::{SpecError, spec_from_yaml};
use crds::matching::{Dataset, MatchingSpec};
use engine::InputFile;

use crate::WRONG;

/// Why a job cannot be run.
pub enum JobError {
    /// Its file cannot be read.
    File(io::Error),
    /// It is wrong.
    Spec(Vec<SpecError>),
}

impl JobError {
    /// Says it on standard error, a line a mistake.
    pub fn report(self, job: &Path) -> ExitCode {
        match self {
            Self::File(error) => eprintln!("error: {}: {error}", job.display()),
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
    let spec = spec_from_yaml(&text).map_err(JobError::Spec)?;
    // The engine knows the language alone; in a whole manifest it stands under `spec`.
    let prefix = if is_manifest(&text) { "spec." } else { "" };
    engine::validate(&spec).map_err(|errors| {
        let prefixed = errors.into_iter().map(|error| SpecError {
            path: format!("{prefix}{}", error.path),
            message: error.message,
        });
        JobError::Spec(prefixed.collect())
    })?;
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

/// The file of the rates of exchange, where the job converts currencies.
///
/// # Errors
/// When their source is none that a laptop has.
pub fn rates(
    job: &Path,
    spec: &MatchingSpec,
    given: Option<&PathBuf>,
) -> Result<Option<InputFile>, JobError> {
    let rates = spec.fx.as_ref().map(|fx| &fx.rates);
    rates
        .map(|rates| input(job, "fx.rates", rates, given))
        .transpose()
}

/// The file of one side: the one given on the command line, or the job's `uri`, which is relative
/// to the job's folder.
///
/// # Errors
/// When the side's source is none that a laptop has.
pub fn input(
    job: &Path,
    side: &str,
    dataset: &Dataset,
    given: Option<&PathBuf>,
) -> Result<InputFile, JobError> {
    let path = match (given, &dataset.source.uri) {
        (Some(path), _) => path.clone(),
        (None, Some(uri)) => job.parent().unwrap_or(Path::new("")).join(uri),
        (None, None) => {
            return Err(JobError::Spec(vec![SpecError {
                path: format!("{side}.source"),
                message: format!(
                    "uploads and ConfigMaps belong to a platform; give the file with --{} FILE",
                    side.trim_start_matches("fx.")
                ),
            }]));
        }
    };
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned();
    Ok(InputFile { path, name })
}
