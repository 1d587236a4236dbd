//! The operator's identity towards the platforms' APIs (DESIGN, "Who may do what").
//!
//! The operator calls each platform with a short-lived token of its own ServiceAccount for an
//! audience of that platform alone. The platform verifies it with the cluster's public keys, which
//! it gets in a ConfigMap and not from the network.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::http::Request;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::config::Config;
use crate::error::Error;

const TOKEN_SECONDS: u64 = 3600;
/// The cluster's keys rotate rarely; the API server itself lets them be cached for an hour.
const KEYS_FOR: Duration = Duration::from_mins(10);

/// The audience of tokens for one platform.
pub fn audience(namespace: &str, name: &str) -> String {
    format!("{}/{namespace}/{name}", crds::GROUP)
}

/// Who signs ServiceAccount tokens in this cluster, and with which keys.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterKeys {
    /// `iss` of the tokens.
    pub issuer: String,
    /// The public keys, a JSON Web Key Set.
    pub jwks: Value,
}

/// What a platform needs to know the operator by: the content of `OPERATOR_IDENTITY_FILE`.
pub fn document(keys: &ClusterKeys, subject: &str, namespace: &str, name: &str) -> Value {
    json!({
        "issuer": keys.issuer,
        "audience": audience(namespace, name),
        "subject": subject,
        "jwks": keys.jwks,
    })
}

struct CachedToken {
    token: SecretString,
    renew_at: Instant,
}

/// Tokens and keys, cached.
pub struct Identity {
    client: Client,
    namespace: String,
    service_account: String,
    tokens: Mutex<HashMap<String, CachedToken>>,
    keys: Mutex<Option<(ClusterKeys, Instant)>>,
}

impl Identity {
    /// Nothing is fetched yet.
    pub fn new(client: Client, config: &Config) -> Self {
        Self {
            client,
            namespace: config.namespace.clone(),
            service_account: config.service_account.clone(),
            tokens: Mutex::default(),
            keys: Mutex::default(),
        }
    }

    /// `sub` of the operator's tokens.
    pub fn subject(&self) -> String {
        format!(
            "system:serviceaccount:{}:{}",
            self.namespace, self.service_account
        )
    }

    /// A token for one platform, at most 80 % of its life old.
    pub async fn token(&self, namespace: &str, name: &str) -> Result<SecretString, Error> {
        let audience = audience(namespace, name);
        // Not held while a token is asked for: one slow answer must not hold up other platforms.
        {
            let mut tokens = self.tokens.lock().await;
            tokens.retain(|_, cached| cached.renew_at > Instant::now());
            if let Some(cached) = tokens.get(&audience) {
                return Ok(cached.token.clone());
            }
        }
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &self.namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![audience.clone()],
                expiration_seconds: i64::try_from(TOKEN_SECONDS).ok(),
                bound_object_ref: None,
            },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(&self.service_account, &PostParams::default(), &request)
            .await?;
        let status = answer
            .status
            .ok_or(Error::Incomplete("the token request has no status"))?;
        // The API server may shorten a token's life.
        let life = (status.expiration_timestamp.0.as_second()
            - k8s_openapi::jiff::Timestamp::now().as_second())
        .clamp(0, i64::from(u32::MAX));
        let life = Duration::from_secs(u64::try_from(life).unwrap_or(0));
        let token = SecretString::from(status.token);
        self.tokens.lock().await.insert(
            audience,
            CachedToken {
                token: token.clone(),
                renew_at: Instant::now() + life.mul_f64(0.8),
            },
        );
        Ok(token)
    }

    /// The cluster's keys.
    pub async fn cluster_keys(&self) -> Result<ClusterKeys, Error> {
        #[derive(Deserialize)]
        struct Discovery {
            issuer: String,
        }
        let mut cached = self.keys.lock().await;
        if let Some((keys, at)) = cached.as_ref()
            && at.elapsed() < KEYS_FOR
        {
            return Ok(keys.clone());
        }
        let discovery: Discovery = self.get("/.well-known/openid-configuration").await?;
        let keys = ClusterKeys {
            issuer: discovery.issuer,
            jwks: self.get("/openid/v1/jwks").await?,
        };
        *cached = Some((keys.clone(), Instant::now()));
        Ok(keys)
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let request = Request::get(path)
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        let text = self.client.request_text(request).await?;
        Ok(serde_json::from_str(&text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_holds_what_the_api_verifies() {
        let keys = ClusterKeys {
            issuer: "https://kubernetes.default.svc".into(),
            jwks: json!({"keys": []}),
        };
        let subject = "system:serviceaccount:ops:reconciliation-operator";
        assert_eq!(
            document(&keys, subject, "recon", "main"),
            json!({
                "issuer": "https://kubernetes.default.svc",
                "audience": "reconciliation-platform.dev/recon/main",
                "subject": subject,
                "jwks": {"keys": []},
            })
        );
    }
}
