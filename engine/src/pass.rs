//! Passes at work, in their order: block, train, compare, assign; or add up; or pair keys.

mod step;

use crate::assign::Edge;
use crate::block::describe::Verdict;
use crate::block::{self};
use crate::diff::keyed::Plain;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::memory::Room;
use crate::outcome::PassSummary;
use crate::plan::Plan;
use crate::prepare::Prepared;
use crate::progress::{Phase, Progress};
use crate::score::Scoring;
use crate::score::model::{Model, PassModel};
use crds::matching::{MatchingSpec, Score};
use datafusion::prelude::SessionContext;
use std::sync::Arc;
use std::time::Instant;
use step::Step;

/// What passes work on.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// The job.
    pub spec: &'a MatchingSpec,
    /// Its plan.
    pub plan: &'a Plan,
    /// Where expressions and joins run.
    pub session: &'a SessionContext,
    /// The left side.
    pub left: &'a Prepared,
    /// The right side.
    pub right: &'a Prepared,
    /// What the run may hold in memory.
    pub room: Room,
    /// Who is told.
    pub progress: &'a Arc<dyn Progress>,
    /// The records whose scored pairs are kept for an answer.
    pub watch: Option<Watch>,
}

/// A left and a right record, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The left record.
    pub left: u32,
    /// The right record.
    pub right: u32,
}

impl Watch {
    fn sees(self, edge: &Edge) -> bool {
        edge.left == self.left || edge.right == self.right
    }
}

/// What the passes made of the records.
pub struct Matched {
    /// Who is taken, by which pairs.
    pub ledger: Ledger,
    /// The passes in figures; `pairs` counts those that were set aside.
    pub passes: Vec<PassSummary>,
    /// What scored the pairs of each pass; none where a pass adds up.
    pub scorers: Vec<Option<Scoring>>,
    /// What was learned.
    pub trained: Vec<PassModel>,
    /// What was seen of the records that are watched, by pass.
    pub watched: Vec<Watched>,
}

/// What was seen of two records in a pass.
#[derive(Default)]
pub struct Watched {
    /// The blocks for the two.
    pub blocks: Vec<Verdict>,
    /// The scored pairs of either record, in no order.
    pub edges: Vec<Edge>,
}

/// Runs the passes one after the other. `aside` are the plain rows of a keyed diff, `given` is a
/// model to use instead of training.
///
/// # Errors
/// Budgets, expressions that fail on a value, cancellation.
pub async fn match_records(
    work: Work<'_>,
    aside: Option<&Plain>,
    given: Option<&Model>,
) -> Result<Matched, Error> {
    let mut matched = Matched {
        ledger: Ledger::new(work.left.records.keys.len(), work.right.records.keys.len()),
        passes: Vec::new(),
        scorers: Vec::new(),
        trained: Vec::new(),
        watched: Vec::new(),
    };
    let mut budget = work.spec.effective_limits().max_pairs;
    for (index, pass) in work.plan.passes.iter().enumerate() {
        let before = Instant::now();
        let step = Step {
            spec: work.spec,
            room: work.room,
            session: work.session,
            pass,
            index,
            progress: work.progress,
            given: given.and_then(|model| model.pass(&pass.name)),
            watch: work.watch,
        };
        let (lefts, rights, ledger) = (work.left, work.right, &mut matched.ledger);
        let mut exhausted = 0;
        let mut watched = step.watched(lefts, rights, ledger, budget)?;
        let (candidates, scorer) = if let Some(aside) = aside {
            let candidates = step.pair_keys(lefts, rights, aside.pairs, ledger, budget)?;
            (candidates, Some(step.scoring(lefts, rights)?))
        } else if let Some(sum) = &pass.sum {
            let added = step.add_up(sum, lefts, rights, ledger, &mut budget).await?;
            exhausted = added.exhausted;
            matched.trained.extend(added.ran.trained);
            watched.edges = added.ran.watched;
            (added.ran.candidates, added.ran.scoring)
        } else {
            let ran = step.run(lefts, rights, ledger, &mut budget).await?;
            matched.trained.extend(ran.trained);
            watched.edges = ran.watched;
            (ran.candidates, ran.scoring)
        };
        matched.scorers.push(scorer);
        matched.watched.push(watched);
        matched.passes.push(PassSummary {
            name: pass.name.clone(),
            pairs: aside.map_or(0, |aside| aside.pairs),
            candidates,
            exhausted,
            seconds: before.elapsed().as_secs_f64(),
        });
    }
    Ok(matched)
}

/// Says which pairs each pass would compare; see [`crate::plan_text`].
///
/// # Errors
/// Expressions that fail on a value, cancellation.
pub fn describe(work: Work<'_>) -> Result<String, Error> {
    let all = |side: &Prepared| vec![true; side.records.keys.len()];
    let (left_open, right_open) = (all(work.left), all(work.right));
    let mut text = String::new();
    for pass in work
        .plan
        .passes
        .iter()
        .filter(|pass| !pass.comparisons.is_empty())
    {
        if work.progress.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let name = pass.name.clone();
        work.progress.phase(Phase::Block { pass: name });
        let left = block::Open {
            values: &work.left.values,
            open: &left_open,
        };
        let right = block::Open {
            values: &work.right.values,
            open: &right_open,
        };
        let most = work.spec.effective_limits().max_pairs;
        text += &block::describe(work.session, pass, left, right, most)?;
    }
    Ok(text)
}

/// Trains every pass with `score: fellegiSunter` on all records, without matching.
///
/// # Errors
/// Budgets, expressions that fail on a value, cancellation.
pub async fn train(work: Work<'_>) -> Result<Vec<PassModel>, Error> {
    let (lefts, rights) = (work.left, work.right);
    let ledger = Ledger::new(lefts.records.keys.len(), rights.records.keys.len());
    let mut budget = work.spec.effective_limits().max_pairs;
    let mut trained = Vec::new();
    for (index, pass) in work.plan.passes.iter().enumerate() {
        if pass.score != Score::FellegiSunter {
            continue;
        }
        let step = Step {
            spec: work.spec,
            room: work.room,
            session: work.session,
            pass,
            index,
            progress: work.progress,
            given: None,
            watch: None,
        };
        let candidates = step.candidates(lefts, rights, &ledger, &mut budget)?;
        let features = step.features(lefts, rights)?;
        trained.push(
            step.train(lefts, rights, features, &ledger, &candidates)
                .await?,
        );
    }
    Ok(trained)
}
