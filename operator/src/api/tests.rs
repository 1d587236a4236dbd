use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::IntoResponse;

use super::*;

/// A server that answers everything alike, and what it was asked.
struct Server {
    api: PlatformApi,
    asked: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

async fn server(status: u16, body: Value) -> Server {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let router = Router::new().fallback(move |request: Request| async move {
        log.lock().unwrap().push((
            format!("{} {}", request.method(), request.uri()),
            request.headers().clone(),
        ));
        let status = axum::http::StatusCode::from_u16(status).unwrap();
        (status, body.to_string()).into_response()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let token = SecretString::from("token");
    let api = ApiClient::new().unwrap().platform(endpoint, token);
    Server { api, asked }
}

#[tokio::test]
async fn a_call_carries_the_token_and_the_namespace() {
    let id = Uuid::from_u128(7);
    let run = json!({"id": id, "state": "running", "phase": "match", "progress": {"done": 1, "total": 4}});
    let server = server(200, run).await;
    let run = server.api.run("treasury", id).await.unwrap().unwrap();
    assert_eq!(run.state, RunState::Running);
    let asked = server.asked.lock().unwrap();
    let (line, headers) = &asked[0];
    assert_eq!(line, &format!("GET /api/v2/runs/{id}"));
    assert_eq!(headers["authorization"], "Bearer token");
    assert_eq!(headers["on-behalf-of-namespace"], "treasury");
}

#[tokio::test]
async fn the_operator_acts_for_no_namespace_when_it_declares_projects() {
    let server = server(200, json!({"projects": []})).await;
    let projects = BTreeMap::from([("treasury".to_owned(), vec!["a".to_owned()])]);
    server.api.declare_projects(&projects).await.unwrap();
    let asked = server.asked.lock().unwrap();
    assert_eq!(asked[0].0, "PUT /api/v2/platform/projects");
    assert!(!asked[0].1.contains_key("on-behalf-of-namespace"));
}

#[tokio::test]
async fn a_run_that_does_not_exist_is_no_error() {
    let server = server(404, json!({"title": "no such run"})).await;
    assert_eq!(server.api.run("a", Uuid::nil()).await.unwrap(), None);
}

#[tokio::test]
async fn a_403_is_forbidden() {
    let server = server(403, json!({"title": "Forbidden", "detail": "no member"})).await;
    let error = server
        .api
        .start_run("a", Uuid::nil(), "p", &json!({}))
        .await;
    assert!(matches!(error, Err(ApiError::Forbidden(detail)) if detail == "no member"));
}

#[tokio::test]
async fn a_422_has_every_mistake_with_its_path() {
    let body = json!({"title": "Invalid", "errors": [
        {"path": "left.source", "message": "is missing"},
        {"path": "passes[0].block[0][0]", "message": "is no expression"},
    ]});
    let server = server(422, body).await;
    let error = server
        .api
        .start_run("a", Uuid::nil(), "p", &json!({}))
        .await;
    let Err(ApiError::Invalid(errors)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(errors[1].path, "passes[0].block[0][0]");
}

#[tokio::test]
async fn a_5xx_is_tried_again_later() {
    let server = server(503, json!("no problem document")).await;
    let error = server.api.run("a", Uuid::nil()).await;
    assert!(matches!(
        error,
        Err(ApiError::Unexpected { status: 503, .. })
    ));
}

#[tokio::test]
async fn nobody_there_says_so_without_the_url() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let api = ApiClient::new()
        .unwrap()
        .platform("http://127.0.0.1:1".into(), SecretString::from("token"));
    let error = api.run("a", Uuid::nil()).await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
    assert!(!error.contains("127.0.0.1"), "{error}");
}

#[test]
fn names_are_encoded() {
    assert_eq!(encoded("a b/ü.csv"), "a%20b%2F%C3%BC.csv");
}
