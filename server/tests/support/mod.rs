//! A server under test: the real router and workers, on a database and a directory of their own.

#![expect(dead_code, reason = "each test program uses a part of this")]

use argon2::password_hash::PasswordHasher;
use argon2::{Argon2, Params};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use server::app::App;
use server::auth::token::Bearer;
use server::cache::{Key, Stale};
use server::config::Config;
use server::db::audit::{Action, Actor, Entry, Mutation, Origin, Subject};
use server::db::members::Role;
use server::{connections, db, router, runs};
use sqlx::PgPool;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub mod processes;

pub const PASSWORD: &str = "correct horse battery staple";
pub const JWT_SECRET: &str = "kJ8s0vYbq3mTn5xWz7RcDf1gHp4LuEaQ";
pub const DATABASE_PASSWORD: &str = "pw-0f3a9c7e";
const ISSUER: &str = "https://kubernetes.default.svc";
const AUDIENCE: &str = "reconciliation-platform/main";
const SUBJECT: &str = "system:serviceaccount:recon:operator";
const KID: &str = "cluster-key";

/// A server that listens on a free port until it is dropped.
pub struct Server {
    pub app: App,
    pub url: String,
    pub client: Client,
    pub directory: TempDir,
    pub stop: CancellationToken,
    work: CancellationToken,
    worker: Mutex<Option<JoinHandle<()>>>,
    key: EncodingKey,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The URL of a test's own database.
pub fn database_url(db: &PgPool) -> String {
    let base = std::env::var("DATABASE_URL").unwrap();
    let (server, _) = base.rsplit_once('/').unwrap();
    format!("{server}/{}", db.connect_options().get_database().unwrap())
}

/// The program with a good configuration on a test's own database.
pub fn program(db: &PgPool, directory: &TempDir) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::cargo_bin("reconciliation-server").unwrap();
    command
        .env_clear()
        .envs(variables(directory))
        .env("DATABASE_URL", database_url(db));
    command.timeout(Duration::from_secs(30));
    command
}

