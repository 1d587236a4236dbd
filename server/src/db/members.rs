//! The table `project_members`.

use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use super::users::normal_email;

const ROLE_OF_USER: &str =
    "SELECT role FROM project_members WHERE project_id = $1 AND user_id = $2";
const ROLES_OF_NAMESPACE: &str =
    "SELECT role FROM project_members WHERE project_id = $1 AND namespace = $2";
const LIST: &str = "SELECT CASE WHEN m.user_id IS NULL THEN 'namespace' ELSE 'user' END AS kind, \
       coalesce(u.email, m.namespace) AS name, m.role, m.declared \
     FROM project_members m LEFT JOIN users u ON u.id = m.user_id \
     WHERE m.project_id = $1 \
     ORDER BY kind, name, m.declared LIMIT $2 OFFSET $3";
const PUT_USER: &str = "INSERT INTO project_members (project_id, user_id, role) VALUES ($1, $2, $3) \
     ON CONFLICT (user_id, project_id) WHERE user_id IS NOT NULL DO UPDATE SET role = excluded.role";
const PUT_NAMESPACE: &str = "INSERT INTO project_members (project_id, namespace, role) \
     VALUES ($1, $2, $3) ON CONFLICT (namespace, project_id, declared) WHERE namespace IS NOT NULL \
     DO UPDATE SET role = excluded.role";
const FIND_USER: &str = "SELECT id FROM users WHERE email = $1";
const LOCK_PROJECT: &str = "SELECT FROM projects WHERE id = $1 FOR UPDATE";
const OWNERS: &str =
    "SELECT count(*) FROM project_members WHERE project_id = $1 AND role = 'owner'";
const DELETE_USER: &str =
    "DELETE FROM project_members WHERE project_id = $1 AND user_id = $2 RETURNING role";
const DELETE_NAMESPACE: &str = "DELETE FROM project_members \
     WHERE project_id = $1 AND namespace = $2 AND NOT declared RETURNING role";
const IS_DECLARED: &str = "SELECT EXISTS (SELECT FROM project_members \
     WHERE project_id = $1 AND namespace = $2 AND declared)";

/// What a member may do, each role including the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Read.
    Viewer,
    /// Upload and run.
    Editor,
    /// Manage members.
    Owner,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Owner => "owner",
        }
    }
}

impl TryFrom<String> for Role {
    type Error = sqlx::Error;

    fn try_from(text: String) -> Result<Self, sqlx::Error> {
        match text.as_str() {
            "viewer" => Ok(Self::Viewer),
            "editor" => Ok(Self::Editor),
            "owner" => Ok(Self::Owner),
            _ => Err(sqlx::Error::Decode("unknown role".into())),
        }
    }
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A person, named by e-mail address.
    User,
    /// A Kubernetes namespace.
    Namespace,
}

/// A member as it is listed.
#[derive(Clone, Debug, FromRow, Serialize)]
pub struct Member {
    /// `user` or `namespace`.
    pub kind: String,
    /// The e-mail address or the namespace.
    pub name: String,
    /// The role.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// Whether the operator made it.
    pub declared: bool,
}

/// What came of a change to the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was made.
    Done,
    /// There is no such user or member.
    Unknown,
    /// It would leave the project without an owner.
    LastOwner,
    /// The member is declared and goes with its declaration only.
    Declared,
}

/// A user's role.
///
/// # Errors
/// Errors of the database.
pub async fn role_of_user(
    db: &PgPool,
    project: Uuid,
    user: Uuid,
) -> Result<Option<Role>, sqlx::Error> {
    let role: Option<String> = sqlx::query_scalar(ROLE_OF_USER)
        .bind(project)
        .bind(user)
        .fetch_optional(db)
        .await?;
    role.map(Role::try_from).transpose()
}

/// A namespace's role: the higher one where it is both declared and made by a person.
///
/// # Errors
/// Errors of the database.
pub async fn role_of_namespace(
    db: &PgPool,
    project: Uuid,
    namespace: &str,
) -> Result<Option<Role>, sqlx::Error> {
    let roles: Vec<String> = sqlx::query_scalar(ROLES_OF_NAMESPACE)
        .bind(project)
        .bind(namespace)
        .fetch_all(db)
        .await?;
    let roles: Vec<Role> = roles
        .into_iter()
        .map(Role::try_from)
        .collect::<Result<_, _>>()?;
    Ok(roles.into_iter().max())
}

