//! The table `projects`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgPool};
use std::collections::HashMap;
use uuid::Uuid;

use super::audit::Mutation;
use super::members::{self, Role};
use super::named::NamedQuery;
use super::version::Expected;

const FIND_BY_ID: NamedQuery = NamedQuery::new(
    "projects.find_by_id",
    "SELECT id, slug, name, version FROM projects WHERE id = $1",
)
.sampled("projects", "id");
const FIND_BY_SLUG: NamedQuery = NamedQuery::new(
    "projects.find_by_slug",
    "SELECT id, slug, name, version FROM projects WHERE slug = $1",
)
.sampled("projects", "slug");
const CREATE: NamedQuery = NamedQuery::new(
    "projects.create",
    "INSERT INTO projects (id, slug, name) VALUES ($1, $2, $3) \
     ON CONFLICT (slug) DO NOTHING RETURNING id, slug, name, version",
)
.sampled("projects", "gen_random_uuid(), slug, name");
const LOCK: NamedQuery = NamedQuery::new(
    "projects.lock",
    "SELECT version FROM projects WHERE id = $1 FOR NO KEY UPDATE",
)
.sampled("projects", "id");
const RENAME: NamedQuery = NamedQuery::new(
    "projects.rename",
    "UPDATE projects SET name = $2 WHERE id = $1 RETURNING id, slug, name, version",
)
.sampled("projects", "id, name");
const LIST_OF_USER: NamedQuery = NamedQuery::new(
    "projects.list_of_user",
    "SELECT p.id, p.slug, p.name, p.version, m.role FROM projects p \
     JOIN project_members m ON m.project_id = p.id AND m.user_id = $1 \
     WHERE p.slug > $2 ORDER BY p.slug LIMIT $3",
)
.sampled("project_members", "user_id, '', 101");
const LIST_OF_NAMESPACE: NamedQuery = NamedQuery::new("projects.list_of_namespace", "SELECT p.id, p.slug, p.name, p.version, m.role FROM projects p \
     JOIN (SELECT project_id, CASE max(CASE role WHEN 'owner' THEN 2 WHEN 'editor' THEN 1 ELSE 0 END) \
             WHEN 2 THEN 'owner' WHEN 1 THEN 'editor' ELSE 'viewer' END AS role \
           FROM project_members WHERE namespace = $1 GROUP BY project_id) m ON m.project_id = p.id \
     WHERE p.slug > $2 ORDER BY p.slug LIMIT $3").sampled("project_members", "namespace, '', 101");
const LIST_ONE: NamedQuery = NamedQuery::new(
    "projects.list_one",
    "SELECT id, slug, name, version, $2::text AS role FROM projects \
     WHERE id = $1 AND $2::text IS NOT NULL AND slug > $3 LIMIT $4",
)
.sampled("projects", "id, 'viewer', '', 101");
const LIST_ALL: NamedQuery = NamedQuery::new(
    "projects.list_all",
    "SELECT id, slug, name, version, 'owner' AS role FROM projects \
     WHERE slug > $1 ORDER BY slug LIMIT $2",
)
.sampled("projects", "slug, 101");
const COUNT_MEMBERS: NamedQuery = NamedQuery::new(
    "projects.count_members",
    "SELECT project_id, count(*) FROM project_members \
     WHERE project_id = ANY($1) GROUP BY project_id",
)
.with("(SELECT array_agg(id) FROM (SELECT id FROM projects LIMIT 100) AS page)");
const COUNTS: NamedQuery = NamedQuery::new(
    "projects.counts",
    "SELECT project_id, uploads, runs FROM project_counts WHERE project_id = ANY($1)",
)
.with("(SELECT array_agg(id) FROM (SELECT id FROM projects ORDER BY slug LIMIT 100) AS page)");
const LOCK_DECLARATION: NamedQuery = NamedQuery::new(
    "projects.lock_declaration",
    "SELECT pg_advisory_xact_lock(hashtext('projects.declaration'))",
);
const DROP_UNDECLARED: NamedQuery = NamedQuery::new(
    "projects.drop_undeclared",
    "DELETE FROM project_members m USING projects p \
     WHERE m.declared AND p.id = m.project_id \
       AND NOT EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS d (slug, namespace) \
                       WHERE d.slug = p.slug AND d.namespace = m.namespace) \
     RETURNING m.project_id, m.namespace",
)
.sampled("projects", "ARRAY[slug], ARRAY['treasury']");
const ADD_DECLARED: NamedQuery = NamedQuery::new(
    "projects.add_declared",
    "INSERT INTO project_members (project_id, namespace, role, declared) \
     SELECT p.id, d.namespace, 'editor', true \
     FROM unnest($1::text[], $2::text[]) AS d (slug, namespace) JOIN projects p USING (slug) \
     ON CONFLICT (namespace, project_id, declared) WHERE namespace IS NOT NULL DO NOTHING \
     RETURNING project_id, namespace",
)
.sampled("projects", "ARRAY[slug], ARRAY['treasury']");

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] = &[
    FIND_BY_ID,
    FIND_BY_SLUG,
    CREATE,
    LOCK,
    RENAME,
    LIST_OF_USER,
    LIST_OF_NAMESPACE,
    LIST_ONE,
    LIST_ALL,
    COUNT_MEMBERS,
    COUNTS,
    LOCK_DECLARATION,
    DROP_UNDECLARED,
    ADD_DECLARED,
];

