//! `migrate` beside others, and after a build of an index that was cut off.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use server::db::{MIGRATOR, migration};
use sqlx::PgPool;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use support::variables;

mod support;

/// `migrate` on the test's own database, at work.
fn migrate(db: &PgPool, directory: &tempfile::TempDir) -> Child {
    let base = std::env::var("DATABASE_URL").unwrap();
    let (server, _) = base.rsplit_once('/').unwrap();
    let database = db.connect_options().get_database().unwrap().to_owned();
    Command::new(assert_cmd::cargo::cargo_bin("reconciliation-server"))
        .arg("migrate")
        .env_clear()
        .envs(variables(directory))
        .env("DATABASE_URL", format!("{server}/{database}"))
        .env("LOCK_TIMEOUT", "20s")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn end(process: Child) -> Output {
    tokio::task::spawn_blocking(|| process.wait_with_output())
        .await
        .unwrap()
        .unwrap()
}

/// The first migration that builds an index concurrently, and the index.
fn first_build() -> (i64, &'static str) {
    MIGRATOR
        .iter()
        .find_map(|it| Some((it.version, migration::index_of(it)?)))
        .unwrap()
}

/// Whether the index is there, and is valid.
async fn index(db: &PgPool, name: &str) -> Option<bool> {
    sqlx::query_scalar("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)")
        .bind(name)
        .fetch_optional(db)
        .await
        .unwrap()
}

async fn recorded(db: &PgPool, version: i64) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM _sqlx_migrations WHERE version = $1)")
        .bind(version)
        .fetch_one(db)
        .await
        .unwrap()
}

/// The session that builds an index and waits for somebody else's transaction.
async fn waiting_build(db: &PgPool) -> i32 {
    for _ in 0..600 {
        let pid = sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
             AND query LIKE '%CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock' \
             AND pid <> pg_backend_pid()",
        )
        .fetch_optional(db)
        .await
        .unwrap();
        if let Some(pid) = pid {
            return pid;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no build waits");
}

#[sqlx::test(migrations = false)]
async fn a_build_that_was_cut_off_is_done_again(db: PgPool) {
    let directory = tempfile::tempdir().unwrap();
    let (version, name) = first_build();
    MIGRATOR.run_to(version - 1, &db).await.unwrap();
    sqlx::query(
        "WITH p AS (INSERT INTO projects (id, slug, name) \
           VALUES (gen_random_uuid(), 'a', 'a') RETURNING id) \
         INSERT INTO runs (id, project_id, spec, spec_hash) \
         SELECT gen_random_uuid(), p.id, '{}', 'sha256:' || repeat('0', 64) \
         FROM p, generate_series(1, 1000)",
    )
    .execute(&db)
    .await
    .unwrap();
    // A writer at work: the build has to wait for the end of its transaction.
    let mut writer = db.begin().await.unwrap();
    sqlx::query("UPDATE runs SET phase = NULL")
        .execute(&mut *writer)
        .await
        .unwrap();

    let process = migrate(&db, &directory);
    let build = waiting_build(&db).await;
    assert_eq!(index(&db, name).await, Some(false), "it is halfway");
    sqlx::query("SELECT pg_terminate_backend($1)")
        .bind(build)
        .execute(&db)
        .await
        .unwrap();
    let output = end(process).await;
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains(&format!("migration {version} ")) && message.contains(name),
        "{message}"
    );
    assert_eq!(index(&db, name).await, Some(false), "it is left behind");
    assert!(!recorded(&db, version).await);
    writer.rollback().await.unwrap();

    let output = end(migrate(&db, &directory)).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(index(&db, name).await, Some(true));
    assert!(recorded(&db, version).await);
    let invalid: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
        .fetch_one(&db)
        .await
        .unwrap();
    assert_eq!(invalid, 0, "nothing is left beside it");
}

#[sqlx::test(migrations = false)]
async fn a_build_that_was_done_and_not_recorded_is_recorded(db: PgPool) {
    let directory = tempfile::tempdir().unwrap();
    let (version, name) = first_build();
    MIGRATOR.run_to(version, &db).await.unwrap();
    let number = async || {
        let number: i64 = sqlx::query_scalar("SELECT to_regclass($1)::oid::bigint")
            .bind(name)
            .fetch_one(&db)
            .await
            .unwrap();
        number
    };
    let before = number().await;
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = $1")
        .bind(version)
        .execute(&db)
        .await
        .unwrap();
    let output = end(migrate(&db, &directory)).await;
    assert!(output.status.success(), "{output:?}");
    assert!(recorded(&db, version).await);
    assert_eq!(number().await, before, "the index is the same one");
}

#[sqlx::test(migrations = false)]
async fn writes_go_on_while_an_index_is_built(db: PgPool) {
    let directory = tempfile::tempdir().unwrap();
    let (version, name) = first_build();
    MIGRATOR.run_to(version - 1, &db).await.unwrap();
    sqlx::query("INSERT INTO projects (id, slug, name) VALUES (gen_random_uuid(), 'a', 'a')")
        .execute(&db)
        .await
        .unwrap();
    let queue = "INSERT INTO runs (id, project_id, spec, spec_hash) \
         SELECT gen_random_uuid(), id, '{}', 'sha256:' || repeat('0', 64) FROM projects";
    let mut writer = db.begin().await.unwrap();
    sqlx::query(queue).execute(&mut *writer).await.unwrap();
    let process = migrate(&db, &directory);
    waiting_build(&db).await;
    // The build is under way and waits; others write all the same.
    for _ in 0..100 {
        let mut connection = db.acquire().await.unwrap();
        sqlx::query("SET lock_timeout = '1s'")
            .execute(&mut *connection)
            .await
            .unwrap();
        sqlx::query(queue).execute(&mut *connection).await.unwrap();
    }
    writer.commit().await.unwrap();
    let output = end(process).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(index(&db, name).await, Some(true));
}

#[sqlx::test(migrations = false)]
async fn migrations_at_once_wait_for_each_other(db: PgPool) {
    let directory = tempfile::tempdir().unwrap();
    let processes: Vec<Child> = (0..3).map(|_| migrate(&db, &directory)).collect();
    for process in processes {
        let output = end(process).await;
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(index(&db, first_build().1).await, Some(true));
}

#[sqlx::test(migrations = false)]
async fn a_build_takes_one_processor(db: PgPool) {
    let directory = tempfile::tempdir().unwrap();
    // Whoever begins to build an index leaves the setting under which it is built.
    sqlx::raw_sql(
        "CREATE TABLE builds (workers text); \
         CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
           IF current_query() LIKE '%CREATE INDEX CONCURRENTLY%' THEN \
             INSERT INTO builds VALUES (current_setting('max_parallel_maintenance_workers')); \
           END IF; END $$; \
         CREATE EVENT TRIGGER note ON ddl_command_start WHEN TAG IN ('CREATE INDEX') \
           EXECUTE FUNCTION note()",
    )
    .execute(&db)
    .await
    .unwrap();
    let output = end(migrate(&db, &directory)).await;
    assert!(output.status.success(), "{output:?}");
    let workers: Vec<String> = sqlx::query_scalar("SELECT workers FROM builds")
        .fetch_all(&db)
        .await
        .unwrap();
    let builds = MIGRATOR
        .iter()
        .filter(|it| migration::index_of(it).is_some());
    assert_eq!(workers, vec!["0"; builds.count()]);
}
