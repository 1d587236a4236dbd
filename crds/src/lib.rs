//! The user-facing types of Reconciliation Platform.
//!
//! [`matching`] is the one language in which a reconciliation is described: in a
//! `ReconciliationJob` on Kubernetes, in a request to the API and in a file for the CLI. It needs
//! serde and schemars only. [`platform`], [`job`] and [`condition`] are the custom resources and
//! exist with the feature `kube`; the YAML beside this crate is generated from them.

pub mod decode;
pub mod matching;

#[cfg(feature = "kube")]
pub mod condition;
#[cfg(feature = "kube")]
pub mod job;
#[cfg(feature = "kube")]
pub mod platform;

/// The API group of both custom resources.
pub const GROUP: &str = "reconciliation-platform.dev";
/// The served version of both custom resources.
pub const VERSION: &str = "v1alpha1";