/// A project.
#[derive(Clone, Debug, FromRow, Serialize, Deserialize)]
pub struct Project {
    /// The project's id.
    pub id: Uuid,
    /// Its name in URLs and specifications.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The version, for `If-Match`.
    pub version: i64,
}

/// A project and what the caller is in it.
#[derive(Clone, Debug, FromRow)]
pub struct Membership {
    /// The project.
    #[sqlx(flatten)]
    pub project: Project,
    /// The caller's role.
    #[sqlx(try_from = "String")]
    pub role: Role,
}

/// How much there is in a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ProjectCounts")]
pub struct Counts {
    /// Members: a namespace that is declared and made by a person counts twice, as it is listed.
    pub members: i64,
    /// Uploads.
    pub uploads: i64,
    /// Runs.
    pub runs: i64,
}

/// How much there is in some projects.
#[derive(Clone, Debug, Default)]
pub struct CountsOf(HashMap<Uuid, Counts>);

impl CountsOf {
    /// How much there is in a project; nothing in one that was not asked for.
    #[must_use]
    pub fn of(&self, project: Uuid) -> Counts {
        self.0.get(&project).copied().unwrap_or_default()
    }
}

/// How a route names a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProjectRef {
    /// By id.
    Id(Uuid),
    /// By slug.
    Slug(String),
}

impl ProjectRef {
    /// An id where the text is one in its usual form, else a slug; no slug looks like an id.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match Uuid::try_parse(text) {
            Ok(id) if text.len() == 36 => Self::Id(id),
            _ => Self::Slug(text.to_owned()),
        }
    }
}

/// Looks a project up.
///
/// # Errors
/// Errors of the database.
pub async fn find(db: &PgPool, project: &ProjectRef) -> Result<Option<Project>, sqlx::Error> {
    match project {
        ProjectRef::Id(id) => sqlx::query_as(FIND_BY_ID).bind(id).fetch_optional(db).await,
        ProjectRef::Slug(slug) if slug.contains('\0') => Ok(None),
        ProjectRef::Slug(slug) => {
            sqlx::query_as(FIND_BY_SLUG)
                .bind(slug)
                .fetch_optional(db)
                .await
        }
    }
}

/// Makes a project whose owner is the user; none where the slug is taken.
///
/// # Errors
/// Errors of the database.
pub async fn create(
    change: &mut Mutation,
    slug: &str,
    name: &str,
    owner: Uuid,
) -> Result<Option<Project>, sqlx::Error> {
    let project = insert(change, slug, name).await?;
    if let Some(project) = &project {
        members::put_user(change, project.id, owner, Role::Owner).await?;
    }
    Ok(project)
}

/// Gives a project of an expected version another name; none where it has another version by now.
///
/// # Errors
/// Errors of the database.
pub async fn rename(
    change: &mut Mutation,
    id: Uuid,
    name: &str,
    expected: &Expected,
) -> Result<Option<Project>, sqlx::Error> {
    let version: Option<i64> = sqlx::query_scalar(LOCK)
        .bind(id)
        .fetch_optional(&mut **change)
        .await?;
    if !version.is_some_and(|version| expected.allows(version)) {
        return Ok(None);
    }
    sqlx::query_as(RENAME)
        .bind(id)
        .bind(name)
        .fetch_optional(&mut **change)
        .await
}

