//! Conversion of amounts to one currency, in decimal arithmetic.
//!
//! The rate of a record is the newest one of its currency on or before its date. Records without one
//! leave before keys are given out; of the others only the normalised amounts change.

use crate::InputFile;
use crate::error::Error;
use crate::expression::Lookup;
use crate::memory::Holding;
use crate::outcome::Side;
use crate::progress::Progress;
use crate::source::{self, Rejected, Table, decimal_type};
use crds::decode::SpecError;
use crds::matching::{ColumnType, Dataset, Fx, MissingRate};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DecimalType, Int64Type, i256,
};
use std::collections::HashMap;
use std::sync::Arc;

/// A rate: `digits / 10^scale` of the base currency for one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    digits: i128,
    scale: u8,
}

/// The rates of every currency, and how records find theirs.
#[derive(Debug)]
pub struct Rates {
    /// By currency, in the order of dates (days since 1970-01-01).
    table: HashMap<String, Vec<(i32, Rate)>>,
    fx: Fx,
}

/// Checks that a side has the columns that a conversion needs, in their types.
pub fn check(
    fx: &Fx,
    side: &str,
    columns: &dyn Fn(&str) -> Lookup,
    add: &mut dyn FnMut(String, String),
) {
    let needed = [
        ("amount", &fx.amount, "decimal(p,s) or integer"),
        ("currency", &fx.currency, "text"),
        ("date", &fx.date, "date"),
    ];
    for (key, name, needs) in needed {
        match columns(name) {
            Lookup::Unknown => {}
            Lookup::Absent(present) => add(
                format!("fx.{key}"),
                format!(
                    "there is no column `{name}` on the {side}; there are {}",
                    source::quoted(&present)
                ),
            ),
            Lookup::Type(found) => {
                let fits = match key {
                    "amount" => matches!(found, DataType::Decimal128(..) | DataType::Int64),
                    "currency" => found == DataType::Utf8,
                    _ => found == DataType::Date32,
                };
                if !fits {
                    let found = crate::plan::words(&found);
                    add(
                        format!("fx.{key}"),
                        format!(
                            "needs {needs} and `{name}` is {found} on the {side}; declare its type"
                        ),
                    );
                }
            }
        }
    }
}

/// The dataset of the rates with types for the columns that have none.
fn typed(rates: &Dataset) -> Dataset {
    let mut dataset = rates.clone();
    let types = [
        ("date", ColumnType::Date),
        ("currency", ColumnType::Text),
        (
            "rate",
            ColumnType::Decimal {
                precision: 38,
                scale: 18,
            },
        ),
    ];
    for (name, data_type) in types {
        match dataset.columns.iter_mut().find(|c| c.name == name) {
            Some(column) => column.data_type = column.data_type.or(Some(data_type)),
            None => dataset.columns.push(crds::matching::Column {
                name: name.into(),
                from: None,
                data_type: Some(data_type),
                format: None,
                negate: false,
            }),
        }
    }
    dataset
}

