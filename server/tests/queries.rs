//! Lists ask the database a fixed number of times, however long their pages are.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use serde_json::json;
use sqlx::PgPool;
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};
use support::Server;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use uuid::Uuid;

mod support;

/// Every statement that sqlx sends from this thread; a test's server has no other.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Statements {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[derive(Default)]
struct Summary(String);

impl Visit for Summary {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "summary" {
            let _ = write!(self.0, "{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "summary" {
            self.0.push_str(value);
        }
    }
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "sqlx::query" {
            return;
        }
        let mut summary = Summary::default();
        event.record(&mut summary);
        // A comment alone asks whether a connection lives.
        if !summary.0.starts_with("/*") {
            self.0.lock().unwrap().push(summary.0);
        }
    }
}

/// 300 pairs, half of them for review and half of them different, and 120 of everything else.
async fn fill(server: &Server, token: &str, user: Uuid, project: Uuid) -> (Uuid, String) {
    let rows = |review: &str, status: &str| {
        let rows = (0..300).map(|row| {
            let memo = if row % 2 == 0 { review } else { "same" };
            format!("{row},record {row} {memo},{status}\n")
        });
        format!("id,memo,status\n{}", rows.collect::<String>())
    };
    let left = rows("x", "open");
    let right = rows("y", "paid");
    let left = server.upload(token, project, "left.csv", &left).await;
    let right = server.upload(token, project, "right.csv", &right).await;
    let mut spec = support::spec(left, right);
    spec["passes"] = json!([{
        "name": "fuzzy", "score": "weighted", "accept": 0.99, "review": 0.7, "block": [["id"]],
        "compare": [{"column": "memo", "text": {"method": "levenshtein", "atLeast": 0.7}}],
    }]);
    spec["diff"] = json!([{"column": "status", "exact": {}}]);
    let run = server.queue(token, project, &spec).await;
    server.wait_for(token, run, "succeeded").await;
    // Workers ask now and then; only what requests ask is counted.
    server.stop_working().await;
    let hash = format!("'sha256:{}'", "0".repeat(64));
    let group: String = sqlx::query_scalar(
        "SELECT group_id FROM reviews WHERE run_id = $1 ORDER BY number LIMIT 1",
    )
    .bind(run)
    .fetch_one(&server.app.db)
    .await
    .unwrap();
    let statements = [
        format!(
            "WITH p AS (INSERT INTO projects (id, slug, name) SELECT gen_random_uuid(), 'p' || n, 'p' \
               FROM generate_series(1, 120) n RETURNING id), \
             u AS (INSERT INTO uploads (id, project_id, name, sha256, size) \
               SELECT gen_random_uuid(), id, 'a.csv', decode(repeat('00', 32), 'hex'), 1 FROM p) \
             INSERT INTO project_members (project_id, user_id, role) SELECT id, '{user}', 'owner' FROM p"
        ),
        format!(
            "INSERT INTO project_members (project_id, namespace, role) \
             SELECT '{project}', 'n' || n, 'viewer' FROM generate_series(1, 120) n"
        ),
        format!(
            "INSERT INTO uploads (id, project_id, name, sha256, size) SELECT gen_random_uuid(), \
             '{project}', n || '.csv', decode(repeat('00', 32), 'hex'), 1 FROM generate_series(1, 120) n"
        ),
        format!(
            "INSERT INTO jobs (id, project_id, name, spec, spec_hash) \
             SELECT gen_random_uuid(), '{project}', 'j' || n, '{{}}', {hash} FROM generate_series(1, 120) n"
        ),
        format!(
            "INSERT INTO runs (id, project_id, spec, spec_hash, job_id) \
             SELECT gen_random_uuid(), '{project}', '{{}}', {hash}, (SELECT id FROM jobs WHERE name = 'j1') \
             FROM generate_series(1, 120) n"
        ),
        "INSERT INTO users (id, email, password_hash) SELECT gen_random_uuid(), \
         n || '@example.com', (SELECT password_hash FROM users LIMIT 1) FROM generate_series(1, 120) n"
            .to_owned(),
        format!(
            "INSERT INTO api_tokens (id, project_id, name, token_hash, role, created_by, expires_at) \
             SELECT gen_random_uuid(), '{project}', n, decode(lpad(n::text, 64, '0'), 'hex'), 'viewer', \
             '{user}', now() + interval '1 day' FROM generate_series(1, 120) n"
        ),
        format!(
            "SELECT audit_append('command', 'test', 'project.update', 'project', '{project}', \
             '{project}', gen_random_uuid(), '{{}}') FROM generate_series(1, 120)"
        ),
        format!(
            "INSERT INTO review_events (run_id, group_id, version, action, user_id, comment) \
             SELECT '{run}', '{group}', n, 'commented', '{user}', 'why' FROM generate_series(2, 121) n"
        ),
    ];
    for statement in statements {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&server.app.db)
            .await
            .unwrap();
    }
    (run, group)
}

