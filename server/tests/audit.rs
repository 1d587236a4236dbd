//! The audit log: complete, append-only, and unable to hide what was done to it.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use predicates::prelude::*;
use reqwest::StatusCode;
use serde_json::{Value, json};
use server::audit::{export_head, stored_heads};
use server::cache::Stale;
use server::db::audit::{Action, Entry, Finding, Head, Subject, verify};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};
use support::{PASSWORD, Server, assert_problem, database_url, json_of, program};
use uuid::Uuid;

mod support;

/// A log with some entries.
async fn with_entries(server: &Server, count: usize) {
    for _ in 0..count {
        let entry = Entry::new(Action::ProjectsDeclare, Subject::Platform);
        let change = server.change().await;
        change.commit(entry, Stale::nothing()).await.unwrap();
    }
}

async fn run(db: &PgPool, statement: &str) -> Result<u64, sqlx::Error> {
    let result = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(db);
    Ok(result.await?.rows_affected())
}

/// Changes the log as only whoever owns the database can.
async fn tamper(db: &PgPool, statement: &str) {
    run(db, "ALTER TABLE audit_log DISABLE TRIGGER USER")
        .await
        .unwrap();
    assert!(run(db, statement).await.unwrap() > 0, "{statement}");
    run(
        db,
        "ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_only_grows",
    )
    .await
    .unwrap();
}

async fn findings(db: &PgPool, heads: Vec<Head>) -> Vec<Finding> {
    verify(db, heads).await.unwrap().finish().2
}

#[sqlx::test]
async fn an_entry_says_who_did_what_in_which_request(db: PgPool) {
    let server = Server::start(db).await;
    let (id, token) = server.user("ann@example.com", false).await;
    let (_, admin) = server.user("admin@example.com", true).await;
    let body = json!({"slug": "treasury", "name": "Treasury"});
    let made = server.post("/api/v2/projects", &body).bearer_auth(&token);
    let made = made.send().await.unwrap();
    let request = made.headers()["x-request-id"].to_str().unwrap().to_owned();
    let project = json_of(made).await["id"].clone();
    for (token, path) in [
        (&admin, "/api/v2/audit".to_owned()),
        (&token, "/api/v2/projects/treasury/audit".to_owned()),
    ] {
        let list = server.get(&path).bearer_auth(token).send().await.unwrap();
        let list = json_of(list).await;
        let entry = &list["items"][0];
        assert_eq!(entry["sequence"], 1);
        assert_eq!(entry["actor"], json!({"kind": "user", "id": id}));
        assert_eq!(entry["action"], "project.create");
        assert_eq!(entry["subject"], json!({"kind": "project", "id": project}));
        assert_eq!(entry["project"], project);
        assert_eq!(entry["requestId"], json!(request));
        assert_eq!(entry["details"], json!({"slug": "treasury"}));
        assert_eq!(entry["hash"].as_str().unwrap().len(), 64);
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
    }
}

