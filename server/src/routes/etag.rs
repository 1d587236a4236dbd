//! `ETag` and `If-Match`: an update says which version it is based on, and is refused where
//! somebody else was faster.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use crate::app::App;
use crate::db::version::Expected;
use crate::error::ApiError;
use crate::openapi::{Operation, Takes};

/// The tag of a version.
#[must_use]
pub fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The header `If-Match`.
#[derive(Debug)]
pub struct IfMatch(Option<Expected>);

impl IfMatch {
    /// The version, for an update that must name one.
    ///
    /// # Errors
    /// `PreconditionRequired`.
    pub fn required(self) -> Result<Expected, ApiError> {
        self.0.ok_or(ApiError::PreconditionRequired)
    }

    /// The version, for an update that states everything and overwrites nothing else.
    #[must_use]
    pub fn optional(self) -> Option<Expected> {
        self.0
    }
}

impl FromRequestParts<App> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let mut tags = Vec::new();
        for value in parts.headers.get_all(header::IF_MATCH) {
            let text = value.to_str().map_err(|_| wrong())?;
            tags.extend(text.split(',').map(str::trim));
        }
        match tags[..] {
            [] => Ok(Self(None)),
            ["*"] => Ok(Self(Some(Expected::Any))),
            _ => {
                let versions: Result<Vec<_>, _> = tags.into_iter().map(version).collect();
                let versions = versions?.into_iter().flatten().collect();
                Ok(Self(Some(Expected::OneOf(versions))))
            }
        }
    }
}

const HEADER: &str = "If-Match";
const MEANING: &str = "The versions that the change is based on, as `ETag` named them, or `*`";
const PATTERN: &str = r#"^(\*|(W/)?"[^"]*"(, *(W/)?"[^"]*")*)$"#;

impl Takes for IfMatch {
    fn describe(operation: &mut Operation<'_>) {
        operation
            .takes_header(HEADER, MEANING, PATTERN)
            .fails(&wrong())
            .fails(&ApiError::PreconditionFailed);
    }
}

impl Operation<'_> {
    /// Without `If-Match` it is refused.
    pub fn needs_if_match(&mut self) -> &mut Self {
        self.needs_header(HEADER, MEANING, PATTERN)
            .fails(&ApiError::PreconditionRequired)
    }
}

/// The version of a tag; none for one that this server never gave, which nothing has. A weak tag
/// is well-formed and never fits (RFC 9110, 13.1.1).
fn version(tag: &str) -> Result<Option<i64>, ApiError> {
    let strong = tag.strip_prefix("W/").unwrap_or(tag);
    let inner = strong
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|inner| !inner.contains('"'))
        .ok_or_else(wrong)?;
    Ok(if strong.len() == tag.len() {
        inner.parse().ok()
    } else {
        None
    })
}

fn wrong() -> ApiError {
    ApiError::bad_request("If-Match must hold entity tags in quotes, such as \"3\", or *")
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn only_strong_tags_of_versions_name_one() {
        assert_eq!(version("\"3\"").unwrap(), Some(3));
        assert_eq!(version("W/\"3\"").unwrap(), None);
        assert_eq!(version("\"other\"").unwrap(), None);
        for wrong in ["3", "", "\"3", "\"3\"\"", "*"] {
            assert!(version(wrong).is_err(), "{wrong}");
        }
    }
}
