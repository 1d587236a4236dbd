//! The operator's identity: a ServiceAccount token that fits one issuer, audience and subject.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::RwLock;

use crate::error::ApiError;

/// An unknown key id makes the file be read again, at most this often.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);

/// The identity file as it is written.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    audience: String,
    subject: String,
    jwks: Keys,
}

/// Keys are read one by one: one of an unknown type must not hide the others.
#[derive(Deserialize)]
struct Keys {
    keys: Vec<serde_json::Value>,
}

struct Key {
    algorithm: Algorithm,
    decoding: DecodingKey,
}

struct Identity {
    issuer: String,
    audience: String,
    subject: String,
    keys: HashMap<String, Key>,
}

#[derive(Default)]
struct Loaded {
    identity: Option<Identity>,
    modified: Option<SystemTime>,
    tried: Option<Instant>,
}

/// Verifies the operator's tokens against a file that may change at any time.
pub struct OperatorIdentity {
    path: PathBuf,
    loaded: RwLock<Loaded>,
}

impl fmt::Debug for OperatorIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorIdentity")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl OperatorIdentity {
    /// The identity of a file, which need not exist yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            loaded: RwLock::default(),
        }
    }

    /// Accepts the operator's own valid tokens.
    ///
    /// # Errors
    /// `Unauthenticated` for every other token.
    pub async fn verify(&self, token: &str) -> Result<(), ApiError> {
        let header = decode_header(token).map_err(|_| ApiError::Unauthenticated)?;
        let kid = header.kid.ok_or(ApiError::Unauthenticated)?;
        self.refresh(&kid).await;
        let loaded = self.loaded.read().await;
        let identity = loaded.identity.as_ref().ok_or(ApiError::Unauthenticated)?;
        let key = identity.keys.get(&kid).ok_or(ApiError::Unauthenticated)?;
        // The algorithm is the key's, whatever the token's header says.
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[&identity.issuer]);
        validation.set_audience(&[&identity.audience]);
        validation.sub = Some(identity.subject.clone());
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 5;
        decode::<serde_json::Value>(token, &key.decoding, &validation)
            .map(drop)
            .map_err(|_| ApiError::Unauthenticated)
    }

    /// Reads the file again where it changed or does not have the key yet.
    async fn refresh(&self, kid: &str) {
        let modified = tokio::fs::metadata(&self.path)
            .await
            .and_then(|meta| meta.modified())
            .ok();
        {
            let loaded = self.loaded.read().await;
            let known = loaded
                .identity
                .as_ref()
                .is_some_and(|it| it.keys.contains_key(kid));
            let rested = loaded
                .tried
                .is_none_or(|tried| tried.elapsed() >= RELOAD_PAUSE);
            if loaded.modified == modified && (known || !rested) {
                return;
            }
        }
        let mut loaded = self.loaded.write().await;
        loaded.tried = Some(Instant::now());
        match read(&self.path).await {
            Ok(identity) => {
                loaded.identity = Some(identity);
                loaded.modified = modified;
            }
            // The last good identity stays: a file that is being replaced must not lock it out.
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the operator identity file cannot be read");
            }
        }
    }
}

async fn read(path: &Path) -> std::io::Result<Identity> {
    let document: Document = serde_json::from_slice(&tokio::fs::read(path).await?)?;
    let keys = document
        .jwks
        .keys
        .into_iter()
        .filter_map(usable_key)
        .collect();
    Ok(Identity {
        issuer: document.issuer,
        audience: document.audience,
        subject: document.subject,
        keys,
    })
}

/// A public RSA or P-256 key with an id, and the one algorithm it may be used with.
fn usable_key(value: serde_json::Value) -> Option<(String, Key)> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    if jwk
        .common
        .key_algorithm
        .is_some_and(|algorithm| algorithm != named)
    {
        return None;
    }
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    Some((
        jwk.common.key_id?,
        Key {
            algorithm,
            decoding,
        },
    ))
}