#[sqlx::test]
async fn lists_send_as_many_queries_for_a_long_page_as_for_a_short_one(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (user, token) = server.user("ann@example.com", false).await;
    let (_, admin) = server.user("root@example.com", true).await;
    let project = server.project("treasury", user).await;
    let (run, group) = fill(&server, &token, user, project).await;
    let lists = [
        "/api/v2/audit",
        "/api/v2/users",
        "/api/v2/projects",
        "/api/v2/projects/{project}/audit",
        "/api/v2/projects/{project}/members",
        "/api/v2/projects/{project}/tokens",
        "/api/v2/projects/{project}/uploads",
        "/api/v2/projects/{project}/runs",
        "/api/v2/projects/{project}/jobs",
        "/api/v2/projects/{project}/jobs/{job}/runs",
        "/api/v2/projects/{project}/reviews",
        "/api/v2/runs/{id}/pairs",
        "/api/v2/runs/{id}/differences",
        "/api/v2/runs/{id}/exceptions",
        "/api/v2/runs/{id}/reviews",
        "/api/v2/runs/{id}/reviews/{group}/history",
        "/api/v2/runs/{id}/outputs",
    ];
    assert_eq!(
        documented_lists(),
        lists.iter().map(|list| (*list).to_owned()).collect(),
        "every list of docs/api.md is counted here"
    );

    let statements = Statements::default();
    let subscriber = tracing_subscriber::registry().with(statements.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    for list in lists {
        let path = list
            .replace("{project}", &project.to_string())
            .replace("{job}", "j1")
            .replace("{id}", &run.to_string())
            .replace("{group}", &group);
        for token in [&token, &admin] {
            let for_admins = matches!(list, "/api/v2/audit" | "/api/v2/users");
            if for_admins && token != &admin {
                continue;
            }
            let mut sent = Vec::new();
            for limit in [1, 10, 100] {
                statements.take();
                let page = server.read(token, &format!("{path}?limit={limit}")).await;
                sent.push(statements.take());
                // A run has few outputs; they are files, and none has rows in the database.
                let items = page["items"].as_array().unwrap().len();
                assert!(
                    items == limit || list.ends_with("/outputs"),
                    "{list}: {items}"
                );
            }
            assert!(!sent[0].is_empty(), "{list}: nothing was counted");
            assert_eq!(sent[0].len(), sent[1].len(), "{list}: {sent:?}");
            assert_eq!(sent[0].len(), sent[2].len(), "{list}: {sent:?}");
        }
    }
}

/// The lists among the routes of the contract.
fn documented_lists() -> BTreeSet<String> {
    let contract = include_str!("../../docs/api.md");
    let lists = contract.lines().filter_map(|line| {
        let (route, rest) = line.strip_prefix("| `GET ")?.split_once('`')?;
        rest.contains("list").then(|| route.to_owned())
    });
    let lists: BTreeSet<String> = lists
        .map(|it| it.split('?').next().unwrap().into())
        .collect();
    assert!(lists.len() > 10, "{lists:?}");
    lists
}

#[sqlx::test]
async fn counts_of_a_project_are_its_own(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let (other, risk) = server.owner_of("risk").await;
    let spec = server.small_spec(&token, project).await;
    server.queue(&token, project, &spec).await;
    server.queue(&token, project, &spec).await;
    server.upload(&other, risk, "a.csv", "a\n").await;
    let (_, admin) = server.user("root@example.com", true).await;
    let projects = server.all(&admin, "/api/v2/projects", 1).await;
    let counts: Vec<_> = projects.iter().map(|it| it["counts"].clone()).collect();
    assert_eq!(
        counts,
        [
            json!({"members": 1, "uploads": 1, "runs": 0}),
            json!({"members": 1, "uploads": 2, "runs": 2})
        ]
    );
    for (token, project, counts) in [(&other, risk, &counts[0]), (&token, project, &counts[1])] {
        let path = format!("/api/v2/projects/{project}");
        assert_eq!(&server.read(token, &path).await["counts"], counts);
    }
}

/// What is kept beside what is there, by project.
async fn kept_and_counted(db: &PgPool) -> Vec<(i64, i64, i64, i64)> {
    sqlx::query_as(
        "SELECT coalesce(c.uploads, 0), (SELECT count(*) FROM uploads WHERE project_id = p.id), \
           coalesce(c.runs, 0), (SELECT count(*) FROM runs WHERE project_id = p.id) \
         FROM projects p LEFT JOIN project_counts c ON c.project_id = p.id ORDER BY p.slug",
    )
    .fetch_all(db)
    .await
    .unwrap()
}

async fn fill_two_projects(db: &PgPool) {
    sqlx::raw_sql(
        "INSERT INTO projects (id, slug, name) \
         SELECT md5(slug)::uuid, slug, slug FROM (VALUES ('a'), ('b')) AS p (slug); \
         INSERT INTO uploads (id, project_id, name, sha256, size) SELECT md5(n::text)::uuid, \
           md5(CASE WHEN n <= 3 THEN 'a' ELSE 'b' END)::uuid, n || '.csv', sha256(n::text::bytea), 1 \
         FROM generate_series(1, 4) n; \
         INSERT INTO runs (id, project_id, spec, spec_hash) SELECT md5(n::text)::uuid, \
           md5(CASE WHEN n <= 5 THEN 'a' ELSE 'b' END)::uuid, '{}', 'sha256:' || repeat('0', 64) \
         FROM generate_series(1, 7) n",
    )
    .execute(db)
    .await
    .unwrap();
}

#[sqlx::test]
async fn counts_follow_what_comes_and_goes(db: PgPool) {
    fill_two_projects(&db).await;
    assert_eq!(kept_and_counted(&db).await, [(3, 3, 5, 5), (1, 1, 2, 2)]);
    for (statement, expected) in [
        // What is there already is not added, and not counted again.
        (
            "INSERT INTO uploads (id, project_id, name, sha256, size) \
             SELECT gen_random_uuid(), project_id, name, sha256, size FROM uploads \
             ON CONFLICT (project_id, sha256, name) DO NOTHING",
            vec![(3, 3, 5, 5), (1, 1, 2, 2)],
        ),
        (
            "DELETE FROM runs WHERE id IN (md5('1')::uuid, md5('2')::uuid, md5('7')::uuid)",
            vec![(3, 3, 3, 3), (1, 1, 1, 1)],
        ),
        (
            "DELETE FROM uploads WHERE name = '1.csv'",
            vec![(2, 2, 3, 3), (1, 1, 1, 1)],
        ),
        ("DELETE FROM projects WHERE slug = 'a'", vec![(1, 1, 1, 1)]),
    ] {
        sqlx::query(statement).execute(&db).await.unwrap();
        assert_eq!(kept_and_counted(&db).await, expected, "{statement}");
    }
}

#[sqlx::test(migrations = false)]
async fn what_was_there_before_counts_were_kept_is_counted(db: PgPool) {
    let counts = server::db::MIGRATOR
        .iter()
        .find(|it| it.sql.as_str().contains("CREATE TABLE project_counts"))
        .unwrap();
    server::db::MIGRATOR
        .run_to(counts.version - 1, &db)
        .await
        .unwrap();
    fill_two_projects(&db).await;
    server::db::MIGRATOR.run(&db).await.unwrap();
    assert_eq!(kept_and_counted(&db).await, [(3, 3, 5, 5), (1, 1, 2, 2)]);
}

#[sqlx::test]
async fn a_claim_reads_a_long_queue_once(db: PgPool) {
    sqlx::raw_sql(
        "INSERT INTO projects (id, slug, name) \
         SELECT md5('p' || n)::uuid, 'p' || n, 'p' FROM generate_series(0, 9) n; \
         INSERT INTO runs (id, project_id, spec, spec_hash) SELECT md5(n::text)::uuid, \
           md5('p' || n % 10)::uuid, '{}', 'sha256:' || repeat('0', 64) FROM generate_series(1, 2000) n",
    )
    .execute(&db)
    .await
    .unwrap();
    let claim = server::db::queries().find(|query| query.name == "queue.claim");
    let explain = format!(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}",
        claim.unwrap().sql
    );
    let plan: serde_json::Value = sqlx::query_scalar(sqlx::AssertSqlSafe(explain))
        .bind("worker")
        .bind(15.0)
        .bind(3)
        .fetch_one(&db)
        .await
        .unwrap();
    let plan = &plan[0]["Plan"];
    assert_eq!(plan["Actual Rows"].as_f64(), Some(1.0), "{plan:#}");
    let pages = |name: &str| plan[name].as_i64().unwrap();
    let pages = pages("Shared Hit Blocks") + pages("Shared Read Blocks");
    // Some pages for each run that waits, and not some for each pair of them.
    assert!(pages < 10 * 2000, "{pages} pages");
}
