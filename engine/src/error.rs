//! Everything that can stop a run.

use crds::decode::SpecError;
use std::io;
use std::path::PathBuf;

/// Why a run stopped. Nothing was published then. Every message names the place and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The specification is wrong, or does not fit the columns of the files.
    #[error("the specification is wrong:\n{}", lines(.0))]
    Spec(Vec<SpecError>),
    /// A file cannot be read as the specification says.
    #[error("{file}: {detail}")]
    Input {
        /// The file's name as the caller knows it.
        file: String,
        /// What is wrong and what to do.
        detail: String,
    },
    /// The run would compare or keep more pairs than `limits` allows.
    #[error("pass `{pass}`: {detail}{worst}. {remedy}")]
    Budget {
        /// The pass's name.
        pass: String,
        /// Which budget and how much is needed.
        detail: String,
        /// The worst keys, which are values of records; empty where none are to blame.
        worst: String,
        /// What to do.
        remedy: String,
    },
    /// The run would hold more in memory than `limits` allows.
    #[error(
        "{what} about {} MiB; limits.memory allows {} MiB. Raise limits.memory, or run the data in \
         parts",
        mebibytes(*.needed),
        mebibytes(*.limit)
    )]
    Memory {
        /// What would be held, as the beginning of a sentence.
        what: String,
        /// The bytes that it takes, by estimate.
        needed: u64,
        /// The budget in bytes.
        limit: u64,
    },
    /// An SQL expression fails on a value, such as a cast of a text that is no number.
    #[error("{path}: fails on the data: {cause}")]
    Expression {
        /// The expression's place in the specification.
        path: String,
        /// What `DataFusion` says, which may quote the value.
        cause: String,
    },
    /// More rows were rejected than `limits.maxRejected` allows.
    #[error(
        "{rejected} rows were rejected and limits.maxRejected allows {limit}; the first: {first}. \
         Correct the rows or their types, or raise limits.maxRejected"
    )]
    Rejected {
        /// Rejected rows of both sides.
        rejected: u64,
        /// The budget.
        limit: u64,
        /// The first rejected row: file, line, column and reason.
        first: String,
    },
    /// A record's currency has no rate on or before its date, and `fx.missing` is `fail`.
    #[error(
        "{file} line {line}: there is no rate for {record}. Add it to fx.rates, or set \
         fx.missing: reject"
    )]
    Rate {
        /// The file's name as the caller knows it.
        file: String,
        /// The line on which the row starts.
        line: u64,
        /// The record's currency and date.
        record: String,
    },
    /// An answer was asked for of a record that does not take part.
    #[error("{side} has no record with the key `{key}`: {detail}")]
    UnknownKey {
        /// `left` or `right`.
        side: &'static str,
        /// The key.
        key: String,
        /// What the row is instead, or which keys are near.
        detail: String,
    },
    /// Records were lost or counted twice. This is a defect of the engine, so nothing is published.
    #[error("conservation is broken on the {side} side: {detail}. Please report this run")]
    Conservation {
        /// `left` or `right`.
        side: &'static str,
        /// The counts.
        detail: String,
    },
    /// [`Progress::is_cancelled`](crate::Progress::is_cancelled) said so.
    #[error("the run was cancelled")]
    Cancelled,
    /// A file could not be opened, read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A part below the engine failed in a way that the engine did not foresee.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// Whether the same run may succeed when it is tried again: only faults of input and output.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Io { .. })
    }

    /// The message without any value of a record, for places that more people read than the data:
    /// a status, an event, a log.
    #[must_use]
    pub fn without_values(&self) -> String {
        match self {
            Self::Budget {
                pass,
                detail,
                remedy,
                ..
            } => format!("pass `{pass}`: {detail}. {remedy}"),
            Self::Expression { path, .. } => format!("{path}: fails on a value of the data"),
            Self::Rate { file, line, .. } => format!(
                "{file} line {line}: there is no rate for its currency on or before its date. Add it \
                 to fx.rates, or set fx.missing: reject"
            ),
            Self::UnknownKey { side, .. } => format!("{side} has no record with this key"),
            Self::Internal(_) => "the engine failed in a way that it did not foresee".into(),
            other => other.to_string(),
        }
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    /// A file that cannot be read as the specification says.
    pub(crate) fn input(file: &crate::InputFile, detail: impl Into<String>) -> Self {
        Self::Input {
            file: file.name.clone(),
            detail: detail.into(),
        }
    }

    /// A single mistake of the specification that shows only with the data at hand.
    pub(crate) fn spec(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Spec(vec![SpecError {
            path: path.into(),
            message: message.into(),
        }])
    }
}

impl From<datafusion::error::DataFusionError> for Error {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        Self::Internal(format!("DataFusion: {}", error.strip_backtrace()))
    }
}

impl From<datafusion::arrow::error::ArrowError> for Error {
    fn from(error: datafusion::arrow::error::ArrowError) -> Self {
        Self::Internal(format!("Arrow: {error}"))
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Internal(format!("a task of the engine failed: {error}"))
    }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

fn lines(errors: &[SpecError]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
