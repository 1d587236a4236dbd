//! Lists by cursor. A cursor is opaque to clients and says where the next page begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::db::runs::After;
use crate::error::ApiError;

const DEFAULT_LIMIT: i64 = 100;
const MAX_LIMIT: i64 = 1000;

/// The query of every list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Where the page begins: `nextCursor` of the page before.
    cursor: Option<String>,
    /// Items a page; 100 when absent.
    #[schemars(range(min = 1, max = MAX_LIMIT))]
    limit: Option<i64>,
}

/// The answer of every list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Where the next page begins; null on the last one.
    pub next_cursor: Option<String>,
}

/// The answer to a cursor of another list.
pub(super) fn wrong_cursor() -> ApiError {
    ApiError::bad_request("the cursor is not one that this list gave")
}

/// A cursor for what comes after an item at this text.
#[must_use]
pub fn cursor(position: &str) -> String {
    URL_SAFE_NO_PAD.encode(position)
}

/// The position of an item in a list that is newest first.
#[must_use]
pub fn position(after: After) -> String {
    format!("{}:{}", after.created_at.timestamp_micros(), after.id)
}

impl PageQuery {
    /// The part of a longer query that is about pages.
    #[must_use]
    pub fn new(cursor: Option<String>, limit: Option<i64>) -> Self {
        Self { cursor, limit }
    }

    /// Items a page.
    ///
    /// # Errors
    /// `BadRequest` outside of 1 to 1000.
    pub fn limit(&self) -> Result<i64, ApiError> {
        match self.limit {
            None => Ok(DEFAULT_LIMIT),
            Some(limit @ 1..=MAX_LIMIT) => Ok(limit),
            Some(_) => Err(ApiError::bad_request("limit must be from 1 to 1000")),
        }
    }

    /// The position in the cursor.
    ///
    /// # Errors
    /// `BadRequest` for a text that is no cursor.
    pub fn position(&self) -> Result<Option<String>, ApiError> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong_cursor())?;
        let text = String::from_utf8(bytes).map_err(|_| wrong_cursor())?;
        if text.contains('\0') {
            Err(wrong_cursor())
        } else {
            Ok(Some(text))
        }
    }

    /// The cursor of a list that counts its items.
    ///
    /// # Errors
    /// `BadRequest` for a text that is no such cursor.
    pub fn offset(&self) -> Result<i64, ApiError> {
        match self.position()? {
            None => Ok(0),
            Some(text) => text
                .parse()
                .ok()
                .filter(|offset| *offset >= 0)
                .ok_or_else(wrong_cursor),
        }
    }

    /// The cursor of a list that goes down by numbers.
    ///
    /// # Errors
    /// `BadRequest` for a text that is no such cursor.
    pub fn before(&self) -> Result<i64, ApiError> {
        match self.position()? {
            None => Ok(i64::MAX),
            Some(text) => text.parse().map_err(|_| wrong_cursor()),
        }
    }

    /// The cursor of a list whose items are numbered from 1: the last item's number.
    ///
    /// # Errors
    /// `BadRequest` for a text that is no such cursor.
    pub fn number(&self) -> Result<i32, ApiError> {
        i32::try_from(self.offset()?).map_err(|_| wrong_cursor())
    }

    /// The cursor of a list that is newest first.
    ///
    /// # Errors
    /// `BadRequest` for a text that is no such cursor.
    pub fn after(&self) -> Result<After, ApiError> {
        let Some(text) = self.position()? else {
            return Ok(After::START);
        };
        let (micros, id) = text.split_once(':').ok_or_else(wrong_cursor)?;
        match (time(micros), id.parse()) {
            (Some(created_at), Ok(id)) => Ok(After { created_at, id }),
            _ => Err(wrong_cursor()),
        }
    }
}

/// The time in a cursor, in microseconds. The database has no time for what is long before 1970, and
/// nothing that is listed is older.
pub(super) fn time(micros: &str) -> Option<DateTime<Utc>> {
    let micros = micros.parse().ok().filter(|micros| *micros >= 0)?;
    DateTime::from_timestamp_micros(micros)
}

/// Makes a page of up to `limit + 1` rows; the extra one only says that there are more.
pub fn page<R, T>(
    mut rows: Vec<R>,
    limit: i64,
    position: impl Fn(&R) -> String,
    item: impl Fn(R) -> T,
) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or_default();
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows
        .last()
        .filter(|_| more)
        .map(|row| cursor(&position(row)));
    Page {
        items: rows.into_iter().map(item).collect(),
        next_cursor,
    }
}
