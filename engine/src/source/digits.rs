//! Decimals as files hold them. Arrow checks neither that a type can be one nor that values have no
//! more digits than it says, and gives up on the first and cuts the second off where it writes them.

use super::convert::Faults;
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType,
};

/// The precision and the scale of a decimal type.
pub fn of(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => Some((*precision, *scale)),
        _ => None,
    }
}

/// Whether a type is none that nothing can write: its point stands among its digits or after them.
pub fn is_writable(data_type: &DataType) -> bool {
    of(data_type)
        .is_none_or(|(precision, scale)| precision > 0 && i16::from(scale) <= i16::from(precision))
}

/// The values that have more digits than their type says.
pub fn too_many(array: &ArrayRef) -> Faults {
    let Some((precision, scale)) = of(array.data_type()) else {
        return Faults::new();
    };
    let rows = match array.data_type() {
        DataType::Decimal32(..) => beyond::<Decimal32Type>(array, precision),
        DataType::Decimal64(..) => beyond::<Decimal64Type>(array, precision),
        DataType::Decimal128(..) => beyond::<Decimal128Type>(array, precision),
        _ => beyond::<Decimal256Type>(array, precision),
    };
    let reason = || format!("has more digits than decimal({precision},{scale}) holds");
    rows.into_iter().map(|row| (row, reason())).collect()
}

fn beyond<T: DecimalType>(array: &ArrayRef, precision: u8) -> Vec<usize> {
    let values = array.as_primitive::<T>();
    if values.validate_decimal_precision(precision).is_ok() {
        return Vec::new();
    }
    let is_beyond = |row: &usize| {
        values.is_valid(*row) && !T::is_valid_decimal_precision(values.value(*row), precision)
    };
    (0..values.len()).filter(is_beyond).collect()
}
