//! Records in, outcomes out: the matching engine of Reconciliation Platform.
//!
//! [`run`] reads as a table of contents: read → records → plan → passes (block, compare, assign) →
//! outcomes → outputs. It knows files and no network; it is told of progress and of cancellation
//! through [`Progress`].

mod assign;
mod block;
mod compare;
mod error;
mod explain;
mod expression;
mod ledger;
mod normalize;
mod outcome;
mod plan;
pub mod profile;
mod progress;
mod records;
mod report;
mod score;
mod source;
mod split;
mod sum;
mod unsupported;
pub mod utils;

pub use crds::decode::SpecError;
pub use error::Error;
pub use outcome::{PassSummary, SideSummary, Summary};
pub use plan::validate;
pub use progress::{Phase, Progress, Silent};

use crds::matching::{Dataset, DuplicatePolicy, MatchingSpec};
use datafusion::prelude::SessionContext;
use ledger::{Ledger, Pair};
use outcome::{Fates, Side};
use plan::{PassPlan, Plan};
use records::Records;
use report::{Draft, Results};
use score::Scorer;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;
use sum::SumPlan;

/// What to run, on which files, and where the outputs go.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The rules.
    pub spec: MatchingSpec,
    /// The left side's file.
    pub left: InputFile,
    /// The right side's file.
    pub right: InputFile,
    /// The folder for the outputs. It is made when it is not there.
    pub out_dir: PathBuf,
}

/// A file of records.
#[derive(Clone, Debug)]
pub struct InputFile {
    /// Where it is.
    pub path: PathBuf,
    /// What the caller calls it, for messages and, where the dataset has no `format`, for the
    /// format by extension.
    pub name: String,
}

/// Runs a reconciliation on the current tokio runtime, whose threads it keeps busy, and writes
/// `summary.json`, `pairs.parquet`, `unmatched_left.parquet`, `unmatched_right.parquet`,
/// `rejected.parquet`, `duplicates.parquet` and, if asked for, `pairs.csv` into the output folder.
///
/// # Errors
/// See [`Error`]. The output folder is then as it was before.
#[expect(
    clippy::too_many_lines,
    reason = "a table of contents of what happens in a run"
)]
pub async fn run(request: RunRequest, progress: Arc<dyn Progress>) -> Result<Summary, Error> {
    let started = Instant::now();
    let RunRequest {
        spec,
        left,
        right,
        out_dir,
    } = request;
    validate(&spec).map_err(Error::Spec)?;
    let spec = Arc::new(spec);

    progress.phase(Phase::Read);
    let (left_policy, right_policy) = spec.duplicate_policies();
    let lefts = read(&spec, &spec.left, &left, left_policy, Side::Left, &progress).await?;
    let rights = read(
        &spec,
        &spec.right,
        &right,
        right_policy,
        Side::Right,
        &progress,
    )
    .await?;
    check_rejected(&spec, [(&left, &lefts.records), (&right, &rights.records)])?;

    let threads = available_parallelism().map_or(1, usize::from);
    let session = expression::session(threads);
    let plan = Plan::new(
        &spec,
        &lefts.normalized.schema(),
        &rights.normalized.schema(),
        &session,
    )
    .map_err(Error::Spec)?;

    let mut ledger = Ledger::new(lefts.records.keys.len(), rights.records.keys.len());
    let mut passes = Vec::new();
    let mut scorers = Vec::new();
    let mut budget = spec.effective_limits().max_pairs;
    for (index, pass) in plan.passes.iter().enumerate() {
        let before = Instant::now();
        let scorer = Arc::new(Scorer::new(pass, &lefts.normalized, &rights.normalized)?);
        let step = Step {
            spec: &spec,
            session: &session,
            pass,
            index,
            progress: &progress,
        };
        let mut exhausted = 0;
        let candidates = match &pass.sum {
            Some(sum) => {
                let found = step.add_up(sum, &lefts, &rights, &mut ledger)?;
                exhausted = found.exhausted;
                found.nodes
            }
            None => {
                step.run(&lefts, &rights, &scorer, &mut ledger, &mut budget)
                    .await?
            }
        };
        scorers.push(scorer);
        passes.push(PassSummary {
            name: pass.name.clone(),
            pairs: 0,
            candidates,
            exhausted,
            seconds: before.elapsed().as_secs_f64(),
        });
    }

    let pairs = ledger.close();
    for pair in &pairs {
        passes[pair.pass].pairs += 1;
    }
    let left_fates = Fates::of(&pairs, Side::Left, lefts.records.keys.len())?;
    let right_fates = Fates::of(&pairs, Side::Right, rights.records.keys.len())?;
    let left_summary = left_fates.count(&lefts.records, Side::Left)?;
    let right_summary = right_fates.count(&rights.records, Side::Right)?;

    progress.phase(Phase::Write);
    let reasons = reasons(&plan, &scorers, &pairs, &lefts, &rights)?;
    let names: Vec<&str> = plan.passes.iter().map(|pass| pass.name.as_str()).collect();
    let draft = Draft::new(&out_dir)?;
    let results = Results {
        left: &lefts.records,
        right: &rights.records,
        pairs: &pairs,
        passes: &names,
        reasons,
        unmatched: (left_fates.unmatched(), right_fates.unmatched()),
        files: (&left.name, &right.name),
    };
    results.write(&draft, &spec.formats())?;
    if progress.is_cancelled() {
        return Err(Error::Cancelled);
    }
    let summary = Summary {
        left: left_summary,
        right: right_summary,
        pairs: pairs.len() as u64,
        match_rate: match_rate(&left_summary, &right_summary),
        passes,
        seconds: started.elapsed().as_secs_f64(),
        spec_hash: spec_hash(&spec),
    };
    draft.publish(&summary)?;
    tracing::info!(
        pairs = summary.pairs,
        seconds = summary.seconds,
        "run complete"
    );
    Ok(summary)
}

