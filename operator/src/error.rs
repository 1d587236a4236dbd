//! Why a reconciliation failed. Errors are logged once, where the controllers' streams end.

use prometheus_client::encoding::EncodeLabelValue;

use crate::api::ApiError;

/// A failure that is tried again with a growing delay. What the user has to mend is no error: it
/// is a condition.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Kubernetes API.
    #[error("Kubernetes: {}", said(.0))]
    Kubernetes(#[from] kube::Error),
    /// An object that the operator applies was refused.
    #[error("{kind} {name} was refused: {}", said(source))]
    Refused {
        /// The object's kind.
        kind: &'static str,
        /// The object's name.
        name: String,
        /// What the API server said.
        source: kube::Error,
    },
    /// An object of the same name belongs to somebody else.
    #[error("{kind} {name} belongs to {owner} and is left alone")]
    Taken {
        /// The object's kind.
        kind: &'static str,
        /// The object's name.
        name: String,
        /// Whose it is.
        owner: String,
    },
    /// The platform's API.
    #[error("the platform's API: {0}")]
    Api(#[from] ApiError),
    /// Something that Kubernetes always sends was missing.
    #[error("{0}")]
    Incomplete(&'static str),
    /// An object could not be read.
    #[error("could not be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// It took too long.
    #[error("the reconciliation did not end in time")]
    TimedOut,
}

/// The label of `reconcile_errors_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum ErrorReason {
    /// The Kubernetes API.
    Kubernetes,
    /// An object was refused.
    Refused,
    /// The platform's API.
    Api,
    /// Data was missing or could not be read.
    Data,
    /// It took too long.
    TimedOut,
}

impl Error {
    /// The label.
    pub fn reason(&self) -> ErrorReason {
        match self {
            Self::Kubernetes(_) => ErrorReason::Kubernetes,
            Self::Refused { .. } | Self::Taken { .. } => ErrorReason::Refused,
            Self::Api(_) => ErrorReason::Api,
            Self::Incomplete(_) | Self::Unreadable(_) => ErrorReason::Data,
            Self::TimedOut => ErrorReason::TimedOut,
        }
    }
}

/// What the API server said, without the wrapping that repeats it.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        error => error.to_string(),
    }
}