/// A page of members, from an offset.
///
/// # Errors
/// Errors of the database.
pub async fn list(
    db: &PgPool,
    project: Uuid,
    offset: i64,
    limit: i64,
) -> Result<Vec<Member>, sqlx::Error> {
    sqlx::query_as(LIST)
        .bind(project)
        .bind(limit)
        .bind(offset)
        .fetch_all(db)
        .await
}

/// Makes a user a member, or changes the role.
///
/// # Errors
/// Errors of the database.
pub(super) async fn put_user(
    tx: &mut PgConnection,
    project: Uuid,
    user: Uuid,
    role: Role,
) -> Result<(), sqlx::Error> {
    sqlx::query(PUT_USER)
        .bind(project)
        .bind(user)
        .bind(role.as_str())
        .execute(tx)
        .await
        .map(drop)
}

/// Makes somebody a member, or changes the role.
///
/// # Errors
/// Errors of the database.
pub async fn put(
    db: &PgPool,
    project: Uuid,
    kind: Kind,
    name: &str,
    role: Role,
) -> Result<Change, sqlx::Error> {
    let mut tx = db.begin().await?;
    let before = lock_and_count_owners(&mut tx, project).await?;
    match kind {
        Kind::User => {
            let Some(user) = find_user(&mut tx, name).await? else {
                return Ok(Change::Unknown);
            };
            put_user(&mut tx, project, user, role).await?;
        }
        Kind::Namespace => {
            sqlx::query(PUT_NAMESPACE)
                .bind(project)
                .bind(name)
                .bind(role.as_str())
                .execute(&mut *tx)
                .await?;
        }
    }
    finish(tx, project, before).await
}

/// Removes a member.
///
/// # Errors
/// Errors of the database.
pub async fn remove(
    db: &PgPool,
    project: Uuid,
    kind: Kind,
    name: &str,
) -> Result<Change, sqlx::Error> {
    let mut tx = db.begin().await?;
    let before = lock_and_count_owners(&mut tx, project).await?;
    let removed: Option<String> = match kind {
        Kind::User => {
            let Some(user) = find_user(&mut tx, name).await? else {
                return Ok(Change::Unknown);
            };
            sqlx::query_scalar(DELETE_USER)
                .bind(project)
                .bind(user)
                .fetch_optional(&mut *tx)
                .await?
        }
        Kind::Namespace => {
            sqlx::query_scalar(DELETE_NAMESPACE)
                .bind(project)
                .bind(name)
                .fetch_optional(&mut *tx)
                .await?
        }
    };
    if removed.is_none() {
        let declared: bool = sqlx::query_scalar(IS_DECLARED)
            .bind(project)
            .bind(name)
            .fetch_one(&mut *tx)
            .await?;
        return Ok(if declared && kind == Kind::Namespace {
            Change::Declared
        } else {
            Change::Unknown
        });
    }
    finish(tx, project, before).await
}

async fn find_user(tx: &mut PgConnection, email: &str) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar(FIND_USER)
        .bind(normal_email(email))
        .fetch_optional(tx)
        .await
}

/// Changes of one project's members wait for each other, so that two owners cannot remove each
/// other at once.
async fn lock_and_count_owners(tx: &mut PgConnection, project: Uuid) -> Result<i64, sqlx::Error> {
    sqlx::query(LOCK_PROJECT)
        .bind(project)
        .execute(&mut *tx)
        .await?;
    count_owners(tx, project).await
}

async fn count_owners(tx: &mut PgConnection, project: Uuid) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(OWNERS).bind(project).fetch_one(tx).await
}

/// Commits unless the change took the last owner. A declared project may have had none before.
async fn finish(
    mut tx: sqlx::Transaction<'_, sqlx::Postgres>,
    project: Uuid,
    owners_before: i64,
) -> Result<Change, sqlx::Error> {
    if owners_before > 0 && count_owners(&mut tx, project).await? == 0 {
        return Ok(Change::LastOwner);
    }
    tx.commit().await?;
    Ok(Change::Done)
}
