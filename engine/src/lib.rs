//! Records in, outcomes out: the matching engine of Reconciliation Platform.
//!
//! [`run`] reads as a table of contents: read → records → plan → passes (block, compare, assign) →
//! outcomes → outputs. It knows files and no network; it is told of progress and of cancellation
//! through [`Progress`].

mod assign;
mod block;
mod compare;
mod diff;
mod error;
mod explain;
mod expression;
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

use assign::Edge;
use crds::matching::{Dataset, DuplicatePolicy, MatchingSpec, PairsOutput};
use datafusion::arrow::datatypes::Schema;
use datafusion::prelude::SessionContext;
use diff::keyed::Plain;
use diff::keyed::listing::Listing;
use outcome::{Fates, Ledger, Outcome, Pair, Side};
use plan::{PassPlan, Plan};
use records::Records;
use report::{Differences, Draft, Results};
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
/// `summary.json`, `pairs.parquet`, `differences.parquet`, `unmatched_left.parquet`,
/// `unmatched_right.parquet`, `rejected.parquet`, `duplicates.parquet` and, if asked for,
/// `pairs.csv` into the output folder.
///
/// # Errors
/// See [`Error`]. The output folder is then as it was before.
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

    let threads = available_parallelism().map_or(1, usize::from);
    let session = expression::session(threads);
    progress.phase(Phase::Read);
    let Sides {
        left: lefts,
        right: rights,
        plain,
    } = read(&spec, [&left, &right], &session, &progress).await?;
    check_rejected(&spec, [(&left, &lefts.records), (&right, &rights.records)])?;
    check_memory(&spec, (&lefts, &rights), ("", 0))?;
    let set_aside = plain.as_ref().map_or(0, |plain| plain.pairs);

    let plan = Plan::new(
        &spec,
        &lefts.normalized.schema(),
        &rights.normalized.schema(),
        &session,
    )
    .map_err(Error::Spec)?;

    let Matched {
        ledger,
        mut passes,
        scorers,
    } = match_records(
        (&spec, &plan),
        &session,
        (&lefts, &rights),
        plain.as_ref(),
        &progress,
    )
    .await?;
    let mut pairs = ledger.close();
    let (left_batch, right_batch) = (&lefts.records.batch, &rights.records.batch);
    let found = diff::find(&plan.differences, left_batch, right_batch, &mut pairs)?;
    for pair in &pairs {
        passes[pair.pass].pairs += 1;
    }
    let left_fates = Fates::of(&pairs, Side::Left, lefts.records.keys.len())?;
    let right_fates = Fates::of(&pairs, Side::Right, rights.records.keys.len())?;
    let left_summary = left_fates.count(&lefts.records, Side::Left, set_aside)?;
    let right_summary = right_fates.count(&rights.records, Side::Right, set_aside)?;

    progress.phase(Phase::Write);
    let differences = Differences {
        labels: plan
            .differences
            .iter()
            .map(|column| column.label.as_str())
            .collect(),
        values: diff::values(&plan.differences, left_batch, right_batch, &pairs, &found)?,
        found: &found,
    };
    let shown = shown(&spec, &pairs);
    let reasons = reasons(&plan, &scorers, &shown, &lefts, &rights)?;
    let names: Vec<&str> = plan.passes.iter().map(|pass| pass.name.as_str()).collect();
    let draft = Draft::new(&out_dir)?;
    let results = Results {
        left: &lefts.records,
        right: &rights.records,
        pairs: &pairs,
        shown: &shown,
        passes: &names,
        reasons,
        differences,
        unmatched: (left_fates.unmatched(), right_fates.unmatched()),
        files: (&left.name, &right.name),
    };
    let listing = listing(&spec, &plan.passes[0], plain.as_ref(), (&lefts, &rights))?;
    results.write(&draft, &spec.formats(), listing.as_ref())?;
    if progress.is_cancelled() {
        return Err(Error::Cancelled);
    }
    let summary = Summary {
        left: left_summary,
        right: right_summary,
        pairs: pairs.len() as u64 + set_aside,
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

/// What the passes made of the records.
struct Matched {
    ledger: Ledger,
    passes: Vec<PassSummary>,
    scorers: Vec<Arc<Scorer>>,
}

/// Runs the passes one after the other.
async fn match_records(
    (spec, plan): (&MatchingSpec, &Plan),
    session: &SessionContext,
    (lefts, rights): (&Prepared, &Prepared),
    aside: Option<&Plain>,
    progress: &Arc<dyn Progress>,
) -> Result<Matched, Error> {
    let mut ledger = Ledger::new(lefts.records.keys.len(), rights.records.keys.len());
    let mut passes = Vec::new();
    let mut scorers = Vec::new();
    let mut budget = spec.effective_limits().max_pairs;
    for (index, pass) in plan.passes.iter().enumerate() {
        let before = Instant::now();
        let scorer = Arc::new(Scorer::new(pass, &lefts.normalized, &rights.normalized)?);
        let step = Step {
            spec,
            session,
            pass,
            index,
            progress,
        };
        let candidates = match aside {
            Some(aside) => step.pair_keys(lefts, rights, aside.pairs, &mut ledger, budget)?,
            None => {
                step.run(lefts, rights, &scorer, &mut ledger, &mut budget)
                    .await?
            }
        };
        scorers.push(scorer);
        passes.push(PassSummary {
            name: pass.name.clone(),
            pairs: aside.map_or(0, |aside| aside.pairs),
            candidates,
            seconds: before.elapsed().as_secs_f64(),
        });
    }

    Ok(Matched {
        ledger,
        passes,
        scorers,
    })
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
struct Sides {
    left: Prepared,
    right: Prepared,
    /// Of a keyed diff: the plain rows, which are set aside.
    plain: Option<Plain>,
}

async fn read(
    spec: &Arc<MatchingSpec>,
    files: [&InputFile; 2],
    session: &SessionContext,
    progress: &Arc<dyn Progress>,
) -> Result<Sides, Error> {
    let [left, right] = files;
    let (left_policy, right_policy) = spec.duplicate_policies();
    if diff::keyed::applies(spec, left, right) {
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
fn check_memory(
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

/// One pass at work.
struct Step<'a> {
    spec: &'a MatchingSpec,
    session: &'a SessionContext,
    pass: &'a PassPlan,
    index: usize,
    progress: &'a Arc<dyn Progress>,
}

impl Step<'_> {
    /// Pairs what a keyed diff has left; returns how many pairs have equal keys, with the `plain`
    /// ones.
    fn pair_keys(
        &self,
        lefts: &Prepared,
        rights: &Prepared,
        plain: u64,
        ledger: &mut Ledger,
        budget: u64,
    ) -> Result<u64, Error> {
        let pass = self.pass.name.clone();
        let assignment = diff::keyed::pairs(self.pass, &lefts.normalized, &rights.normalized)?;
        let pairs = assignment.confirmed.len() as u64 + plain;
        if pairs > budget {
            return Err(Error::Budget {
                pass,
                detail: format!(
                    "{pairs} keys are on both sides and limits.maxPairs allows {budget}"
                ),
                worst: String::new(),
                remedy: "Raise limits.maxPairs".into(),
            });
        }
        ledger.book(self.index, &assignment);
        Ok(pairs)
    }

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

        let bytes = (kept.edges.len() * size_of::<Edge>()) as u64;
        check_memory(
            self.spec,
            (lefts, rights),
            (" and their scored pairs", bytes),
        )?;
        self.progress.phase(Phase::Assign { pass: pass() });
        let (lefts, rights) = (ledger.left_open.len(), ledger.right_open.len());
        let assignment = assign::greedy(kept.edges, self.pass.accept, lefts, rights);
        ledger.book(self.index, &assignment);
        Ok(kept.candidates)
    }
}

/// The plain pairs of a keyed diff, where they are asked for.
fn listing<'a>(
    spec: &'a MatchingSpec,
    pass: &'a PassPlan,
    aside: Option<&'a Plain>,
    (lefts, rights): (&Prepared, &Prepared),
) -> Result<Option<Listing<'a>>, Error> {
    aside
        .and_then(|aside| aside.keys.as_ref())
        .map(|keys| Listing::new(spec, pass, keys, &lefts.records, &rights.records))
        .transpose()
}

/// The pairs that the outputs list.
fn shown(spec: &MatchingSpec, pairs: &[Pair]) -> Vec<Pair> {
    let all = spec.pairs_output() == PairsOutput::All;
    let listed = |pair: &&Pair| all || pair.outcome != Outcome::Matched;
    pairs.iter().filter(listed).copied().collect()
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
