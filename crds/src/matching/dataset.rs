//! One side: where its rows are, how they are read and which columns they have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One side: where its rows are and how they are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dataset {
    /// A name for messages and reports; `left` or `right` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// Where the rows are: exactly one of `uri`, `upload`, `configMap` and `sql`.
    pub source: Source,
    /// The file format. When absent it follows from the extension of the file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// How the file is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<ReadOptions>,
    /// The canonical columns that identify a row. When absent the row's number, from 1, is its key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)))]
    pub key: Vec<String>,
    /// Renamed and typed columns. A column that is not named here keeps its name; in a CSV, TSV or
    /// XLSX file it is text, in a JSON or NDJSON file too, and in Parquet, Arrow and SQL it keeps
    /// its type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub columns: Vec<Column>,
    /// Only rows for which this SQL expression over the canonical columns is true take part, such
    /// as `status <> 'void'`. The others count nowhere.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub filter: Option<String>,
}

/// Where the rows of a dataset are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.uri), has(self.upload), has(self.configMap), has(self.sql)].filter(x, x).size() == 1",
    "message": "exactly one of uri, upload, configMap and sql must be set"
}]))]
pub struct Source {
    /// A file path, relative to the job's YAML, or `s3://bucket/key`, read with the environment
    /// variables that S3 clients share: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, and `AWS_ALLOW_HTTP=true` for an
    /// endpoint without TLS; without credentials anonymously. For the CLI only: a platform refuses
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub uri: Option<String>,
    /// A file uploaded to the same project of the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadSource>,
    /// A key of a ConfigMap in the job's namespace. For data under 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
    /// A query on a PostgreSQL database. For the CLI only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<SqlSource>,
}

/// The rows of a query on PostgreSQL. It runs in a read-only transaction, in the time zone UTC, for
/// at most an hour unless the role or the URL (`?options=-c statement_timeout=…`) sets another limit.
/// Its rows have no order of their own, so the dataset needs a `key`. Numbers, dates, timestamps and
/// truth values keep their types; a `numeric` without a declared type is a decimal with as many
/// digits after the point as its longest value; what has no type here, such as `uuid` or `jsonb`, is
/// text. A value that its type cannot hold, such as `NaN` or `infinity`, makes its row `rejected`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SqlSource {
    /// Where the database's URL (`postgres://user:password@host:5432/database`) is kept. With
    /// `?sslmode=` it takes `disable`, `prefer` and `require` as libpq does, and `verify-full`, also
    /// with `&sslrootcert=FILE`. Without it the certificate of a host is checked as by `verify-full`,
    /// and this machine is asked as by `prefer`.
    pub secret_ref: SecretKey,
    /// One SELECT statement, without parameters.
    #[schemars(length(min = 1, max = 65_536))]
    pub query: String,
}

/// One key of a Secret. The CLI reads it from the environment variable `NAME_KEY`, both in upper
/// case with `_` for every other character: `RECON_DB_URL` for the key `url` of `recon-db`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key whose value is meant.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

impl SecretKey {
    /// The environment variable that holds the value for the CLI.
    #[must_use]
    pub fn variable(&self) -> String {
        let upper = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        };
        let joined = [self.name.as_str(), self.key.as_str()].join("_");
        joined.chars().map(upper).collect()
    }
}

/// A file uploaded with `POST /api/v2/projects/{project}/uploads`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadSource {
    /// The id that the upload was answered with, a UUID.
    #[schemars(length(equal = 36))]
    pub id: String,
}

/// One key of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapSource {
    /// The ConfigMap's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key whose value is the file; its extension gives the format unless `format` does.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// File formats that can be read. An extension of `.gz` or `.zst` after the format's own is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// Comma-separated values (RFC 4180).
    Csv,
    /// Tab-separated values: CSV with tabs.
    Tsv,
    /// One JSON object a line.
    Ndjson,
    /// One JSON array of objects.
    Json,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow IPC, as a file or as a stream.
    Arrow,
    /// The first sheet of an Office Open XML workbook, or `options.sheet`.
    Xlsx,
}

/// How a file is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadOptions {
    /// The character between the fields of a CSV file, one ASCII character; `,` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(equal = 1))]
    pub delimiter: Option<String>,
    /// Whether the first line of a CSV, TSV or XLSX file names its columns; true when absent.
    /// Without a header the columns are named `column_1`, `column_2` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// How the characters of a CSV or TSV file are written; `utf-8` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(min = 1, max = 32))]
    pub encoding: Option<Encoding>,
    /// The sheet of a workbook; the first one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 31))]
    pub sheet: Option<String>,
    /// Texts that mean null; the empty text when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 253)))]
    pub null_values: Option<Vec<String>>,
}

/// The label of a character encoding as browsers know it (WHATWG Encoding Standard), such as
/// `utf-8`, `windows-1252` or `iso-8859-15`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Encoding(String);

impl Encoding {
    /// The label as written.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.0
    }
}

/// A canonical column and how it is made from a column of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// The canonical name, used everywhere else in the job.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The name in the file; the canonical name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub from: Option<String>,
    /// The type: `text`, `integer`, `date` or `decimal(p,s)` with p digits, s of them after the
    /// point (1 ≤ p ≤ 38, 0 ≤ s ≤ p). A value that does not fit makes its row `rejected`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "Option<String>",
        regex(pattern = "^(text|integer|date|decimal\\([0-9]+, ?[0-9]+\\))$"),
        length(max = 32)
    )]
    pub data_type: Option<ColumnType>,
    /// How a date is written, in strftime notation such as `%d/%m/%Y`; `%Y-%m-%d` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64))]
    pub format: Option<String>,
    /// Turns the sign of a number round, where one side books credits as what the other books as
    /// debits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    pub negate: bool,
}

/// The type of a canonical column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ColumnType {
    /// Unicode text.
    Text,
    /// A 64-bit signed integer.
    Integer,
    /// A calendar date.
    Date,
    /// An exact decimal number.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, at most `precision`.
        scale: u8,
    },
}

impl TryFrom<String> for ColumnType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let decimal = || {
            let (precision, scale) = text
                .strip_prefix("decimal(")?
                .strip_suffix(')')?
                .split_once(',')?;
            let (precision, scale) = (
                precision.trim().parse::<u8>().ok()?,
                scale.trim().parse::<u8>().ok()?,
            );
            (1..=38).contains(&precision).then_some(())?;
            (scale <= precision).then_some(Self::Decimal { precision, scale })
        };
        match text.as_str() {
            "text" => Ok(Self::Text),
            "integer" => Ok(Self::Integer),
            "date" => Ok(Self::Date),
            _ => decimal().ok_or_else(|| {
                format!(
                    "`{text}` is no column type; use text, integer, date or decimal(p,s) with \
                     1 ≤ p ≤ 38 and s ≤ p, such as decimal(18,2)"
                )
            }),
        }
    }
}

impl From<ColumnType> for String {
    fn from(value: ColumnType) -> Self {
        match value {
            ColumnType::Text => "text".into(),
            ColumnType::Integer => "integer".into(),
            ColumnType::Date => "date".into(),
            ColumnType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        }
    }
}
