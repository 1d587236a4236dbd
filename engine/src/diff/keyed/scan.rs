//! Reading a side once: every row leaves an entry of its key, its fingerprint and its number.

use super::fingerprint::{ColumnKeys, Keys, can_hash, finished, scattered};
use super::partition::{Filler, Partitions, Room};
use super::table::{Group, Table, typed};
use crate::error::Error;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::source::Rejected;
use crds::matching::ColumnType;
use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::DataType;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How the rows of both sides become entries.
pub struct Recipe {
    /// The key's columns, in the order of the pass.
    key: Vec<Pairing>,
    /// The compared columns, in the order of the specification.
    compared: Vec<Pairing>,
    /// Whether the key is one column whose values are 64 bits: then an entry holds it, not a hash.
    exact: bool,
    keys: [Vec<ColumnKeys>; 3],
}

/// A column of either side, and the digits after the point at which its numbers meet.
struct Pairing {
    slots: [usize; 2],
    scale: u8,
}

impl Recipe {
    /// The recipe of a plan with one pass; none where a column's values cannot be hashed, or do not
    /// surely fit 38 digits at the scale of both sides.
    #[must_use]
    pub fn new(plan: &Plan, tables: [&Table<'_>; 2]) -> Option<Self> {
        let pairing = |left: usize, right: usize| {
            let types = [(0, left), (1, right)]
                .map(|(side, slot): (usize, usize)| tables[side].schema.field(slot).data_type());
            let number = |data_type: &DataType| match data_type {
                DataType::Int64 => Some((19, 0)),
                DataType::Decimal128(precision, scale) => {
                    Some((*precision, u8::try_from(*scale).ok()?))
                }
                _ => None,
            };
            let scale = match types.map(number) {
                [Some(left), Some(right)] => {
                    let scale = left.1.max(right.1);
                    let fits = |(digits, own): (u8, u8)| digits.saturating_sub(own) + scale <= 38;
                    (fits(left) && fits(right)).then_some(scale)?
                }
                [None, None] if types[0] == types[1] && can_hash(types[0]) => 0,
                _ => return None,
            };
            let slots = [left, right];
            Some(Pairing { slots, scale })
        };
        let key: Vec<Pairing> = plan.passes[0]
            .comparisons
            .iter()
            .map(|comparison| pairing(comparison.left, comparison.right))
            .collect::<Option<_>>()?;
        let compared: Vec<Pairing> = plan
            .differences
            .iter()
            .map(|difference| pairing(difference.left, difference.right))
            .collect::<Option<_>>()?;
        let exact = match key.as_slice() {
            [only] => (0..2).all(|side| {
                let data_type = tables[side].schema.field(only.slots[side]).data_type();
                matches!(data_type, DataType::Int64 | DataType::Date32) && only.scale == 0
            }),
            _ => false,
        };
        let keys = Keys::draw();
        let of = |lane: u8, columns: usize| {
            let columns = (0..columns).map(|column| keys.column(lane, column));
            columns.collect::<Vec<_>>()
        };
        let keys = [of(0, key.len()), of(1, key.len()), of(2, compared.len())];
        Some(Self {
            key,
            compared,
            exact,
            keys,
        })
    }

    /// The words of an entry.
    #[must_use]
    pub fn width(&self) -> usize {
        if self.exact { 3 } else { 4 }
    }
}

/// One side, ready to be read.
struct Reading<'a> {
    table: &'a Table<'a>,
    /// The canonical columns that are read, by slot.
    slots: Vec<usize>,
    /// Whether each of them is hashed as it is stored.
    direct: Vec<bool>,
    /// The key's columns: their place in `slots`, their name, their place in the dataset's key.
    key: Vec<usize>,
    key_names: &'a [String],
    key_order: Vec<usize>,
    compared: Vec<usize>,
}

