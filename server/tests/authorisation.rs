//! Every route as every caller: the table of `docs/authorisation.md`.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use reqwest::RequestBuilder;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use server::cache::{Key, Stale};
use server::db;
use server::db::audit::{Action, Entry, Subject};
use server::db::members::Role;
use sqlx::PgPool;
use std::collections::{BTreeMap, BTreeSet};
use support::{PASSWORD, Server};
use uuid::Uuid;

mod support;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/authorisation.md");

/// A row of the table: the status of each caller, and the action in the audit log.
struct Row {
    route: String,
    statuses: BTreeMap<String, u16>,
    action: Option<String>,
}

fn table() -> Vec<Row> {
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    let mut lines = text.lines().filter_map(|line| {
        let inner = line.strip_prefix('|')?.strip_suffix('|')?;
        Some(inner.split('|').map(str::trim).collect::<Vec<_>>())
    });
    let header = lines.next().unwrap();
    let rows = lines.skip(1).map(|cells| {
        assert_eq!(cells.len(), header.len(), "{cells:?}");
        let inner = 1..cells.len() - 1;
        let statuses = inner.map(|at| (header[at].to_owned(), cells[at].parse().unwrap()));
        let action = cells[cells.len() - 1].trim_matches('`');
        Row {
            route: cells[0].trim_matches('`').to_owned(),
            statuses: statuses.collect(),
            action: (action != "—").then(|| action.to_owned()),
        }
    });
    rows.collect()
}

#[test]
fn every_route_has_its_row_and_every_change_its_entry() {
    let rows = table();
    let in_table: BTreeSet<&str> = rows.iter().map(|row| row.route.as_str()).collect();
    assert_eq!(in_table.len(), rows.len(), "a route has two rows");
    let routes: Vec<String> = server::router::routes()
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let in_router: BTreeSet<&str> = routes.iter().map(String::as_str).collect();
    assert_eq!(in_router.len(), routes.len(), "a route is there twice");
    assert_eq!(in_table, in_router);
    for row in &rows {
        let reads = row.route.starts_with("GET ") || row.route.starts_with("OPTIONS ");
        assert_eq!(row.action.is_none(), reads, "{}", row.route);
    }
}

/// A caller: its name in the table, and the headers that make it.
struct Caller {
    name: &'static str,
    token: Option<String>,
    namespace: Option<&'static str>,
}

impl Caller {
    fn sign(&self, mut request: RequestBuilder) -> RequestBuilder {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(namespace) = self.namespace {
            request = request.header("On-Behalf-Of-Namespace", namespace);
        }
        request
    }
}

/// A project with members of every kind, and a run that has succeeded.
struct Stage {
    server: Server,
    owner: String,
    project: Uuid,
    upload: Uuid,
    spec: Value,
    succeeded: Uuid,
    /// A group of pairs of that run that a person decides.
    group: String,
    someone: Uuid,
    callers: Vec<Caller>,
    // The files are in its directory.
    _worker: Server,
}

impl Stage {
    async fn set(db: PgPool) -> Self {
        let worker = Server::with_worker(db.clone()).await;
        let (owner, project) = worker.owner_of("treasury").await;
        let spec = worker.small_spec(&owner, project).await;
        let succeeded = worker.exceptional_run(&owner, project).await;
        let reviews = format!("/api/v2/runs/{succeeded}/reviews?limit=1");
        let reviews = worker.read(&owner, &reviews).await;
        let group = reviews["items"][0]["groupId"].as_str().unwrap().to_owned();
        let store = worker.directory.path().join("store");
        let store = format!("file://{}", store.display());
        worker.stop.cancel();
        let server = Server::with(db, &[("STORAGE_URL", &store)]).await;
        let upload = spec["left"]["source"]["upload"]["id"].as_str().unwrap();
        let upload = upload.parse().unwrap();
        let (someone, _) = server.user("someone@example.com", false).await;
        let callers = callers(&server, &owner, project).await;
        Self {
            server,
            owner,
            project,
            upload,
            spec,
            succeeded,
            group,
            someone,
            callers,
            _worker: worker,
        }
    }