/// `sha256:` and the hash of everything that the specification says.
fn spec_hash(spec: &MatchingSpec) -> String {
    let digest = Sha256::digest(spec.canonical_json());
    format!("sha256:{}", hex::encode(digest))
}

/// One side, read: its records and their normalised columns.
struct Prepared {
    records: Records,
    normalized: datafusion::arrow::array::RecordBatch,
}

/// Reads a side on a thread for blocking work.
async fn read(
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
        let records = Records::new(table, &dataset, policy, side)?;
        let normalized = normalize::normalized(&records.batch, &spec.normalize)?;
        Ok(Prepared {
            records,
            normalized,
        })
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // A reader below the engine gave up on a file that no writer of its format makes.
        Err(failed) if failed.is_panic() => Err(Error::Input {
            file: file.name.clone(),
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

/// One pass at work.
struct Step<'a> {
    spec: &'a MatchingSpec,
    session: &'a SessionContext,
    pass: &'a PassPlan,
    index: usize,
    progress: &'a Arc<dyn Progress>,
}

impl Step<'_> {
    /// Blocks, compares and assigns; returns how many candidate pairs were compared.
    async fn run(
        &self,
        lefts: &Prepared,
        rights: &Prepared,
        scorer: &Arc<Scorer>,
        ledger: &mut Ledger,
        budget: &mut u64,
    ) -> Result<u64, Error> {
        let pass = || self.pass.name.clone();
        self.progress.phase(Phase::Block { pass: pass() });
        let left = block::Open {
            batch: &lefts.normalized,
            open: &ledger.left_open,
        };
        let right = block::Open {
            batch: &rights.normalized,
            open: &ledger.right_open,
        };
        let candidates = block::candidates(self.session, self.pass, left, right, *budget).await?;
        *budget = budget.saturating_sub(candidates.at_most);

        self.progress.phase(Phase::Compare { pass: pass() });
        let max_edges = self.spec.effective_limits().max_edges;
        let kept = score::score_all(
            self.pass,
            scorer.clone(),
            candidates,
            max_edges,
            self.progress.clone(),
        )
        .await?;

        self.progress.phase(Phase::Assign { pass: pass() });
        let (lefts, rights) = (ledger.left_open.len(), ledger.right_open.len());
        let assignment = assign::assign(kept.edges, &self.pass.rules, lefts, rights);
        ledger.book(self.index, &assignment);
        Ok(kept.candidates)
    }

    /// Adds records up; returns what was found, which is booked.
    fn add_up(
        &self,
        sum: &SumPlan,
        lefts: &Prepared,
        rights: &Prepared,
        ledger: &mut Ledger,
    ) -> Result<split::Outcome, Error> {
        let pass = || self.pass.name.clone();
        self.progress.phase(Phase::Block { pass: pass() });
        let left = block::Open {
            batch: &lefts.normalized,
            open: &ledger.left_open,
        };
        let right = block::Open {
            batch: &rights.normalized,
            open: &ledger.right_open,
        };
        let blocks = block::numbers(self.session, self.pass, left, right)?;
        self.progress.phase(Phase::Assign { pass: pass() });
        let told = |done, total| {
            self.progress.advance(done, total);
            !self.progress.is_cancelled()
        };
        let found = sum.run(
            &self.pass.path,
            [lefts, rights],
            [&ledger.left_open, &ledger.right_open],
            &blocks,
            &told,
        )?;
        ledger.book_splits(self.index, sum.wholes, found.scale, &found.outcome.groups);
        Ok(found.outcome)
    }
}

fn reasons(
    plan: &Plan,
    scorers: &[Arc<Scorer>],
    pairs: &[Pair],
    lefts: &Prepared,
    rights: &Prepared,
) -> Result<Vec<String>, Error> {
    pairs
        .iter()
        .map(|pair| {
            let edge = pair.chosen.edge;
            if let (Some(split), Some(sum)) = (&pair.split, &plan.passes[pair.pass].sum) {
                return explain::reason_of_sum(
                    sum,
                    split,
                    (&lefts.records.batch, edge.left as usize),
                    (&rights.records.batch, edge.right as usize),
                );
            }
            explain::reason(
                &plan.passes[pair.pass],
                &scorers[pair.pass].similarities(edge.left, edge.right),
                (&lefts.records.batch, edge.left as usize),
                (&rights.records.batch, edge.right as usize),
                &pair.chosen,
            )
        })
        .collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate of rows needs no more than 52 bits"
)]
fn match_rate(left: &SideSummary, right: &SideSummary) -> f64 {
    let matched = left.matched + left.differing + right.matched + right.differing;
    let rows = left.rows + right.rows;
    if rows == 0 {
        0.0
    } else {
        matched as f64 / rows as f64
    }
}