impl<'a> Reading<'a> {
    fn new(recipe: &Recipe, table: &'a Table<'a>, side: usize, key_names: &'a [String]) -> Self {
        let needed = |slot: usize| {
            let used = |pairing: &Pairing| pairing.slots[side] == slot;
            recipe.key.iter().any(used)
                || recipe.compared.iter().any(used)
                || !is_direct(table, slot)
        };
        let slots: Vec<usize> = (0..table.slots.len())
            .filter(|&slot| needed(slot))
            .collect();
        let place = |pairing: &Pairing| slots.partition_point(|&s| s < pairing.slots[side]);
        let key: Vec<usize> = recipe.key.iter().map(place).collect();
        let names = key_names.iter();
        let key_order = names
            .map(|name| {
                let is_it = |&place: &usize| table.slots[slots[place]].name == *name;
                key.iter().copied().find(is_it).unwrap_or(key[0])
            })
            .collect();
        Self {
            direct: slots.iter().map(|&slot| is_direct(table, slot)).collect(),
            compared: recipe.compared.iter().map(place).collect(),
            key,
            key_names,
            key_order,
            slots,
            table,
        }
    }
}

/// Whether every stored value of a column is a canonical one, and is hashed alike.
fn is_direct(table: &Table<'_>, slot: usize) -> bool {
    use DataType as T;
    let stored = table.stored(slot);
    let small = matches!(
        stored,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32
    );
    match table.slots[slot].data_type {
        None => !stored.is_floating() && !matches!(stored, T::Dictionary(..)),
        Some(ColumnType::Text) => matches!(stored, T::Utf8 | T::LargeUtf8 | T::Utf8View),
        Some(ColumnType::Integer) => small,
        Some(ColumnType::Date) => *stored == T::Date32,
        Some(ColumnType::Decimal { precision, scale }) => match stored {
            T::Decimal128(p, s) | T::Decimal64(p, s) | T::Decimal32(p, s) => {
                let s = u8::try_from(*s).unwrap_or(u8::MAX);
                s <= scale && p.saturating_sub(s) <= precision.saturating_sub(scale)
            }
            _ => small && precision.saturating_sub(scale) >= 19,
        },
    }
}

/// The entries of both sides and the rows that have none.
pub struct Scanned {
    /// The entries.
    pub partitions: [Partitions; 2],
    /// Rows that were rejected, in the order of the file.
    pub rejected: [Vec<Rejected>; 2],
}

