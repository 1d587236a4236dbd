//! One pass at work.

use super::{Watch, Watched};
use crate::assign::{self, Edge};
use crate::block::describe::which_blocks;
use crate::block::{self, Candidates};
use crate::compare::check_scales;
use crate::diff;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::memory::Room;
use crate::plan::PassPlan;
use crate::prepare::Prepared;
use crate::progress::{Phase, Progress};
use crate::score::fellegi_sunter::FellegiSunter;
use crate::score::model::PassModel;
use crate::score::{self, Features, Most, Scored, Scorer, Scoring, training};
use crate::sum::{self, SumPlan, Taking};
use crate::values::{Form, Values};
use crds::matching::{MatchingSpec, Score};
use datafusion::arrow::array::UInt32Array;
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// One pass at work.
pub struct Step<'a> {
    pub spec: &'a MatchingSpec,
    pub room: Room,
    pub session: &'a SessionContext,
    pub pass: &'a PassPlan,
    pub index: usize,
    pub progress: &'a Arc<dyn Progress>,
    /// The pass's part of a model that the run was given.
    pub given: Option<&'a PassModel>,
    pub watch: Option<Watch>,
}

/// What a pass that compares gave, besides what it booked.
pub struct Ran {
    /// How many candidate pairs were compared, or steps taken where no pairs are.
    pub candidates: u64,
    pub scoring: Option<Scoring>,
    /// What was learned, where it was.
    pub trained: Option<PassModel>,
    /// The scored pairs of the records that are watched.
    pub watched: Vec<Edge>,
}

/// What a pass that adds up gave, besides what it booked.
pub struct Added {
    /// Records whose search ended at a budget.
    pub exhausted: u64,
    pub ran: Ran,
}

impl Step<'_> {
    /// Pairs what a keyed diff has left; returns how many pairs have equal keys, with the `plain`
    /// ones.
    pub fn pair_keys(
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
    pub fn watched(
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
            let [left, right] = open(lefts, rights, ledger);
            let (left, right) = ((left, watch.left), (right, watch.right));
            watched.blocks = which_blocks(self.session, self.pass, left, right, budget)?;
        }
        Ok(watched)
    }

    /// Blocks, compares and assigns.
    pub async fn run(
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
    pub async fn scored(
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
    pub fn features(
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
    pub fn scoring(&self, lefts: &Prepared, rights: &Prepared) -> Result<Scoring, Error> {
        Ok(match self.features(lefts, rights)? {
            Some(features) => Scoring::Held(Arc::new(Scorer::new(self.pass, features, None))),
            None => Scoring::Stored(None),
        })
    }

    pub fn candidates(
        &self,
        lefts: &Prepared,
        rights: &Prepared,
        ledger: &Ledger,
        budget: &mut u64,
    ) -> Result<Candidates, Error> {
        let pass = self.pass.name.clone();
        self.progress.phase(Phase::Block { pass });
        let [left, right] = open(lefts, rights, ledger);
        let candidates = block::candidates(self.session, self.pass, left, right, *budget)?;
        *budget = budget.saturating_sub(candidates.at_most);
        Ok(candidates)
    }

    pub async fn train(
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
    pub async fn add_up(
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
        let [left, right] = open(lefts, rights, ledger);
        block::block_numbers(self.session, self.pass, left, right)
    }
}

/// The open records of both sides, for blocks.
fn open<'a>(lefts: &'a Prepared, rights: &'a Prepared, ledger: &'a Ledger) -> [block::Open<'a>; 2] {
    let of = |side: &'a Prepared, open: &'a [bool]| block::Open {
        values: &side.values,
        open,
    };
    [of(lefts, &ledger.left_open), of(rights, &ledger.right_open)]
}

impl Ran {
    pub fn without_pairs(steps: u64) -> Self {
        Self {
            candidates: steps,
            scoring: None,
            trained: None,
            watched: Vec::new(),
        }
    }
}
