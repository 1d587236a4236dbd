//! A pass that adds records up: its part of the plan, and the problem that [`crate::split`] solves.

use crds::decode::SpecError;
use crds::matching::{Cardinality, MatchingSpec, Sum};
use datafusion::arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::datatypes::{DataType, Date32Type, Schema};

use crate::compare::common_scale;
use crate::error::Error;
use crate::expression::Lookup;
use crate::outcome::Side;
use crate::plan::words;
use crate::split::{self, Item, Problem, Rules};

/// What a pass with `sum` adds up, with columns as places in the batches of both sides.
#[derive(Clone, Debug)]
pub struct SumPlan {
    /// The side whose records are the sums.
    pub wholes: Side,
    /// The places of the amounts.
    pub amounts: [usize; 2],
    /// The places of the dates, where the window needs them.
    dates: Option<[usize; 2]>,
    sum: Sum,
}

/// The groups that were found, and the scale of their residuals.
pub struct Found {
    /// What was found.
    pub outcome: split::Outcome,
    /// Digits after the point of the amounts that were added up.
    pub scale: u8,
}

impl SumPlan {
    /// Finds the columns of a pass's `sum`; the types were checked before.
    ///
    /// # Errors
    /// When a column is missing.
    pub fn new(
        sum: &Sum,
        cardinality: Cardinality,
        left: &Schema,
        right: &Schema,
    ) -> Result<Self, Vec<SpecError>> {
        let place = |name: &str| -> Result<[usize; 2], Vec<SpecError>> {
            let missing = |error: &dyn std::fmt::Display| {
                vec![SpecError {
                    path: String::new(),
                    message: error.to_string(),
                }]
            };
            Ok([
                left.index_of(name).map_err(|e| missing(&e))?,
                right.index_of(name).map_err(|e| missing(&e))?,
            ])
        };
        Ok(Self {
            wholes: match cardinality {
                Cardinality::ManyToOne => Side::Right,
                _ => Side::Left,
            },
            amounts: place(&sum.column)?,
            dates: sum.date_column.as_deref().map(place).transpose()?,
            sum: sum.clone(),
        })
    }

    /// The name of the column that adds up.
    #[must_use]
    pub fn column(&self) -> &str {
        &self.sum.column
    }

    /// The places of the columns that it looks at, on the left and on the right.
    #[must_use]
    pub fn columns(&self) -> [Vec<usize>; 2] {
        let of = |side: usize| {
            let dates = self.dates.map(|dates| dates[side]);
            let mut places = vec![self.amounts[side]];
            places.extend(dates.filter(|&date| date != self.amounts[side]));
            places
        };
        [of(0), of(1)]
    }

    /// Looks for splits among the open records. `blocks` numbers the records of both sides for each
    /// block of the pass: the same number where they lie in one block.
    ///
    /// # Errors
    /// When amounts do not fit a common scale; [`Error::Cancelled`].
    pub fn run(
        &self,
        path: &str,
        [left, right]: [&RecordBatch; 2],
        [left_open, right_open]: [&[bool]; 2],
        blocks: &[(UInt32Array, UInt32Array)],
        progress: &(dyn Fn(u64, u64) -> bool + Sync),
    ) -> Result<Found, Error> {
        let columns = |place: [usize; 2]| (left.column(place[0]), right.column(place[1]));
        let (l, r) = columns(self.amounts);
        let (lefts, rights, scale) = common_scale(l, r, &format!("{path}.sum.column"))?;
        let dates = self.dates.map(columns);
        let days = |side: usize, row: usize| {
            let column = dates.map(|(l, r)| [l, r][side])?;
            let days = column.as_primitive::<Date32Type>();
            days.is_valid(row).then(|| days.value(row))
        };
        let side = |side: usize| {
            let amounts = [&lefts, &rights][side];
            let column = [l, r][side];
            let open = [left_open, right_open][side];
            let mut found = split::Side::default();
            let mut position = vec![u32::MAX; open.len()];
            for (row, index) in (0..open.len()).zip(0_u32..) {
                if !open[row] || column.is_null(row) {
                    continue;
                }
                position[row] = u32::try_from(found.items.len()).unwrap_or(u32::MAX);
                found.items.push(Item {
                    index,
                    amount: amounts[row],
                    day: days(side, row),
                });
            }
            let mut first = 0;
            for (l, r) in blocks {
                let numbers = [l, r][side];
                for (row, number) in numbers.iter().enumerate() {
                    if let Some(number) = number
                        && position[row] != u32::MAX
                    {
                        found.blocks.push((position[row], first + number));
                    }
                }
                // Numbers of different blocks must not meet.
                let most = [l, r]
                    .into_iter()
                    .flat_map(|numbers| numbers.iter().flatten())
                    .max();
                first += most.map_or(0, |most| most + 1);
            }
            found
        };
        let (wholes, parts) = match self.wholes {
            Side::Left => (side(0), side(1)),
            Side::Right => (side(1), side(0)),
        };
        let outcome = split::solve(&Problem { wholes, parts }, &self.rules(scale), progress)
            .ok_or(Error::Cancelled)?;
        Ok(Found { outcome, scale })
    }

    fn rules(&self, scale: u8) -> Rules {
        let tolerance = self.sum.abs.as_ref().map_or(0, |abs| {
            let (digits, own) = abs.parts();
            let digits = digits.unsigned_abs();
            let ten = |power: u8| 10_u128.pow(u32::from(power));
            // Differences are whole at this scale, so what the bound says below it says nothing.
            if own <= scale {
                digits.saturating_mul(ten(scale - own))
            } else {
                digits / ten(own - scale)
            }
        });
        Rules {
            tolerance,
            max_parts: self.sum.effective_max_parts() as usize,
            window_days: self.sum.window_days,
            node_budget: self.sum.effective_node_budget(),
            max_candidates: self.sum.effective_max_candidates() as usize,
        }
    }
}

/// Checks the columns of every `sum` against what is known of them.
pub fn check(
    spec: &MatchingSpec,
    known: &dyn Fn(Side, &str) -> Lookup,
    add: &mut dyn FnMut(String, String),
) {
    for (index, pass) in spec.passes.iter().enumerate() {
        let Some(sum) = &pass.sum else {
            continue;
        };
        let path = format!("passes[{index}].sum");
        let numbers: fn(&DataType) -> bool =
            |found| matches!(found, DataType::Int64 | DataType::Decimal128(..));
        let dates: fn(&DataType) -> bool = |found| *found == DataType::Date32;
        let columns = [
            (
                "column",
                Some(&sum.column),
                numbers,
                "an integer or a decimal",
            ),
            ("dateColumn", sum.date_column.as_ref(), dates, "a date"),
        ];
        for (field, name, fits, needed) in columns {
            let Some(name) = name else {
                continue;
            };
            for side in [Side::Left, Side::Right] {
                match known(side, name) {
                    Lookup::Type(found) if !fits(&found) => add(
                        format!("{path}.{field}"),
                        format!(
                            "needs {needed} and `{name}` is {} on the {}; declare its type in {}.columns",
                            words(&found),
                            side.name(),
                            side.name()
                        ),
                    ),
                    Lookup::Absent(present) => add(
                        format!("{path}.{field}"),
                        format!(
                            "there is no column `{name}` on the {}; there are {}",
                            side.name(),
                            crate::source::quoted(&present)
                        ),
                    ),
                    _ => {}
                }
            }
        }
    }
}