/// Reads both sides on `threads` threads.
///
/// # Errors
/// When a file is damaged or entries cannot be spilled; [`Error::Cancelled`].
pub fn scan(
    recipe: &Recipe,
    tables: [&Table<'_>; 2],
    key_names: [&[String]; 2],
    partitions: [Partitions; 2],
    room: &Room,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Scanned, Error> {
    let readings = [0, 1].map(|side| Reading::new(recipe, tables[side], side, key_names[side]));
    let tasks: Vec<(usize, Group)> = (0..2)
        .flat_map(|side| {
            tables[side]
                .groups()
                .into_iter()
                .map(move |group| (side, group))
        })
        .collect();
    let next = AtomicUsize::new(0);
    let done = AtomicU64::new(0);
    let total = tables[0].rows() + tables[1].rows();
    let work = |worker: usize| {
        let mut rejected = [Vec::new(), Vec::new()];
        let mut fillers = [0, 1].map(|side: usize| Filler::new(&partitions[side], room, worker));
        let mut buffers = Buffers::default();
        while let Some(&(side, group)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            let reading = &readings[side];
            let mut first = group.first;
            for arrays in reading.table.read(group, &reading.slots)? {
                if progress.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let mut step = Step {
                    recipe,
                    reading,
                    first,
                    filler: &mut fillers[side],
                    rejected: &mut rejected[side],
                };
                let rows = step.take(arrays?, &mut buffers)? as u64;
                first += rows;
                progress.advance(done.fetch_add(rows, Ordering::Relaxed) + rows, total);
            }
            reading.table.check(group, first - group.first)?;
        }
        for filler in fillers {
            filler.finish()?;
        }
        Ok(rejected)
    };
    let mut rejected = [Vec::new(), Vec::new()];
    for part in super::on_threads(threads, work)? {
        for (whole, part) in rejected.iter_mut().zip(part) {
            whole.extend(part);
        }
    }
    for rejected in &mut rejected {
        rejected.sort_by_key(|row| row.line);
    }
    Ok(Scanned {
        partitions,
        rejected,
    })
}

/// Memory that serves batch after batch.
#[derive(Default)]
struct Buffers {
    key: [Vec<u128>; 2],
    fingerprint: Vec<u128>,
}

/// One batch of one side.
struct Step<'a, 'b> {
    recipe: &'a Recipe,
    reading: &'a Reading<'a>,
    first: u64,
    filler: &'a mut Filler<'b>,
    rejected: &'a mut Vec<Rejected>,
}

impl Step<'_, '_> {
    fn take(&mut self, mut arrays: Vec<ArrayRef>, buffers: &mut Buffers) -> Result<usize, Error> {
        let rows = arrays.first().map_or(0, Array::len);
        let bad = self.reject(&mut arrays, rows)?;
        let Recipe {
            key,
            compared,
            exact,
            keys,
        } = self.recipe;
        let sum =
            |sums: &mut Vec<u128>, columns: &[Pairing], places: &[usize], keys: &[ColumnKeys]| {
                sums.clear();
                sums.resize(rows, 0);
                for ((pairing, &place), keys) in columns.iter().zip(places).zip(keys) {
                    keys.add(&arrays[place], pairing.scale, sums);
                }
            };
        let reading = self.reading;
        sum(
            &mut buffers.fingerprint,
            compared,
            &reading.compared,
            &keys[2],
        );
        let is_bad = |row: usize| bad.as_ref().is_some_and(|bad| bad[row]);
        let fingerprints = buffers.fingerprint.iter().map(|&sum| finished(sum));
        if *exact {
            let key = super::fingerprint::whole(&arrays[reading.key[0]]);
            for ((row, fingerprint), number) in (0..).zip(fingerprints).zip(key) {
                if !is_bad(row) {
                    self.filler
                        .put([scattered(number), fingerprint, self.first + row as u64])?;
                }
            }
        } else {
            let [one, other] = &mut buffers.key;
            sum(one, key, &reading.key, &keys[0]);
            sum(other, key, &reading.key, &keys[1]);
            for ((row, fingerprint), (&one, &other)) in
                (0..).zip(fingerprints).zip(one.iter().zip(&*other))
            {
                if !is_bad(row) {
                    let number = self.first + row as u64;
                    self.filler
                        .put([finished(one), finished(other), fingerprint, number])?;
                }
            }
        }
        Ok(rows)
    }

    /// Brings columns into their canonical type where that matters, and notes the rows that take no
    /// part: those with a value that does not fit, and those without a key. None where all do.
    fn reject(&mut self, arrays: &mut [ArrayRef], rows: usize) -> Result<Option<Vec<bool>>, Error> {
        let Reading {
            table,
            slots,
            direct,
            key_names,
            key_order,
            ..
        } = self.reading;
        let mut reasons: Option<Vec<Option<Rejected>>> = None;
        let line = |row: usize| self.first + row as u64 + 1;
        let mut note = |row: usize, column: &str, reason: String| {
            let reasons = reasons.get_or_insert_with(|| vec![None; rows]);
            reasons[row].get_or_insert_with(|| Rejected {
                line: line(row),
                column: Some(column.to_owned()),
                reason,
            });
        };
        for ((array, &slot), _) in arrays
            .iter_mut()
            .zip(slots)
            .zip(direct)
            .filter(|(_, d)| !**d)
        {
            let slot = &table.slots[slot];
            let (converted, faults) = typed(table.file, slot, array)?;
            *array = converted;
            for (row, reason) in faults {
                note(row, &slot.from, reason);
            }
        }
        for (&place, name) in key_order.iter().zip(*key_names) {
            let array = &arrays[place];
            if array.null_count() > 0 {
                for row in (0..rows).filter(|&row| array.is_null(row)) {
                    note(row, name, "is null and part of the key".into());
                }
            }
        }
        Ok(reasons.map(|reasons| {
            let bad = reasons.iter().map(Option::is_some).collect();
            self.rejected.extend(reasons.into_iter().flatten());
            bad
        }))
    }
}
