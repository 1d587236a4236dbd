//! The table `project_members`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use super::audit::Mutation;
use super::named::NamedQuery;
use super::users::normal_email;
use super::version::Expected;

const ROLE_OF_USER: NamedQuery = NamedQuery::new(
    "members.role_of_user",
    "SELECT role FROM project_members WHERE project_id = $1 AND user_id = $2",
)
.sampled("project_members", "project_id, user_id");
const ROLES_OF_NAMESPACE: NamedQuery = NamedQuery::new(
    "members.roles_of_namespace",
    "SELECT role FROM project_members WHERE project_id = $1 AND namespace = $2",
)
.sampled("project_members", "project_id, namespace");
const LIST: NamedQuery = NamedQuery::new(
    "members.list",
    "SELECT CASE WHEN m.user_id IS NULL THEN 'namespace' ELSE 'user' END AS kind, \
       coalesce(u.email, m.namespace) AS name, m.role, m.declared, m.version \
     FROM project_members m LEFT JOIN users u ON u.id = m.user_id \
     WHERE m.project_id = $1 \
     ORDER BY kind, name, m.declared LIMIT $2 OFFSET $3",
)
.sampled("project_members", "project_id, 101, 0");
const FIND_MEMBER_USER: NamedQuery = NamedQuery::new(
    "members.find_member_user",
    "SELECT 'user' AS kind, u.email AS name, m.role, m.declared, m.version \
     FROM project_members m JOIN users u ON u.id = m.user_id \
     WHERE m.project_id = $1 AND u.email = $2",
)
.sampled(
    "project_members",
    "project_id, (SELECT email FROM users WHERE id = user_id)",
);
const FIND_MEMBER_NAMESPACE: NamedQuery = NamedQuery::new(
    "members.find_member_namespace",
    "SELECT 'namespace' AS kind, namespace AS name, role, declared, \
       version FROM project_members WHERE project_id = $1 AND namespace = $2 \
     ORDER BY declared LIMIT 1",
)
.sampled("project_members", "project_id, namespace");
const PUT_USER: NamedQuery = NamedQuery::new("members.put_user", "INSERT INTO project_members (project_id, user_id, role) VALUES ($1, $2, $3) \
     ON CONFLICT (user_id, project_id) WHERE user_id IS NOT NULL DO UPDATE SET role = excluded.role \
     RETURNING version").sampled("project_members", "project_id, user_id, role");
const PUT_NAMESPACE: NamedQuery = NamedQuery::new(
    "members.put_namespace",
    "INSERT INTO project_members (project_id, namespace, role) \
     VALUES ($1, $2, $3) ON CONFLICT (namespace, project_id, declared) WHERE namespace IS NOT NULL \
     DO UPDATE SET role = excluded.role RETURNING version",
)
.sampled("project_members", "project_id, namespace, role");
const FIND_USER: NamedQuery =
    NamedQuery::new("members.find_user", "SELECT id FROM users WHERE email = $1")
        .sampled("users", "email");
const LOCK_PROJECT: NamedQuery = NamedQuery::new(
    "members.lock_project",
    "SELECT FROM projects WHERE id = $1 FOR UPDATE",
)
.sampled("projects", "id");
const OWNERS: NamedQuery = NamedQuery::new(
    "members.owners",
    "SELECT count(*) FROM project_members WHERE project_id = $1 AND role = 'owner'",
)
.sampled("project_members", "project_id");
const DELETE_USER: NamedQuery = NamedQuery::new(
    "members.delete_user",
    "DELETE FROM project_members WHERE project_id = $1 AND user_id = $2 RETURNING version",
)
.sampled("project_members", "project_id, user_id");
const DELETE_NAMESPACE: NamedQuery = NamedQuery::new(
    "members.delete_namespace",
    "DELETE FROM project_members \
     WHERE project_id = $1 AND namespace = $2 AND NOT declared RETURNING version",
)
.sampled("project_members", "project_id, namespace");
const VERSION_OF_USER: NamedQuery = NamedQuery::new(
    "members.version_of_user",
    "SELECT version FROM project_members WHERE project_id = $1 AND user_id = $2",
)
.sampled("project_members", "project_id, user_id");
const VERSION_OF_NAMESPACE: NamedQuery = NamedQuery::new(
    "members.version_of_namespace",
    "SELECT version FROM project_members \
     WHERE project_id = $1 AND namespace = $2 AND NOT declared",
)
.sampled("project_members", "project_id, namespace");
const IS_DECLARED: NamedQuery = NamedQuery::new(
    "members.is_declared",
    "SELECT EXISTS (SELECT FROM project_members \
     WHERE project_id = $1 AND namespace = $2 AND declared)",
)
.sampled("project_members", "project_id, namespace");

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] = &[
    ROLE_OF_USER,
    ROLES_OF_NAMESPACE,
    LIST,
    FIND_MEMBER_USER,
    FIND_MEMBER_NAMESPACE,
    PUT_USER,
    PUT_NAMESPACE,
    FIND_USER,
    LOCK_PROJECT,
    OWNERS,
    DELETE_USER,
    DELETE_NAMESPACE,
    VERSION_OF_USER,
    VERSION_OF_NAMESPACE,
    IS_DECLARED,
];

/// What a member may do, each role including the ones before.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
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
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A person, named by e-mail address.
    User,
    /// A Kubernetes namespace.
    Namespace,
}

/// A member as it is listed.
#[derive(Clone, Debug, FromRow, Serialize, JsonSchema)]
pub struct Member {
    /// `user` or `namespace`.
    #[schemars(with = "Kind")]
    pub kind: String,
    /// The e-mail address or the namespace.
    pub name: String,
    /// The role.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// Whether the operator made it.
    pub declared: bool,
    /// The version, for `If-Match`.
    #[serde(skip)]
    pub version: i64,
}