impl Rates {
    /// Reads the table of rates. A wrong rate would change results unseen, so each row must be right.
    ///
    /// # Errors
    /// When the file cannot be read, or has a row that is no rate or two rates for one day.
    pub fn read(fx: &Fx, file: &InputFile, progress: &dyn Progress) -> Result<Self, Error> {
        let dataset = typed(&fx.rates);
        let holding = Arc::new(Holding::new(u64::MAX));
        let mut read = source::read(&dataset, file, "fx.rates", &holding, progress)?;
        if let Some(row) = read.rejected.first() {
            let column = row.column.as_ref().map(|name| format!(", column `{name}`"));
            return Err(Error::input(
                file,
                format!(
                    "line {}{}: {}; correct the rate",
                    row.line,
                    column.unwrap_or_default(),
                    row.reason
                ),
            ));
        }
        if let Some(sql) = &dataset.filter {
            let schema = read.rows.schema();
            let columns = crate::plan::of_schema(&schema);
            read = crate::filter::keep(read, sql, "fx.rates.where", &columns)?;
        }
        let at = |name: &str, needs: &str| {
            Error::spec(
                "fx.rates.columns",
                format!("the column `{name}` of the rates must be {needs}"),
            )
        };
        let batch = read.rows.whole()?;
        let column = |name: &str| batch.column_by_name(name);
        let dates = column("date").and_then(|c| c.as_primitive_opt::<Date32Type>());
        let dates = dates.ok_or_else(|| at("date", "a date"))?;
        let currencies = column("currency").and_then(|c| c.as_string_opt::<i32>());
        let currencies = currencies.ok_or_else(|| at("currency", "text"))?;
        let rates = column("rate").and_then(exact);
        let (rates, scale) = rates.ok_or_else(|| at("rate", "an integer or a decimal"))?;

        let mut table: HashMap<String, Vec<(i32, Rate)>> = HashMap::new();
        for (row, place) in read.places.iter().enumerate() {
            let wrong = |detail: &str| {
                Error::input(
                    file,
                    format!("line {}: {detail}; correct the rate", place.line),
                )
            };
            if dates.is_null(row) || currencies.is_null(row) || rates.is_null(row) {
                return Err(wrong("has no date, no currency or no rate"));
            }
            let digits = rates.value(row);
            if digits <= 0 {
                return Err(wrong("a rate must be over 0"));
            }
            let rate = Rate { digits, scale };
            let currency = currencies.value(row).to_owned();
            table
                .entry(currency)
                .or_default()
                .push((dates.value(row), rate));
        }
        for rates in table.values_mut() {
            rates.sort_unstable_by_key(|(day, rate)| (*day, rate.digits));
            rates.dedup();
            if rates.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(Error::input(
                    file,
                    "a currency has two rates for one date; leave one of them",
                ));
            }
        }
        Ok(Self {
            table,
            fx: fx.clone(),
        })
    }

    /// Sets aside the records that cannot be converted.
    ///
    /// # Errors
    /// When a column is missing, or a rate is and `missing` is `fail`.
    pub fn settle(&self, table: Table, file: &InputFile, side: Side) -> Result<Table, Error> {
        let mut rejected = table.rejected;
        let places = &table.places;
        let (rows, good) = table.rows.filtered(|part, first| {
            let columns = Columns::of(&self.fx, part, side)?;
            let mut good = Vec::with_capacity(part.num_rows());
            for (row, place) in places[first..].iter().take(part.num_rows()).enumerate() {
                let reason = match self.convert(&columns, row) {
                    Ok(_) => None,
                    Err(Failure::NoRate) if self.missing() == MissingRate::Fail => {
                        return Err(Error::Rate {
                            file: file.name.clone(),
                            line: place.line,
                            record: columns.describe(row),
                        });
                    }
                    Err(Failure::NoRate) => Some("has no rate on or before its date".to_owned()),
                    Err(Failure::TooLarge) => Some(format!(
                        "is too large for {} once it is converted",
                        crate::plan::words(&columns.data_type)
                    )),
                };
                good.push(reason.is_none());
                rejected.extend(reason.map(|reason| Rejected {
                    line: place.line,
                    column: Some(self.fx.amount.clone()),
                    reason,
                }));
            }
            Ok(good)
        })?;
        rejected.sort_by_key(|row| row.line);
        let mut kept = good.iter();
        let mut places = table.places;
        places.retain(|_| kept.next().is_some_and(|kept| *kept));
        Ok(Table {
            rows,
            places,
            rejected,
        })
    }

    /// `normalized` with its amounts converted. Currencies and dates are those of `originals`, the
    /// same records as they were read.
    ///
    /// # Errors
    /// Only if a record was not settled before.
    pub fn converted(
        &self,
        originals: &RecordBatch,
        normalized: &RecordBatch,
        side: Side,
    ) -> Result<RecordBatch, Error> {
        let columns = Columns::of(&self.fx, originals, side)?;
        let amounts = (0..originals.num_rows())
            .map(|row| self.convert(&columns, row))
            .collect::<Result<Decimal128Array, _>>()
            .map_err(|_| Error::Internal("a record was converted that has no rate".into()))?;
        let converted: ArrayRef = match &columns.data_type {
            DataType::Int64 => {
                let integers = amounts
                    .iter()
                    .map(|d| d.and_then(|d| i64::try_from(d).ok()));
                Arc::new(integers.collect::<Int64Array>())
            }
            other => Arc::new(amounts.with_data_type(other.clone())),
        };
        let mut arrays = normalized.columns().to_vec();
        arrays[normalized.schema_ref().index_of(&self.fx.amount)?] = converted;
        Ok(RecordBatch::try_new(normalized.schema(), arrays)?)
    }

    fn missing(&self) -> MissingRate {
        self.fx.missing.unwrap_or_default()
    }

    /// The converted amount's digits at the column's scale; none for no amount.
    fn convert(&self, columns: &Columns<'_>, row: usize) -> Result<Option<i128>, Failure> {
        if columns.amounts.is_null(row) {
            return Ok(None);
        }
        let amount = columns.amounts.value(row);
        if columns.currencies.is_null(row) {
            return Err(Failure::NoRate);
        }
        let currency = columns.currencies.value(row);
        if currency == self.fx.base {
            return Ok(Some(amount));
        }
        if columns.dates.is_null(row) {
            return Err(Failure::NoRate);
        }
        let day = columns.dates.value(row);
        let rates = self.table.get(currency).ok_or(Failure::NoRate)?;
        let newer = rates.partition_point(|(from, _)| *from <= day);
        let (_, rate) = newer
            .checked_sub(1)
            .and_then(|newest| rates.get(newest))
            .ok_or(Failure::NoRate)?;
        let converted = times(amount, *rate).ok_or(Failure::TooLarge)?;
        if columns.holds(converted) {
            Ok(Some(converted))
        } else {
            Err(Failure::TooLarge)
        }
    }
}

