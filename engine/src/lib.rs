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
pub use score::model::{ComparisonModel, LevelModel, Model, PassModel, Training};
pub use score::notes;

use block::Candidates;
use crds::matching::{Dataset, DuplicatePolicy, MatchingSpec, Score};
use datafusion::prelude::SessionContext;
use outcome::{Fates, Ledger, Pair, Side};
use plan::{PassPlan, Plan};
use records::Records;
use report::{Draft, Results};
use score::fellegi_sunter::FellegiSunter;
use score::{Features, Scorer, training};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

/// The output that holds what a run learned.
const MODEL_FILE: &str = "model.json";

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
    /// The file of the specification's `model`, where it has one.
    pub model: Option<PathBuf>,
}

/// What to train, on which files.
#[derive(Clone, Debug)]
pub struct TrainRequest {
    /// The rules.
    pub spec: MatchingSpec,
    /// The left side's file.
    pub left: InputFile,
    /// The right side's file.
    pub right: InputFile,
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
/// `rejected.parquet`, `duplicates.parquet` and, if asked for, `pairs.csv` into the output folder;
/// and `model.json` where a pass with `score: fellegiSunter` was trained.
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
        model,
    } = request;
    validate(&spec).map_err(Error::Spec)?;
    let model = given_model(&spec, model.as_deref())?;
    let spec = Arc::new(spec);
    let (lefts, rights) = read_both(&spec, &left, &right, &progress).await?;
    let (session, plan) = plan(&spec, &lefts, &rights)?;
    if let Some(model) = &model {
        model.check(&plan.passes)?;
    }

    let mut ledger = Ledger::new(lefts.records.keys.len(), rights.records.keys.len());
    let mut passes = Vec::new();
    let mut scorers = Vec::new();
    let mut trained = Vec::new();
    let mut budget = spec.effective_limits().max_pairs;
    for (index, pass) in plan.passes.iter().enumerate() {
        let before = Instant::now();
        let step = Step {
            spec: &spec,
            session: &session,
            pass,
            index,
            progress: &progress,
            given: model.as_ref().and_then(|model| model.pass(&pass.name)),
        };
        let (candidates, scorer, new_model) =
            step.run(&lefts, &rights, &mut ledger, &mut budget).await?;
        scorers.push(scorer);
        trained.extend(new_model);
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
    if !trained.is_empty() {
        draft.text(MODEL_FILE, &Model::new(trained).text()?)?;
    }
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

/// Trains every pass with `score: fellegiSunter` on all records of both files, without matching.
///
/// # Errors
/// See [`Error`]; a specification without such a pass is wrong.
pub async fn train(request: TrainRequest, progress: Arc<dyn Progress>) -> Result<Model, Error> {
    let TrainRequest { spec, left, right } = request;
    validate(&spec).map_err(Error::Spec)?;
    if !spec
        .passes
        .iter()
        .any(|pass| pass.effective_score() == Score::FellegiSunter)
    {
        let message = "no pass has score: fellegiSunter, so there is nothing to train";
        return Err(Error::spec("passes", message));
    }
    let spec = Arc::new(spec);
    let (lefts, rights) = read_both(&spec, &left, &right, &progress).await?;
    let (session, plan) = plan(&spec, &lefts, &rights)?;
    let ledger = Ledger::new(lefts.records.keys.len(), rights.records.keys.len());
    let mut budget = spec.effective_limits().max_pairs;
    let mut trained = Vec::new();
    for (index, pass) in plan.passes.iter().enumerate() {
        if pass.score != Score::FellegiSunter {
            continue;
        }
        let step = Step {
            spec: &spec,
            session: &session,
            pass,
            index,
            progress: &progress,
            given: None,
        };
        let candidates = step
            .candidates(&lefts, &rights, &ledger, &mut budget)
            .await?;
        let features = Arc::new(Features::new(pass, &lefts.normalized, &rights.normalized)?);
        trained.push(
            step.train(&lefts, &rights, &features, &ledger, candidates.at_most)
                .await?,
        );
    }

    Ok(Model::new(trained))
}

/// The model that a run was given, read.
fn given_model(spec: &MatchingSpec, file: Option<&Path>) -> Result<Option<Model>, Error> {
    match (&spec.model, file) {
        (None, _) => Ok(None),
        (Some(_), Some(file)) => Model::read(file).map(Some),
        (Some(_), None) => Err(Error::spec(
            "model",
            "is for the CLI: a platform reads no local files; leave it out to train with the run",
        )),
    }
}

/// Reads both sides.
async fn read_both(
    spec: &Arc<MatchingSpec>,
    left: &InputFile,
    right: &InputFile,
    progress: &Arc<dyn Progress>,
) -> Result<(Prepared, Prepared), Error> {
    progress.phase(Phase::Read);
    let (left_policy, right_policy) = spec.duplicate_policies();
    let lefts = read(spec, &spec.left, left, left_policy, Side::Left, progress).await?;
    let rights = read(
        spec,
        &spec.right,
        right,
        right_policy,
        Side::Right,
        progress,
    )
    .await?;
    check_rejected(spec, [(left, &lefts.records), (right, &rights.records)])?;
    Ok((lefts, rights))
}

fn plan(
    spec: &MatchingSpec,
    lefts: &Prepared,
    rights: &Prepared,
) -> Result<(SessionContext, Plan), Error> {
    let session = expression::session(available_parallelism().map_or(1, usize::from));
    let (left, right) = (lefts.normalized.schema(), rights.normalized.schema());
    let plan = Plan::new(spec, &left, &right, &session).map_err(Error::Spec)?;
    Ok((session, plan))
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
    /// The pass's part of a model that the run was given.
    given: Option<&'a PassModel>,
}

impl Step<'_> {
    /// Blocks, compares and assigns; returns how many candidate pairs were compared, the scorer,
    /// and the model where one was trained.
    async fn run(
        &self,
        lefts: &Prepared,
        rights: &Prepared,
        ledger: &mut Ledger,
        budget: &mut u64,
    ) -> Result<(u64, Arc<Scorer>, Option<PassModel>), Error> {
        let pass = || self.pass.name.clone();
        let candidates = self.candidates(lefts, rights, ledger, budget).await?;
        let features = Features::new(self.pass, &lefts.normalized, &rights.normalized)?;
        let features = Arc::new(features);
        let mut trained = None;
        let mut learned = None;
        if self.pass.score == Score::FellegiSunter {
            let model = match self.given {
                Some(model) => model,
                None => trained.insert(
                    self.train(lefts, rights, &features, ledger, candidates.at_most)
                        .await?,
                ),
            };
            let sides = (&lefts.normalized, &rights.normalized);
            let open = |open: &[bool]| open.iter().filter(|open| **open).count();
            let open = (open(&ledger.left_open), open(&ledger.right_open));
            learned = Some(FellegiSunter::new(self.pass, model, sides, open)?);
        }
        let scorer = Scorer::new(self.pass, features, learned);
        let scorer = Arc::new(scorer);

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
        Ok((kept.candidates, scorer, trained))
    }

    async fn candidates(
        &self,
        lefts: &Prepared,
        rights: &Prepared,
        ledger: &Ledger,
        budget: &mut u64,
    ) -> Result<Candidates, Error> {
        let pass = self.pass.name.clone();
        self.progress.phase(Phase::Block { pass });
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
        Ok(candidates)
    }

    async fn train(
        &self,
        lefts: &Prepared,
        rights: &Prepared,
        features: &Arc<Features>,
        ledger: &Ledger,
        candidates: u64,
    ) -> Result<PassModel, Error> {
        let pass = self.pass.name.clone();
        self.progress.phase(Phase::Train { pass });
        let left = training::Side {
            batch: &lefts.normalized,
            open: &ledger.left_open,
            keys: &lefts.records.keys,
        };
        let right = training::Side {
            batch: &rights.normalized,
            open: &ledger.right_open,
            keys: &rights.records.keys,
        };
        let (session, progress) = (self.session, self.progress);
        training::learn(
            session,
            self.pass,
            features,
            (left, right),
            candidates,
            progress,
        )
        .await
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
                &scorers[pair.pass].explain(edge.left, edge.right),
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