/// What came of a change to the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was made to this user or, without one, to the namespace, which has this version now.
    Done(Option<Uuid>, i64),
    /// There is no such user or member.
    Unknown,
    /// The member has another version by now.
    Stale,
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

/// A member. Of a namespace that is both declared and made by a person, the latter.
///
/// # Errors
/// Errors of the database.
pub async fn find(
    db: &PgPool,
    project: Uuid,
    kind: Kind,
    name: &str,
) -> Result<Option<Member>, sqlx::Error> {
    match kind {
        Kind::User => sqlx::query_as(FIND_MEMBER_USER)
            .bind(project)
            .bind(normal_email(name)),
        Kind::Namespace => sqlx::query_as(FIND_MEMBER_NAMESPACE)
            .bind(project)
            .bind(name),
    }
    .fetch_optional(db)
    .await
}

/// Makes a user a member, or changes the role; the version it has now.
///
/// # Errors
/// Errors of the database.
pub(super) async fn put_user(
    tx: &mut PgConnection,
    project: Uuid,
    user: Uuid,
    role: Role,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(PUT_USER)
        .bind(project)
        .bind(user)
        .bind(role.as_str())
        .fetch_one(tx)
        .await
}

/// Somebody who is or may become a member.
enum Somebody<'a> {
    User(Uuid),
    Namespace(&'a str),
}

impl<'a> Somebody<'a> {
    async fn find(
        tx: &mut PgConnection,
        kind: Kind,
        name: &'a str,
    ) -> Result<Option<Self>, sqlx::Error> {
        match kind {
            Kind::Namespace => Ok(Some(Self::Namespace(name))),
            Kind::User => Ok(sqlx::query_scalar(FIND_USER)
                .bind(normal_email(name))
                .fetch_optional(tx)
                .await?
                .map(Self::User)),
        }
    }

    fn user(&self) -> Option<Uuid> {
        match self {
            Self::User(id) => Some(*id),
            Self::Namespace(_) => None,
        }
    }

    /// The version of the member that a person can change.
    async fn version(
        &self,
        tx: &mut PgConnection,
        project: Uuid,
    ) -> Result<Option<i64>, sqlx::Error> {
        match self {
            Self::User(id) => sqlx::query_scalar(VERSION_OF_USER).bind(project).bind(id),
            Self::Namespace(name) => sqlx::query_scalar(VERSION_OF_NAMESPACE)
                .bind(project)
                .bind(*name),
        }
        .fetch_optional(tx)
        .await
    }
}

/// Makes somebody a member, or changes the role. Where a version is expected, only a member of
/// this version is changed.
///
/// # Errors
/// Errors of the database.
pub async fn put(
    change: &mut Mutation,
    project: Uuid,
    (kind, name): (Kind, &str),
    role: Role,
    expected: Option<&Expected>,
) -> Result<Change, sqlx::Error> {
    let owners = lock_and_count_owners(change, project).await?;
    let Some(somebody) = Somebody::find(change, kind, name).await? else {
        return Ok(Change::Unknown);
    };
    if !is_expected(change, project, &somebody, expected).await? {
        return Ok(Change::Stale);
    }
    let version = match somebody {
        Somebody::User(user) => put_user(change, project, user, role).await?,
        Somebody::Namespace(name) => {
            sqlx::query_scalar(PUT_NAMESPACE)
                .bind(project)
                .bind(name)
                .bind(role.as_str())
                .fetch_one(&mut **change)
                .await?
        }
    };
    keep_an_owner(
        change,
        project,
        owners,
        Change::Done(somebody.user(), version),
    )
    .await
}

/// Removes a member. Where a version is expected, only a member of this version.
///
/// # Errors
/// Errors of the database.
pub async fn remove(
    change: &mut Mutation,
    project: Uuid,
    (kind, name): (Kind, &str),
    expected: Option<&Expected>,
) -> Result<Change, sqlx::Error> {
    let owners = lock_and_count_owners(change, project).await?;
    let Some(somebody) = Somebody::find(change, kind, name).await? else {
        return Ok(Change::Unknown);
    };
    if !is_expected(change, project, &somebody, expected).await? {
        return Ok(Change::Stale);
    }
    let removed: Option<i64> = match &somebody {
        Somebody::User(user) => sqlx::query_scalar(DELETE_USER).bind(project).bind(user),
        Somebody::Namespace(name) => sqlx::query_scalar(DELETE_NAMESPACE)
            .bind(project)
            .bind(*name),
    }
    .fetch_optional(&mut **change)
    .await?;
    if let Some(version) = removed {
        let done = Change::Done(somebody.user(), version);
        return keep_an_owner(change, project, owners, done).await;
    }
    let declared: bool = sqlx::query_scalar(IS_DECLARED)
        .bind(project)
        .bind(name)
        .fetch_one(&mut **change)
        .await?;
    Ok(if declared && kind == Kind::Namespace {
        Change::Declared
    } else {
        Change::Unknown
    })
}

async fn is_expected(
    tx: &mut PgConnection,
    project: Uuid,
    somebody: &Somebody<'_>,
    expected: Option<&Expected>,
) -> Result<bool, sqlx::Error> {
    let Some(expected) = expected else {
        return Ok(true);
    };
    let version = somebody.version(tx, project).await?;
    Ok(version.is_some_and(|version| expected.allows(version)))
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

/// Refuses the change where it took the last owner. A declared project may have had none before.
async fn keep_an_owner(
    tx: &mut PgConnection,
    project: Uuid,
    owners_before: i64,
    done: Change,
) -> Result<Change, sqlx::Error> {
    if owners_before > 0 && count_owners(tx, project).await? == 0 {
        return Ok(Change::LastOwner);
    }
    Ok(done)
}
