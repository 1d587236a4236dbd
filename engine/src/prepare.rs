//! Reading both sides into records, with what must hold before anything is matched.

use crate::InputFile;
use crate::diff;
use crate::diff::keyed::Plain;
use crate::error::Error;
use crate::filter;
use crate::fx::Rates;
use crate::normalize;
use crate::outcome::Side;
use crate::plan::{self, Plan};
use crate::progress::{Progress, Sides as BothSides};
use crate::records::Records;
use crate::source;
use crds::matching::{Dataset, DuplicatePolicy, MatchingSpec};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// One side, read: its records and their normalised columns.
pub struct Prepared {
    /// The records.
    pub records: Records,
    /// Their columns as they are compared and blocked.
    pub normalized: RecordBatch,
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
        policy: DuplicatePolicy,
        side: Side,
    ) -> Result<Self, Error> {
        let records = Records::new(table, dataset, policy, side)?;
        let mut normalized = normalize::normalized(&records.batch, &spec.normalize)?;
        if let Some(rates) = rates {
            normalized = rates.converted(&records.batch, &normalized, side)?;
        }
        Ok(Self {
            records,
            normalized,
        })
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
    progress: &Arc<dyn Progress>,
) -> Result<Sides, Error> {
    let sides = read(spec, inputs, session, plain_rows, progress).await?;
    let (left, right) = (inputs.left, inputs.right);
    check_rejected(
        spec,
        [(left, &sides.left.records), (right, &sides.right.records)],
    )?;
    check_memory(spec, (&sides.left, &sides.right), ("", 0))?;
    Ok(sides)
}

async fn read(
    spec: &Arc<MatchingSpec>,
    files: Inputs<'_>,
    session: &SessionContext,
    plain_rows: PlainRows,
    progress: &Arc<dyn Progress>,
) -> Result<Sides, Error> {
    let (left, right) = (files.left, files.right);
    let (left_policy, right_policy) = spec.duplicate_policies();
    if plain_rows == PlainRows::SetAside && diff::keyed::applies(spec, left, right) {
        let (spec, inputs) = (spec.clone(), [left.clone(), right.clone()]);
        let (session, progress) = (session.clone(), progress.clone());
        let work = move || {
            let plan = |left: &Schema, right: &Schema| {
                Plan::new(&spec, left, right, &session).map_err(Error::Spec)
            };
            let inputs = [&inputs[0], &inputs[1]];
            let Some(rest) = diff::keyed::set_aside(&spec, inputs, plan, progress.as_ref())? else {
                return Ok(None);
            };
            let [left, right] = rest.tables;
            let mut left = Prepared::new(&spec, &spec.left, left, None, left_policy, Side::Left)?;
            let mut right =
                Prepared::new(&spec, &spec.right, right, None, right_policy, Side::Right)?;
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
    let reader = |side, file: &InputFile| Reader {
        spec: spec.clone(),
        file: file.clone(),
        side,
        rates: rates.clone(),
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
    progress: Arc<dyn Progress>,
}

impl Reader {
    async fn read(self) -> Result<Prepared, Error> {
        let name = self.file.name.clone();
        blocking(move || self.prepare(), &name).await
    }

    /// Read → types → where → rates → keys → normalise.
    fn prepare(&self) -> Result<Prepared, Error> {
        let (left_policy, right_policy) = self.spec.duplicate_policies();
        let (dataset, policy) = match self.side {
            Side::Left => (&self.spec.left, left_policy),
            Side::Right => (&self.spec.right, right_policy),
        };
        let name = self.side.name();
        let mut table = source::read(dataset, &self.file, name, self.progress.as_ref())?;
        if let Some(sql) = &dataset.filter {
            let schema = table.batch.schema();
            let columns = plan::of_schema(&schema);
            table = filter::keep(table, sql, &format!("{name}.where"), &columns)?;
        }
        let rates = self.rates.as_deref();
        if let Some(rates) = rates {
            table = rates.settle(table, &self.file, self.side)?;
        }
        Prepared::new(&self.spec, dataset, table, rates, policy, self.side)
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
    spec: &MatchingSpec,
    (lefts, rights): (&Prepared, &Prepared),
    (what, more): (&str, u64),
) -> Result<(), Error> {
    let limit = spec.effective_limits().memory;
    let needed = lefts.records.bytes() + rights.records.bytes() + more;
    if needed <= limit {
        return Ok(());
    }
    Err(Error::Memory {
        what: format!("the records of both sides{what} take"),
        needed,
        limit,
    })
}
