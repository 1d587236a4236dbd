//! The client of a platform's API (docs/api.md), called as the operator.

use std::collections::BTreeMap;
use std::time::Duration;

use crds::decode::SpecError;
use k8s_openapi::jiff::Timestamp;
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

/// Names the namespace that a job is run for.
const ON_BEHALF_OF: &str = "On-Behalf-Of-Namespace";
/// No answer to the operator is longer.
const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// Why a call did not do what it was meant to.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No answer.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// 403.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// 404.
    #[error("not found: {0}")]
    NotFound(String),
    /// 409.
    #[error("conflict: {0}")]
    Conflict(String),
    /// 422: every mistake of the specification.
    #[error("the specification is wrong in {} places", .0.len())]
    Invalid(Vec<SpecError>),
    /// Anything else.
    #[error("{status}: {detail}")]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// What the API said.
        detail: String,
    },
    /// An answer that could not be read.
    #[error("an answer that cannot be read: {0}")]
    Unreadable(String),
}

impl From<reqwest::Error> for ApiError {
    fn from(error: reqwest::Error) -> Self {
        // The source says what happened; the error itself repeats the URL.
        let cause = std::error::Error::source(&error).map_or_else(
            || error.to_string(),
            |source| {
                let mut innermost = source;
                while let Some(next) = innermost.source() {
                    innermost = next;
                }
                innermost.to_string()
            },
        );
        Self::Unreachable(cause)
    }
}

/// A problem document (RFC 9457).
#[derive(Deserialize, Default)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    errors: Vec<ProblemError>,
}

#[derive(Deserialize)]
struct ProblemError {
    #[serde(default)]
    path: String,
    message: String,
}

/// A run, as the API describes it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its id.
    pub id: Uuid,
    /// Where it stands.
    pub state: RunState,
    /// What the worker is doing.
    #[serde(default)]
    pub phase: Option<String>,
    /// How far it is.
    #[serde(default)]
    pub progress: Option<Progress>,
    /// When a worker took it.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
    /// The content of summary.json, once it succeeded.
    #[serde(default)]
    pub summary: Option<Summary>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<RunError>,
    /// Where its outputs are.
    #[serde(default)]
    pub result_uri: Option<String>,
}

/// The states of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It waits for a worker.
    Queued,
    /// A worker runs it.
    Running,
    /// It ended well.
    Succeeded,
    /// It failed.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub done: u64,
    /// Steps in all.
    pub total: u64,
}

/// The counts of a run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Outcomes of the left side.
    pub left: crds::job::SideCounts,
    /// Outcomes of the right side.
    pub right: crds::job::SideCounts,
    /// Over both sides, 0 to 1.
    #[serde(default)]
    pub match_rate: Option<f64>,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RunError {
    /// What went wrong.
    pub message: String,
}

/// The HTTP client, shared by all platforms.
pub struct ApiClient(reqwest::Client);

impl ApiClient {
    /// A client with bounds on time.
    pub fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self(client))
    }

    /// The API of one platform.
    pub fn platform(&self, endpoint: String, token: SecretString) -> PlatformApi {
        PlatformApi {
            client: self.0.clone(),
            endpoint,
            token,
        }
    }
}

/// The API of one platform.
pub struct PlatformApi {
    client: reqwest::Client,
    endpoint: String,
    token: SecretString,
}

impl PlatformApi {
    /// Makes the declared projects exist and their declared namespaces exactly these.
    pub async fn declare_projects(
        &self,
        projects: &BTreeMap<String, Vec<String>>,
    ) -> Result<(), ApiError> {
        let projects: Vec<Value> = projects
            .iter()
            .map(|(slug, namespaces)| json!({"slug": slug, "namespaces": namespaces}))
            .collect();
        let request = self
            .request(Method::PUT, "/api/v2/platform/projects")
            .json(&json!({"projects": projects}));
        let _: Value = send(request).await?;
        Ok(())
    }

    /// Whether the project exists for the namespace.
    pub async fn check_project(&self, namespace: &str, project: &str) -> Result<(), ApiError> {
        let path = format!("/api/v2/projects/{}", encoded(project));
        let _: Value = send(self.on_behalf_of(Method::GET, &path, namespace)).await?;
        Ok(())
    }

    /// Uploads a file and returns its id, which is the same for the same content.
    pub async fn upload(
        &self,
        namespace: &str,
        project: &str,
        name: &str,
        content: Vec<u8>,
    ) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Upload {
            id: Uuid,
        }
        let path = format!(
            "/api/v2/projects/{}/uploads?name={}",
            encoded(project),
            encoded(name)
        );
        let request = self
            .on_behalf_of(Method::POST, &path, namespace)
            .header("Content-Type", "application/octet-stream")
            .body(content);
        let upload: Upload = send(request).await?;
        Ok(upload.id.to_string())
    }

    /// The run, if there is one of this id that the namespace may see.
    pub async fn run(&self, namespace: &str, id: Uuid) -> Result<Option<Run>, ApiError> {
        let path = format!("/api/v2/runs/{id}");
        match send(self.on_behalf_of(Method::GET, &path, namespace)).await {
            Ok(run) => Ok(Some(run)),
            Err(ApiError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Starts a run; an existing one of this id and specification is returned as it is.
    pub async fn start_run(
        &self,
        namespace: &str,
        id: Uuid,
        project: &str,
        spec: &Value,
    ) -> Result<Run, ApiError> {
        let request = self
            .on_behalf_of(Method::POST, "/api/v2/runs", namespace)
            .json(&json!({"id": id, "project": project, "spec": spec}));
        send(request).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.endpoint))
            .bearer_auth(self.token.expose_secret())
    }

    fn on_behalf_of(&self, method: Method, path: &str, namespace: &str) -> RequestBuilder {
        self.request(method, path).header(ON_BEHALF_OF, namespace)
    }
}

/// Percent-encodes everything but unreserved characters (RFC 3986).
fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

async fn send<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, ApiError> {
    let mut response = request.send().await?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LONGEST_BODY {
            return Err(ApiError::Unreadable("it is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|error| ApiError::Unreadable(error.to_string()));
    }
    Err(failure(status, &body))
}

fn failure(status: StatusCode, body: &[u8]) -> ApiError {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let detail = [problem.detail, problem.title]
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_else(|| status.canonical_reason().unwrap_or("no reason").to_owned());
    match status {
        StatusCode::FORBIDDEN => ApiError::Forbidden(detail),
        StatusCode::NOT_FOUND => ApiError::NotFound(detail),
        StatusCode::CONFLICT => ApiError::Conflict(detail),
        StatusCode::UNPROCESSABLE_ENTITY => {
            let mut errors: Vec<SpecError> = problem
                .errors
                .into_iter()
                .map(|it| SpecError {
                    path: it.path,
                    message: it.message,
                })
                .collect();
            if errors.is_empty() {
                errors.push(SpecError {
                    path: String::new(),
                    message: detail,
                });
            }
            ApiError::Invalid(errors)
        }
        _ => ApiError::Unexpected {
            status: status.as_u16(),
            detail,
        },
    }
}

#[cfg(test)]
mod tests;