/// The variables of a good configuration.
pub fn variables(directory: &TempDir) -> HashMap<String, String> {
    let path = |name: &str| directory.path().join(name).display().to_string();
    HashMap::from(
        [
            ("ENVIRONMENT", "production".to_owned()),
            ("JWT_SECRET", JWT_SECRET.to_owned()),
            (
                "DATABASE_URL",
                format!("postgres://app:{DATABASE_PASSWORD}@127.0.0.1:1/app"),
            ),
            ("STORAGE_URL", format!("file://{}", path("store"))),
            ("SCRATCH_DIR", path("scratch")),
            ("OPERATOR_IDENTITY_FILE", path("identity.json")),
            ("RUN_LEASE_SECONDS", "3".to_owned()),
            ("WORKER_NAME", "worker-under-test".to_owned()),
            ("MAX_UPLOAD_BYTES", "1000000".to_owned()),
            ("WORKERS", "0".to_owned()),
            // Tests ask more than anybody should.
            ("REQUESTS_PER_MINUTE", "1000000".to_owned()),
            ("REQUESTS_PER_MINUTE_OF_ADDRESS", "1000000".to_owned()),
            ("LOGINS_PER_MINUTE", "1000000".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

impl Server {
    /// A server without workers: queued runs stay queued.
    pub async fn start(db: PgPool) -> Self {
        Self::with(db, &[]).await
    }

    /// A server with one worker.
    pub async fn with_worker(db: PgPool) -> Self {
        Self::with(db, &[("WORKERS", "1")]).await
    }

    pub async fn with(db: PgPool, changes: &[(&str, &str)]) -> Self {
        // TLS is built without a provider of its own, here and in the object store.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = TempDir::new().unwrap();
        let mut variables = variables(&directory);
        variables.extend(
            changes
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into())),
        );
        let config = Config::from_env(&|name| variables.get(name).cloned()).unwrap();
        let key = signing_key();
        write_identity(directory.path().join("identity.json"), &key);
        let app = App::new(config, db).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let work = stop.child_token();
        let worker = tokio::spawn(runs::work(app.clone(), work.clone()));
        let limits = app.config.connections;
        let router = router::api(app.clone());
        tokio::spawn(connections::serve(listener, router, limits, stop.clone()));
        Self {
            app,
            url,
            client: Client::new(),
            directory,
            stop,
            work,
            worker: Mutex::new(Some(worker)),
            key,
        }
    }

    /// Lets the server cache, and waits until it does.
    pub async fn cache(&self) {
        tokio::spawn(self.app.clone().keep_cache(self.stop.clone()));
        while !self.app.cache.serves() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets the workers end; the server goes on.
    pub async fn stop_working(&self) {
        self.work.cancel();
        if let Some(worker) = self.worker.lock().await.take() {
            worker.await.unwrap();
        }
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client
            .request(method.parse().unwrap(), format!("{}{path}", self.url))
    }

    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url)).json(body)
    }

    /// A user and a token.
    pub async fn user(&self, email: &str, admin: bool) -> (Uuid, String) {
        // Any argon2id hash will do where nobody logs in; hashing is slow in a debug build.
        let hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        let id = self.insert_user(email, hash, admin).await;
        (id, self.session(id).await)
    }

    /// An access token of a new session.
    pub async fn session(&self, user: Uuid) -> String {
        self.app.tokens.issue(self.bearer(user).await).unwrap()
    }

    pub async fn bearer(&self, user: Uuid) -> Bearer {
        let session = Uuid::new_v4();
        sqlx::query(
            "INSERT INTO sessions (id, user_id, expires_at) \
             VALUES ($1, $2, now() + interval '1 day')",
        )
        .bind(session)
        .bind(user)
        .execute(&self.app.db)
        .await
        .unwrap();
        Bearer { user, session }
    }

    pub async fn insert_user(&self, email: &str, hash: &str, admin: bool) -> Uuid {
        let id = Uuid::new_v4();
        sqlx::query(
            "INSERT INTO users (id, email, password_hash, platform_admin) VALUES ($1, $2, $3, $4)",
        )
        .bind(id)
        .bind(email)
        .bind(hash)
        .bind(admin)
        .execute(&self.app.db)
        .await
        .unwrap();
        id
    }

    pub async fn user_with_password(&self, email: &str) -> Uuid {
        // As cheap as argon2id can be: what it costs is not what is tested.
        let cheap = Argon2::from(Params::new(8, 1, 1, None).unwrap());
        let hash = cheap.hash_password(PASSWORD.as_bytes()).unwrap();
        self.insert_user(email, &hash.to_string(), false).await
    }

    /// A project owned by the user.
    pub async fn project(&self, slug: &str, owner: Uuid) -> Uuid {
        let mut change = self.change().await;
        let project = db::projects::create(&mut change, slug, slug, owner)
            .await
            .unwrap()
            .unwrap();
        let entry = Entry::new(Action::ProjectCreate, Subject::Project(project.id));
        change.commit(entry, Stale::nothing()).await.unwrap();
        project.id
    }

    pub async fn change(&self) -> Mutation {
        let origin = Origin {
            actor: Actor::Command("test"),
            request: Uuid::new_v4(),
        };
        Mutation::begin(&self.app.cache, origin).await.unwrap()
    }

    /// Makes a user a member, past the API.
    pub async fn member(&self, project: Uuid, email: &str, role: Role) {
        let mut change = self.change().await;
        let of = (db::members::Kind::User, email);
        let put = db::members::put(&mut change, project, of, role, None).await;
        let db::members::Change::Done(Some(user), _) = put.unwrap() else {
            panic!("{email} is no user");
        };
        let entry = Entry::new(Action::MemberPut, Subject::Project(project));
        let stale = Stale::keys([Key::UserRole(project, user), Key::Counts(project)]);
        change.commit(entry, stale).await.unwrap();
    }

    /// Logs in, and gives the answer.
    pub async fn login(&self, email: &str, password: &str) -> Value {
        let body = json!({"email": email, "password": password});
        let response = self.post("/api/v2/auth/login", &body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        json_of(response).await
    }

    /// A token for machines: its id and its secret.
    pub async fn machine(&self, owner: &str, project: Uuid, role: &str) -> (Uuid, String) {
        let path = format!("/api/v2/projects/{project}/tokens");
        let body = json!({"name": Uuid::new_v4().to_string(), "role": role});
        let response = self
            .post(&path, &body)
            .bearer_auth(owner)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let token = json_of(response).await;
        (
            token["id"].as_str().unwrap().parse().unwrap(),
            token["token"].as_str().unwrap().to_owned(),
        )
    }

    /// The whole database as text, to look for what must not be in it.
    pub async fn everything_stored(&self) -> String {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()",
        )
        .fetch_all(&self.app.db)
        .await
        .unwrap();
        let mut text = String::new();
        for table in tables {
            let query = sqlx::AssertSqlSafe(format!("SELECT t::text FROM \"{table}\" t"));
            let rows: Vec<String> = sqlx::query_scalar(query)
                .fetch_all(&self.app.db)
                .await
                .unwrap();
            text.push_str(&rows.join("\n"));
        }
        text
    }

    /// Entries of the audit log, oldest first: action, kind and id of actor, kind of subject.
    pub async fn audited(&self) -> Vec<(String, String, Option<String>, String)> {
        sqlx::query_as(
            "SELECT action, actor_kind, actor, subject_kind FROM audit_log ORDER BY sequence",
        )
        .fetch_all(&self.app.db)
        .await
        .unwrap()
    }

    /// A user who owns a project.
    pub async fn owner_of(&self, slug: &str) -> (String, Uuid) {
        let (id, token) = self.user(&format!("owner@{slug}.example"), false).await;
        (token, self.project(slug, id).await)
    }

    /// The cluster's key is replaced, and with it the identity file.
    pub fn rotate_operator_key(&mut self) {
        self.key = signing_key();
        write_identity(self.directory.path().join("identity.json"), &self.key);
    }

    /// The operator's token.
    pub fn operator(&self) -> String {
        operator_token(&self.key, KID, ISSUER, AUDIENCE, SUBJECT)
    }

    /// Tokens that look like the operator's and are not.
    pub fn forged(&self) -> Vec<(&'static str, String)> {
        let other = signing_key();
        let own = EncodingKey::from_secret(b"a public key that was used as a secret");
        let mut hs = Header::new(Algorithm::HS256);
        hs.kid = Some(KID.into());
        vec![
            (
                "another key",
                operator_token(&other, KID, ISSUER, AUDIENCE, SUBJECT),
            ),
            (
                "unknown kid",
                operator_token(&self.key, "other", ISSUER, AUDIENCE, SUBJECT),
            ),
            (
                "another issuer",
                operator_token(&self.key, KID, "https://evil", AUDIENCE, SUBJECT),
            ),
            (
                "another audience",
                operator_token(&self.key, KID, ISSUER, "other", SUBJECT),
            ),
            (
                "another subject",
                operator_token(
                    &self.key,
                    KID,
                    ISSUER,
                    AUDIENCE,
                    "system:serviceaccount:recon:default",
                ),
            ),
            (
                "HS256",
                encode(&hs, &claims(ISSUER, AUDIENCE, SUBJECT), &own).unwrap(),
            ),
        ]
    }

    pub async fn upload(&self, token: &str, project: Uuid, name: &str, body: &str) -> Uuid {
        let path = format!("/api/v2/projects/{project}/uploads?name={name}");
        let response = self
            .request("POST", &path)
            .bearer_auth(token)
            .body(body.to_owned())
            .send()
            .await;
        let response = response.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        json_of(response).await["id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Two small files: three pairs, one unmatched record on each side.
    pub async fn small_spec(&self, token: &str, project: Uuid) -> Value {
        let left = "id,amount\na,1.00\nb,2.00\nc,3.00\nx,9.00\n";
        let right = "id,amount\na,1.00\nb,2.00\nc,3.00\ny,8.00\n";
        let left = self.upload(token, project, "left.csv", left).await;
        let right = self.upload(token, project, "right.csv", right).await;
        spec(left, right)
    }

    /// Files with every kind of exception: a pair that differs, two that a person decides, two rows
    /// with one key, one that cannot be read, and one record on each side without a counterpart.
    pub async fn exceptional_spec(&self, token: &str, project: Uuid) -> Value {
        let left = "id,memo,status,amount\n\
             a,alpha,open,1.00\nb,bravo1,open,2.00\nc,charlie1,open,3.00\n\
             d,a record of the left side,open,4.00\n\
             dup,one,open,5.00\ndup,two,open,5.00\nr,rejected,open,much\n";
        let right = "id,memo,status,amount\n\
             a,alpha,paid,1.00\nb,bravo2,open,2.00\nc,charlie2,open,3.00\n\
             e,that only the right has,open,4.00\n";
        let left = self.upload(token, project, "left.csv", left).await;
        let right = self.upload(token, project, "right.csv", right).await;
        let mut spec = spec(left, right);
        for side in ["left", "right"] {
            spec[side]["columns"] = json!([{"name": "amount", "type": "decimal(18,2)"}]);
        }
        spec["passes"] = json!([{
            "name": "fuzzy", "score": "weighted", "accept": 0.99, "review": 0.7,
            "compare": [{"column": "memo", "text": {"method": "levenshtein", "atLeast": 0.7}}],
            "block": [["substr(memo, 1, 1)"]],
        }]);
        spec["diff"] = json!([{"column": "status", "exact": {}}]);
        spec
    }

    /// A finished run of [`Self::exceptional_spec`].
    pub async fn exceptional_run(&self, token: &str, project: Uuid) -> Uuid {
        let spec = self.exceptional_spec(token, project).await;
        let id = self.queue(token, project, &spec).await;
        self.wait_for(token, id, "succeeded").await;
        id
    }

    /// The answer to a GET, which must be good.
    pub async fn read(&self, token: &str, path: &str) -> Value {
        let response = self.get(path).bearer_auth(token).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        json_of(response).await
    }

    /// All items of a list, page by page.
    pub async fn all(&self, token: &str, path: &str, limit: usize) -> Vec<Value> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = format!("{path}{sign}limit={limit}{cursor}");
            let page = self.read(token, &page).await;
            let found = page["items"].as_array().unwrap().clone();
            assert!(found.len() <= limit);
            items.extend(found);
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// Queues a run and returns its id.
    pub async fn queue(&self, token: &str, project: Uuid, spec: &Value) -> Uuid {
        let body = json!({"project": project, "spec": spec});
        let response = self
            .post("/api/v2/runs", &body)
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        json_of(response).await["id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    pub async fn run(&self, token: &str, id: Uuid) -> Value {
        json_of(
            self.get(&format!("/api/v2/runs/{id}"))
                .bearer_auth(token)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    /// Waits until the run is in the state.
    pub async fn wait_for(&self, token: &str, id: Uuid, state: &str) -> Value {
        for _ in 0..600 {
            let run = self.run(token, id).await;
            if run["state"] == state {
                return run;
            }
            assert!(
                run["state"] == "queued" || run["state"] == "running",
                "{run}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the run {id} never was {state}");
    }

    /// Files in the object store, without the directory's own name.
    pub fn stored(&self) -> Vec<String> {
        let root = self.directory.path().join("store");
        let (mut found, mut open) = (Vec::new(), vec![root.clone()]);
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

pub fn spec(left: Uuid, right: Uuid) -> Value {
    json!({
        "left": {"source": {"upload": {"id": left}}, "key": ["id"]},
        "right": {"source": {"upload": {"id": right}}, "key": ["id"]},
        "passes": [{"name": "exact", "assign": "greedy",
                    "compare": [{"column": "id", "exact": {}}, {"column": "amount", "exact": {}}]}],
        "output": {"formats": ["parquet", "csv"]},
    })
}

pub async fn json_of(response: Response) -> Value {
    response.json().await.unwrap()
}

/// A problem document has its content type, a stable type and the status of the response.
pub async fn assert_problem(response: Response, status: u16, name: &str) -> Value {
    assert_eq!(response.status().as_u16(), status, "expected {name}");
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let problem = json_of(response).await;
    assert_eq!(
        problem["type"],
        format!("urn:reconciliation-platform:problem:{name}")
    );
    assert_eq!(problem["status"], status);
    assert!(problem["title"].is_string() && problem["detail"].is_string());
    problem
}

fn claims(issuer: &str, audience: &str, subject: &str) -> Value {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    json!({"iss": issuer, "aud": [audience], "sub": subject, "iat": now, "nbf": now, "exp": now + 600})
}

fn operator_token(
    key: &EncodingKey,
    kid: &str,
    issuer: &str,
    audience: &str,
    subject: &str,
) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(kid.into());
    encode(&header, &claims(issuer, audience, subject), key).unwrap()
}

/// A new P-256 key: the fixed frame of its PKCS #8 form around 32 random bytes.
fn signing_key() -> EncodingKey {
    let mut der =
        hex::decode("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420")
            .unwrap();
    let mut scalar: [u8; 32] = rand::random();
    // Below the order of the group for certain.
    scalar[0] = 0x7f;
    der.extend_from_slice(&scalar);
    EncodingKey::from_ec_der(&der)
}

fn write_identity(path: PathBuf, key: &EncodingKey) {
    let mut jwk = Jwk::from_encoding_key(key, Algorithm::ES256).unwrap();
    jwk.common.key_id = Some(KID.into());
    let identity = json!({
        "issuer": ISSUER, "audience": AUDIENCE, "subject": SUBJECT,
        // A key of an unknown type beside it must not matter.
        "jwks": {"keys": [{"kty": "unheard-of", "kid": "x"}, jwk]},
    });
    std::fs::write(path, identity.to_string()).unwrap();
}
