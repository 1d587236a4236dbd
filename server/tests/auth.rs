//! Logging in, and who may do what: the table of `docs/api.md`.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use support::{PASSWORD, Server, assert_problem, json_of};

mod support;

#[sqlx::test]
async fn a_login_gives_a_token_that_works(db: PgPool) {
    let server = Server::start(db).await;
    server.user_with_password("ann@example.com").await;
    let body = json!({"email": "Ann@Example.com", "password": PASSWORD});
    let response = server
        .post("/api/v2/auth/login", &body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let login = json_of(response).await;
    assert_eq!(
        (&login["tokenType"], &login["expiresIn"]),
        (&json!("Bearer"), &json!(900))
    );
    let token = login["accessToken"].as_str().unwrap();
    let me = server
        .get("/api/v2/users/me")
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    let me = json_of(me).await;
    assert_eq!(
        (&me["email"], &me["platformAdmin"]),
        (&json!("ann@example.com"), &json!(false))
    );
}

#[sqlx::test]
async fn every_wrong_login_gets_the_same_answer(db: PgPool) {
    let server = Server::start(db).await;
    server.user_with_password("ann@example.com").await;
    let disabled = server.user_with_password("bob@example.com").await;
    disable(&server, disabled).await;
    let mut answers = Vec::new();
    for (email, password) in [
        ("ann@example.com", "wrong password"),
        ("nobody@example.com", PASSWORD),
        ("bob@example.com", PASSWORD),
    ] {
        let body = json!({"email": email, "password": password});
        let response = server
            .post("/api/v2/auth/login", &body)
            .send()
            .await
            .unwrap();
        answers.push(assert_problem(response, 401, "wrong-credentials").await);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

#[sqlx::test]
async fn the_token_of_a_disabled_user_is_refused(db: PgPool) {
    let server = Server::start(db).await;
    let (id, token) = server.user("ann@example.com", false).await;
    disable(&server, id).await;
    let response = server
        .get("/api/v2/users/me")
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_problem(response, 401, "unauthenticated").await;
}

#[sqlx::test]
async fn an_expired_token_is_refused(db: PgPool) {
    let server = Server::start(db).await;
    let (id, _) = server.user("ann@example.com", false).await;
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(901);
    let bearer = server.bearer(id).await;
    let token = server.app.tokens.issue_at(bearer, then).unwrap();
    let response = server
        .get("/api/v2/users/me")
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_problem(response, 401, "unauthenticated").await;
}

async fn disable(server: &Server, id: uuid::Uuid) {
    sqlx::query("UPDATE users SET disabled_at = now() WHERE id = $1")
        .bind(id)
        .execute(&server.app.db)
        .await
        .unwrap();
}

async fn put_member(server: &Server, owner: &str, path: &str, body: &Value) {
    let response = server
        .request("PUT", path)
        .bearer_auth(owner)
        .json(body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[sqlx::test]
async fn a_run_in_an_unknown_project_is_as_forbidden_as_in_a_foreign_one(db: PgPool) {
    let server = Server::start(db).await;
    server.owner_of("treasury").await;
    let (_, stranger) = server.user("stranger@example.com", false).await;
    let mut answers = Vec::new();
    for project in ["treasury", "no-such-project"] {
        let body = json!({"project": project, "spec": {}});
        let response = server
            .post("/api/v2/runs", &body)
            .bearer_auth(&stranger)
            .send()
            .await
            .unwrap();
        answers.push(assert_problem(response, 403, "forbidden").await);
    }
    assert_eq!(answers[0], answers[1]);
}

#[sqlx::test]
async fn the_last_owner_and_declared_members_stay(db: PgPool) {
    let server = Server::start(db).await;
    let (owner, project) = server.owner_of("treasury").await;
    let members = format!("/api/v2/projects/{project}/members");
    let own = format!("{members}/user/owner@treasury.example");
    let response = server
        .request("DELETE", &own)
        .bearer_auth(&owner)
        .send()
        .await
        .unwrap();
    assert_problem(response, 409, "conflict").await;
    let demotion = json!({"kind": "user", "name": "owner@treasury.example", "role": "viewer"});
    let response = server
        .request("PUT", &members)
        .bearer_auth(&owner)
        .json(&demotion)
        .send()
        .await;
    assert_problem(response.unwrap(), 409, "conflict").await;
    let unknown = json!({"kind": "user", "name": "nobody@example.com", "role": "viewer"});
    let response = server
        .request("PUT", &members)
        .bearer_auth(&owner)
        .json(&unknown)
        .send()
        .await;
    assert_problem(response.unwrap(), 404, "not-found").await;

    declare(
        &server,
        &json!([{"slug": "treasury", "namespaces": ["team"]}]),
    )
    .await;
    let declared = format!("{members}/namespace/team");
    let response = server
        .request("DELETE", &declared)
        .bearer_auth(&owner)
        .send()
        .await
        .unwrap();
    assert_problem(response, 409, "conflict").await;
}

async fn declare(server: &Server, projects: &Value) -> Value {
    let response = server
        .request("PUT", "/api/v2/platform/projects")
        .bearer_auth(server.operator())
        .json(&json!({"projects": projects}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    json_of(response).await
}

#[sqlx::test]
async fn declared_projects_follow_their_declaration(db: PgPool) {
    let server = Server::start(db).await;
    let (_, admin) = server.user("admin@example.com", true).await;
    let declaration =
        json!([{"slug": "treasury", "namespaces": ["a", "b"]}, {"slug": "risk", "namespaces": []}]);
    let first = declare(&server, &declaration).await;
    assert_eq!(first, declare(&server, &declaration).await);
    assert_eq!(first["projects"][1]["slug"], "risk");

    // A person makes `b` a member too, so it stays when its declaration goes.
    let members = "/api/v2/projects/treasury/members";
    let by_hand = json!({"kind": "namespace", "name": "b", "role": "viewer"});
    put_member(&server, &admin, members, &by_hand).await;
    declare(&server, &json!([{"slug": "treasury", "namespaces": ["c"]}])).await;
    let list = json_of(
        server
            .get(members)
            .bearer_auth(&admin)
            .send()
            .await
            .unwrap(),
    )
    .await;
    let list: Vec<(&str, &str, bool)> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| {
            (
                m["name"].as_str().unwrap(),
                m["role"].as_str().unwrap(),
                m["declared"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(list, [("b", "viewer", false), ("c", "editor", true)]);

    // No longer declared: the project stays, its declared namespaces go.
    declare(&server, &json!([])).await;
    let response = server
        .get("/api/v2/projects/treasury")
        .bearer_auth(server.operator())
        .header("On-Behalf-Of-Namespace", "c")
        .send()
        .await
        .unwrap();
    assert_problem(response, 404, "not-found").await;
    let response = server
        .get("/api/v2/projects/treasury")
        .bearer_auth(&admin)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);

    let wrong = json!({"projects": [{"slug": "UPPER", "namespaces": ["a/b"]}]});
    let response = server
        .request("PUT", "/api/v2/platform/projects")
        .bearer_auth(server.operator())
        .json(&wrong);
    let problem =
        assert_problem(response.send().await.unwrap(), 422, "invalid-specification").await;
    let paths: Vec<&Value> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["path"])
        .collect();
    assert_eq!(paths, ["projects[0].slug", "projects[0].namespaces[0]"]);
}

#[sqlx::test]
async fn a_new_key_of_the_cluster_is_taken_up_and_the_old_one_dropped(db: PgPool) {
    let mut server = Server::start(db).await;
    let ask = async |server: &Server, token: String| {
        let request = server
            .request("PUT", "/api/v2/platform/projects")
            .bearer_auth(token);
        request
            .json(&json!({"projects": []}))
            .send()
            .await
            .unwrap()
            .status()
    };
    let old = server.operator();
    assert_eq!(ask(&server, old.clone()).await, StatusCode::OK);
    server.rotate_operator_key();
    assert_eq!(ask(&server, server.operator()).await, StatusCode::OK);
    assert_eq!(ask(&server, old).await, StatusCode::UNAUTHORIZED);
}

/// A modulus and a token that its key once signed as RS256, valid until 2100, as clusters sign
/// theirs. The private key was thrown away.
const RSA_MODULUS: &str = concat!(
    "rqZ0dwI2gsPwPrS86icpBtBiZ7VDNX0jRnsZYvgPn1dOM7V1yiu5Vb4eSEGA0E1aF1YS9uxXhDMy8KVwj8DuL351F4",
    "0LgexSy4eLNW7rb_vWivg_gU31H6eLZWjev_HgNGAqdhrIHlN9Vwpel7I0963G-oaRIkv_NJBCTWBA4H9N1TlmZNVk",
    "utMJB4i8vIvbiygbCg7rQMaozt889osV0tlIHTWxVH6TPfChkh-38MM7uhgu3_8O9yTe6KgFP3drS7k4lhG0RdFjzq",
    "wSSdjeYyJZLAV9__pC8HlmZWQpVgxmLl1uj5eZloK2r8q7nLLqnb6--s1D2syv5lwwnd1lOQ",
);
const RSA_TOKEN: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYS1rZXkifQ.eyJpc3MiOiJodHRwczovL2t1YmVybmV0ZXMuZGVmYXVsdC5",
    "zdmMiLCJhdWQiOlsicmVjb25jaWxpYXRpb24tcGxhdGZvcm0vbWFpbiJdLCJzdWIiOiJzeXN0ZW06c2VydmljZWFjY",
    "291bnQ6cmVjb246b3BlcmF0b3IiLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ",
    "0ODAwfQ.X6OAoaP5F3RwYWDjKBE9gOR0_8P1nW-zqDb1zv8eyLg677ZKPX1TH2f7HzL15aR1EQXgzLH1cnBDm11EhH",
    "BCK-a65VGWq2-nH_6gRB-rQDr3ot4ds4aVM5pgGJYSEDeKKk5U6Le2Woa0u5Ff1B3WnC-VOrJbgN-B30qHTLv7ZdOR",
    "fP6Vnmy2fJv9TH4oV9s7XYKgyBu-3mBV2amNCT09Rd0cEkn_Zrtry4dKgxI_1gB51MLgxX1aoyQQQ21BdxB2F4rT6N",
    "INhbMwjtbLcmjgrFLdcUvZS6bdRVEnAwcZ2MSZtA6ry0erwBBrqa6slavM0dFCNTVbJtb9Ft1VgvarkA",
);

#[tokio::test]
async fn a_token_signed_with_rsa_is_accepted_for_its_own_key_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("identity.json");
    let accepts = async |algorithm: &str, subject: &str, token: &str| {
        let key = json!({"use": "sig", "kty": "RSA", "kid": "rsa-key", "alg": algorithm,
                         "n": RSA_MODULUS, "e": "AQAB"});
        let identity = json!({
            "issuer": "https://kubernetes.default.svc",
            "audience": "reconciliation-platform/main",
            "subject": subject,
            "jwks": {"keys": [key]},
        });
        std::fs::write(&path, identity.to_string()).unwrap();
        let identity = server::auth::operator::OperatorIdentity::new(path.clone());
        identity.verify(token).await.is_ok()
    };
    let subject = "system:serviceaccount:recon:operator";
    assert!(accepts("RS256", subject, RSA_TOKEN).await);
    assert!(
        !accepts("RS512", subject, RSA_TOKEN).await,
        "the algorithm is the key's"
    );
    assert!(!accepts("RS256", "system:serviceaccount:recon:operator2", RSA_TOKEN).await);
    let (signed, signature) = RSA_TOKEN.rsplit_once('.').unwrap();
    let tampered = format!(
        "{signed}.{}",
        signature.replacen(&signature[..4], "AAAA", 1)
    );
    assert!(!accepts("RS256", subject, &tampered).await);
    // Unsigned.
    let unsigned = format!(
        "eyJhbGciOiJub25lIiwia2lkIjoicnNhLWtleSJ9.{}.",
        signed.split_once('.').unwrap().1
    );
    assert!(!accepts("RS256", subject, &unsigned).await);
}
