//! Decodes one side.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{Errors, Fields, leaf, list, text};
use crate::matching::{
    Column, ColumnType, ConfigMapSource, Dataset, Location, ReadOptions, SecretKey, Source,
    SqlSource, UploadSource,
};

/// A side: a dataset whose rows can be told apart.
pub(super) fn side(value: &Value, path: &str, errors: &mut Errors) -> Option<Dataset> {
    let side = dataset(value, path, errors)?;
    if side.source.sql.is_some() && side.key.is_empty() {
        errors.add(
            &format!("{path}.key"),
            "is required: the rows of a query have no order, so their numbers identify nothing; \
             name the columns that do",
        );
    }
    Some(side)
}

pub(super) fn dataset(value: &Value, path: &str, errors: &mut Errors) -> Option<Dataset> {
    let mut fields = Fields::of(value, path, errors)?;
    let name = fields.optional("name", errors, text(253));
    let source = fields.required("source", errors, source);
    let format = fields.optional("format", errors, leaf);
    let options = fields.optional("options", errors, options);
    let key = fields.optional("key", errors, list(0, 16, text(253)));
    let columns_path = fields.at("columns");
    let columns = fields.optional("columns", errors, list(0, 512, column));
    if let Some(Some(columns)) = &columns {
        let mut first = BTreeMap::new();
        for (index, column) in columns.iter().enumerate() {
            if let Some(earlier) = first.insert(column.name.as_str(), index) {
                errors.add(
                    &format!("{columns_path}[{index}].name"),
                    format!(
                        "`{}` is already the name of {columns_path}[{earlier}]; names are unique",
                        column.name
                    ),
                );
            }
        }
    }
    let filter = fields.optional("where", errors, text(4096));
    fields.finish(errors);
    Some(Dataset {
        name: name?,
        source: source?,
        format: format?,
        options: options?,
        key: key?.unwrap_or_default(),
        columns: columns?.unwrap_or_default(),
        filter: filter?,
    })
}

fn source(value: &Value, path: &str, errors: &mut Errors) -> Option<Source> {
    let mut fields = Fields::of(value, path, errors)?;
    let given = ["uri", "upload", "configMap", "sql"]
        .into_iter()
        .filter(|name| fields.peek(name).is_some())
        .count();
    let uri_path = fields.at("uri");
    let uri = fields.optional("uri", errors, text(4096));
    if let Some(Some(uri)) = &uri
        && let Err(message) = Location::of(uri)
    {
        errors.add(&uri_path, message);
    }
    let upload = fields.optional("upload", errors, upload_source);
    let config_map = fields.optional("configMap", errors, config_map_source);
    let sql = fields.optional("sql", errors, sql_source);
    fields.finish(errors);
    if given != 1 {
        errors.add(
            path,
            format!("exactly one of uri, upload, configMap and sql must be set, not {given}"),
        );
    }
    Some(Source {
        uri: uri?,
        upload: upload?,
        config_map: config_map?,
        sql: sql?,
    })
}

fn sql_source(value: &Value, path: &str, errors: &mut Errors) -> Option<SqlSource> {
    let mut fields = Fields::of(value, path, errors)?;
    let secret_ref = fields.required("secretRef", errors, secret_key);
    let query_path = fields.at("query");
    let query = fields.required("query", errors, text(65_536));
    if let Some(query) = &query {
        if query.trim().is_empty() {
            errors.add(&query_path, "is empty; write a SELECT statement");
        } else if query.contains('\0') {
            errors.add(&query_path, "must not contain the character U+0000");
        }
    }
    fields.finish(errors);
    Some(SqlSource {
        secret_ref: secret_ref?,
        query: query?,
    })
}

fn secret_key(value: &Value, path: &str, errors: &mut Errors) -> Option<SecretKey> {
    let mut fields = Fields::of(value, path, errors)?;
    let name = fields.required("name", errors, text(253));
    let key = fields.required("key", errors, text(253));
    fields.finish(errors);
    Some(SecretKey {
        name: name?,
        key: key?,
    })
}

fn upload_source(value: &Value, path: &str, errors: &mut Errors) -> Option<UploadSource> {
    let mut fields = Fields::of(value, path, errors)?;
    let id = fields.required("id", errors, text(36));
    fields.finish(errors);
    Some(UploadSource { id: id? })
}

fn config_map_source(value: &Value, path: &str, errors: &mut Errors) -> Option<ConfigMapSource> {
    let mut fields = Fields::of(value, path, errors)?;
    let name = fields.required("name", errors, text(253));
    let key = fields.required("key", errors, text(253));
    fields.finish(errors);
    Some(ConfigMapSource {
        name: name?,
        key: key?,
    })
}

fn options(value: &Value, path: &str, errors: &mut Errors) -> Option<ReadOptions> {
    let mut fields = Fields::of(value, path, errors)?;
    let delimiter_path = fields.at("delimiter");
    let delimiter = fields.optional("delimiter", errors, text(1));
    if let Some(Some(delimiter)) = &delimiter
        && !delimiter.is_ascii()
    {
        errors.add(&delimiter_path, "must be one ASCII character");
    }
    let header = fields.optional("header", errors, leaf);
    let encoding = fields.optional("encoding", errors, leaf);
    let sheet = fields.optional("sheet", errors, text(31));
    let null_values = fields.optional("nullValues", errors, list(0, 64, leaf));
    fields.finish(errors);
    Some(ReadOptions {
        delimiter: delimiter?,
        header: header?,
        encoding: encoding?,
        sheet: sheet?,
        null_values: null_values?,
    })
}

fn column(value: &Value, path: &str, errors: &mut Errors) -> Option<Column> {
    let mut fields = Fields::of(value, path, errors)?;
    let name = fields.required("name", errors, text(253));
    let from = fields.optional("from", errors, text(253));
    let data_type = fields.optional("type", errors, leaf::<ColumnType>);
    let format_path = fields.at("format");
    let format = fields.optional("format", errors, text(64));
    if let (Some(Some(_)), Some(data_type)) = (&format, &data_type)
        && *data_type != Some(ColumnType::Date)
    {
        errors.add(&format_path, "needs type: date");
    }
    let negate_path = fields.at("negate");
    let negate = fields.optional("negate", errors, leaf);
    if let (Some(Some(true)), Some(Some(ColumnType::Text | ColumnType::Date))) =
        (&negate, &data_type)
    {
        errors.add(&negate_path, "needs a number: type integer or decimal");
    }
    fields.finish(errors);
    Some(Column {
        name: name?,
        from: from?,
        data_type: data_type?,
        format: format?,
        negate: negate?.unwrap_or_default(),
    })
}
