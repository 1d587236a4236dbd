//! Labels of the caches' and limits' metrics: each is one of a few words.

use prometheus_client::encoding::EncodeLabelSet;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct DecisionLabels {
    pub(super) scope: &'static str,
    pub(super) decision: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct CacheLabels {
    pub(super) cache: &'static str,
    pub(super) level: &'static str,
    pub(super) outcome: &'static str,
}

/// Where an answer was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheLevel {
    /// In this process.
    Memory,
    /// In Redis.
    Redis,
    /// In the database.
    Database,
}

/// What came of looking there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheOutcome {
    /// It was there.
    Hit,
    /// It was not there, or could not be used.
    Miss,
    /// It was read from the database.
    Read,
    /// No cache could be used at that time.
    Bypass,
}

impl CacheLevel {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Database => "database",
        }
    }
}

impl CacheOutcome {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Read => "read",
            Self::Bypass => "bypass",
        }
    }
}
