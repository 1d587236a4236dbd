//! Versions of rows, for updates that must not overwrite each other.

/// The version that an update is based on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Any,
    /// One of these.
    OneOf(Vec<i64>),
}

impl Expected {
    /// Whether the update may be made to this version.
    #[must_use]
    pub fn allows(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}
