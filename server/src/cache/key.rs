//! What is cached, and what a change makes stale.

use std::fmt;
use uuid::Uuid;

/// Names a cached answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Whose a session is, and how long it may go on.
    Session(Uuid),
    /// A user who may call.
    User(Uuid),
    /// The id of a slug, which never changes.
    Slug(String),
    /// A project.
    Project(Uuid),
    /// How much there is in a project.
    Counts(Uuid),
    /// A user's role in a project.
    UserRole(Uuid, Uuid),
    /// A namespace's role in a project.
    NamespaceRole(Uuid, String),
    /// A run that is final.
    Run(Uuid),
    /// That a job exists.
    Job(Uuid),
}

impl Key {
    /// The kind, in metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Session(_) => "session",
            Self::User(_) => "user",
            Self::Slug(_) => "slug",
            Self::Project(_) => "project",
            Self::Counts(_) => "counts",
            Self::UserRole(..) => "user_role",
            Self::NamespaceRole(..) => "namespace_role",
            Self::Run(_) => "run",
            Self::Job(_) => "job",
        }
    }

    /// The key that is written so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let id = || rest.parse().ok();
        Some(match kind {
            "session" => Self::Session(id()?),
            "user" => Self::User(id()?),
            "slug" => Self::Slug(rest.to_owned()),
            "project" => Self::Project(id()?),
            "counts" => Self::Counts(id()?),
            "run" => Self::Run(id()?),
            "job" => Self::Job(id()?),
            "user_role" | "namespace_role" => {
                let (project, who) = rest.split_once(':')?;
                let project = project.parse().ok()?;
                if kind == "user_role" {
                    Self::UserRole(project, who.parse().ok()?)
                } else {
                    Self::NamespaceRole(project, who.to_owned())
                }
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind())?;
        match self {
            Self::Session(id)
            | Self::User(id)
            | Self::Project(id)
            | Self::Counts(id)
            | Self::Run(id)
            | Self::Job(id) => write!(f, "{id}"),
            Self::Slug(slug) => f.write_str(slug),
            Self::UserRole(project, user) => write!(f, "{project}:{user}"),
            Self::NamespaceRole(project, name) => write!(f, "{project}:{name}"),
        }
    }
}

/// More keys than this are not named one by one.
const MAX_KEYS: usize = 256;

/// What a change makes stale. Whoever changes something states it: [`Mutation::commit`] takes one.
///
/// [`Mutation::commit`]: crate::db::audit::Mutation::commit
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stale(pub(super) Extent);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Extent {
    #[default]
    Nothing,
    Keys(Vec<Key>),
    Everything,
}

impl Stale {
    /// Nothing that is cached depends on the change. An answer that something does not exist is
    /// never cached, so what is only made anew makes nothing stale by existing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// These answers depend on it.
    #[must_use]
    pub fn keys(keys: impl IntoIterator<Item = Key>) -> Self {
        let mut keys: Vec<Key> = keys.into_iter().collect();
        keys.sort_unstable();
        keys.dedup();
        Self(match keys.len() {
            0 => Extent::Nothing,
            1..=MAX_KEYS => Extent::Keys(keys),
            _ => Extent::Everything,
        })
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.0 == Extent::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Stale};
    use uuid::Uuid;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for key in [
            Key::Session(a),
            Key::User(a),
            Key::Slug("treasury".into()),
            Key::Project(a),
            Key::Counts(a),
            Key::UserRole(a, b),
            Key::NamespaceRole(a, "team".into()),
            Key::Run(a),
            Key::Job(a),
        ] {
            assert_eq!(Key::parse(&key.to_string()), Some(key));
        }
        for wrong in ["", "user", "user:x", "other:1", "user_role:x:y"] {
            assert_eq!(Key::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn very_many_keys_are_everything() {
        let many = |count| Stale::keys((0..count).map(|n| Key::Run(Uuid::from_u128(n))));
        assert!(many(0).is_nothing());
        assert_ne!(many(256), many(257));
        assert_eq!(many(257), many(5000));
    }
}
