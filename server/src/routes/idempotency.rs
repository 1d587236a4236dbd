//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) on requests that create: repeated
//! within a day they are answered as the first one was, and create nothing.
//!
//! The answer is kept in the transaction that creates, so a key stands for something that was done:
//! after an error, or when the process dies, the same key may be tried again.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::ops::{Deref, DerefMut};

use super::answer::Created;
use super::input::ApiJson;
use crate::app::App;
use crate::cache::{MultiLevelCache, Stale};
use crate::db::audit::{Entry, Mutation, Origin};
use crate::db::idempotency::{self, Key, Known};
use crate::error::ApiError;
use crate::openapi::{Operation, Takes};
use kept::{replay, respond};

pub use kept::Answer;

mod kept;

const HEADER: &str = "idempotency-key";
const MAX_CHARACTERS: usize = 255;
/// What is no part of a request's hash: a hash that is stored must not help to guess a password.
const SECRET_FIELDS: &[&str] = &["password"];

/// The header, where it is there.
#[derive(Clone, Debug)]
pub struct IdempotencyKey(Option<String>);

impl FromRequestParts<App> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let key = match (values.next(), values.next()) {
            (None, _) => return Ok(Self(None)),
            (Some(value), None) => value.to_str().ok().and_then(parse),
            (Some(_), Some(_)) => None,
        };
        key.map(|key| Self(Some(key))).ok_or_else(wrong)
    }
}

fn wrong() -> ApiError {
    ApiError::bad_request(
        "Idempotency-Key must be given once, with 1 to 255 visible ASCII characters",
    )
}

impl Takes for IdempotencyKey {
    fn describe(operation: &mut Operation<'_>) {
        operation
            .takes_header(
                "Idempotency-Key",
                "Repeated within 24 hours by the same caller, the request creates nothing and is \
                 answered as the first time",
                r#"^("[!#-\[\]-~]{1,255}"|[!#-\[\]-~]{1,255})$"#,
            )
            .fails(&wrong())
            .fails(&ApiError::IdempotencyKeyInUse)
            .fails(&ApiError::IdempotencyKeyReused);
    }
}

/// The key of a header: a quoted string as the draft wants it, or the bare text that many send.
fn parse(text: &str) -> Option<String> {
    let text = text.trim();
    let key = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => text,
    };
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    let good = (1..=MAX_CHARACTERS).contains(&key.len()) && key.chars().all(plain);
    good.then(|| key.to_owned())
}

impl IdempotencyKey {
    /// The key together with what identifies the request.
    #[must_use]
    pub fn of_request(self, parts: &[&[u8]]) -> Idempotency {
        Idempotency(self.0.map(|key| {
            let mut hash = Sha256::new();
            for part in parts {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
            (key, hash.finalize().into())
        }))
    }
}

/// A request's key and hash, where it came with a key.
#[derive(Clone, Debug)]
pub struct Idempotency(Option<(String, [u8; 32])>);

/// A JSON body of a request that creates.
#[derive(Debug)]
pub struct Create<T> {
    /// The body.
    pub body: T,
    /// The request's key.
    pub idempotency: Idempotency,
}

impl<T: DeserializeOwned> FromRequest<App> for Create<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let key = IdempotencyKey::from_request_parts(&mut parts, app).await?;
        let target = format!("{} {}", parts.method, parts.uri.path());
        let request = Request::from_parts(parts, body);
        if key.0.is_none() {
            let ApiJson(body) = ApiJson::<T>::from_request(request, app).await?;
            let idempotency = Idempotency(None);
            return Ok(Self { body, idempotency });
        }
        let (head, body) = request.into_parts();
        let bytes = super::input::read(body).await?;
        let again = Request::from_parts(head, Body::from(bytes.clone()));
        let ApiJson(body) = ApiJson::<T>::from_request(again, app).await?;
        let mut value: Value = serde_json::from_slice(&bytes)
            .map_err(|error| ApiError::bad_request(format!("the body is wrong: {error}")))?;
        if let Value::Object(object) = &mut value {
            object.retain(|name, _| !SECRET_FIELDS.contains(&name.as_str()));
        }
        let idempotency = key.of_request(&[target.as_bytes(), value.to_string().as_bytes()]);
        Ok(Self { body, idempotency })
    }
}

