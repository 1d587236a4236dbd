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
mod filter;
mod fx;
mod inquiry;
mod keys;
mod ledger;
mod memory;
mod normalize;
mod outcome;
mod pass;
mod plan;
mod prepare;
pub mod profile;
mod progress;
mod records;
mod report;
mod score;
mod source;
mod spill;
mod split;
#[cfg(test)]
mod stored_tests;
mod sum;
mod threads;
pub mod utils;
mod values;
mod written;

pub use crds::decode::SpecError;
pub use error::Error;
pub use expression::FUNCTIONS as SQL_FUNCTIONS;
pub use inquiry::answer::{
    BlockAnswer, ColumnDifference, ComparisonAnswer, Decision, Explanation, FailedEntry,
    PassAnswer, RecordAnswer, Rival, SumGroup, Taken, Value,
};
pub use inquiry::{ExplainRequest, explain};
pub use outcome::{PassSummary, SideSummary, Summary};
pub use plan::{mistakes_in_the_rest, validate};
pub use progress::{Phase, Progress, Silent};
pub use score::model::{ComparisonModel, LevelModel, Model, PassModel, Training};
pub use score::notes;
pub use source::{ROW_FAULTS, names_a_format, no_format};

use crds::matching::{MatchingSpec, PairsOutput, Score};
use datafusion::prelude::SessionContext;
use diff::keyed::listing::Listing;
use ledger::Pair;
use memory::Room;
use outcome::{Fates, Outcome, Side};
use pass::{Matched, Work, match_records};
use plan::Plan;
use prepare::{Inputs, PlainRows, Prepared, Sides, read_both};
use report::{Draft, Results};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    /// The file of `fx.rates`; none where the rules convert no currencies.
    pub rates: Option<InputFile>,
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
    /// The file of `fx.rates`; none where the rules convert no currencies.
    pub rates: Option<InputFile>,
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

/// Runs a reconciliation on the current tokio runtime, on as many threads as it has workers, and
/// writes `summary.json`, `pairs.parquet`, `differences.parquet`, `unmatched_left.parquet`,
/// `unmatched_right.parquet`, `rejected.parquet`, `duplicates.parquet` and, if asked for,
/// `pairs.csv`, `report.html` and `report.xlsx` into the output folder; and `model.json` where a
/// pass with `score: fellegiSunter` was trained.
///
/// # Errors
/// See [`Error`]. The output folder is then as it was before.
pub async fn run(request: RunRequest, progress: Arc<dyn Progress>) -> Result<Summary, Error> {
    let room = Room::of(&request.spec);
    run_within(request, room, progress).await
}

async fn run_within(
    request: RunRequest,
    room: Room,
    progress: Arc<dyn Progress>,
) -> Result<Summary, Error> {
    let started = Instant::now();
    let RunRequest {
        spec,
        left,
        right,
        rates,
        out_dir,
        model,
    } = request;
    validate(&spec).map_err(Error::Spec)?;
    report::check(&out_dir)?;
    let model = given_model(&spec, model.as_deref())?;
    let opened = open(
        spec,
        Inputs::new(&left, &right, rates.as_ref()),
        PlainRows::SetAside,
        room,
        &progress,
    )
    .await?;
    let Opened {
        spec, sides, plan, ..
    } = &opened;
    let (lefts, rights, plain) = (&sides.left, &sides.right, &sides.plain);
    let set_aside = plain.as_ref().map_or(0, |plain| plain.pairs);
    if let Some(model) = &model {
        model.check(&plan.passes)?;
    }
    let Matched {
        ledger,
        mut passes,
        scorers,
        trained,
        ..
    } = match_records(opened.work(&progress), plain.as_ref(), model.as_ref()).await?;
    let mut pairs = ledger.close();
    let values = [&lefts.values, &rights.values];
    let found = diff::find(&plan.differences, values, &mut pairs)?;
    for pair in &pairs {
        passes[pair.pass].pairs += 1;
    }
    let left_fates = Fates::of(&pairs, Side::Left, lefts.records.keys.len())?;
    let right_fates = Fates::of(&pairs, Side::Right, rights.records.keys.len())?;
    let left_summary = left_fates.count(&lefts.records, Side::Left, set_aside)?;
    let right_summary = right_fates.count(&rights.records, Side::Right, set_aside)?;

    progress.phase(Phase::Write);
    let shown = shown(spec, &pairs);
    let draft = Draft::new(&out_dir)?;
    let results = Results {
        spec,
        plan,
        sides: [lefts, rights],
        pairs: &pairs,
        shown: &shown,
        scorings: &scorers,
        found: &found,
        unmatched: [left_fates.unmatched(), right_fates.unmatched()],
        files: [&left.name, &right.name],
    };
    let plain_keys = plain.as_ref().and_then(|plain| plain.keys.as_ref());
    let listing = plain_keys
        .map(|keys| Listing::new(spec, &plan.passes[0], keys, [lefts, rights]))
        .transpose()?;
    results.write(&draft, &spec.formats(), listing.as_ref())?;
    if !trained.is_empty() {
        draft.text(MODEL_FILE, &Model::new(trained).text()?)?;
    }
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
        spec_hash: spec_hash(spec),
    };
    results.write_reports(&draft, &summary)?;
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
    let TrainRequest {
        spec,
        left,
        right,
        rates,
    } = request;
    validate(&spec).map_err(Error::Spec)?;
    let room = Room::of(&spec);
    if !spec
        .passes
        .iter()
        .any(|pass| pass.effective_score() == Score::FellegiSunter)
    {
        let message = "no pass has score: fellegiSunter, so there is nothing to train";
        return Err(Error::spec("passes", message));
    }
    let opened = open(
        spec,
        Inputs::new(&left, &right, rates.as_ref()),
        PlainRows::SetAside,
        room,
        &progress,
    )
    .await?;
    Ok(Model::new(pass::train(opened.work(&progress)).await?))
}

