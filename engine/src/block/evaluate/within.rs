//! Windows over data: the bounds of `near()` and of comparisons, as ranges of whole numbers.

use crate::block::near::{Range, Window};
use crate::compare::common_scale;
use crate::error::Error;
use crate::expression::Near;
use crds::matching::{Bound, DateWindow, NumberBound, PercentBase};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Date32Type};

/// Values of both sides that must lie in a window and not be null.
#[derive(Clone, Debug)]
pub struct Within {
    /// What is asked, as in `near(amount, 2.00)`.
    pub label: String,
    /// The column's name.
    pub column: String,
    /// The left values.
    pub left: ArrayRef,
    /// The right values.
    pub right: ArrayRef,
    /// The same as whole numbers.
    pub range: Range,
}

impl Within {
    /// A window that the specification gives, over the column of its name.
    ///
    /// # Errors
    /// When there is no such column, or it holds neither numbers nor dates.
    pub fn given(
        near: &Near,
        left: &RecordBatch,
        right: &RecordBatch,
        path: &str,
    ) -> Result<Self, Error> {
        let column = |side: &str, batch: &RecordBatch| {
            batch.column_by_name(&near.column).cloned().ok_or_else(|| {
                Error::spec(
                    path,
                    format!("there is no column `{}` on the {side}", near.column),
                )
            })
        };
        let (left, right) = (column("left", left)?, column("right", right)?);
        let label = near.to_string();
        let width = near.width.clone();
        Self::new(label, &near.column, (left, right), path, |scale| {
            let width = at_scale(&width, scale);
            Window::Fixed {
                min: -width,
                max: width,
            }
        })
    }

    /// The bound of a number comparison; none where every difference may be within it, which a
    /// share of 100 percent or more allows.
    ///
    /// # Errors
    /// When values do not fit 38 digits at the scale that both sides share.
    pub fn of_number(
        bound: &NumberBound,
        column: &str,
        sides: (ArrayRef, ArrayRef),
        path: &str,
    ) -> Result<Option<Self>, Error> {
        let share = match &bound.percent {
            None => None,
            Some(percent) => match share(percent, bound.base.unwrap_or_default()) {
                Some(share) => Some(share),
                None => return Ok(None),
            },
        };
        let abs = bound.abs.as_ref();
        let parts: Vec<String> = (abs.map(|abs| String::from(abs.clone())).into_iter())
            .chain(
                bound
                    .percent
                    .as_ref()
                    .map(|p| format!("{} %", String::from(p.clone()))),
            )
            .collect();
        let label = format!("near({column}, {})", parts.join(" or "));
        Self::new(label, column, sides, path, |scale| {
            let abs = abs.map_or(0, |abs| at_scale(abs, scale));
            match share {
                None => Window::Fixed {
                    min: -abs,
                    max: abs,
                },
                Some((digits, over)) => Window::Relative { abs, digits, over },
            }
        })
        .map(Some)
    }

    /// The window of a date comparison.
    ///
    /// # Errors
    /// None for dates.
    pub fn of_date(
        window: DateWindow,
        column: &str,
        sides: (ArrayRef, ArrayRef),
        path: &str,
    ) -> Result<Self, Error> {
        let (min, max) = (window.min_days, window.max_days);
        let label = if min == -max {
            format!("near({column}, {max})")
        } else {
            format!("{column} from {min} to {max} days later")
        };
        Self::new(label, column, sides, path, |_| Window::Fixed {
            min: i128::from(min),
            max: i128::from(max),
        })
    }

    fn new(
        label: String,
        column: &str,
        (left, right): (ArrayRef, ArrayRef),
        path: &str,
        window: impl Fn(u8) -> Window,
    ) -> Result<Self, Error> {
        let is_date = |array: &ArrayRef| *array.data_type() == DataType::Date32;
        let is_number = |array: &ArrayRef| {
            matches!(
                array.data_type(),
                DataType::Int64 | DataType::Decimal128(..)
            )
        };
        let range = if is_date(&left) && is_date(&right) {
            let days = |array: &ArrayRef| {
                let days = array.as_primitive::<Date32Type>();
                (days.values().iter().enumerate())
                    .map(|(row, &day)| {
                        if days.is_valid(row) {
                            i128::from(day)
                        } else {
                            0
                        }
                    })
                    .collect()
            };
            Range::new(days(&left), days(&right), window(0))
        } else if is_number(&left) && is_number(&right) {
            let (l, r, scale) = common_scale(&left, &right, path)?;
            Range::new(l, r, window(scale))
        } else {
            return Err(Error::spec(
                path,
                format!(
                    "needs numbers or dates on both sides and `{column}` is {} and {}",
                    left.data_type(),
                    right.data_type()
                ),
            ));
        };
        Ok(Self {
            label,
            column: column.to_owned(),
            left,
            right,
            range,
        })
    }
}

/// A bound in units of the last digit at a scale. Differences are whole there, so what the bound
/// has below says nothing.
fn at_scale(bound: &Bound, scale: u8) -> i128 {
    let (digits, own) = bound.parts();
    let ten = |power: u8| 10_i128.checked_pow(u32::from(power)).unwrap_or(i128::MAX);
    if scale >= own {
        digits.saturating_mul(ten(scale - own))
    } else {
        digits / ten(own - scale)
    }
}

/// The share of the left value that a difference within a percentage cannot exceed. With the right
/// value r as base, |l − r| ≤ p·|r| gives |r| ≤ |l| / (1 − p), so |l − r| ≤ |l| · p / (1 − p).
fn share(percent: &Bound, base: PercentBase) -> Option<(u128, u128)> {
    let (digits, own) = percent.parts();
    let digits = digits.unsigned_abs();
    let hundred = 100 * 10_u128.pow(u32::from(own));
    match base {
        PercentBase::Left => Some((digits, hundred)),
        PercentBase::Right | PercentBase::Max => {
            (digits < hundred).then(|| (digits, hundred - digits))
        }
    }
}

/// Whether every pair within the bound lies in a window around the left value.
pub fn is_bounded(bound: &NumberBound) -> bool {
    bound
        .percent
        .as_ref()
        .is_none_or(|percent| share(percent, bound.base.unwrap_or_default()).is_some())
}