impl<T: JsonSchema> Takes for Create<T> {
    fn describe(operation: &mut Operation<'_>) {
        IdempotencyKey::describe(operation);
        ApiJson::<T>::describe(operation);
    }
}

/// What a request with or without a key begins with.
#[derive(Debug)]
pub enum Begun<T, const STATUS: u16> {
    /// It is to be carried out.
    New(Creation),
    /// It was carried out before; this was the answer.
    Before(Created<T, STATUS>),
}

/// A change whose answer is kept with it.
#[derive(Debug)]
pub struct Creation {
    change: Mutation,
    key: Option<Key>,
    stale: Stale,
}

impl Deref for Creation {
    type Target = Mutation;

    fn deref(&self) -> &Mutation {
        &self.change
    }
}

impl DerefMut for Creation {
    fn deref_mut(&mut self) -> &mut Mutation {
        &mut self.change
    }
}

impl Idempotency {
    /// Begins to create what makes these answers stale, unless the request was carried out before.
    ///
    /// # Errors
    /// `IdempotencyKeyReused`, `IdempotencyKeyInUse`, errors of the database.
    pub async fn begin<T, const STATUS: u16>(
        self,
        cache: &MultiLevelCache,
        origin: Origin,
        stale: Stale,
    ) -> Result<Begun<T, STATUS>, ApiError> {
        let (kind, name) = origin.actor.parts();
        let mut change = Mutation::begin(cache, origin).await?;
        let Some((key, request_hash)) = self.0 else {
            return Ok(Begun::New(Creation {
                change,
                key: None,
                stale,
            }));
        };
        let key = Key {
            caller: format!("{kind}:{}", name.unwrap_or_default()),
            key,
            request_hash,
        };
        match idempotency::reserve(&mut change, &key).await? {
            Known::Nothing => Ok(Begun::New(Creation {
                change,
                key: Some(key),
                stale,
            })),
            Known::Answer(kept) => {
                drop(change);
                // Whoever made the change may still be about to tell the other processes.
                cache.settle(&stale).await;
                replay(&kept).map(Begun::Before)
            }
            Known::OtherRequest => Err(ApiError::IdempotencyKeyReused),
            Known::InUse => Err(ApiError::IdempotencyKeyInUse),
        }
    }
}

impl Creation {
    /// Gives up, because what was to be created is there: whoever made it may still be about to
    /// tell other processes, so what depends on it is settled before it is spoken of.
    pub async fn is_there_already(self, cache: &MultiLevelCache) {
        let Self { change, stale, .. } = self;
        drop(change);
        cache.settle(&stale).await;
    }

    /// Keeps what was created, its entry in the audit log and the answer, and gives the answer.
    ///
    /// # Errors
    /// Errors of the database; nothing is kept then.
    pub async fn commit<T: Serialize, const STATUS: u16>(
        mut self,
        entry: Entry,
        answer: Answer<T>,
    ) -> Result<Created<T, STATUS>, ApiError> {
        let kept = answer.kept(STATUS);
        if let Some(key) = &self.key {
            idempotency::keep(&mut self.change, key, &kept).await?;
        }
        self.change.commit(entry, self.stale).await?;
        let mut response = respond(&kept, answer.body);
        if answer.secret {
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        Ok(Created::new(response))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_key_is_a_quoted_string_or_a_bare_text() {
        assert_eq!(parse("\"8e03\""), Some("8e03".to_owned()));
        assert_eq!(parse(" 8e03 "), Some("8e03".to_owned()));
        let long = "x".repeat(256);
        for wrong in ["", "\"\"", "\"open", "a b", "a\"b", "ü", long.as_str()] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
