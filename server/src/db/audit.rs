//! The table `audit_log`: entries that are only added, each with the hash of the one before.
//!
//! A change is made through a [`Mutation`], and the only way to end one well takes its [`Entry`] and
//! what it makes [`Stale`]: what was changed and the record of it are there together or not at all,
//! and whoever is told of the change finds nothing old in any cache.

use super::named::NamedQuery;
use sqlx::{PgConnection, Postgres, Transaction};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::cache::{MultiLevelCache, Stale};

mod chain;

pub(super) use chain::QUERIES as CHAIN_QUERIES;
pub use chain::{Finding, Head, Stored, Verification, head, list, verify};

const APPEND: NamedQuery = NamedQuery::new("audit.append", "SELECT audit_append($1, $2, $3, $4, $5, $6, $7, $8)").with("'command', 'audit', 'project.update', 'platform', 'platform', gen_random_uuid(), gen_random_uuid(), '{}'");

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] = &[APPEND];

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person, by id.
    User(Uuid),
    /// A machine, by the id of its token.
    Machine(Uuid),
    /// The operator on behalf of a namespace.
    Namespace(String),
    /// The operator as itself.
    Operator,
    /// A command of this program.
    Command(&'static str),
    /// Somebody with a token that does not say who has it.
    Unknown,
}

impl Actor {
    /// The kind, and which one of it.
    #[must_use]
    pub fn parts(&self) -> (&'static str, Option<String>) {
        match self {
            Self::User(id) => ("user", Some(id.to_string())),
            Self::Machine(id) => ("machine", Some(id.to_string())),
            Self::Namespace(name) => ("namespace", Some(name.clone())),
            Self::Operator => ("operator", None),
            Self::Command(name) => ("command", Some((*name).to_owned())),
            Self::Unknown => ("unknown", None),
        }
    }
}

/// Who asks for a change, and in which request.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Who.
    pub actor: Actor,
    /// The id that the log's lines and `X-Request-Id` have.
    pub request: Uuid,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Somebody logged in.
    SessionOpen,
    /// A refresh token was exchanged.
    SessionRefresh,
    /// A refresh token was used again, and its session ended.
    SessionReuse,
    /// Somebody logged out.
    SessionClose,
    /// A user was made.
    UserCreate,
    /// A user was enabled, disabled, or made a platform admin or none.
    UserUpdate,
    /// A user has a new password.
    UserPassword,
    /// A project was made.
    ProjectCreate,
    /// A project has a new name.
    ProjectUpdate,
    /// The operator declared the projects.
    ProjectsDeclare,
    /// Somebody became a member or has another role.
    MemberPut,
    /// Somebody is no member any more.
    MemberRemove,
    /// A file was uploaded.
    UploadCreate,
    /// A run was queued.
    RunCreate,
    /// A run was cancelled.
    RunCancel,
    /// An upload that arrives piece by piece was begun.
    UploadBegin,
    /// An upload that arrives piece by piece was given up.
    UploadGiveUp,
    /// A specification was saved.
    JobCreate,
    /// A job was made something else.
    JobUpdate,
    /// A job was deleted.
    JobDelete,
    /// Somebody said that the records of a review belong together.
    ReviewAccept,
    /// Somebody said that they do not.
    ReviewReject,
    /// Somebody took a decision back.
    ReviewReopen,
    /// Somebody wrote something about a review.
    ReviewComment,
    /// A token for a machine was made.
    TokenCreate,
    /// A token was deleted.
    TokenDelete,
}

impl Action {
    /// Its name, which never changes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SessionOpen => "session.open",
            Self::SessionRefresh => "session.refresh",
            Self::SessionReuse => "session.reuse",
            Self::SessionClose => "session.close",
            Self::UserCreate => "user.create",
            Self::UserUpdate => "user.update",
            Self::UserPassword => "user.password",
            Self::ProjectCreate => "project.create",
            Self::ProjectUpdate => "project.update",
            Self::ProjectsDeclare => "projects.declare",
            Self::MemberPut => "member.put",
            Self::MemberRemove => "member.remove",
            Self::UploadCreate => "upload.create",
            Self::RunCreate => "run.create",
            Self::RunCancel => "run.cancel",
            Self::UploadBegin => "upload.begin",
            Self::UploadGiveUp => "upload.give-up",
            Self::JobCreate => "job.create",
            Self::JobUpdate => "job.update",
            Self::JobDelete => "job.delete",
            Self::ReviewAccept => "review.accept",
            Self::ReviewReject => "review.reject",
            Self::ReviewReopen => "review.reopen",
            Self::ReviewComment => "review.comment",
            Self::TokenCreate => "token.create",
            Self::TokenDelete => "token.delete",
        }
    }
}

