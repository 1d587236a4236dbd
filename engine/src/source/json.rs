//! NDJSON and arrays of JSON objects (RFC 8259) into cells: a bad element is set aside, the next is
//! read.
//!
//! A text is its characters, any other value is its JSON text as written: numbers keep their digits,
//! nested values their brackets. A key that an object lacks is null. Columns that are not declared
//! stand in the order of their names, because the keys of an object have none.

mod elements;
mod object;

use super::cells::{Cell, Cells};
use super::open::open;
use super::slots::{Slot, free, missing};
use super::{Table, nulls};
use crate::InputFile;
use crate::error::Error;
use crate::memory::Holding;
use crate::progress::Progress;
use crds::matching::{Dataset, Format};
use elements::{Element, Elements, Layout};
use std::collections::{HashMap, HashSet};
use std::str::from_utf8;
use std::sync::Arc;

/// Elements between two looks at whether the run was cancelled.
const ROWS_PER_STEP: u64 = 8192;
/// Different keys that the objects of one file may have.
const MAX_COLUMNS: usize = 16_384;

pub(super) fn read(
    dataset: &Dataset,
    format: Format,
    file: &InputFile,
    holding: &Arc<Holding>,
    progress: &dyn Progress,
) -> Result<Table, Error> {
    let layout = match format {
        Format::Json => Layout::Array,
        _ => Layout::Lines,
    };
    let mut content = open(file)?;
    let mut elements = Elements::new(layout);
    let declared: Vec<Slot> = dataset
        .columns
        .iter()
        .map(|column| Slot::declared(column, 0))
        .collect();
    let options = dataset.options.clone().unwrap_or_default();
    let mut cells = Cells::new(file, declared.clone(), nulls(&options))?.within(holding);
    let mut keys = Keys::of(&declared);
    loop {
        if cells.rows() % ROWS_PER_STEP == 0 {
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            progress.advance(content.consumed(), content.size);
        }
        let line = match elements.next(content.reader.as_mut()) {
            Ok(None) => break,
            Ok(Some(Element::TooLong { line })) => {
                cells.refuse(None, "is longer than 64 MiB");
                line
            }
            Ok(Some(Element::Whole { line, bytes })) => {
                let walked = match from_utf8(bytes) {
                    Ok(text) => {
                        object::walk(text, &mut |key, cell| keys.put(&mut cells, key, cell))
                    }
                    Err(_) => Err("is not UTF-8 text".into()),
                };
                if let Err(reason) = walked {
                    cells.refuse(None, reason);
                }
                line
            }
            Err(elements::Failure::Read(error)) => return Err(content.failed(error)),
            Err(elements::Failure::Shape(detail)) => return Err(Error::input(file, detail)),
        };
        if keys.seen.len() > MAX_COLUMNS {
            return Err(Error::input(
                file,
                "its objects have over 16,384 different keys, which cannot be columns",
            ));
        }
        cells.end_row(line)?;
    }
    if cells.rows() == 0 {
        return Err(Error::input(
            file,
            "the file has no rows; check that it was written completely",
        ));
    }
    let order = keys.order(dataset, file, &declared)?;
    let table = cells.finish()?;
    Ok(Table {
        rows: table.rows.project(&order)?,
        ..table
    })
}

/// The keys of the objects and the columns that they fill.
struct Keys {
    columns: HashMap<String, Vec<usize>>,
    /// The keys that an object had.
    seen: HashSet<String>,
}

impl Keys {
    /// The keys of the declared columns.
    fn of(declared: &[Slot]) -> Self {
        let mut columns: HashMap<String, Vec<usize>> = HashMap::new();
        for (column, slot) in declared.iter().enumerate() {
            columns.entry(slot.from.clone()).or_default().push(column);
        }
        Self {
            columns,
            seen: HashSet::new(),
        }
    }

    fn put(&mut self, cells: &mut Cells<'_>, key: &str, cell: Cell<'_>) {
        if !self.seen.contains(key) {
            self.seen.insert(key.to_owned());
            if self.seen.len() <= MAX_COLUMNS && !self.columns.contains_key(key) {
                let column = cells.add_column(Slot::undeclared(key, 0));
                self.columns.insert(key.to_owned(), vec![column]);
            }
        }
        for &column in self.columns.get(key).into_iter().flatten() {
            cells.put(column, cell);
        }
    }

    /// The columns in their order: the declared ones, then the others by name.
    fn order(
        &self,
        dataset: &Dataset,
        file: &InputFile,
        declared: &[Slot],
    ) -> Result<Vec<usize>, Error> {
        let mut names: Vec<String> = self.seen.iter().cloned().collect();
        names.sort_unstable();
        for (column, slot) in dataset.columns.iter().zip(declared) {
            if !self.seen.contains(&slot.from) {
                return Err(missing(file, column, &names));
            }
        }
        let mut order: Vec<usize> = (0..declared.len()).collect();
        for name in &names {
            if declared.iter().any(|slot| slot.from == *name) {
                continue;
            }
            free(file, declared, name)?;
            order.extend(&self.columns[name]);
        }
        if order.is_empty() {
            return Err(Error::input(
                file,
                "no row has a column; each row must be an object with keys, such as {\"id\": 1}",
            ));
        }
        Ok(order)
    }
}
