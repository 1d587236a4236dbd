//! Finding a record by its key, or what to say where there is none.

use crate::error::Error;
use crate::outcome::Side;
use crate::records::Records;
use crate::source::Rejected;
use crate::utils::string::levenshtein_similarity;
use crds::matching::Dataset;
use std::fmt::Write;

/// How many near keys, or rejected rows, a message names.
const NAMED: usize = 3;
/// Keys less similar than this are not what was meant.
const NEAR: f64 = 0.5;

/// The index of the record with a key.
///
/// # Errors
/// [`Error::UnknownKey`], which says what the row is instead, or names near keys.
pub fn find(records: &Records, dataset: &Dataset, key: &str, side: Side) -> Result<u32, Error> {
    let found = records
        .keys
        .iter()
        .zip(0_u32..)
        .find(|(own, _)| *own == key);
    if let Some((_, index)) = found {
        return Ok(index);
    }
    Err(Error::UnknownKey {
        side: side.name(),
        key: key.to_owned(),
        detail: instead(records, dataset, key),
    })
}

fn instead(records: &Records, dataset: &Dataset, key: &str) -> String {
    let lines: Vec<String> = (records.duplicates.iter())
        .filter(|duplicate| duplicate.key == key)
        .map(|duplicate| duplicate.line.to_string())
        .collect();
    if !lines.is_empty() {
        return format!(
            "the rows on lines {} share it, so they are duplicates and take no part; make the key \
             unique, or set duplicates to first",
            lines.join(", ")
        );
    }
    if dataset.key.is_empty()
        && let Some(rejected) = rejected_row(records, key)
    {
        return format!("the row was rejected: {}", told(rejected));
    }
    let mut near: Vec<(f64, &str)> = (records.keys.iter())
        .map(|own| (levenshtein_similarity(own, key), own))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let near: Vec<String> = (near.iter().take(NAMED))
        .map(|(_, own)| format!("`{own}`"))
        .collect();
    let mut text = if near.is_empty() {
        let last = records.keys.len().saturating_sub(1);
        match (records.keys.get(0), records.keys.get(last)) {
            (Some(first), Some(last)) => format!("the keys run from `{first}` to `{last}`"),
            _ => "it has no records".into(),
        }
    } else {
        format!("near it are {}", near.join(", "))
    };
    if !records.rejected.is_empty() {
        let rows: Vec<String> = (records.rejected.iter().take(NAMED)).map(told).collect();
        let count = records.rejected.len();
        let noun = if count == 1 { "row was" } else { "rows were" };
        let shown = if count > NAMED { ", among them" } else { "" };
        let _ = write!(
            text,
            "; {count} {noun} rejected{shown}: {}",
            rows.join("; ")
        );
    }
    text
}

/// Where rows are their own keys, the numbers that no record has are those of rejected rows.
fn rejected_row<'a>(records: &'a Records, key: &str) -> Option<&'a Rejected> {
    let number: u64 = key.parse().ok()?;
    if number == 0 || number > records.rows {
        return None;
    }
    let before = (records.keys.iter())
        .filter_map(|own| own.parse::<u64>().ok())
        .filter(|own| *own < number)
        .count();
    let at = usize::try_from(number - 1).ok()?.checked_sub(before)?;
    let mut rejected: Vec<&Rejected> = records.rejected.iter().collect();
    rejected.sort_by_key(|row| row.line);
    rejected.get(at).copied()
}

fn told(row: &Rejected) -> String {
    let column = row.column.as_ref();
    let column = column.map_or_else(String::new, |name| format!(", column `{name}`"));
    format!("line {}{column}: {}", row.line, row.reason)
}
