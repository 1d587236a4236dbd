//! Reading both sides into records, with what must hold before anything is matched.

use crate::InputFile;
use crate::diff;
use crate::diff::keyed::Plain;
use crate::error::Error;
use crate::filter;
use crate::fx::Rates;
use crate::memory::{Holding, Room};
use crate::normalize;
use crate::outcome::Side;
use crate::plan::{self, Plan};
use crate::progress::{Progress, Sides as BothSides};
use crate::records::Records;
use crate::source::{self, Rows};
use crate::spill::weight_of;
use crate::values::{Stored, Values};
use crds::matching::{Dataset, MatchingSpec};
use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::Schema;
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// One side, read: its records and their values.
pub struct Prepared {
    /// The records.
    pub records: Records,
    /// Their values.
    pub values: Values,
}

/// The files of a job.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    left: &'a InputFile,
    right: &'a InputFile,
    rates: Option<&'a InputFile>,
}

impl<'a> Inputs<'a> {
    /// Both sides, and the rates of exchange where the job converts currencies.
    #[must_use]
    pub fn new(left: &'a InputFile, right: &'a InputFile, rates: Option<&'a InputFile>) -> Self {
        Self { left, right, rates }
    }
}

impl Prepared {
    fn new(
        spec: &MatchingSpec,
        dataset: &Dataset,
        table: source::Table,
        rates: Option<&Rates>,
        side: Side,
        room: Room,
    ) -> Result<Self, Error> {
        let (left, right) = spec.duplicate_policies();
        let policy = match side {
            Side::Left => left,
            Side::Right => right,
        };
        let (records, rows, order) = Records::new(table, dataset, policy, side, room)?;
        let clean = |batch: &RecordBatch| {
            let cleaned = normalize::normalized(batch, &spec.normalize)?;
            match rates {
                Some(rates) => rates.converted(batch, &cleaned, side),
                None => Ok(cleaned),
            }
        };
        let values = match rows {
            Rows::Held(batch) => {
                let original = match order {
                    None => batch,
                    Some(order) => take_record_batch(&batch, &UInt32Array::from(order))?,
                };
                let compared = clean(&original)?;
                Values::Held { original, compared }
            }
            Rows::Spilled(rows) => {
                let all = || (0_u32..).take(rows.len()).collect();
                let order = order.unwrap_or_else(all);
                tracing::debug!(
                    side = side.name(),
                    rows = order.len(),
                    "the values are in a file"
                );
                Values::Spilled(Stored::new(&rows, &order, room, clean)?)
            }
        };
        Ok(Self { records, values })
    }

    /// The bytes that the side takes in memory whatever a step reads back.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let values = match &self.values {
            Values::Held { original, .. } => weight_of(original),
            Values::Spilled(_) => 0,
        };
        values + self.records.keys.bytes()
    }
}

/// Both sides, read.
pub struct Sides {
    /// The left side.
    pub left: Prepared,
    /// The right side.
    pub right: Prepared,
    /// Of a keyed diff: the plain rows, which are set aside.
    pub plain: Option<Plain>,
}

/// What becomes of the plain rows of a keyed diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainRows {
    /// They are only counted.
    SetAside,
    /// They are records like all others.
    Kept,
}

/// Reads both sides and holds them against the budgets.
///
/// # Errors
/// When a file cannot be read, or a budget is exceeded.
pub async fn read_both(
    spec: &Arc<MatchingSpec>,
    inputs: Inputs<'_>,
    session: &SessionContext,
    plain_rows: PlainRows,
    room: Room,
    progress: &Arc<dyn Progress>,
) -> Result<Sides, Error> {
    let mut sides = read(spec, inputs, session, plain_rows, room, progress).await?;
    // Steps look at both sides in one way: where one is in a file, the other goes there too.
    if sides.left.values.is_spilled() || sides.right.values.is_spilled() {
        for side in [&mut sides.left, &mut sides.right] {
            if let Values::Held { original, compared } = &side.values {
                side.values = Values::Spilled(Stored::of(original, compared, room)?);
            }
        }
    }
    let (left, right) = (inputs.left, inputs.right);
    check_rejected(
        spec,
        [(left, &sides.left.records), (right, &sides.right.records)],
    )?;
    check_memory(room, (&sides.left, &sides.right), ("", 0))?;
    Ok(sides)
}