async fn insert(
    tx: &mut PgConnection,
    slug: &str,
    name: &str,
) -> Result<Option<Project>, sqlx::Error> {
    sqlx::query_as(CREATE)
        .bind(Uuid::new_v4())
        .bind(slug)
        .bind(name)
        .fetch_optional(tx)
        .await
}

/// The projects of a user, of a namespace or all, by slug.
#[derive(Clone, Copy, Debug)]
pub enum ListOf<'a> {
    /// Those with the user as a member.
    User(Uuid),
    /// Those with the namespace as a member.
    Namespace(&'a str),
    /// One, for a machine with this role in it.
    One(Uuid, Option<Role>),
    /// All, for a platform admin.
    Everything,
}

/// A page of projects after a slug.
///
/// # Errors
/// Errors of the database.
pub async fn list(
    db: &PgPool,
    of: ListOf<'_>,
    after: &str,
    limit: i64,
) -> Result<Vec<Membership>, sqlx::Error> {
    match of {
        ListOf::User(id) => sqlx::query_as(LIST_OF_USER).bind(id),
        ListOf::Namespace(name) => sqlx::query_as(LIST_OF_NAMESPACE).bind(name),
        ListOf::One(id, role) => sqlx::query_as(LIST_ONE)
            .bind(id)
            .bind(role.map(Role::as_str)),
        ListOf::Everything => sqlx::query_as(LIST_ALL),
    }
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// How much there is in some projects: two queries, however many projects.
///
/// # Errors
/// Errors of the database.
pub async fn counts(
    connection: &mut PgConnection,
    projects: &[Uuid],
) -> Result<CountsOf, sqlx::Error> {
    let mut counts: HashMap<Uuid, Counts> = HashMap::new();
    let members: Vec<(Uuid, i64)> = sqlx::query_as(COUNT_MEMBERS)
        .bind(projects)
        .fetch_all(&mut *connection)
        .await?;
    for (project, number) in members {
        counts.entry(project).or_default().members = number;
    }
    // Nobody counts these: triggers keep them. A project without a row has none.
    let kept: Vec<(Uuid, i64, i64)> = sqlx::query_as(COUNTS)
        .bind(projects)
        .fetch_all(connection)
        .await?;
    for (project, uploads, runs) in kept {
        let of = counts.entry(project).or_default();
        (of.uploads, of.runs) = (uploads, runs);
    }
    Ok(CountsOf(counts))
}

/// What was declared, and which namespaces became members by it or are none any more.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The declared projects.
    pub projects: Vec<Project>,
    /// Projects and namespaces whose membership changed.
    pub changed: Vec<(Uuid, String)>,
}

/// Makes the declared projects exist, and the declared members exactly the given ones: pairs of a
/// slug and a namespace. Members made by people stay.
///
/// # Errors
/// Errors of the database.
pub async fn declare(
    change: &mut Mutation,
    slugs: &[String],
    members: &[(String, String)],
) -> Result<Declared, sqlx::Error> {
    sqlx::query(LOCK_DECLARATION).execute(&mut **change).await?;
    let mut projects = Vec::with_capacity(slugs.len());
    for slug in slugs {
        insert(change, slug, slug).await?;
        projects.push(
            sqlx::query_as(FIND_BY_SLUG)
                .bind(slug)
                .fetch_one(&mut **change)
                .await?,
        );
    }
    let (of, namespaces): (Vec<&str>, Vec<&str>) = members
        .iter()
        .map(|(slug, namespace)| (slug.as_str(), namespace.as_str()))
        .unzip();
    let mut changed = Vec::new();
    for statement in [DROP_UNDECLARED, ADD_DECLARED] {
        let rows: Vec<(Uuid, String)> = sqlx::query_as(statement)
            .bind(&of)
            .bind(&namespaces)
            .fetch_all(&mut **change)
            .await?;
        changed.extend(rows);
    }
    Ok(Declared { projects, changed })
}
