//! Access tokens of people: JWT, HS256, short-lived. Each names the session that it belongs to,
//! which is looked up with every request: what ends the session ends its tokens at once.

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

use crate::error::ApiError;

const ISSUER: &str = "reconciliation-platform";
const AUDIENCE: &str = "reconciliation-platform-api";

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: Uuid,
    sid: Uuid,
    iat: u64,
    exp: u64,
    iss: String,
    aud: String,
}

/// Whom a valid token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The user.
    pub user: Uuid,
    /// The session.
    pub session: Uuid,
}

/// A key that tokens are verified with, found by its id in a token's header.
struct Key {
    id: String,
    decoding: DecodingKey,
}

impl Key {
    fn new(secret: &SecretString) -> Self {
        let bytes = secret.expose_secret().as_bytes();
        let id = Sha256::new()
            .chain_update(b"reconciliation-platform key id")
            .chain_update(bytes)
            .finalize();
        Self {
            // Enough to tell two secrets apart, and useless to find one.
            id: hex::encode(&id[..4]),
            decoding: DecodingKey::from_secret(bytes),
        }
    }
}

/// Issues and verifies access tokens.
pub struct PersonTokens {
    encoding: EncodingKey,
    current: Key,
    previous: Option<Key>,
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
    /// Tokens that are signed under one secret, and verified also under the one before while the
    /// secret is being replaced.
    #[must_use]
    pub fn new(secret: &SecretString, previous: Option<&SecretString>, life: Duration) -> Self {
        Self {
            encoding: EncodingKey::from_secret(secret.expose_secret().as_bytes()),
            current: Key::new(secret),
            previous: previous.map(Key::new),
            life,
        }
    }

    /// How long a new token lives.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.life
    }

    /// A new token for a user's session.
    ///
    /// # Errors
    /// When signing fails, which is a defect.
    pub fn issue(&self, bearer: Bearer) -> Result<String, ApiError> {
        self.issue_at(bearer, SystemTime::now())
    }

    /// A new token as of a given time.
    ///
    /// # Errors
    /// When signing fails, which is a defect.
    pub fn issue_at(&self, bearer: Bearer, now: SystemTime) -> Result<String, ApiError> {
        let iat = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims {
            sub: bearer.user,
            sid: bearer.session,
            iat,
            exp: iat + self.life.as_secs(),
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
        };
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(self.current.id.clone());
        encode(&header, &claims, &self.encoding)
            .map_err(|error| ApiError::Internal(format!("signing a token: {error}")))
    }

    /// Whom a valid token belongs to.
    ///
    /// # Errors
    /// `Unauthenticated` for every other token.
    pub fn verify(&self, token: &str) -> Result<Bearer, ApiError> {
        let kid = decode_header(token)
            .ok()
            .and_then(|header| header.kid)
            .ok_or(ApiError::Unauthenticated)?;
        let key = [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|key| key.id == kid)
            .ok_or(ApiError::Unauthenticated)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = 0;
        decode::<Claims>(token, &key.decoding, &validation)
            .map(|data| Bearer {
                user: data.claims.sub,
                session: data.claims.sid,
            })
            .map_err(|_| ApiError::Unauthenticated)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bearer, PersonTokens};
    use secrecy::SecretString;
    use std::time::Duration;
    use uuid::Uuid;

    const LIFE: Duration = Duration::from_mins(15);

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.repeat(4))
    }

    #[test]
    fn tokens_outlive_one_rotation_of_the_secret_and_not_two() {
        let (one, two, three) = (secret("first..."), secret("second.."), secret("third..."));
        let bearer = Bearer {
            user: Uuid::from_u128(1),
            session: Uuid::from_u128(2),
        };
        let token = PersonTokens::new(&one, None, LIFE).issue(bearer).unwrap();
        let overlap = PersonTokens::new(&two, Some(&one), LIFE);
        assert_eq!(overlap.verify(&token).unwrap(), bearer);
        // What is signed during the overlap is signed with the new secret.
        let newer = overlap.issue(bearer).unwrap();
        assert_eq!(
            PersonTokens::new(&two, None, LIFE).verify(&newer).unwrap(),
            bearer
        );
        assert!(PersonTokens::new(&one, None, LIFE).verify(&newer).is_err());
        assert!(PersonTokens::new(&two, None, LIFE).verify(&token).is_err());
        assert!(
            PersonTokens::new(&three, Some(&two), LIFE)
                .verify(&token)
                .is_err()
        );
    }

    #[test]
    fn a_key_id_alone_opens_nothing() {
        // The token of another platform whose header is made to name this one's key.
        let own = PersonTokens::new(&secret("own....."), None, LIFE);
        let mut foreign = PersonTokens::new(&secret("foreign."), None, LIFE);
        foreign.current.id.clone_from(&own.current.id);
        let bearer = Bearer {
            user: Uuid::from_u128(1),
            session: Uuid::from_u128(2),
        };
        assert!(foreign.issue(bearer).is_ok());
        assert!(own.verify(&foreign.issue(bearer).unwrap()).is_err());
    }
}
