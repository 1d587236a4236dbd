//! Reading both sides into records, with what must hold before anything is matched.

use crate::InputFile;
use crate::diff;
use crate::diff::keyed::Plain;
use crate::error::Error;
use crate::normalize;
use crate::outcome::Side;
use crate::plan::Plan;
use crate::progress::Progress;
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

impl Prepared {
    fn new(
        spec: &MatchingSpec,
        dataset: &Dataset,
        table: source::Table,
        policy: DuplicatePolicy,
        side: Side,
    ) -> Result<Self, Error> {
        let records = Records::new(table, dataset, policy, side)?;
        let normalized = normalize::normalized(&records.batch, &spec.normalize)?;
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
    files: [&InputFile; 2],
    session: &SessionContext,
    plain_rows: PlainRows,
    progress: &Arc<dyn Progress>,
) -> Result<Sides, Error> {
    let sides = read(spec, files, session, plain_rows, progress).await?;
    let [left, right] = files;
    check_rejected(
        spec,
        [(left, &sides.left.records), (right, &sides.right.records)],
    )?;
    check_memory(spec, (&sides.left, &sides.right), ("", 0))?;
    Ok(sides)
}

async fn read(
    spec: &Arc<MatchingSpec>,
    files: [&InputFile; 2],
    session: &SessionContext,
    plain_rows: PlainRows,
    progress: &Arc<dyn Progress>,
) -> Result<Sides, Error> {
    let [left, right] = files;
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
            let mut left = Prepared::new(&spec, &spec.left, left, left_policy, Side::Left)?;
            let mut right = Prepared::new(&spec, &spec.right, right, right_policy, Side::Right)?;
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
    Ok(Sides {
        left: read_side(spec, &spec.left, left, left_policy, Side::Left, progress).await?,
        right: read_side(
            spec,
            &spec.right,
            right,
            right_policy,
            Side::Right,
            progress,
        )
        .await?,
        plain: None,
    })
}

async fn read_side(
    spec: &Arc<MatchingSpec>,
    dataset: &Dataset,
    file: &InputFile,
    policy: DuplicatePolicy,
    side: Side,
    progress: &Arc<dyn Progress>,
) -> Result<Prepared, Error> {
    let (spec, dataset, input) = (spec.clone(), dataset.clone(), file.clone());
    let progress = progress.clone();
    let work = move || {
        let table = source::read(&dataset, &input, side, progress.as_ref())?;
        Prepared::new(&spec, &dataset, table, policy, side)
    };
    blocking(work, &file.name).await
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
