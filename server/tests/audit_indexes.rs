//! `audit-indexes` finds what is wrong with the indexes of a database, and changes nothing of it.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use predicates::prelude::*;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use std::time::Duration;
use support::{database_url, program};
use tempfile::TempDir;
use uuid::Uuid;

mod support;

/// 3,000 or more rows in every table, as a platform that is in use has them, with statistics.
const FILL: &str = include_str!("support/filled.sql");

async fn run(db: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(db)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn filled(db: &PgPool) -> TempDir {
    run(db, FILL).await;
    tempfile::tempdir().unwrap()
}

fn audit(db: &PgPool, directory: &TempDir, options: &[&str]) -> assert_cmd::Command {
    let mut command = program(db, directory);
    command.arg("audit-indexes").args(options);
    command.timeout(Duration::from_mins(10));
    if !options.contains(&"--large-table-rows") {
        command.args(["--large-table-rows", "2000"]);
    }
    command
}

fn report(mut command: assert_cmd::Command) -> Value {
    let output = command.args(["--format", "json"]).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

/// The findings, without their figures and messages.
fn findings(report: &Value) -> Vec<Value> {
    let of = |it: &Value| {
        json!({"kind": it["kind"], "table": it["table"], "index": it["index"], "query": it["query"],
            "statements": it["statements"]})
    };
    let all = report["findings"].as_array().unwrap();
    all.iter().map(of).collect()
}

fn found(report: &Value, kind: &str) -> Vec<Value> {
    let all = findings(report);
    all.into_iter().filter(|it| it["kind"] == kind).collect()
}

#[sqlx::test]
async fn nothing_is_found_in_the_schema_as_it_is(db: PgPool) {
    let directory = filled(&db).await;
    let report = report(audit(&db, &directory, &["--fail-on-findings"]));
    assert_eq!(report["findings"], json!([]), "{:#}", report["findings"]);
    let queries = report["queries"].as_array().unwrap();
    assert_eq!(queries.len(), server::db::queries().count());
    let of = |name: &str| queries.iter().find(|it| it["name"] == name).unwrap();
    assert_eq!(of("runs.list")["mode"], "analyzed");
    assert_eq!(of("runs.list")["samples"], 3);
    assert_eq!(of("queue.claim")["mode"], "planned", "it would claim a run");
    assert_eq!(of("runs.notify")["mode"], "planned", "it would notify");
    assert_eq!(
        of("audit.append")["mode"],
        "planned",
        "it would add an entry"
    );
    for query in queries {
        assert_ne!(query["mode"], "notPlanned", "{query:#}");
        let sampled = query["sql"].as_str().unwrap().contains("$1");
        assert_eq!(query["samples"].as_i64().unwrap() > 0, sampled, "{query:#}");
    }
}

#[sqlx::test]
async fn a_missing_index_is_found_and_proposed(db: PgPool) {
    let directory = filled(&db).await;
    run(&db, "DROP INDEX runs_of_job").await;
    run(&db, "ALTER TABLE users DROP CONSTRAINT users_email_key").await;
    let report = report(audit(&db, &directory, &[]));
    let scans = found(&report, "sequentialScan");
    let of = |query: &str| scans.iter().find(|it| it["query"] == query);
    assert_eq!(
        of("runs.list_of_job").unwrap()["statements"],
        json!([
            "CREATE INDEX CONCURRENTLY runs_job_id_created_at_id_idx ON runs (job_id, created_at DESC, id DESC)"
        ])
    );
    // Also of a query that is not run: it would lock.
    assert_eq!(
        of("users.find_login").unwrap()["statements"],
        json!(["CREATE INDEX CONCURRENTLY users_email_idx ON users (email)"])
    );
    assert!(of("runs.find").is_none(), "{scans:#?}");
    let keys = found(&report, "unindexedForeignKey");
    assert_eq!(
        keys,
        [
            json!({"kind": "unindexedForeignKey", "table": "runs", "index": null, "query": null,
            "statements": ["CREATE INDEX CONCURRENTLY runs_job_id_idx ON runs (job_id)"]})
        ]
    );
}

#[sqlx::test]
async fn a_scan_counts_on_a_large_table_only(db: PgPool) {
    let directory = filled(&db).await;
    run(&db, "ALTER TABLE users DROP CONSTRAINT users_email_key").await;
    let few = report(audit(&db, &directory, &["--large-table-rows", "1000000"]));
    assert_eq!(found(&few, "sequentialScan"), [] as [Value; 0]);
    assert!(!found(&report(audit(&db, &directory, &[])), "sequentialScan").is_empty());
}

#[sqlx::test]
async fn an_index_whose_rows_are_mostly_thrown_away_is_found(db: PgPool) {
    let directory = filled(&db).await;
    // All reviews of one project, and none of them is accepted: without their index the project's
    // are read one by one.
    run(
        &db,
        "DROP INDEX reviews_of_project; \
         UPDATE reviews SET project_id = (SELECT id FROM projects ORDER BY id LIMIT 1); \
         CREATE INDEX reviews_project ON reviews (project_id); \
         ANALYZE reviews",
    )
    .await;
    run(
        &db,
        &format!(
            "ALTER DATABASE \"{}\" SET enable_seqscan = off",
            db.connect_options().get_database().unwrap()
        ),
    )
    .await;
    let report = report(audit(&db, &directory, &["--samples", "100"]));
    let wasteful = found(&report, "filteredScan");
    assert!(
        wasteful
            .iter()
            .any(|it| it["query"] == "reviews.list_of_project" && it["index"] == "reviews_project"),
        "{wasteful:#?}"
    );
}

#[sqlx::test]
async fn duplicate_and_redundant_indexes_are_found(db: PgPool) {
    let directory = filled(&db).await;
    run(
        &db,
        "CREATE INDEX runs_list_again ON runs (project_id, created_at DESC, id DESC); \
         CREATE INDEX runs_by_id ON runs (id); \
         CREATE INDEX runs_prefix ON runs (project_id, created_at DESC); \
         CREATE INDEX runs_other_way ON runs (project_id, created_at); \
         CREATE INDEX runs_of_some ON runs (project_id, created_at DESC) WHERE state = 'failed'; \
         CREATE UNIQUE INDEX runs_unique_prefix ON runs (id, project_id)",
    )
    .await;
    let report = report(audit(&db, &directory, &[]));
    let dropped = |kind: &str| -> Vec<Value> {
        found(&report, kind)
            .into_iter()
            .map(|it| it["statements"].clone())
            .collect()
    };
    assert_eq!(
        dropped("duplicateIndex"),
        [
            json!(["DROP INDEX CONCURRENTLY runs_by_id"]),
            json!(["DROP INDEX CONCURRENTLY runs_list_again"]),
        ]
    );
    assert_eq!(
        dropped("redundantIndex"),
        // Also one that is the same as another can be the beginning of a third.
        [
            json!(["DROP INDEX CONCURRENTLY runs_by_id"]),
            json!(["DROP INDEX CONCURRENTLY runs_prefix"]),
        ]
    );
}

#[sqlx::test]
async fn an_index_of_a_build_that_was_cut_off_is_found(db: PgPool) {
    let directory = filled(&db).await;
    // The build fails at the second row, and leaves its index behind as one that is cut off does.
    sqlx::query("CREATE UNIQUE INDEX CONCURRENTLY runs_cut_off ON runs (project_id)")
        .execute(&db)
        .await
        .unwrap_err();
    let report = report(audit(&db, &directory, &[]));
    assert_eq!(
        findings(&report),
        [
            json!({"kind": "invalidIndex", "table": "runs", "index": "runs_cut_off", "query": null,
            "statements": ["REINDEX INDEX CONCURRENTLY runs_cut_off"]})
        ]
    );
}

#[sqlx::test]
async fn a_foreign_key_needs_an_index_of_all_its_rows(db: PgPool) {
    let directory = filled(&db).await;
    run(
        &db,
        "CREATE TABLE children (parent uuid REFERENCES projects, other uuid REFERENCES projects, \
           third uuid REFERENCES projects); \
         CREATE INDEX children_some ON children (parent) WHERE other IS NULL; \
         CREATE INDEX children_all ON children (other) WHERE other IS NOT NULL",
    )
    .await;
    let keys = found(&report(audit(&db, &directory, &[])), "unindexedForeignKey");
    let statements: Vec<&Value> = keys.iter().map(|it| &it["statements"][0]).collect();
    assert_eq!(
        statements,
        [
            "CREATE INDEX CONCURRENTLY children_parent_idx ON children (parent)",
            "CREATE INDEX CONCURRENTLY children_third_idx ON children (third)",
        ]
    );
}

/// An index most of whose entries are gone.
async fn bloat(db: &PgPool) {
    run(
        db,
        "INSERT INTO idempotency_keys (caller, key, request_hash, status) \
         SELECT 'bloat', n::text, decode(repeat('00', 32), 'hex'), 201 \
         FROM generate_series(1, 60000) n",
    )
    .await;
    run(
        db,
        "DELETE FROM idempotency_keys WHERE caller = 'bloat' AND right(key, 1) <> '7'",
    )
    .await;
    run(db, "VACUUM ANALYZE idempotency_keys").await;
}

#[sqlx::test]
async fn a_bloated_index_is_estimated_or_measured(db: PgPool) {
    let directory = filled(&db).await;
    bloat(&db).await;
    let options = ["--bloat-mib", "0"];
    for measured in [false, true] {
        if measured {
            run(&db, "CREATE EXTENSION pgstattuple").await;
        }
        let report = report(audit(&db, &directory, &options));
        let all = report["findings"].as_array().unwrap();
        let key = all
            .iter()
            .find(|it| it["kind"] == "bloatedIndex" && it["index"] == "idempotency_keys_pkey")
            .unwrap_or_else(|| panic!("{all:#?}"));
        assert_eq!(key["figures"]["measured"], measured);
        assert!(key["figures"]["wastedPercent"].as_f64().unwrap() > 50.0);
        assert_eq!(
            key["statements"],
            json!(["REINDEX INDEX CONCURRENTLY idempotency_keys_pkey"])
        );
        let estimated = report["limits"].to_string().contains("pgstattuple");
        assert_eq!(estimated, !measured, "{}", report["limits"]);
        assert!(all.iter().all(|it| it["index"] != "runs_pkey"), "{all:#?}");
    }
    run(&db, "REINDEX TABLE idempotency_keys").await;
    let after = report(audit(&db, &directory, &options));
    assert_eq!(found(&after, "bloatedIndex"), [] as [Value; 0]);
}

#[sqlx::test]
async fn an_index_is_unused_only_after_a_time_that_is_said(db: PgPool) {
    let directory = filled(&db).await;
    run(
        &db,
        "CREATE INDEX users_by_age ON users (created_at); \
         CREATE UNIQUE INDEX users_by_everything ON users (created_at, id, email)",
    )
    .await;
    let young = report(audit(&db, &directory, &[]));
    assert_eq!(found(&young, "unusedIndex"), [] as [Value; 0]);
    assert_eq!(young["statistics"]["days"], 0);
    assert_eq!(young["statistics"]["reset"], false);

    run(
        &db,
        "UPDATE _sqlx_migrations SET installed_on = now() - interval '40 days'",
    )
    .await;
    let old = report(audit(&db, &directory, &[]));
    assert_eq!(old["statistics"]["days"], 40);
    let statements: Vec<Value> = found(&old, "unusedIndex")
        .into_iter()
        .map(|it| it["statements"].clone())
        .collect();
    assert_eq!(
        statements,
        [json!(["DROP INDEX CONCURRENTLY users_by_age"])],
        "what keeps values apart, serves a foreign key or is in a plan stays: {old:#}"
    );

    // Whoever sets the counters to zero starts anew.
    run(&db, "SELECT pg_stat_reset()").await;
    let reset = report(audit(&db, &directory, &[]));
    assert_eq!(found(&reset, "unusedIndex"), [] as [Value; 0]);
    assert_eq!(reset["statistics"]["reset"], true);
    // A build of a migration is as old as the migration, however old the schema is.
    assert_eq!(reset["statistics"]["days"], 0);
}

/// Everything that an audit could have changed: definitions, rights, rows and versions of rows.
async fn everything(db: &PgPool) -> String {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT relname::text FROM pg_stat_user_tables ORDER BY 1")
            .fetch_all(db)
            .await
            .unwrap();
    let mut parts = vec![
        "SELECT string_agg(indexdef, ';' ORDER BY indexdef) FROM pg_indexes \
         WHERE schemaname = 'public'"
            .to_owned(),
        "SELECT string_agg(format('%s %s %s %s', relname, relfilenode, relacl, reloptions), ';' \
           ORDER BY oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            .to_owned(),
    ];
    parts.extend(tables.iter().map(|table| {
        // A row that was written, locked or deleted has other marks than before.
        format!("SELECT md5(string_agg(xmin::text || xmax::text || t::text, ';' ORDER BY ctid)) FROM {table} t")
    }));
    let mut all = String::new();
    for part in parts {
        let text: Option<String> = sqlx::query_scalar(AssertSqlSafe(part))
            .fetch_one(db)
            .await
            .unwrap();
        all.push_str(&text.unwrap_or_default());
        all.push('\n');
    }
    all
}

#[sqlx::test]
async fn nothing_is_changed(db: PgPool) {
    let directory = filled(&db).await;
    run(
        &db,
        "DROP INDEX runs_of_job; CREATE INDEX runs_by_id ON runs (id)",
    )
    .await;
    let before = everything(&db).await;
    let report = report(audit(&db, &directory, &["--samples", "100"]));
    assert!(!report["findings"].as_array().unwrap().is_empty());
    assert_eq!(everything(&db).await, before);
}

/// A role of the test's own with the rights of the API's, and the database's URL as it.
async fn api_role(db: &PgPool, directory: &TempDir) -> (String, String) {
    let role = format!("api_{}", Uuid::new_v4().simple());
    run(db, &format!("CREATE ROLE {role} LOGIN")).await;
    let url = database_url(db).replacen("postgres@", &format!("{role}@"), 1);
    program(db, directory)
        .arg("migrate")
        .env("DATABASE_URL", &url)
        .env("MIGRATION_DATABASE_URL", database_url(db))
        .assert()
        .success();
    (role, url)
}

#[sqlx::test]
async fn the_apis_role_is_enough_and_what_another_lacks_is_said(db: PgPool) {
    let directory = filled(&db).await;
    let (role, url) = api_role(&db, &directory).await;
    run(&db, "CREATE EXTENSION pgstattuple; DROP INDEX runs_of_job").await;
    bloat(&db).await;
    let as_api = || {
        let mut command = audit(&db, &directory, &["--bloat-mib", "0"]);
        command.env("DATABASE_URL", &url);
        report(command)
    };
    let whole = as_api();
    assert_eq!(whole["database"]["role"], *role);
    for kind in ["sequentialScan", "unindexedForeignKey", "bloatedIndex"] {
        assert!(!found(&whole, kind).is_empty(), "{kind}");
    }
    assert_eq!(
        whole["limits"],
        json!([{"what": "bloat is estimated, not measured",
            "why": format!("{role} may not call pgstatindex"),
            "remedy": format!("GRANT pg_stat_scan_tables TO {role}")}])
    );
    run(&db, &format!("GRANT pg_stat_scan_tables TO {role}")).await;
    assert_eq!(as_api()["limits"], json!([]));

    run(&db, &format!("REVOKE SELECT ON reviews FROM {role}")).await;
    let less = as_api();
    let limits = less["limits"].to_string();
    assert!(
        limits.contains(&format!("GRANT SELECT ON reviews TO {role}")),
        "{limits}"
    );
    assert!(limits.contains("the plan of reviews.find"), "{limits}");
    let queries = less["queries"].as_array().unwrap();
    let mode = |name: &str| &queries.iter().find(|it| it["name"] == name).unwrap()["mode"];
    assert_eq!(mode("reviews.find"), "notPlanned");
    assert_eq!(mode("runs.find"), "analyzed");
}

#[sqlx::test]
async fn reports_hold_no_values_of_rows(db: PgPool) {
    let directory = filled(&db).await;
    run(&db, "ALTER TABLE users DROP CONSTRAINT users_email_key").await;
    let json = report(audit(&db, &directory, &[])).to_string();
    assert!(json.contains("users.find_login"));
    assert!(
        !json.contains("@example.com"),
        "an address is in the report"
    );
}

#[sqlx::test]
async fn both_forms_are_written_to_files(db: PgPool) {
    let directory = filled(&db).await;
    run(&db, "CREATE INDEX runs_by_id ON runs (id)").await;
    let path = directory.path().join("report");
    let base = path.to_str().unwrap();
    audit(
        &db,
        &directory,
        &["--format", "markdown,json", "--output", base],
    )
    .assert()
    .success()
    .stdout("");
    let markdown = std::fs::read_to_string(path.with_extension("md")).unwrap();
    for text in [
        "Nothing was changed",
        "## Findings",
        "| Duplicate indexes | 1 |",
        "DROP INDEX CONCURRENTLY runs_by_id;",
        "## What could not be seen",
        "CREATE EXTENSION pgstattuple",
        "| `runs.list` | analyzed | 3 |",
        "0 days",
    ] {
        assert!(markdown.contains(text), "{text}: {markdown}");
    }
    let json: Value =
        serde_json::from_str(&std::fs::read_to_string(path.with_extension("json")).unwrap())
            .unwrap();
    // The form that others read: a change makes another version.
    let keys = |it: &Value| -> Vec<String> { it.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(json["schemaVersion"], 1);
    assert_eq!(
        keys(&json),
        [
            "database",
            "findings",
            "generatedAt",
            "limits",
            "program",
            "queries",
            "schemaVersion",
            "statistics",
            "thresholds"
        ]
    );
    assert_eq!(
        keys(&json["findings"][0]),
        [
            "figures",
            "index",
            "kind",
            "message",
            "query",
            "statements",
            "table"
        ]
    );
    assert_eq!(
        keys(&json["queries"][0]),
        [
            "milliseconds",
            "mode",
            "name",
            "pages",
            "samples",
            "scans",
            "sql"
        ]
    );
    assert_eq!(
        keys(&json["database"]),
        ["name", "postgres", "role", "schema"]
    );
    assert_eq!(keys(&json["statistics"]), ["days", "reset", "since"]);

    audit(&db, &directory, &["--fail-on-findings", "--output", base])
        .assert()
        .code(1)
        .stderr("error: 1 finding(s)\n");
    audit(&db, &directory, &["--format", "markdown,json"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("two formats need --output"));
    audit(&db, &directory, &["--output", "/nowhere/report"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("--output /nowhere/report.md"));
}

#[sqlx::test(migrations = false)]
async fn a_database_without_a_schema_is_told(db: PgPool) {
    let directory = tempfile::tempdir().unwrap();
    audit(&db, &directory, &[])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("has migrate been run on it?"));
}

#[test]
fn the_help_teaches() {
    let mut command = assert_cmd::Command::cargo_bin("reconciliation-server").unwrap();
    let output = command.args(["audit-indexes", "--help"]).assert().success();
    let help = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    // It is wrapped to the width of a terminal.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        "read-only transaction that is rolled back",
        "No statement is carried out",
        "--large-table-rows",
        "Examples:",
        "--format markdown,json --output index-audit",
        "Exit codes:",
        "docs/index-audit.md",
    ] {
        assert!(help.contains(text), "{text}: {help}");
    }
}
