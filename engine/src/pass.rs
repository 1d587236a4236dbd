//! Passes at work: block, train, compare, assign; or add up; or pair keys.

use crate::assign::{self, Edge};
use crate::block::describe::{Verdict, which_blocks};
use crate::block::{self, Candidates};
use crate::compare::check_scales;
use crate::diff;
use crate::diff::keyed::Plain;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::memory::Room;
use crate::outcome::PassSummary;
use crate::plan::{PassPlan, Plan};
use crate::prepare::Prepared;
use crate::progress::{Phase, Progress};
use crate::score::fellegi_sunter::FellegiSunter;
use crate::score::model::{Model, PassModel};
use crate::score::{self, Features, Most, Scored, Scorer, Scoring, training};
use crate::sum::{self, SumPlan, Taking};
use crate::values::{Form, Values};
use crds::matching::{MatchingSpec, Score};
use datafusion::arrow::array::UInt32Array;
use datafusion::prelude::SessionContext;
use std::sync::Arc;
use std::time::Instant;

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

/// One pass at work.
struct Step<'a> {
    spec: &'a MatchingSpec,
    room: Room,
    session: &'a SessionContext,
    pass: &'a PassPlan,
    index: usize,
    progress: &'a Arc<dyn Progress>,
    /// The pass's part of a model that the run was given.
    given: Option<&'a PassModel>,
    watch: Option<Watch>,
}

/// What a pass that compares gave, besides what it booked.
struct Ran {
    /// How many candidate pairs were compared, or steps taken where no pairs are.
    candidates: u64,
    scoring: Option<Scoring>,
    /// What was learned, where it was.
    trained: Option<PassModel>,
    /// The scored pairs of the records that are watched.
    watched: Vec<Edge>,
}

/// What a pass that adds up gave, besides what it booked.
struct Added {
    /// Records whose search ended at a budget.
    exhausted: u64,
    ran: Ran,
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
        let [left, right] = self.pass.columns();
        let left = lefts.values.whole(Form::Compared, &left)?;
        let right = rights.values.whole(Form::Compared, &right)?;
        let assignment = diff::keyed::pairs(self.pass, &left, &right)?;
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

    /// The blocks for the records that are watched.
    fn watched(
        &self,
        lefts: &Prepared,
        rights: &Prepared,
        ledger: &Ledger,
        budget: u64,
    ) -> Result<Watched, Error> {
        let mut watched = Watched::default();
        let Some(watch) = self.watch else {
            return Ok(watched);
        };
        // A sum's blocks are never derived.
        if self.pass.sum.is_none() || self.pass.blocks.is_some() {
            let left = block::Open {
                values: &lefts.values,
                open: &ledger.left_open,
            };
            let right = block::Open {
                values: &rights.values,
                open: &ledger.right_open,
            };
            let (left, right) = ((left, watch.left), (right, watch.right));
            watched.blocks = which_blocks(self.session, self.pass, left, right, budget)?;
        }
        Ok(watched)
    }

    /// Blocks, compares and assigns.
    async fn run(
        &self,
        lefts: &Prepared,
        rights: &Prepared,
        ledger: &mut Ledger,
        budget: &mut u64,
    ) -> Result<Ran, Error> {
        let (kept, ran) = self.scored(lefts, rights, ledger, budget).await?;
        let pass = self.pass.name.clone();
        self.progress.phase(Phase::Assign { pass });
        let (lefts, rights) = (ledger.left_open.len(), ledger.right_open.len());
        let assignment = assign::assign(kept.edges, &self.pass.rules, lefts, rights);
        ledger.book(self.index, &assignment);
        Ok(ran)
    }

    /// Blocks and compares.
    async fn scored(
        &self,
        lefts: &Prepared,
        rights: &Prepared,
        ledger: &Ledger,
        budget: &mut u64,
    ) -> Result<(Scored, Ran), Error> {
        let pass = || self.pass.name.clone();
        let mut candidates = self.candidates(lefts, rights, ledger, budget)?;
        let features = self.features(lefts, rights)?;
        let mut trained = None;
        let mut learned = None;
        if self.pass.score == Score::FellegiSunter {
            let model = match self.given {
                Some(model) => model,
                None => trained.insert(
                    self.train(lefts, rights, features.clone(), ledger, &candidates)
                        .await?,
                ),
            };
            let sides = (&lefts.values, &rights.values);
            let open = |open: &[bool]| open.iter().filter(|open| **open).count();
            let open = (open(&ledger.left_open), open(&ledger.right_open));
            learned = Some(FellegiSunter::new(self.pass, model, sides, open)?);
        }
        // Training looked at the blocks' values; scoring does not.
        candidates.blocks = Vec::new();

        self.progress.phase(Phase::Compare { pass: pass() });
        let held = lefts.bytes() + rights.bytes();
        let most = Most {
            edges: self.spec.effective_limits().max_edges,
            bytes: self.pass.bytes_of_pair(),
            memory: (self.room.limit.saturating_sub(held), self.room.limit),
        };
        let (scoring, kept) = if let Some(features) = features {
            let scorer = Arc::new(Scorer::new(self.pass, features, learned));
            let progress = self.progress.clone();
            let kept =
                score::score_all(self.pass, scorer.clone(), candidates, most, progress).await?;
            (Scoring::Held(scorer), kept)
        } else {
            let sides = [&lefts.values, &rights.values];
            let progress = self.progress.as_ref();
            let kept = score::score_chunks(
                self.pass,
                learned.as_ref(),
                candidates,
                sides,
                most,
                progress,
            )?;
            (Scoring::Stored(learned.map(Arc::new)), kept)
        };

        let watched = self.watch.map_or_else(Vec::new, |watch| {
            let seen = kept.edges.iter().filter(|edge| watch.sees(edge));
            seen.copied().collect()
        });
        let ran = Ran {
            candidates: kept.candidates,
            scoring: Some(scoring),
            trained,
            watched,
        };
        Ok((kept, ran))
    }