/// Why an amount cannot be converted.
enum Failure {
    NoRate,
    TooLarge,
}

/// `amount × rate` at the amount's scale, rounded half to even; none where it has over 38 digits.
fn times(amount: i128, rate: Rate) -> Option<i128> {
    // 38 digits times 38 digits fit 256 bits.
    let product = i256::from_i128(amount).checked_mul(i256::from_i128(rate.digits))?;
    let divisor = i256::from_i128(10_i128.checked_pow(u32::from(rate.scale))?);
    let quotient = product.checked_div(divisor)?;
    let rest = product.checked_rem(divisor)?.checked_abs()?;
    let other = divisor.checked_sub(rest)?;
    let odd = quotient.checked_rem(i256::from_i128(2))? != i256::ZERO;
    let away = rest > other || (rest == other && odd);
    let step = i256::from_i128(if amount < 0 { -1 } else { 1 });
    let rounded = if away {
        quotient.checked_add(step)?
    } else {
        quotient
    };
    rounded.to_i128()
}

/// A column of exact numbers as digits at one scale.
fn exact(column: &ArrayRef) -> Option<(Decimal128Array, u8)> {
    if let Some(integers) = column.as_primitive_opt::<Int64Type>() {
        let digits = integers.iter().map(|value| value.map(i128::from));
        let digits: Decimal128Array = digits.collect();
        return Some((digits.with_data_type(decimal_type(38, 0)), 0));
    }
    let decimals = column.as_primitive_opt::<Decimal128Type>()?;
    let scale = u8::try_from(decimals.scale()).ok()?;
    Some((decimals.clone(), scale))
}

/// The columns of one side that a conversion looks at.
struct Columns<'b> {
    amounts: Decimal128Array,
    data_type: DataType,
    currencies: &'b StringArray,
    dates: &'b Date32Array,
}

impl<'b> Columns<'b> {
    fn of(fx: &Fx, batch: &'b RecordBatch, side: Side) -> Result<Self, Error> {
        let mut errors = Vec::new();
        let schema = batch.schema();
        check(
            fx,
            side.name(),
            &crate::plan::of_schema(&schema),
            &mut |path, message| errors.push(SpecError { path, message }),
        );
        let column = |name: &str| batch.column_by_name(name);
        let amount = column(&fx.amount);
        match (
            amount.and_then(exact),
            amount,
            column(&fx.currency).and_then(|c| c.as_string_opt()),
            column(&fx.date).and_then(|c| c.as_primitive_opt()),
        ) {
            (Some((amounts, _)), Some(amount), Some(currencies), Some(dates)) => Ok(Self {
                amounts,
                data_type: amount.data_type().clone(),
                currencies,
                dates,
            }),
            _ => Err(Error::Spec(errors)),
        }
    }

    fn holds(&self, digits: i128) -> bool {
        match self.data_type {
            DataType::Decimal128(precision, _) => {
                Decimal128Type::is_valid_decimal_precision(digits, precision)
            }
            _ => i64::try_from(digits).is_ok(),
        }
    }

    /// The record's currency and date, for a message.
    fn describe(&self, row: usize) -> String {
        let currency = (!self.currencies.is_null(row)).then(|| self.currencies.value(row));
        let day =
            (!self.dates.is_null(row)).then(|| source::value::moment(self.dates.value(row), 0));
        format!(
            "{} on {}",
            currency.unwrap_or("no currency"),
            day.as_deref().unwrap_or("no date")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_round_half_to_even_and_overflow_is_seen() {
        let rate = |digits, scale| Rate { digits, scale };
        assert_eq!(times(100, rate(11, 1)), Some(110));
        assert_eq!(times(5, rate(5, 1)), Some(2));
        assert_eq!(times(15, rate(5, 1)), Some(8));
        assert_eq!(times(-5, rate(5, 1)), Some(-2));
        assert_eq!(times(-15, rate(5, 1)), Some(-8));
        assert_eq!(times(-7, rate(3, 1)), Some(-2));
        assert_eq!(times(0, rate(123, 2)), Some(0));
        let most = 10_i128.pow(38) - 1;
        assert_eq!(times(most, rate(most, 38)), Some(most - 1));
        assert_eq!(times(most, rate(most, 18)), None);
    }
}
