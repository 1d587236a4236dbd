//! Blocks over data: what each entry is on both sides, and the condition that it makes of rows.

mod within;

pub use within::{Within, is_bounded};

use super::Open;
use super::columns::number_rows;
use super::join::Condition;
use super::number::NONE;
use super::stored::{self, Made, Numbered, Source};
use super::words::{PerRow, Shared, Worded};
use crate::error::Error;
use crate::expression::{self, Entry, Lookup};
use crate::plan::PassPlan;
use crate::values::Form;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::compute::{CastOptions, cast_with_options, concat};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr_common::type_coercion::binary::comparison_coercion;
use datafusion::prelude::SessionContext;
use std::collections::BTreeSet;

/// One AND of a block over the data.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// Values that must be equal.
    pub equals: Vec<Equal>,
    /// Values that must be near.
    pub nears: Vec<Within>,
    /// Texts that must share a word.
    pub words: Option<Worded>,
    /// The places of the columns that it looks at, on the left and on the right.
    pub columns: (BTreeSet<usize>, BTreeSet<usize>),
    /// Where values are in files: what `equals` says, numbered; its arrays are empty then.
    pub numbered: Option<Numbered>,
}

/// Values of both sides, in one type, that must be equal and not null.
#[derive(Clone, Debug)]
pub struct Equal {
    /// What they are, as in `substr(memo, 1, 3)`.
    pub label: String,
    /// The left values.
    pub left: ArrayRef,
    /// The right values.
    pub right: ArrayRef,
}

impl Block {
    /// Evaluates the entries of a block that the specification gives. `path` is the block's.
    ///
    /// # Errors
    /// Where an expression fails on a value or types do not fit, with the entry's path.
    pub fn given(
        session: &SessionContext,
        entries: &[Entry],
        path: &str,
        (left, right): (&RecordBatch, &RecordBatch),
    ) -> Result<Self, Error> {
        let mut block = Self::default();
        for (at, entry) in entries.iter().enumerate() {
            let path = format!("{path}[{at}]");
            match entry {
                Entry::Equal(sql) => {
                    let l = value(session, sql, left, &path, &mut block.columns.0)?;
                    let r = value(session, sql, right, &path, &mut block.columns.1)?;
                    block.equals.push(Equal::new(sql.clone(), &l, &r, &path)?);
                }
                Entry::Near(near) => {
                    let place =
                        |batch: &RecordBatch| batch.schema_ref().index_of(&near.column).ok();
                    block.columns.0.extend(place(left));
                    block.columns.1.extend(place(right));
                    block.nears.push(Within::given(near, left, right, &path)?);
                }
                Entry::Words(words) => {
                    let l = value(session, &words.sql, left, &path, &mut block.columns.0)?;
                    let r = value(session, &words.sql, right, &path, &mut block.columns.1)?;
                    block.words = Some(Worded::new(words, &l, &r, &path)?);
                }
            }
        }
        Ok(block)
    }

    /// All entries, as in `ccy AND near(date, 30)`.
    pub fn text(&self) -> String {
        let equals = self.equals.iter().map(|equal| equal.label.as_str());
        let nears = self.nears.iter().map(|near| near.label.as_str());
        let words = self.words.iter().map(|words| words.label.as_str());
        let text = equals.chain(nears).chain(words).collect::<Vec<_>>();
        let text = text.join(" AND ");
        if text.is_empty() {
            "every pair".into()
        } else {
            text
        }
    }

    /// What the block asks of the rows that are open.
    ///
    /// # Errors
    /// When Arrow cannot order a column's type.
    pub fn condition(&self, left: &[bool], right: &[bool]) -> Result<Condition, Error> {
        let takes_part = (
            |row: usize| left[row] && self.nears.iter().all(|near| near.left.is_valid(row)),
            |row: usize| right[row] && self.nears.iter().all(|near| near.right.is_valid(row)),
        );
        let ranges = self.nears.iter().map(|near| near.range.clone()).collect();
        let words = self.words.as_ref().map(|words| words.shared(&takes_part));
        let has_words = |of: fn(&Shared) -> &PerRow, row: usize| {
            words
                .as_ref()
                .is_none_or(|words| !of(words).of(row).is_empty())
        };
        let takes_part = (
            |row: usize| takes_part.0(row) && has_words(|words| &words.left, row),
            |row: usize| takes_part.1(row) && has_words(|words| &words.right, row),
        );
        if self.equals.is_empty() {
            let one = |rows: usize, takes_part: &dyn Fn(usize) -> bool| {
                (0..rows)
                    .map(|row| if takes_part(row) { 0 } else { NONE })
                    .collect()
            };
            return Ok(Condition {
                left: one(left.len(), &takes_part.0),
                right: one(right.len(), &takes_part.1),
                count: 1,
                ranges,
                words,
            });
        }
        if let Some(Numbered { numbers, .. }) = &self.numbered {
            let among = |numbers: &[u32], takes_part: &dyn Fn(usize) -> bool| {
                let numbers = numbers.iter().enumerate();
                let own = |(row, &number)| if takes_part(row) { number } else { NONE };
                numbers.map(own).collect()
            };
            return Ok(Condition {
                left: among(&numbers.left, &takes_part.0),
                right: among(&numbers.right, &takes_part.1),
                count: numbers.count,
                ranges,
                words,
            });
        }
        let side = |of: fn(&Equal) -> &ArrayRef| -> Vec<ArrayRef> {
            self.equals.iter().map(|equal| of(equal).clone()).collect()
        };
        let numbers = number_rows(
            &side(|equal| &equal.left),
            &side(|equal| &equal.right),
            takes_part.0,
            takes_part.1,
        )?;
        Ok(Condition {
            left: numbers.left,
            right: numbers.right,
            count: numbers.count,
            ranges,
            words,
        })
    }
}

