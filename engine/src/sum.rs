//! A pass that adds records up: its part of the plan, and the problem that [`crate::split`] solves.

use crds::decode::SpecError;
use crds::matching::{Cardinality, MatchingSpec, Sum};
use datafusion::arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::datatypes::{DataType, Date32Type, Schema};

use crate::assign::Edge;
use crate::compare::common_scale;
use crate::error::Error;
use crate::expression::Lookup;
use crate::outcome::Side;
use crate::plan::words;
use crate::score::Scored;
use crate::score::frequency::{float, one_off};
use crate::split::weighed::{self, Candidate, Fit, Measure, Thresholds};
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

/// One side as a sum sees it.
#[derive(Clone, Copy)]
pub struct Taking<'a> {
    /// The values of all records, as they are compared.
    pub batch: &'a RecordBatch,
    /// Whether each takes part.
    pub open: &'a [bool],
}

/// What may belong together.
#[derive(Clone, Copy)]
pub enum Candidates<'a> {
    /// The numbers of the records of both sides for each block of the pass: the same number where
    /// they lie in one block.
    Blocks(&'a [(UInt32Array, UInt32Array)]),
    /// Pairs.
    Pairs(&'a [Edge]),
}

/// The records of one side that have an amount.
struct Items {
    /// Those that are open.
    open: Vec<Item>,
    /// The place in `open` of every record of the side.
    positions: Vec<u32>,
    /// The amounts of all.
    all: Vec<i128>,
}

/// The position of a record that takes no part.
const ABSENT: u32 = u32::MAX;

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

    /// Looks for splits among the open records, by amounts alone.
    ///
    /// # Errors
    /// When amounts do not fit a common scale; [`Error::Cancelled`].
    pub fn run(
        &self,
        path: &str,
        sides: [Taking<'_>; 2],
        candidates: Candidates<'_>,
        progress: &(dyn Fn(u64, u64) -> bool + Sync),
    ) -> Result<Found, Error> {
        let (items, scale) = self.items(path, sides)?;
        let mut blocks = [Vec::new(), Vec::new()];
        let mut number = |side: usize, row: u32, block: u32| {
            let position = items[side].positions[row as usize];
            if position != ABSENT {
                blocks[side].push((position, block));
            }
        };
        match candidates {
            Candidates::Blocks(given) => {
                let mut first = 0;
                for (l, r) in given {
                    for (side, numbers) in [l, r].into_iter().enumerate() {
                        for (row, block) in (0..).zip(numbers.iter()) {
                            if let Some(block) = block {
                                number(side, row, first + block);
                            }
                        }
                    }
                    // Numbers of different blocks must not meet.
                    let most = [l, r]
                        .into_iter()
                        .flat_map(|numbers| numbers.iter().flatten())
                        .max();
                    first += most.map_or(0, |most| most + 1);
                }
            }
            Candidates::Pairs(edges) => {
                // Every whole is a block of its own.
                for edge in edges {
                    let whole = match self.wholes {
                        Side::Left => edge.left,
                        Side::Right => edge.right,
                    };
                    number(0, edge.left, whole);
                    number(1, edge.right, whole);
                }
            }
        }
        let [left_blocks, right_blocks] = blocks;
        let [left, right] = items;
        let left = split::Side {
            items: left.open,
            blocks: left_blocks,
        };
        let right = split::Side {
            items: right.open,
            blocks: right_blocks,
        };
        let (wholes, parts) = self.in_order(left, right);
        let outcome = split::solve(&Problem { wholes, parts }, &self.rules(scale), progress)
            .ok_or(Error::Cancelled)?;
        Ok(Found { outcome, scale })
    }

    /// Looks for splits among the open records where scored pairs say which belong together.
    ///
    /// # Errors
    /// When amounts do not fit a common scale; [`Error::Cancelled`].
    pub fn weigh(
        &self,
        path: &str,
        sides: [Taking<'_>; 2],
        scored: &Scored,
        thresholds: &Thresholds,
        progress: &(dyn Fn(u64, u64) -> bool + Sync),
    ) -> Result<Found, Error> {
        let ([left, right], scale) = self.items(path, sides)?;
        let (wholes, parts) = self.in_order(left, right);
        let comparisons = scored.evidence.len() / scored.edges.len().max(1);
        let mut evidence = Vec::new();
        let mut candidate = |(at, edge): (usize, &Edge)| {
            let (whole, part) = self.in_order(edge.left, edge.right);
            let (whole, part) = (
                wholes.positions[whole as usize],
                parts.positions[part as usize],
            );
            if whole == ABSENT || part == ABSENT {
                return None;
            }
            let merit = match thresholds.measure {
                Measure::Odds => edge.weight,
                Measure::Mean => edge.score,
            };
            let own = &scored.evidence[at * comparisons..][..comparisons];
            evidence.extend(own.iter().map(|bits| weighed::units(*bits)));
            Some(Candidate {
                whole,
                part,
                merit: weighed::units(merit),
            })
        };
        let edges = scored.edges.iter().enumerate();
        let candidates = edges.filter_map(&mut candidate).collect();
        let rules = self.rules(scale);
        let fits = match thresholds.measure {
            Measure::Odds => fits(&wholes, rules.tolerance),
            Measure::Mean => vec![Fit::default(); wholes.open.len()],
        };
        let problem = weighed::Problem {
            wholes: wholes.open,
            parts: parts.open,
            candidates,
            evidence,
            fits,
        };
        let outcome =
            weighed::solve(&problem, &rules, thresholds, progress).ok_or(Error::Cancelled)?;
        Ok(Found { outcome, scale })
    }

    /// The wholes' one of two things, then the parts'.
    fn in_order<T>(&self, left: T, right: T) -> (T, T) {
        match self.wholes {
            Side::Left => (left, right),
            Side::Right => (right, left),
        }
    }

    /// The records of both sides that take part, and the digits after the point of their amounts.
    fn items(&self, path: &str, sides: [Taking<'_>; 2]) -> Result<([Items; 2], u8), Error> {
        let column = |side: usize, places: [usize; 2]| sides[side].batch.column(places[side]);
        let (l, r) = (column(0, self.amounts), column(1, self.amounts));
        let (lefts, rights, scale) = common_scale(l, r, &format!("{path}.sum.column"))?;
        let of = |side: usize, amounts: Vec<i128>| {
            let nulls = column(side, self.amounts);
            let days = self.dates.map(|places| column(side, places));
            let day = |row: usize| {
                let days = days?.as_primitive::<Date32Type>();
                days.is_valid(row).then(|| days.value(row))
            };
            let mut found = Items {
                open: Vec::new(),
                positions: vec![ABSENT; amounts.len()],
                all: Vec::new(),
            };
            for ((row, index), amount) in (0..).zip(0_u32..).zip(amounts) {
                if nulls.is_null(row) {
                    continue;
                }
                found.all.push(amount);
                if sides[side].open[row] {
                    found.positions[row] = u32::try_from(found.open.len()).unwrap_or(ABSENT);
                    found.open.push(Item {
                        index,
                        amount,
                        day: day(row),
                    });
                }
            }
            found
        };
        Ok(([of(0, lefts), of(1, rights)], scale))
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

/// What it says for a sum that it meets the amount of each whole: how rarely a stranger's amount
/// would lie there. As for the frequencies of equal values, the record itself does not count, and an
/// amount that nobody else has is a fraction of a record's.
fn fits(wholes: &Items, tolerance: u128) -> Vec<Fit> {
    let mut sorted = wholes.all.clone();
    sorted.sort_unstable();
    let counts: Vec<[u64; 2]> = sorted
        .chunk_by(|a, b| a == b)
        .map(|same| [same.len() as u64, 0])
        .collect();
    let one_off = one_off(&counts);
    let tolerance = i128::try_from(tolerance).unwrap_or(i128::MAX);
    let others = float(sorted.len().saturating_sub(1) as u64) + one_off;
    let fit = |item: &Item| {
        let below = |amount: i128| sorted.partition_point(|other| *other < amount) as u64;
        let upto = |amount: i128| sorted.partition_point(|other| *other <= amount) as u64;
        let same = upto(item.amount) - below(item.amount);
        let (low, high) = (
            item.amount.saturating_sub(tolerance),
            item.amount.saturating_add(tolerance),
        );
        let near = upto(high) - below(low) - same;
        let rarity = |count: u64| (others / (float(count) + one_off)).log2();
        Fit {
            exact: weighed::units(rarity(same.saturating_sub(1)) + weighed::HIT),
            near: weighed::units(rarity(near) + weighed::MISS),
        }
    };
    wholes.open.iter().map(fit).collect()
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
