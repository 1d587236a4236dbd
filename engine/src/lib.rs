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
mod filter;
mod fx;
mod normalize;
mod outcome;
mod plan;
mod progress;
mod records;
mod report;
mod score;
mod source;
mod unsupported;
pub mod utils;

pub use crds::decode::SpecError;
pub use error::Error;
pub use outcome::{PassSummary, SideSummary, Summary};
pub use plan::validate;
pub use progress::{Phase, Progress, Silent};
pub use source::{names_a_format, no_format};

use crds::matching::MatchingSpec;
use datafusion::prelude::SessionContext;
use fx::Rates;
use outcome::{Fates, Ledger, Pair, Side};
use plan::{PassPlan, Plan};
use progress::Sides;
use records::Records;
use report::{Draft, Results};
use score::Scorer;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

/// What to run, on which files, and where the outputs go.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The rules.
    pub spec: MatchingSpec,
    /// The left side's file.
    pub left: InputFile,
    /// The right side's file.
    pub right: InputFile,
    /// The file of `fx.rates`; none where the rules convert no currencies.
    pub rates: Option<InputFile>,
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
pub async fn run(request: RunRequest, progress: Arc<dyn Progress>) -> Result<Summary, Error> {
    let started = Instant::now();
    let RunRequest {
        spec,
        left,
        right,
        rates,
        out_dir,
    } = request;
    validate(&spec).map_err(Error::Spec)?;
    let spec = Arc::new(spec);

    progress.phase(Phase::Read);
    let (lefts, rights) = read(&spec, &left, &right, rates, &progress).await?;
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
        let candidates = step
            .run(&lefts, &rights, &scorer, &mut ledger, &mut budget)
            .await?;
        scorers.push(scorer);
        passes.push(PassSummary {
            name: pass.name.clone(),
            pairs: 0,
            candidates,
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

/// Reads the rates and then both sides at once. Where both fail it is always the left side's error
/// that is reported.
async fn read(
    spec: &Arc<MatchingSpec>,
    left: &InputFile,
    right: &InputFile,
    rates: Option<InputFile>,
    progress: &Arc<dyn Progress>,
) -> Result<(Prepared, Prepared), Error> {
    let rates = read_rates(spec, rates, progress).await?;
    let sides = Sides::new(progress.clone());
    let reader = |side, file: &InputFile| Reader {
        spec: spec.clone(),
        file: file.clone(),
        side,
        rates: rates.clone(),
        progress: sides.of(side),
    };
    let (lefts, rights) = tokio::join!(
        reader(Side::Left, left).read(),
        reader(Side::Right, right).read()
    );
    Ok((lefts?, rights?))
}

/// Does blocking work on a file on a thread of its own.
async fn blocking<T: Send + 'static>(
    file: &InputFile,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // A reader below the engine gave up on a file that no writer of its format makes.
        Err(failed) if failed.is_panic() => Err(Error::input(
            file,
            "the file is damaged and cannot be read; write it again",
        )),
        Err(failed) => Err(failed.into()),
    }
}

async fn read_rates(
    spec: &MatchingSpec,
    file: Option<InputFile>,
    progress: &Arc<dyn Progress>,
) -> Result<Option<Arc<Rates>>, Error> {
    let Some(fx) = spec.fx.clone() else {
        return Ok(None);
    };
    let file = file.ok_or_else(|| Error::spec("fx.rates.source", "no file was given for it"))?;
    let progress = progress.clone();
    let input = file.clone();
    let work = move || Rates::read(&fx, &input, progress.as_ref());
    Ok(Some(Arc::new(blocking(&file, work).await?)))
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
    /// Reads the side on a thread for blocking work.
    async fn read(self) -> Result<Prepared, Error> {
        let file = self.file.clone();
        blocking(&file, move || self.prepare()).await
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
        if let Some(rates) = &self.rates {
            table = rates.settle(table, &self.file, self.side)?;
        }
        let records = Records::new(table, dataset, policy, self.side)?;
        let mut normalized = normalize::normalized(&records.batch, &self.spec.normalize)?;
        if let Some(rates) = &self.rates {
            normalized = rates.converted(&records.batch, &normalized, self.side)?;
        }
        Ok(Prepared {
            records,
            normalized,
        })
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
        let assignment = assign::greedy(kept.edges, self.pass.accept, lefts, rights);
        ledger.book(self.index, &assignment);
        Ok(kept.candidates)
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
            explain::reason(
                &plan.passes[pair.pass],
                &scorers[pair.pass].similarities(edge.left, edge.right),
                (&lefts.records.batch, edge.left as usize),
                (&rights.records.batch, edge.right as usize),
                pair.chosen.tied,
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