    /// A request that is right in itself, about something of its own where it destroys.
    async fn request(&self, route: &str) -> RequestBuilder {
        let Self {
            server,
            project,
            succeeded,
            ..
        } = self;
        let new = Uuid::new_v4().simple().to_string();
        let (method, path) = route.split_once(' ').unwrap();
        let send = |path: String| server.request(method, &path);
        let plain = || send(path.replace("{project}", "treasury"));
        let of_run = |id: &Uuid| send(path.replace("{id}", &id.to_string()));
        let of_project = |id: &Uuid| {
            let path = path.replace("{project}", "treasury");
            send(path.replace("{id}", &id.to_string()))
        };
        match route {
            "POST /api/v2/auth/login" => {
                plain().json(&json!({"email": "login@example.com", "password": PASSWORD}))
            }
            "POST /api/v2/auth/refresh" | "POST /api/v2/auth/logout" => {
                plain().json(&json!({"refreshToken": self.refresh_token().await}))
            }
            "POST /api/v2/users" => {
                plain().json(&json!({"email": format!("{new}@example.com"), "password": PASSWORD}))
            }
            "PUT /api/v2/users/me/password" => plain().json(
                &json!({"currentPassword": PASSWORD, "newPassword": "another horse battery"}),
            ),
            "GET /api/v2/users/{id}" => of_run(&self.someone),
            "PATCH /api/v2/users/{id}" => of_run(&self.someone)
                .header("If-Match", "*")
                .json(&json!({"platformAdmin": false})),
            "POST /api/v2/projects" => plain().json(&json!({"slug": new, "name": "x"})),
            "PATCH /api/v2/projects/{project}" => {
                plain().header("If-Match", "*").json(&json!({"name": "x"}))
            }
            "PUT /api/v2/projects/{project}/members" => {
                plain().json(&json!({"kind": "namespace", "name": new, "role": "viewer"}))
            }
            "GET /api/v2/projects/{project}/members/{kind}/{name}" => {
                send("/api/v2/projects/treasury/members/namespace/team".into())
            }
            "DELETE /api/v2/projects/{project}/members/{kind}/{name}" => {
                let email = format!("{new}@example.com");
                server.user(&email, false).await;
                server.member(*project, &email, Role::Viewer).await;
                send(format!("/api/v2/projects/treasury/members/user/{email}"))
            }
            "POST /api/v2/projects/{project}/tokens" => {
                plain().json(&json!({"name": new, "role": "viewer"}))
            }
            "GET /api/v2/projects/{project}/tokens/{id}"
            | "DELETE /api/v2/projects/{project}/tokens/{id}" => {
                of_project(&server.machine(&self.owner, *project, "viewer").await.0)
            }
            "POST /api/v2/projects/{project}/uploads" => {
                send("/api/v2/projects/treasury/uploads?name=a.csv".into()).body(new)
            }
            "GET /api/v2/projects/{project}/uploads/{id}" => of_project(&self.upload),
            route if route.contains("/uploads/resumable") || route.contains("/v1/files") => {
                self.of_upload(method, path).await
            }
            route if route.contains("/{group}") => self.of_review(method, path).await,
            route if route.contains("/jobs") => self.of_job(method, path).await,
            "POST /api/v2/runs" => plain().json(&json!({"project": "treasury", "spec": self.spec})),
            "POST /api/v2/runs/{id}/cancel" => {
                of_run(&server.queue(&self.owner, *project, &self.spec).await)
            }
            "GET /api/v2/runs/{id}"
            | "GET /api/v2/runs/{id}/events"
            | "GET /api/v2/runs/{id}/pairs"
            | "GET /api/v2/runs/{id}/differences"
            | "GET /api/v2/runs/{id}/exceptions"
            | "GET /api/v2/runs/{id}/reviews"
            | "GET /api/v2/runs/{id}/outputs" => of_run(succeeded),
            "GET /api/v2/runs/{id}/outputs/{name}" => {
                send(format!("/api/v2/runs/{succeeded}/outputs/summary.json"))
            }
            "GET /api/docs/{file}" => send("/api/docs/viewer.js".into()),
            "PUT /api/v2/platform/projects" => plain().json(&json!({"projects": []})),
            _ => {
                let without = path.replace("{project}", "");
                assert!(
                    method == "GET" && !without.contains('{'),
                    "no request is made up for {route}"
                );
                plain()
            }
        }
    }

    /// Uploads of version 1 and piece by piece, each a new one.
    async fn of_upload(&self, method: &str, path: &str) -> RequestBuilder {
        let new = Uuid::new_v4().simple().to_string();
        let send = |path: &str| {
            let request = self.server.request(method, path);
            request.header("Tus-Resumable", "1.0.0")
        };
        let begin = |request: RequestBuilder| {
            request
                .header("Upload-Length", new.len())
                .header("Upload-Metadata", "filename YS5jc3Y=")
        };
        let path = path.replace("{project}", "treasury");
        if path.ends_with("/files/upload") {
            let part = |field: &str, content: &str| {
                format!("--b\r\nContent-Disposition: form-data; {field}\r\n\r\n{content}\r\n")
            };
            let project = part("name=\"project_id\"", "treasury");
            let file = part("name=\"file\"; filename=\"a.csv\"", &new);
            return send(&path)
                .header("Content-Type", "multipart/form-data; boundary=b")
                .body(format!("{project}{file}--b--\r\n"));
        }
        if method == "POST" {
            return begin(send(&path));
        }
        if method == "OPTIONS" {
            return send(&path);
        }
        let request = self.server.request("POST", &path.replace("/{id}", ""));
        let request = begin(request.header("Tus-Resumable", "1.0.0"));
        let request = request.bearer_auth(&self.owner).send().await.unwrap();
        let place = request.headers()["location"].to_str().unwrap().to_owned();
        let request = send(&place);
        if method == "PATCH" {
            request
                .header("Upload-Offset", 0)
                .header("Content-Type", "application/offset+octet-stream")
                .body(new)
        } else {
            request
        }
    }

