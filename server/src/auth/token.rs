//! Access tokens of people: JWT, HS256, short-lived.

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

use crate::error::ApiError;

const ISSUER: &str = "reconciliation-platform";
const AUDIENCE: &str = "reconciliation-platform-api";

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: Uuid,
    iat: u64,
    exp: u64,
    iss: String,
    aud: String,
}

/// Issues and verifies access tokens.
pub struct PersonTokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    life: Duration,
}

impl fmt::Debug for PersonTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonTokens")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

/// Whether a token claims to be a person's. Its header decides only which verification it gets:
/// each one pins the algorithm again.
#[must_use]
pub fn is_person_token(token: &str) -> bool {
    decode_header(token).is_ok_and(|header| header.alg == Algorithm::HS256)
}

impl PersonTokens {
    /// Tokens under one secret.
    #[must_use]
    pub fn new(secret: &SecretString, life: Duration) -> Self {
        let bytes = secret.expose_secret().as_bytes();
        Self {
            encoding: EncodingKey::from_secret(bytes),
            decoding: DecodingKey::from_secret(bytes),
            life,
        }
    }

    /// How long a new token lives.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.life
    }

    /// A new token for a user.
    ///
    /// # Errors
    /// When signing fails, which is a defect.
    pub fn issue(&self, user: Uuid) -> Result<String, ApiError> {
        self.issue_at(user, SystemTime::now())
    }

    /// A new token as of a given time.
    ///
    /// # Errors
    /// When signing fails, which is a defect.
    pub fn issue_at(&self, user: Uuid, now: SystemTime) -> Result<String, ApiError> {
        let iat = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims {
            sub: user,
            iat,
            exp: iat + self.life.as_secs(),
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(|error| ApiError::Internal(format!("signing a token: {error}")))
    }

    /// The user of a valid token.
    ///
    /// # Errors
    /// `Unauthenticated` for every other token.
    pub fn verify(&self, token: &str) -> Result<Uuid, ApiError> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = 0;
        decode::<Claims>(token, &self.decoding, &validation)
            .map(|data| data.claims.sub)
            .map_err(|_| ApiError::Unauthenticated)
    }
}