/// Says which pairs each pass of a job would compare: its blocks, given or derived, with how many
/// pairs each gives and its largest keys, and the share of `limits.maxPairs`. A pass is looked at
/// with all records, for which of them earlier passes match shows only in a run.
///
/// The text holds values of records: it is for those who may see the data.
///
/// # Errors
/// See [`Error`]; what is over `limits.maxPairs` is told in the text instead.
pub async fn plan_text(
    request: TrainRequest,
    progress: Arc<dyn Progress>,
) -> Result<String, Error> {
    let TrainRequest {
        spec,
        left,
        right,
        rates,
    } = request;
    validate(&spec).map_err(Error::Spec)?;
    let room = Room::of(&spec);
    let opened = open(
        spec,
        Inputs::new(&left, &right, rates.as_ref()),
        PlainRows::SetAside,
        room,
        &progress,
    )
    .await?;
    if opened.sides.plain.is_some() {
        // Rows with one key on both sides are pairs; the rest of them is no measure of blocks.
        return Ok("the passes pair equal keys and compare no candidates\n".into());
    }
    pass::describe(opened.work(&progress))
}

/// A job with its data read and its plan made.
struct Opened {
    spec: Arc<MatchingSpec>,
    session: SessionContext,
    sides: Sides,
    plan: Plan,
    room: Room,
}

impl Opened {
    fn work<'a>(&'a self, progress: &'a Arc<dyn Progress>) -> Work<'a> {
        Work {
            spec: &self.spec,
            plan: &self.plan,
            session: &self.session,
            left: &self.sides.left,
            right: &self.sides.right,
            room: self.room,
            progress,
            watch: None,
        }
    }
}

/// Reads both sides and plans the job over what they hold.
async fn open(
    spec: MatchingSpec,
    inputs: Inputs<'_>,
    plain_rows: PlainRows,
    room: Room,
    progress: &Arc<dyn Progress>,
) -> Result<Opened, Error> {
    let spec = Arc::new(spec);
    let session = expression::session(threads::count());
    progress.phase(Phase::Read);
    let sides = read_both(&spec, inputs, &session, plain_rows, room, progress).await?;
    let schema = |side: &Prepared| side.values.schema();
    let (left, right) = (schema(&sides.left), schema(&sides.right));
    let plan = Plan::new(&spec, &left, &right, &session).map_err(Error::Spec)?;
    Ok(Opened {
        spec,
        session,
        sides,
        plan,
        room,
    })
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

/// `sha256:` and the hash of everything that the specification says.
fn spec_hash(spec: &MatchingSpec) -> String {
    let digest = Sha256::digest(spec.canonical_json());
    format!("sha256:{}", hex::encode(digest))
}

/// The pairs that the outputs list, by index.
fn shown(spec: &MatchingSpec, pairs: &[Pair]) -> Vec<u32> {
    let all = spec.pairs_output() == PairsOutput::All;
    let listed = |pair: &Pair| all || pair.outcome != Outcome::Matched;
    let listed = (0..).zip(pairs).filter(|(_, pair)| listed(pair));
    listed.map(|(index, _)| index).collect()
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