    /// The comparisons over all records; none where values are in files.
    fn features(
        &self,
        lefts: &Prepared,
        rights: &Prepared,
    ) -> Result<Option<Arc<Features>>, Error> {
        let (
            Values::Held { compared: left, .. },
            Values::Held {
                compared: right, ..
            },
        ) = (&lefts.values, &rights.values)
        else {
            let path = |index: usize| format!("{}.compare[{index}]", self.pass.path);
            let sides = [&lefts.values, &rights.values];
            check_scales(&self.pass.comparisons, path, Form::Compared, sides)?;
            return Ok(None);
        };
        Ok(Some(Arc::new(Features::new(self.pass, left, right)?)))
    }

    /// What scores pairs without learned weights.
    fn scoring(&self, lefts: &Prepared, rights: &Prepared) -> Result<Scoring, Error> {
        Ok(match self.features(lefts, rights)? {
            Some(features) => Scoring::Held(Arc::new(Scorer::new(self.pass, features, None))),
            None => Scoring::Stored(None),
        })
    }

    fn candidates(
        &self,
        lefts: &Prepared,
        rights: &Prepared,
        ledger: &Ledger,
        budget: &mut u64,
    ) -> Result<Candidates, Error> {
        let pass = self.pass.name.clone();
        self.progress.phase(Phase::Block { pass });
        let left = block::Open {
            values: &lefts.values,
            open: &ledger.left_open,
        };
        let right = block::Open {
            values: &rights.values,
            open: &ledger.right_open,
        };
        let candidates = block::candidates(self.session, self.pass, left, right, *budget)?;
        *budget = budget.saturating_sub(candidates.at_most);
        Ok(candidates)
    }

    async fn train(
        &self,
        lefts: &Prepared,
        rights: &Prepared,
        features: Option<Arc<Features>>,
        ledger: &Ledger,
        candidates: &Candidates,
    ) -> Result<PassModel, Error> {
        let pass = self.pass.name.clone();
        self.progress.phase(Phase::Train { pass });
        let left = training::Side {
            open: &ledger.left_open,
            keys: &lefts.records.keys,
        };
        let right = training::Side {
            open: &ledger.right_open,
            keys: &rights.records.keys,
        };
        let comparisons = match features {
            Some(features) => training::Comparisons::Held(features),
            None => training::Comparisons::Stored([&lefts.values, &rights.values]),
        };
        training::learn(
            self.pass,
            &comparisons,
            (left, right),
            candidates,
            self.progress,
        )
        .await
    }

    /// Adds records up; what was found is booked.
    async fn add_up(
        &self,
        sum: &SumPlan,
        lefts: &Prepared,
        rights: &Prepared,
        ledger: &mut Ledger,
        budget: &mut u64,
    ) -> Result<Added, Error> {
        let compared = if self.pass.comparisons.is_empty() {
            None
        } else {
            Some(self.scored(lefts, rights, ledger, budget).await?)
        };
        let blocks = match compared {
            Some(_) => Vec::new(),
            None => self.block_numbers(lefts, rights, ledger)?,
        };
        let pass = self.pass.name.clone();
        self.progress.phase(Phase::Assign { pass });
        let told = |done, total| {
            self.progress.advance(done, total);
            !self.progress.is_cancelled()
        };
        let [left, right] = sum.columns();
        let left = lefts.values.whole(Form::Compared, &left)?;
        let right = rights.values.whole(Form::Compared, &right)?;
        let sides = [(&left, &ledger.left_open), (&right, &ledger.right_open)]
            .map(|(batch, open)| Taking { batch, open });
        let path = &self.pass.path;
        let found = match (&compared, self.pass.thresholds()) {
            (None, _) => sum.run(path, sides, sum::Candidates::Blocks(&blocks), &told)?,
            (Some((kept, _)), None) => {
                sum.run(path, sides, sum::Candidates::Pairs(&kept.edges), &told)?
            }
            (Some((kept, _)), Some(thresholds)) => {
                sum.weigh(path, sides, kept, &thresholds, &told)?
            }
        };
        ledger.book_splits(self.index, sum.wholes, found.scale, &found.outcome.groups);
        let nodes = found.outcome.nodes;
        let ran = compared.map_or_else(|| Ran::without_pairs(nodes), |(_, ran)| ran);
        Ok(Added {
            exhausted: found.outcome.exhausted,
            ran,
        })
    }

    fn block_numbers(
        &self,
        lefts: &Prepared,
        rights: &Prepared,
        ledger: &Ledger,
    ) -> Result<Vec<(UInt32Array, UInt32Array)>, Error> {
        let pass = self.pass.name.clone();
        self.progress.phase(Phase::Block { pass });
        let left = block::Open {
            values: &lefts.values,
            open: &ledger.left_open,
        };
        let right = block::Open {
            values: &rights.values,
            open: &ledger.right_open,
        };
        block::block_numbers(self.session, self.pass, left, right)
    }
}

impl Ran {
    fn without_pairs(steps: u64) -> Self {
        Self {
            candidates: steps,
            scoring: None,
            trained: None,
            watched: Vec::new(),
        }
    }
}