async fn read(
    spec: &Arc<MatchingSpec>,
    files: Inputs<'_>,
    session: &SessionContext,
    plain_rows: PlainRows,
    room: Room,
    progress: &Arc<dyn Progress>,
) -> Result<Sides, Error> {
    let (left, right) = (files.left, files.right);
    if plain_rows == PlainRows::SetAside && diff::keyed::applies(spec, left, right) {
        let (spec, inputs) = (spec.clone(), [left.clone(), right.clone()]);
        let (session, progress) = (session.clone(), progress.clone());
        let work = move || {
            let plan = |left: &Schema, right: &Schema| {
                Plan::new(&spec, left, right, &session).map_err(Error::Spec)
            };
            let inputs = [&inputs[0], &inputs[1]];
            let rest = diff::keyed::set_aside(&spec, inputs, plan, room, progress.as_ref())?;
            let Some(rest) = rest else {
                return Ok(None);
            };
            let [left, right] = rest.tables;
            let mut left = Prepared::new(&spec, &spec.left, left, None, Side::Left, room)?;
            let mut right = Prepared::new(&spec, &spec.right, right, None, Side::Right, room)?;
            [left.records.rows, right.records.rows] = rest.rows;
            Ok(Some(Sides {
                left,
                right,
                plain: Some(rest.plain),
            }))
        };
        let names = format!("{} or {}", left.name, right.name);
        if let Some(sides) = blocking(work, &names).await? {
            return Ok(sides);
        }
    }
    let rates = read_rates(spec, files.rates, progress).await?;
    let told = BothSides::new(progress.clone());
    let holding = Arc::new(Holding::new(room.held));
    let reader = |side, file: &InputFile| Reader {
        spec: spec.clone(),
        file: file.clone(),
        side,
        rates: rates.clone(),
        room,
        holding: holding.clone(),
        progress: told.of(side),
    };
    // Where both fail it is always the left side's error that is reported.
    let (lefts, rights) = tokio::join!(
        reader(Side::Left, left).read(),
        reader(Side::Right, right).read()
    );
    Ok(Sides {
        left: lefts?,
        right: rights?,
        plain: None,
    })
}

async fn read_rates(
    spec: &MatchingSpec,
    file: Option<&InputFile>,
    progress: &Arc<dyn Progress>,
) -> Result<Option<Arc<Rates>>, Error> {
    let Some(fx) = spec.fx.clone() else {
        return Ok(None);
    };
    let file = file.ok_or_else(|| Error::spec("fx.rates.source", "no file was given for it"))?;
    let (input, progress) = (file.clone(), progress.clone());
    let work = move || Rates::read(&fx, &input, progress.as_ref());
    Ok(Some(Arc::new(blocking(work, &file.name).await?)))
}

/// What reads one side.
struct Reader {
    spec: Arc<MatchingSpec>,
    file: InputFile,
    side: Side,
    rates: Option<Arc<Rates>>,
    room: Room,
    holding: Arc<Holding>,
    progress: Arc<dyn Progress>,
}

impl Reader {
    async fn read(self) -> Result<Prepared, Error> {
        let name = self.file.name.clone();
        blocking(move || self.prepare(), &name).await
    }

    /// Read → types → where → rates → keys → normalise.
    fn prepare(&self) -> Result<Prepared, Error> {
        let dataset = match self.side {
            Side::Left => &self.spec.left,
            Side::Right => &self.spec.right,
        };
        let name = self.side.name();
        let progress = self.progress.as_ref();
        let mut table = source::read(dataset, &self.file, name, &self.holding, progress)?;
        if let Some(sql) = &dataset.filter {
            let schema = table.rows.schema();
            let columns = plan::of_schema(&schema);
            table = filter::keep(table, sql, &format!("{name}.where"), &columns)?;
        }
        let rates = self.rates.as_deref();
        if let Some(rates) = rates {
            table = rates.settle(table, &self.file, self.side)?;
        }
        Prepared::new(&self.spec, dataset, table, rates, self.side, self.room)
    }
}

/// Reads on a thread for blocking work.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    file: &str,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // A reader below the engine gave up on a file that no writer of its format makes.
        Err(failed) if failed.is_panic() => Err(Error::Input {
            file: file.to_owned(),
            detail: "the file is damaged and cannot be read; write it again".into(),
        }),
        Err(failed) => Err(failed.into()),
    }
}

fn check_rejected(spec: &MatchingSpec, sides: [(&InputFile, &Records); 2]) -> Result<(), Error> {
    let rejected = sides
        .iter()
        .map(|(_, records)| records.rejected.len() as u64)
        .sum();
    match spec.effective_limits().max_rejected {
        Some(limit) if rejected > limit => {
            let first = sides.iter().find_map(|(file, records)| {
                let row = records.rejected.first()?;
                let column = row.column.as_ref().map(|name| format!(", column `{name}`"));
                let column = column.unwrap_or_default();
                Some(format!(
                    "{} line {}{column}: {}",
                    file.name, row.line, row.reason
                ))
            });
            Err(Error::Rejected {
                rejected,
                limit,
                first: first.unwrap_or_default(),
            })
        }
        _ => Ok(()),
    }
}

/// Holds the bytes of the records and of `more` against the budget.
///
/// # Errors
/// [`Error::Memory`] when they are more than `limits.memory`.
pub fn check_memory(
    room: Room,
    (lefts, rights): (&Prepared, &Prepared),
    (what, more): (&str, u64),
) -> Result<(), Error> {
    let needed = lefts
        .bytes()
        .saturating_add(rights.bytes())
        .saturating_add(more);
    room.check(needed, || format!("the records of both sides{what} take"))
}