    /// The review, in the state from which the request is right.
    async fn of_review(&self, method: &str, path: &str) -> RequestBuilder {
        let decided = path.ends_with("/reopen");
        let reset = "WITH r AS (UPDATE reviews SET state = CASE WHEN $3 THEN 'accepted' ELSE 'open' END, \
               decided_at = CASE WHEN $3 THEN now() END, decided_by = CASE WHEN $3 THEN $4 END \
             WHERE run_id = $1 AND group_id = $2) \
             UPDATE runs SET reviews_open = 2, reviews_accepted = 2, reviews_rejected = 2 WHERE id = $1";
        sqlx::query(reset)
            .bind(self.succeeded)
            .bind(&self.group)
            .bind(decided)
            .bind(self.someone)
            .execute(&self.server.app.db)
            .await
            .unwrap();
        let stale = Stale::keys([Key::Run(self.succeeded)]);
        self.server.app.cache.settle(&stale).await;
        let path = path
            .replace("{id}", &self.succeeded.to_string())
            .replace("{group}", &self.group);
        let request = self.server.request(method, &path).header("If-Match", "*");
        if path.ends_with("/comments") {
            request.json(&json!({"comment": "seen"}))
        } else {
            request
        }
    }

    /// A new job.
    async fn of_job(&self, method: &str, path: &str) -> RequestBuilder {
        let body = json!({"name": format!("j-{}", Uuid::new_v4().simple()), "spec": self.spec});
        let path = path.replace("{project}", "treasury");
        if !path.contains("{job}") {
            let request = self.server.request(method, &path);
            return if method == "POST" {
                request.json(&body)
            } else {
                request
            };
        }
        let made = self.server.post("/api/v2/projects/treasury/jobs", &body);
        let made = made.bearer_auth(&self.owner).send().await.unwrap();
        assert_eq!(made.status().as_u16(), 201);
        let path = path.replace("{job}", body["name"].as_str().unwrap());
        let request = self.server.request(method, &path).header("If-Match", "*");
        match method {
            "PUT" => request.json(&body),
            "POST" => request.json(&json!({})),
            _ => request,
        }
    }

    /// A new session's refresh token, past the API.
    async fn refresh_token(&self) -> String {
        let mut change = self.server.change().await;
        let login = db::users::find_login(&self.server.app.db, "login@example.com")
            .await
            .unwrap()
            .unwrap();
        let lives = &self.server.app.config.sessions;
        let (_, issued) = db::sessions::open(&mut change, login.id, &login.password_hash, lives)
            .await
            .unwrap()
            .unwrap();
        let entry = Entry::new(Action::SessionOpen, Subject::User(login.id));
        change.commit(entry, Stale::nothing()).await.unwrap();
        issued.token.expose_secret().to_owned()
    }
}

async fn callers(server: &Server, owner: &str, project: Uuid) -> Vec<Caller> {
    server.user_with_password("login@example.com").await;
    let mut callers = Vec::new();
    let mut add = |name, token: Option<String>, namespace| {
        callers.push(Caller {
            name,
            token,
            namespace,
        });
    };
    add("anonymous", None, None);
    for (name, role) in [
        ("disabled", Some(Role::Owner)),
        ("stranger", None),
        ("viewer", Some(Role::Viewer)),
        ("editor", Some(Role::Editor)),
        ("owner", Some(Role::Owner)),
        ("admin", None),
    ] {
        let email = format!("{name}@example.com");
        let id = server.user_with_password(&email).await;
        if let Some(role) = role {
            server.member(project, &email, role).await;
        }
        add(name, Some(server.session(id).await), None);
    }
    let with_rights = "UPDATE users SET platform_admin = email LIKE 'admin@%', \
        disabled_at = CASE WHEN email LIKE 'disabled@%' THEN now() END";
    sqlx::query(with_rights)
        .execute(&server.app.db)
        .await
        .unwrap();
    let mut change = server.change().await;
    let team = (db::members::Kind::Namespace, "team");
    db::members::put(&mut change, project, team, Role::Editor, None)
        .await
        .unwrap();
    let entry = Entry::new(Action::MemberPut, Subject::Project(project));
    let stale = Stale::keys([Key::NamespaceRole(project, "team".into())]);
    change.commit(entry, stale).await.unwrap();
    let operator = server.operator();
    add("namespace", Some(operator.clone()), Some("team"));
    add("foreign namespace", Some(operator.clone()), Some("others"));
    add("operator", Some(operator), None);
    let (_, machine) = server.machine(owner, project, "editor").await;
    add("machine", Some(machine), None);
    let (other, elsewhere) = server.owner_of("risk").await;
    let (_, machine) = server.machine(&other, elsewhere, "owner").await;
    add("foreign machine", Some(machine), None);
    callers
}