#[sqlx::test]
async fn owners_read_the_entries_of_their_project_alone_page_by_page(db: PgPool) {
    let server = Server::start(db).await;
    let (owner, project) = server.owner_of("treasury").await;
    let (other, elsewhere) = server.owner_of("risk").await;
    for (token, project) in [(&owner, project), (&other, elsewhere), (&owner, project)] {
        for role in ["viewer", "editor"] {
            server.machine(token, project, role).await;
        }
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v2/projects/treasury/audit?limit=3{cursor}");
        let page = server.get(&path).bearer_auth(&owner).send().await.unwrap();
        let page = json_of(page).await;
        for entry in page["items"].as_array().unwrap() {
            assert_eq!(entry["project"], json!(project));
            seen.push(entry["sequence"].as_i64().unwrap());
        }
        let Some(next) = page["nextCursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    // 1 and 2 made the projects, past the API and with no project of their own.
    assert_eq!(seen, [8, 7, 4, 3]);
    let foreign = server
        .get("/api/v2/projects/treasury/audit")
        .bearer_auth(&other);
    assert_problem(foreign.send().await.unwrap(), 404, "not-found").await;
}

#[sqlx::test]
async fn no_secret_address_or_name_of_a_file_is_in_the_log(db: PgPool) {
    let server = Server::start(db).await;
    let (_, admin) = server.user("admin@example.com", true).await;
    let body = json!({"email": "bob@example.com", "password": PASSWORD});
    let made = server.post("/api/v2/users", &body).bearer_auth(&admin);
    assert_eq!(made.send().await.unwrap().status(), StatusCode::CREATED);
    let login = server.login("bob@example.com", PASSWORD).await;
    let bob = login["accessToken"].as_str().unwrap();
    let body = json!({"slug": "treasury", "name": "secret-name"});
    let made = server.post("/api/v2/projects", &body).bearer_auth(bob);
    let project: Uuid = json_of(made.send().await.unwrap()).await["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let (_, machine) = server.machine(bob, project, "editor").await;
    server
        .upload(&machine, project, "secret-file.csv", "id\nsecret-value\n")
        .await;
    let member = json!({"kind": "user", "name": "admin@example.com", "role": "viewer"});
    let put = server.request("PUT", "/api/v2/projects/treasury/members");
    let put = put.bearer_auth(bob).json(&member).send().await.unwrap();
    assert_eq!(put.status(), StatusCode::OK);
    let log: Vec<String> = sqlx::query_scalar("SELECT l::text FROM audit_log l")
        .fetch_all(&server.app.db)
        .await
        .unwrap();
    let log = log.join("\n");
    assert_eq!(server.audited().await.len(), 6, "{log}");
    let refresh = login["refreshToken"].as_str().unwrap();
    for secret in ["@example.com", PASSWORD, bob, refresh, &machine, "secret-"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

#[sqlx::test]
async fn changes_at_once_make_one_chain_and_failed_ones_leave_no_gap(db: PgPool) {
    let server = Server::start(db).await;
    let (_, token) = server.user("ann@example.com", false).await;
    // Every second slug is taken.
    let made = futures::future::join_all((0..24).map(|number| {
        let body = json!({"slug": format!("p{}", number / 2), "name": "x"});
        let request = server.post("/api/v2/projects", &body).bearer_auth(&token);
        async { request.send().await.unwrap().status() }
    }))
    .await;
    let done = made.iter().filter(|it| **it == StatusCode::CREATED).count();
    assert_eq!(done, 12);
    let (head, entries, findings) = verify(&server.app.db, Vec::new()).await.unwrap().finish();
    assert_eq!((head.sequence, entries, findings), (12, 12, Vec::new()));
}

#[sqlx::test]
async fn even_the_owner_of_the_table_cannot_change_it(db: PgPool) {
    let server = Server::start(db).await;
    with_entries(&server, 3).await;
    for statement in [
        "UPDATE audit_log SET action = 'other'",
        "UPDATE audit_log SET action = 'other' WHERE false",
        "DELETE FROM audit_log WHERE sequence = 3",
        "TRUNCATE audit_log",
        "INSERT INTO audit_log SELECT * FROM audit_log WHERE sequence = 1 \
         ON CONFLICT (sequence) DO UPDATE SET action = 'other'",
    ] {
        let error = run(&server.app.db, statement).await.unwrap_err();
        assert!(
            error.to_string().contains("only grows"),
            "{statement}: {error}"
        );
    }
    assert_eq!(findings(&server.app.db, Vec::new()).await, []);
}

#[sqlx::test]
async fn every_changed_field_shows(db: PgPool) {
    let server = Server::start(db).await;
    with_entries(&server, 5).await;
    for change in [
        "at = at + interval '1 microsecond'",
        "actor_kind = 'user'",
        "actor = NULL",
        "actor = ''",
        "action = 'x'",
        "subject_kind = 'x'",
        "subject = 'x'",
        "project_id = request_id",
        "request_id = gen_random_uuid()",
        "details = '{ }'",
    ] {
        let before: Vec<(String,)> =
            sqlx::query_as("SELECT l::text FROM audit_log l WHERE sequence = 3")
                .fetch_all(&server.app.db)
                .await
                .unwrap();
        run(
            &server.app.db,
            "CREATE TABLE IF NOT EXISTS kept AS SELECT * FROM audit_log",
        )
        .await
        .unwrap();
        tamper(
            &server.app.db,
            &format!("UPDATE audit_log SET {change} WHERE sequence = 3"),
        )
        .await;
        assert_eq!(
            findings(&server.app.db, Vec::new()).await,
            [Finding::Changed(3)],
            "{change} of {before:?}"
        );
        tamper(&server.app.db, "DELETE FROM audit_log WHERE sequence = 3").await;
        tamper(
            &server.app.db,
            "INSERT INTO audit_log SELECT * FROM kept WHERE sequence = 3",
        )
        .await;
        assert_eq!(findings(&server.app.db, Vec::new()).await, []);
    }
    // A hash made to fit breaks the link to the next entry instead.
    tamper(
        &server.app.db,
        "UPDATE audit_log SET hash = sha256('other') WHERE sequence = 3",
    )
    .await;
    assert_eq!(
        findings(&server.app.db, Vec::new()).await,
        [Finding::Changed(3), Finding::Unlinked(4)]
    );
}

#[sqlx::test]
async fn removed_entries_show(db: PgPool) {
    let server = Server::start(db).await;
    with_entries(&server, 6).await;
    tamper(
        &server.app.db,
        "DELETE FROM audit_log WHERE sequence IN (1, 3, 4)",
    )
    .await;
    assert_eq!(
        findings(&server.app.db, Vec::new()).await,
        [Finding::Removed(1, 1), Finding::Removed(3, 4)]
    );
}

#[sqlx::test]
async fn a_cut_off_end_and_a_log_written_anew_show_against_an_exported_head(db: PgPool) {
    let server = Server::start(db).await;
    with_entries(&server, 4).await;
    let early = export_head(&server.app, None).await.unwrap().unwrap();
    with_entries(&server, 3).await;
    export_head(&server.app, Some(&early))
        .await
        .unwrap()
        .unwrap();
    let heads = stored_heads(&server.app.storage).await.unwrap();
    let numbers: Vec<i64> = heads.iter().map(|head| head.sequence).collect();
    assert_eq!(numbers, [4, 7]);
    assert_eq!(heads[0], early);
    assert_eq!(findings(&server.app.db, heads.clone()).await, []);

    tamper(&server.app.db, "DELETE FROM audit_log WHERE sequence > 5").await;
    assert_eq!(findings(&server.app.db, Vec::new()).await, []);
    assert_eq!(
        findings(&server.app.db, heads.clone()).await,
        [Finding::CutOff(7)]
    );
    // Grown over again, it is long enough, and another log.
    with_entries(&server, 4).await;
    assert_eq!(findings(&server.app.db, Vec::new()).await, []);
    assert_eq!(
        findings(&server.app.db, heads.clone()).await,
        [Finding::Rewritten(7)]
    );
    // Nothing at all is a log that was cut off too.
    tamper(&server.app.db, "DELETE FROM audit_log").await;
    assert_eq!(findings(&server.app.db, heads).await, [Finding::CutOff(7)]);
}

#[sqlx::test]
async fn the_command_verifies_and_names_what_it_finds(db: PgPool) {
    let server = Server::start(db).await;
    let verify_audit = || {
        let mut command = program(&server.app.db, &server.directory);
        command.arg("verify-audit");
        command
    };
    verify_audit()
        .assert()
        .success()
        .stdout(predicate::str::contains("0 entries"))
        .stderr(predicate::str::contains("no exported head"));
    with_entries(&server, 5).await;
    let head = export_head(&server.app, None).await.unwrap().unwrap();
    verify_audit()
        .assert()
        .success()
        .stdout(predicate::str::contains("5 entries"))
        .stdout(predicate::str::contains(head.to_string()))
        .stderr(predicate::str::is_empty());
    tamper(
        &server.app.db,
        "UPDATE audit_log SET action = 'harmless' WHERE sequence = 2",
    )
    .await;
    tamper(&server.app.db, "DELETE FROM audit_log WHERE sequence = 5").await;
    verify_audit()
        .assert()
        .code(1)
        .stdout(predicate::str::contains("entry 2 was changed"))
        .stdout(predicate::str::contains("the log was cut off: entry 5"))
        .stderr(predicate::str::contains("2 place(s)"));
    // A head from the process's log does without an object store.
    verify_audit()
        .env_remove("STORAGE_URL")
        .args(["--head", &head.to_string()])
        .assert()
        .code(1)
        .stdout(predicate::str::contains("entry 5"));
    verify_audit()
        .args(["--head", "5:beef"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("64 hexadecimal digits"));
}

/// A role of the test's own, and the database's URL as it.
async fn role(db: &PgPool, name: &str) -> (String, String) {
    let role = format!("{name}_{}", Uuid::new_v4().simple());
    run(db, &format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    let url = database_url(db).replacen("postgres@", &format!("{role}@"), 1);
    assert!(url.contains(&role), "{url}");
    (role, url)
}

async fn connect(url: &str) -> PgPool {
    let options: PgConnectOptions = url.parse().unwrap();
    let pool = PgPoolOptions::new().max_connections(5);
    pool.connect_with(options).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn the_apis_role_adds_to_the_log_and_can_do_nothing_else_to_it(db: PgPool) {
    let directory = tempfile::tempdir().unwrap();
    let (owner, owner_url) = role(&db, "owner").await;
    let (api, api_url) = role(&db, "api").await;
    run(&db, &format!("GRANT ALL ON SCHEMA public TO {owner}"))
        .await
        .unwrap();
    let migrate = || {
        let mut command = program(&db, &directory);
        command
            .arg("migrate")
            .env("DATABASE_URL", &api_url)
            .env("MIGRATION_DATABASE_URL", &owner_url);
        command
    };
    migrate().assert().success();
    migrate().assert().success();

    // The API works as this role.
    let as_api = connect(&api_url).await;
    let server = Server::start(as_api.clone()).await;
    let (token, project) = server.owner_of("treasury").await;
    server.user_with_password("ann@example.com").await;
    server.login("ann@example.com", PASSWORD).await;
    let (_, machine) = server.machine(&token, project, "editor").await;
    let spec = server.small_spec(&machine, project).await;
    server.queue(&machine, project, &spec).await;
    assert_eq!(
        server.get("/readyz").send().await.unwrap().status(),
        StatusCode::OK
    );
    assert_eq!(server.audited().await.len(), 6);

    for statement in [
        "UPDATE audit_log SET action = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "INSERT INTO audit_log SELECT * FROM audit_log WHERE false",
        "ALTER TABLE audit_log DISABLE TRIGGER audit_log_only_grows",
        "DROP TRIGGER audit_log_only_grows ON audit_log",
        "DROP TABLE audit_log",
        "DROP FUNCTION audit_refuse() CASCADE",
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql \
         AS 'BEGIN RETURN NULL; END'",
        "CREATE RULE x AS ON INSERT TO audit_log DO INSTEAD NOTHING",
        "SET ROLE postgres",
        "UPDATE _sqlx_migrations SET version = 0",
        "TRUNCATE users CASCADE",
        "CREATE TABLE public.audit_log_2 ()",
    ] {
        let error = run(&as_api, statement).await.expect_err(statement);
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
    }
    // A table of the same name that comes first in its search path catches nothing.
    let mut session = as_api.acquire().await.unwrap();
    for statement in [
        "CREATE TEMPORARY TABLE audit_log AS SELECT * FROM public.audit_log WHERE false",
        "SELECT public.audit_append('user', 'x', 'x', 'x', 'x', NULL, gen_random_uuid(), '{}')",
    ] {
        sqlx::query(AssertSqlSafe(statement.to_owned()))
            .execute(&mut *session)
            .await
            .unwrap();
    }
    let caught: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_temp.audit_log")
        .fetch_one(&mut *session)
        .await
        .unwrap();
    assert_eq!(caught, 0);
    assert_eq!(findings(&db, Vec::new()).await, []);
    drop((session, server));
    as_api.close().await;
    let _ = api;
}

#[sqlx::test(migrations = false)]
async fn a_role_that_could_change_the_log_is_refused_by_migrate(db: PgPool) {
    let directory = tempfile::tempdir().unwrap();
    let (owner, owner_url) = role(&db, "owner").await;
    let (member, member_url) = role(&db, "member").await;
    run(&db, &format!("GRANT {owner} TO {member}"))
        .await
        .unwrap();
    run(&db, &format!("GRANT ALL ON SCHEMA public TO {owner}"))
        .await
        .unwrap();
    let migrate = |api_url: &str| {
        let mut command = program(&db, &directory);
        command
            .arg("migrate")
            .env("DATABASE_URL", api_url)
            .env("MIGRATION_DATABASE_URL", &owner_url);
        command.assert()
    };
    for url in [&member_url, &database_url(&db)] {
        migrate(url)
            .code(1)
            .stderr(predicate::str::contains("can change the audit log"));
    }
    migrate(&owner_url.replacen(&owner, "nobody_at_all", 1))
        .code(1)
        .stderr(predicate::str::contains("nobody_at_all"))
        .stderr(predicate::str::contains("does not exist"));
    // One role for both, as in an embedded database, is fine: the trigger is there.
    migrate(&owner_url).success();
    let pool = connect(&owner_url).await;
    let refused = run(&pool, "DELETE FROM audit_log").await.unwrap_err();
    assert!(refused.to_string().contains("only grows"), "{refused}");
    pool.close().await;
}

#[sqlx::test]
async fn nothing_about_entries_is_ignored_in_queries(db: PgPool) {
    let server = Server::start(db).await;
    let (_, admin) = server.user("admin@example.com", true).await;
    for query in ["limit=0", "limit=1001", "cursor=!", "cursor=YQ", "actor=x"] {
        let path = format!("/api/v2/audit?{query}");
        let response = server.get(&path).bearer_auth(&admin).send().await.unwrap();
        let problem: Value = assert_problem(response, 400, "bad-request").await;
        assert!(problem["detail"].as_str().unwrap().len() > 10);
    }
}
