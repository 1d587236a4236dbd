//! Numbers for the values of columns.

use super::number::{NONE, Numbers, number_keys};
use crate::records::sortable;
use datafusion::arrow::array::{Array, ArrayAccessor, ArrayRef, AsArray, UInt32Array};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Int64Type,
};
use datafusion::arrow::error::ArrowError;
use std::hash::Hash;

/// Numbers the rows of both sides by their values: equal numbers for equal values, null where a
/// value is null or where the other side has no such row.
///
/// # Errors
/// When Arrow cannot order a column's type.
pub fn number(
    left: &[ArrayRef],
    right: &[ArrayRef],
) -> Result<(UInt32Array, UInt32Array), ArrowError> {
    let numbers = number_rows(left, right, |_| true, |_| true)?;
    let nullable = |numbers: Vec<u32>| {
        numbers
            .into_iter()
            .map(|number| (number != NONE).then_some(number))
            .collect()
    };
    Ok((nullable(numbers.left), nullable(numbers.right)))
}

/// As [`number`] over the rows that `left_open` and `right_open` let through.
///
/// # Errors
/// When Arrow cannot order a column's type.
pub fn number_rows(
    left: &[ArrayRef],
    right: &[ArrayRef],
    left_open: impl Fn(usize) -> bool + Sync,
    right_open: impl Fn(usize) -> bool + Sync,
) -> Result<Numbers, ArrowError> {
    let present = |columns: &[ArrayRef], row: usize| columns.iter().all(|c| c.is_valid(row));
    let takes_part = (
        |row: usize| left_open(row) && present(left, row),
        |row: usize| right_open(row) && present(right, row),
    );
    let lengths = (
        left.first().map_or(0, Array::len),
        right.first().map_or(0, Array::len),
    );
    // One column of a plain type is its own key; others are encoded as bytes first.
    if let ([l], [r]) = (left, right)
        && l.data_type() == r.data_type()
    {
        match l.data_type() {
            DataType::Utf8 => {
                let values = (l.as_string::<i32>(), r.as_string::<i32>());
                return Ok(number_values(values, takes_part));
            }
            DataType::Int64 => return Ok(number_primitive::<Int64Type>(l, r, takes_part)),
            DataType::Date32 => return Ok(number_primitive::<Date32Type>(l, r, takes_part)),
            DataType::Decimal128(..) => {
                return Ok(number_primitive::<Decimal128Type>(l, r, takes_part));
            }
            _ => {}
        }
    }
    let (l, r) = (sortable(left)?, sortable(right)?);
    Ok(number_keys(
        lengths,
        |row| takes_part.0(row).then(|| l.row(row).data()),
        |row| takes_part.1(row).then(|| r.row(row).data()),
    ))
}

/// The bits of a row that has no value.
pub const NO_VALUE: u128 = 0;

/// Numbers the rows that are open by bits that stand for their values; a row without any takes no
/// part.
pub fn by_bits(
    (left, left_open): (&[u128], &[bool]),
    (right, right_open): (&[u128], &[bool]),
) -> Numbers {
    let key = |bits: &[u128], open: &[bool], row: usize| {
        (open[row] && bits[row] != NO_VALUE).then_some(bits[row])
    };
    number_keys(
        (left.len(), right.len()),
        |row| key(left, left_open, row),
        |row| key(right, right_open, row),
    )
}

fn number_primitive<T: ArrowPrimitiveType>(
    left: &ArrayRef,
    right: &ArrayRef,
    takes_part: (impl Fn(usize) -> bool + Sync, impl Fn(usize) -> bool + Sync),
) -> Numbers
where
    T::Native: Hash + Eq,
{
    number_values(
        (left.as_primitive::<T>(), right.as_primitive::<T>()),
        takes_part,
    )
}

fn number_values<A: ArrayAccessor + Sync>(
    (left, right): (A, A),
    (left_open, right_open): (impl Fn(usize) -> bool + Sync, impl Fn(usize) -> bool + Sync),
) -> Numbers
where
    A::Item: Hash + Eq,
{
    number_keys(
        (left.len(), right.len()),
        |row| left_open(row).then(|| left.value(row)),
        |row| right_open(row).then(|| right.value(row)),
    )
}
