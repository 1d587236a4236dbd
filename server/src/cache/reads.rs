//! The reads that are worth caching: who calls, what they may, and what is looked at most.

use uuid::Uuid;

use super::rows::SessionRow;
use super::{Key, MultiLevelCache};
use crate::auth::token::Bearer;
use crate::db;
use crate::db::members::Role;
use crate::db::projects::{Counts, Project, ProjectRef};
use crate::db::runs::Run;
use crate::db::users::User;
use crate::telemetry::{CacheLevel, CacheOutcome};

impl MultiLevelCache {
    /// Whether nothing may be served from a cache, which is counted then: one query may do the work
    /// of several cached reads.
    fn bypassed(&self, key: &Key) -> bool {
        let bypassed = !self.serves();
        if bypassed {
            self.count(key, CacheLevel::Database, CacheOutcome::Bypass);
        }
        bypassed
    }

    /// The user of a session that has not ended, unless disabled.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn bearer(&self, bearer: Bearer) -> Result<Option<User>, sqlx::Error> {
        if self.bypassed(&Key::Session(bearer.session)) {
            return db::sessions::find_bearer(self.db(), bearer).await;
        }
        let session: Option<SessionRow> = self.get(&Key::Session(bearer.session)).await?;
        if session.is_none_or(|session| session.user != bearer.user) {
            return Ok(None);
        }
        self.get(&Key::User(bearer.user)).await
    }

    /// A project.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn project(&self, project: &ProjectRef) -> Result<Option<Project>, sqlx::Error> {
        let key = match project {
            ProjectRef::Id(id) => Key::Project(*id),
            ProjectRef::Slug(slug) => Key::Slug(slug.clone()),
        };
        if self.bypassed(&key) {
            return db::projects::find(self.db(), project).await;
        }
        let id = match project {
            ProjectRef::Id(id) => Some(*id),
            ProjectRef::Slug(slug) if !crate::auth::is_dns_label(slug) => None,
            ProjectRef::Slug(_) => self.get(&key).await?,
        };
        match id {
            Some(id) => self.get(&Key::Project(id)).await,
            None => Ok(None),
        }
    }

    /// A user's role in a project.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn role_of_user(
        &self,
        project: Uuid,
        user: Uuid,
    ) -> Result<Option<Role>, sqlx::Error> {
        self.get(&Key::UserRole(project, user)).await
    }

    /// A namespace's role in a project.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn role_of_namespace(
        &self,
        project: Uuid,
        namespace: &str,
    ) -> Result<Option<Role>, sqlx::Error> {
        let key = Key::NamespaceRole(project, namespace.to_owned());
        self.get(&key).await
    }

    /// How much there is in a project.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn counts(&self, project: Uuid) -> Result<Counts, sqlx::Error> {
        Ok(self.get(&Key::Counts(project)).await?.unwrap_or_default())
    }

    /// A run. Only final ones are cached: what workers write to others needs no invalidation.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn run(&self, id: Uuid) -> Result<Option<Run>, sqlx::Error> {
        if self.bypassed(&Key::Run(id)) {
            return db::runs::find(self.db(), id).await;
        }
        let mut run: Option<Run> = self.get(&Key::Run(id)).await?;
        if let Some(run) = &mut run
            && let Some(job) = run.job_id
            && self.get::<bool>(&Key::Job(job)).await?.is_none()
        {
            // The job was deleted, which makes its many runs no staler than this.
            run.job_id = None;
        }
        Ok(run)
    }
}