impl Equal {
    /// Brings both sides to a common type.
    ///
    /// # Errors
    /// When there is none, or a value does not fit it.
    pub fn new(
        label: String,
        left: &ArrayRef,
        right: &ArrayRef,
        path: &str,
    ) -> Result<Self, Error> {
        let (l, r) = (left.data_type(), right.data_type());
        let to = common_type(l, r).ok_or_else(|| {
            Error::spec(
                path,
                format!(
                    "is {l} on the left and {r} on the right; declare both columns with one type"
                ),
            )
        })?;
        Ok(Self {
            label,
            left: converted(left, &to, path)?,
            right: converted(right, &to, path)?,
        })
    }
}

/// Values in the type that both sides share.
///
/// # Errors
/// When a value does not fit it.
pub fn converted(array: &ArrayRef, to: &DataType, path: &str) -> Result<ArrayRef, Error> {
    let exact = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &exact).map_err(|error| Error::Expression {
        path: path.to_owned(),
        cause: format!("a value does not fit {to}, which both sides share: {error}"),
    })
}

/// An expression's value for each row of one side; adds the columns that it looks at to `used`.
///
/// # Errors
/// When the expression does not fit the columns, or fails on a value.
pub fn value(
    session: &SessionContext,
    sql: &str,
    batch: &RecordBatch,
    path: &str,
    used: &mut BTreeSet<usize>,
) -> Result<ArrayRef, Error> {
    let columns = |name: &str| match batch.schema_ref().field_with_name(name) {
        Ok(field) => Lookup::Type(field.data_type().clone()),
        Err(_) => Lookup::Absent(Vec::new()),
    };
    let (expr, schema) =
        expression::plan(session, sql, &columns).map_err(|message| Error::spec(path, message))?;
    for column in expr.column_refs() {
        used.extend(batch.schema_ref().index_of(&column.name).ok());
    }
    expression::evaluate(session, expr, &schema, batch).map_err(|error| Error::Expression {
        path: path.to_owned(),
        cause: error.strip_backtrace(),
    })
}

/// The type in which values of both sides are compared.
fn common_type(left: &DataType, right: &DataType) -> Option<DataType> {
    let is_text =
        |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    if is_text(left) && is_text(right) {
        Some(DataType::Utf8)
    } else if left == right {
        Some(left.clone())
    } else if left.is_numeric() && right.is_numeric() {
        comparison_coercion(left, right)
    } else {
        None
    }
}

/// The blocks of a pass that the specification gives, over both sides' columns.
///
/// # Errors
/// As [`Block::given`]; values that are in files may fail to be read back.
pub fn given_blocks(
    session: &SessionContext,
    pass: &PassPlan,
    blocks: &[Vec<Entry>],
    left: Open<'_>,
    right: Open<'_>,
) -> Result<Vec<Block>, Error> {
    blocks
        .iter()
        .enumerate()
        .map(|(index, entries)| {
            let path = format!("{}.block[{index}]", pass.path);
            match (left.held(), right.held()) {
                (Some(left), Some(right)) => Block::given(session, entries, &path, (left, right)),
                _ => of_files(session, entries, &path, left, right),
            }
        })
        .collect()
}

/// As [`Block::given`], where values are in files.
fn of_files(
    session: &SessionContext,
    entries: &[Entry],
    path: &str,
    left: Open<'_>,
    right: Open<'_>,
) -> Result<Block, Error> {
    let mut block = Block::default();
    let mut sources = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let path = format!("{path}[{at}]");
        match entry {
            Entry::Equal(sql) => sources.push(Source {
                label: sql.clone(),
                path,
                from: Made::Expression(sql.clone()),
            }),
            Entry::Near(near) => {
                let column = |side: Open<'_>, used: &mut BTreeSet<usize>| {
                    let place = side.values.schema().index_of(&near.column).ok();
                    used.extend(place);
                    let places: Vec<usize> = place.into_iter().collect();
                    side.values.whole(Form::Compared, &places)
                };
                let l = column(left, &mut block.columns.0)?;
                let r = column(right, &mut block.columns.1)?;
                block.nears.push(Within::given(near, &l, &r, &path)?);
            }
            Entry::Words(words) => {
                let text = |side: Open<'_>, used: &mut BTreeSet<usize>| {
                    let mut own = BTreeSet::new();
                    let empty = RecordBatch::new_empty(side.values.schema());
                    value(session, &words.sql, &empty, &path, &mut own)?;
                    let columns: Vec<usize> = own.iter().copied().collect();
                    used.extend(own);
                    let batches = side.values.steps(Form::Compared, &columns);
                    let texts = batches
                        .map(|batch| {
                            let unused = &mut BTreeSet::new();
                            value(session, &words.sql, &batch?, &path, unused)
                        })
                        .collect::<Result<Vec<_>, Error>>()?;
                    let texts: Vec<&dyn Array> = texts.iter().map(AsRef::as_ref).collect();
                    Ok::<_, Error>(concat(&texts)?)
                };
                let l = text(left, &mut block.columns.0)?;
                let r = text(right, &mut block.columns.1)?;
                block.words = Some(Worded::new(words, &l, &r, &path)?);
            }
        }
    }
    stored::number(session, &mut block, sources, left, right)?;
    Ok(block)
}