#[sqlx::test]
async fn who_may_do_what_and_what_the_log_says_of_it(db: PgPool) {
    let stage = Stage::set(db).await;
    let server = &stage.server;
    let document: Value = serde_json::from_str(server::openapi::text().unwrap()).unwrap();
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for row in table() {
        let (method, path) = row.route.split_once(' ').unwrap();
        let promised = &document["paths"][path][method.to_lowercase()]["responses"];
        let named: BTreeSet<&str> = row.statuses.keys().map(String::as_str).collect();
        let callers: BTreeSet<&str> = stage.callers.iter().map(|caller| caller.name).collect();
        assert_eq!(named, callers);
        for caller in &stage.callers {
            let request = caller.sign(stage.request(&row.route).await);
            let before = server.audited().await.len();
            let response = request.send().await.unwrap();
            let (status, expected) = (response.status(), row.statuses[caller.name]);
            let entries = server.audited().await.split_off(before);
            let actions: Vec<&str> = entries.iter().map(|entry| entry.0.as_str()).collect();
            let logged: Vec<&str> = if status.is_success() {
                row.action.as_deref().into_iter().collect()
            } else {
                Vec::new()
            };
            let is_promised = promised[status.as_str()].is_object();
            if status.as_u16() != expected || actions != logged || !is_promised {
                let text = response.text().await.unwrap();
                wrong.push(format!(
                    "{} as {}: {status} and {actions:?}, not {expected} and {logged:?}, \
                     in the OpenAPI document {is_promised}: {text}",
                    row.route, caller.name
                ));
            }
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(tried, server::router::routes().len() * stage.callers.len());
}

#[sqlx::test]
async fn no_change_leaves_an_old_answer_in_a_cache(db: PgPool) {
    let stage = Stage::set(db).await;
    let server = &stage.server;
    server.cache().await;
    let paths = [
        "/api/v2/projects/treasury".to_owned(),
        format!("/api/v2/runs/{}", stage.succeeded),
    ];
    let (mut wrong, mut made) = (Vec::new(), 0);
    for row in table().into_iter().filter(|row| row.action.is_some()) {
        let made_before = made;
        for caller in &stage.callers {
            if row.statuses[caller.name] >= 300 {
                continue;
            }
            let request = caller.sign(stage.request(&row.route).await);
            // Whatever may be cached about anybody is, once the server may cache.
            while server.app.cache.deviations().await.unwrap().0 < 10 {
                for reader in &stage.callers {
                    for path in &paths {
                        reader.sign(server.get(path)).send().await.unwrap();
                    }
                }
            }
            let (_, found) = server.app.cache.deviations().await.unwrap();
            assert!(found.is_empty(), "{found:?} before {}", row.route);
            let status = request.send().await.unwrap().status();
            assert!(
                status.is_success(),
                "{} as {}: {status}",
                row.route,
                caller.name
            );
            for key in server.app.cache.deviations().await.unwrap().1 {
                wrong.push(format!("{} as {}: {key}", row.route, caller.name));
            }
            made += 1;
        }
        assert!(made > made_before, "nobody may {}", row.route);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[sqlx::test]
async fn a_forged_operator_and_a_person_in_its_place_get_nowhere(db: PgPool) {
    let stage = Stage::set(db).await;
    let server = &stage.server;
    let mut impostors: Vec<(Caller, u16)> = server
        .forged()
        .into_iter()
        .map(|(name, token)| {
            let caller = Caller {
                name,
                token: Some(token),
                namespace: Some("team"),
            };
            (caller, 401)
        })
        .collect();
    for name in ["owner", "machine"] {
        let caller = stage.callers.iter().find(|caller| caller.name == name);
        impostors.push((
            Caller {
                name,
                token: caller.unwrap().token.clone(),
                namespace: Some("team"),
            },
            403,
        ));
    }
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for row in table() {
        if row.statuses["anonymous"] != 401 {
            continue;
        }
        for (caller, expected) in &impostors {
            let request = caller.sign(stage.request(&row.route).await);
            let status = request.send().await.unwrap().status().as_u16();
            if status != *expected {
                wrong.push(format!("{} as {}: {status}", row.route, caller.name));
            }
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 200, "{tried}");
}
