//! API2, broken authentication. Logins are in `auth.rs`, sessions and refresh tokens in
//! `sessions.rs`, tokens of machines in `tokens.rs`; here are tokens that nobody was given.

use crate::support::{JWT_SECRET, Server, assert_problem};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, decode_header, encode};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::time::{SystemTime, UNIX_EPOCH};

const ME: &str = "/api/v2/users/me";

fn part(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

fn payload(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[sqlx::test]
async fn a_token_that_was_not_signed_here_is_no_token(db: PgPool) {
    let server = Server::start(db).await;
    let (ann, token) = server.user("ann@example.com", false).await;
    let (_, other) = server.user("root@example.com", true).await;
    server.read(&token, ME).await;
    let pieces: Vec<&str> = token.split('.').collect();
    let foreign: Vec<&str> = other.split('.').collect();
    let key = EncodingKey::from_secret(JWT_SECRET.as_bytes());
    let kid = decode_header(&token).unwrap().kid;
    let signed = |algorithm: Algorithm, claims: &Value| {
        let mut header = Header::new(algorithm);
        header.kid.clone_from(&kid);
        encode(&header, claims, &key).unwrap()
    };
    let claims = payload(&token);
    let without = |name: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        signed(Algorithm::HS256, &claims)
    };
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        signed(Algorithm::HS256, &claims)
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    for (what, forged) in [
        (
            "no algorithm",
            format!(
                "{}.{}.",
                part(&json!({"alg": "none", "typ": "JWT"})),
                pieces[1]
            ),
        ),
        ("no signature", format!("{}.{}.", pieces[0], pieces[1])),
        (
            "another's claims",
            format!("{}.{}.{}", pieces[0], foreign[1], pieces[2]),
        ),
        (
            "another algorithm of the same key",
            signed(Algorithm::HS512, &claims),
        ),
        ("no end", without("exp")),
        ("no session", without("sid")),
        ("an end that is past", with("exp", json!(now - 600))),
        (
            "a session of nobody",
            with("sid", json!(uuid::Uuid::new_v4())),
        ),
        (
            "somebody else's session",
            with("sub", json!(uuid::Uuid::new_v4())),
        ),
        ("an end that is no number", with("exp", json!("tomorrow"))),
        ("a token twice", format!("{token}{token}")),
        ("a text", "null".into()),
        ("a user's id", ann.to_string()),
        ("nothing", String::new()),
    ] {
        let response = server.get(ME).bearer_auth(&forged).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 401, "{what}");
        assert_problem(response, 401, "unauthenticated").await;
    }
    // The helper itself makes good tokens, so what is refused above is refused for its flaw.
    server.read(&signed(Algorithm::HS256, &claims), ME).await;
}

#[sqlx::test]
async fn a_token_counts_in_its_header_and_nowhere_else(db: PgPool) {
    let server = Server::start(db).await;
    let (_, token) = server.user("ann@example.com", false).await;
    for name in ["access_token", "token", "authorization"] {
        let path = format!("/api/v2/projects?{name}={token}");
        let response = server.get(&path).send().await.unwrap();
        assert!(response.status().is_client_error(), "{name}");
        let response = server.get(ME).header("Cookie", format!("{name}={token}"));
        assert_problem(response.send().await.unwrap(), 401, "unauthenticated").await;
    }
    let basic = server
        .get(ME)
        .basic_auth("ann@example.com", Some("a password"));
    assert_problem(basic.send().await.unwrap(), 401, "unauthenticated").await;
    // Which of two would count is not for the client to guess.
    let (_, other) = server.user("bob@example.com", false).await;
    let two = server
        .get(ME)
        .header("Authorization", format!("Bearer {token}"))
        .header("Authorization", format!("Bearer {other}"));
    assert_problem(two.send().await.unwrap(), 401, "unauthenticated").await;
}