/// What it was done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A user.
    User(Uuid),
    /// A session.
    Session(Uuid),
    /// A project.
    Project(Uuid),
    /// A namespace.
    Namespace(String),
    /// An upload.
    Upload(Uuid),
    /// A run.
    Run(Uuid),
    /// An upload that arrives piece by piece.
    UploadSession(Uuid),
    /// A saved specification.
    Job(Uuid),
    /// A review of a run: the group of pairs is among the details.
    Review(Uuid),
    /// A token of a machine.
    Token(Uuid),
    /// The platform as a whole.
    Platform,
}

impl Subject {
    fn parts(&self) -> (&'static str, String) {
        match self {
            Self::User(id) => ("user", id.to_string()),
            Self::Session(id) => ("session", id.to_string()),
            Self::Project(id) => ("project", id.to_string()),
            Self::Namespace(name) => ("namespace", name.clone()),
            Self::Upload(id) => ("upload", id.to_string()),
            Self::Run(id) => ("run", id.to_string()),
            Self::UploadSession(id) => ("uploadSession", id.to_string()),
            Self::Job(id) => ("job", id.to_string()),
            Self::Review(run) => ("review", run.to_string()),
            Self::Token(id) => ("token", id.to_string()),
            Self::Platform => ("platform", "platform".to_owned()),
        }
    }
}

/// An entry to be added. It holds ids and settings: never a secret, an address or a record's value.
#[derive(Clone, Debug)]
pub struct Entry {
    action: Action,
    subject: Subject,
    project: Option<Uuid>,
    details: BTreeMap<&'static str, String>,
}

impl Entry {
    /// An entry about a subject.
    #[must_use]
    pub fn new(action: Action, subject: Subject) -> Self {
        Self {
            action,
            subject,
            project: None,
            details: BTreeMap::new(),
        }
    }

    /// The project whose owners may read the entry.
    #[must_use]
    pub fn of_project(mut self, project: Uuid) -> Self {
        self.project = Some(project);
        self
    }

    /// A setting that is part of the change.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.details.insert(name, value.to_string());
        self
    }
}

/// A transaction that changes something. Dropping it undoes everything; [`Mutation::commit`] is the
/// only way to keep it, and takes the entry of the audit log and what the change makes stale.
#[derive(Debug)]
pub struct Mutation {
    tx: Transaction<'static, Postgres>,
    origin: Origin,
    cache: MultiLevelCache,
}

impl Deref for Mutation {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.tx
    }
}

impl DerefMut for Mutation {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}

impl Mutation {
    /// Begins a change.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn begin(cache: &MultiLevelCache, origin: Origin) -> Result<Self, sqlx::Error> {
        let tx = cache.db().begin().await?;
        Ok(Self {
            tx,
            origin,
            cache: cache.clone(),
        })
    }

    /// Names who makes the change, where that is only found out in it.
    pub fn act_as(&mut self, actor: Actor) {
        self.origin.actor = actor;
    }

    /// Keeps the change together with its entry, and returns once no process serves from a cache
    /// what it made stale. A client that goes away meanwhile stops neither.
    ///
    /// # Errors
    /// Errors of the database; nothing is kept then.
    pub async fn commit(self, entry: Entry, stale: Stale) -> Result<(), sqlx::Error> {
        let change = async move {
            let cache = self.cache.clone();
            cache.announce(&stale).await;
            self.keep(entry).await?;
            cache.settle(&stale).await;
            Ok(())
        };
        let change = tokio::spawn(change.in_current_span());
        change.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// The entry comes last: its lock holds up every other change from here to the end of the
    /// transaction, and no lock is taken after it.
    async fn keep(mut self, entry: Entry) -> Result<(), sqlx::Error> {
        let (actor_kind, actor) = self.origin.actor.parts();
        let (subject_kind, subject) = entry.subject.parts();
        let details = serde_json::to_string(&entry.details)
            .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
        sqlx::query(APPEND)
            .bind(actor_kind)
            .bind(actor)
            .bind(entry.action.as_str())
            .bind(subject_kind)
            .bind(subject)
            .bind(entry.project)
            .bind(self.origin.request)
            .bind(details)
            .execute(&mut *self.tx)
            .await?;
        self.tx.commit().await
    }
}
