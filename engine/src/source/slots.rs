//! Canonical columns and the columns of a file that they are made from.

use super::quoted;
use crate::InputFile;
use crate::error::Error;
use crds::matching::{Column, ColumnType, Dataset};
use std::collections::HashSet;

/// A canonical column and the column of the file that it is made from.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The canonical name.
    pub name: String,
    /// The column's name in the file.
    pub from: String,
    /// The column's place in the file.
    pub index: usize,
    /// The declared type.
    pub data_type: Option<ColumnType>,
    /// How a date is written, in strftime notation.
    pub date_format: Option<String>,
    /// Whether the sign of the number is turned round.
    pub negate: bool,
}

impl Slot {
    /// A declared column.
    pub fn declared(column: &Column, index: usize) -> Self {
        Self {
            name: column.name.clone(),
            from: column.from.as_ref().unwrap_or(&column.name).clone(),
            index,
            data_type: column.data_type,
            date_format: column.format.clone(),
            negate: column.negate,
        }
    }

    /// A column that is not declared: it keeps its name and its own type.
    pub fn undeclared(name: &str, index: usize) -> Self {
        Self {
            name: name.to_owned(),
            from: name.to_owned(),
            index,
            data_type: None,
            date_format: None,
            negate: false,
        }
    }
}

/// The canonical columns: the declared ones in their order, then the file's others in theirs.
///
/// # Errors
/// When a name occurs twice or a declared column is missing.
pub fn slots(dataset: &Dataset, file: &InputFile, present: &[String]) -> Result<Vec<Slot>, Error> {
    let mut seen = HashSet::new();
    if let Some(twice) = present.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(Error::input(
            file,
            format!("the column `{twice}` occurs twice; give each column its own name in the file"),
        ));
    }
    let mut slots = Vec::with_capacity(present.len());
    for column in &dataset.columns {
        let from = column.from.as_ref().unwrap_or(&column.name);
        match present.iter().position(|name| name == from) {
            Some(index) => slots.push(Slot::declared(column, index)),
            None => return Err(missing(file, column, present)),
        }
    }
    let named: HashSet<usize> = slots.iter().map(|slot| slot.index).collect();
    for (index, name) in present.iter().enumerate() {
        if !named.contains(&index) {
            free(file, &slots, name)?;
            slots.push(Slot::undeclared(name, index));
        }
    }
    Ok(slots)
}

/// The error for a declared column that the file lacks.
pub fn missing(file: &InputFile, column: &Column, present: &[String]) -> Error {
    let from = column.from.as_ref().unwrap_or(&column.name);
    Error::input(
        file,
        format!(
            "there is no column `{from}` (for the canonical column `{}`); the file has {}. \
             Correct `from` or how the file is read (its format, delimiter, header or sheet)",
            column.name,
            quoted(present)
        ),
    )
}

/// Checks that a column which keeps its name does not take the name of a declared one.
///
/// # Errors
/// When the name is taken.
pub fn free(file: &InputFile, slots: &[Slot], name: &str) -> Result<(), Error> {
    match slots.iter().find(|slot| slot.name == name) {
        None => Ok(()),
        Some(other) => Err(Error::input(
            file,
            format!(
                "its column `{name}` has the name that the canonical column made from `{}` has; \
                 declare `{name}` under another name, as in {{name: {name}_original, from: {name}}}",
                other.from
            ),
        )),
    }
}
