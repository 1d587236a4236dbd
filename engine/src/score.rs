//! Scoring: from candidate pairs to the pairs worth keeping.

mod chunks;
pub mod fellegi_sunter;
pub mod frequency;
pub mod levels;
pub mod model;
mod pattern;
mod rivals;
mod sample;
mod scorer;
mod spec;
mod train;
pub mod training;

pub use scorer::{Explained, Features, Scorer, Scratch};
pub use spec::{mistakes, notes};

use crate::assign::Edge;
use crate::block::Candidates;
use crate::error::Error;
use crate::plan::PassPlan;
use crate::progress::Progress;
use crate::values::{Values, Window};
use chunks::Chunk;
use fellegi_sunter::FellegiSunter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinSet;

/// Scores are rounded to this fraction, so that a score of 0.85 is at least 0.85.
const SCORE_STEPS: f64 = 1e12;

fn rounded(score: f64) -> f64 {
    (score * SCORE_STEPS).round() / SCORE_STEPS
}

/// What scoring a pass's candidates gave.
pub struct Scored {
    /// The kept pairs, in no order.
    pub edges: Vec<Edge>,
    /// What each comparison says of each kept pair, side by side, where the pass adds up.
    pub evidence: Vec<f64>,
    /// The candidate pairs that were compared.
    pub candidates: u64,
}

/// How many scored pairs a pass may keep.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// By `limits.maxEdges`.
    pub edges: u64,
    /// The bytes of one.
    pub bytes: u64,
    /// By the memory: what is left of it, and all of it.
    pub memory: (u64, u64),
}

impl Most {
    /// Holds the number of kept pairs against both.
    fn check(self, pass: &str, kept: u64) -> Result<(), Error> {
        if kept > self.edges {
            return Err(Error::Budget {
                pass: pass.to_owned(),
                detail: format!(
                    "over {} scored pairs reach its threshold, and limits.maxEdges allows no more",
                    self.edges
                ),
                worst: String::new(),
                remedy: "Raise review or accept, tell more records apart in block, or raise \
                         limits.maxEdges"
                    .into(),
            });
        }
        let (free, limit) = self.memory;
        let needed = kept.saturating_mul(self.bytes);
        if needed <= free {
            return Ok(());
        }
        Err(Error::Memory {
            what: format!(
                "the records of both sides and the scored pairs of pass `{pass}` take over"
            ),
            needed: needed.saturating_add(limit - free),
            limit,
        })
    }
}

/// Scores all candidates of a pass, its parts side by side.
///
/// # Errors
/// [`Error::Budget`] or [`Error::Memory`] when too many pairs are kept; [`Error::Cancelled`].
pub async fn score_all(
    pass: &PassPlan,
    scorer: Arc<Scorer>,
    candidates: Candidates,
    most: Most,
    progress: Arc<dyn Progress>,
) -> Result<Scored, Error> {
    let compared = Arc::new(AtomicU64::new(0));
    let kept = Arc::new(AtomicU64::new(0));
    let total = candidates.at_most;
    let adds_up = pass.weighs_sums();
    let mut parts = JoinSet::new();
    for part in candidates.parts {
        let (scorer, progress) = (scorer.clone(), progress.clone());
        let (compared, kept) = (compared.clone(), kept.clone());
        let pass = pass.name.clone();
        parts.spawn(async move {
            let (mut edges, mut scratch) = (Vec::new(), Scratch::default());
            let mut evidence = Vec::new();
            for pairs in part {
                if progress.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let before = edges.len();
                let wanted = adds_up.then_some(&mut evidence);
                scorer.score(&pairs.left, &pairs.right, &mut scratch, &mut edges, wanted);
                let rows = pairs.left.len() as u64;
                let done = compared.fetch_add(rows, Ordering::Relaxed) + rows;
                let count = (edges.len() - before) as u64;
                most.check(&pass, kept.fetch_add(count, Ordering::Relaxed) + count)?;
                progress.advance(done, total);
                tokio::task::yield_now().await;
            }
            Ok((edges, evidence))
        });
    }
    let (mut edges, mut evidence) = (Vec::new(), Vec::new());
    while let Some(part) = parts.join_next().await {
        let part = part??;
        edges.extend(part.0);
        evidence.extend(part.1);
    }
    Ok(Scored {
        edges,
        evidence,
        candidates: compared.load(Ordering::Relaxed),
    })
}

/// What one thread makes of its pairs.
#[derive(Default)]
struct Own {
    edges: Vec<Edge>,
    evidence: Vec<f64>,
    scratch: Scratch,
}

/// As [`score_all`], where values are in files: chunk by chunk, with the values of the records that
/// its pairs are of.
///
/// # Errors
/// As [`score_all`]; and when values cannot be read back.
pub fn score_chunks(
    pass: &PassPlan,
    learned: Option<&FellegiSunter>,
    candidates: Candidates,
    sides: [&Values; 2],
    most: Most,
    progress: &dyn Progress,
) -> Result<Scored, Error> {
    let (compared, kept) = (AtomicU64::new(0), AtomicU64::new(0));
    let total = candidates.at_most;
    let pairs = candidates.parts.into_iter().flatten();
    let pairs = pairs.flat_map(|pairs| pairs.left.into_iter().zip(pairs.right));
    let adds_up = pass.weighs_sums();
    let mut edges: Vec<Edge> = Vec::new();
    let mut evidence = Vec::new();
    chunks::each_chunk(pass, sides, pairs, |chunk| {
        let Chunk {
            features,
            records: [lefts, rights],
            left,
            right,
            ..
        } = chunk;
        let learned = learned.map(|learned| learned.among(Some(&lefts), Some(&rights)));
        let scorer = Scorer::new(pass, Arc::new(features), learned);
        let parts = chunks::in_batches(left.len(), |own: &mut Own, range| {
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let Own {
                edges,
                evidence,
                scratch,
            } = own;
            let wanted = adds_up.then_some(evidence);
            let before = edges.len();
            let rows = range.len() as u64;
            scorer.score(&left[range.clone()], &right[range], scratch, edges, wanted);
            let done = compared.fetch_add(rows, Ordering::Relaxed) + rows;
            let count = (edges.len() - before) as u64;
            most.check(&pass.name, kept.fetch_add(count, Ordering::Relaxed) + count)?;
            progress.advance(done, total);
            Ok(())
        })?;
        for own in parts {
            edges.extend(own.edges.into_iter().map(|edge| Edge {
                left: lefts[edge.left as usize],
                right: rights[edge.right as usize],
                ..edge
            }));
            evidence.extend(own.evidence);
        }
        Ok(())
    })?;
    Ok(Scored {
        edges,
        evidence,
        candidates: compared.into_inner(),
    })
}

/// What scored the pairs of a pass, for any of its records.
#[derive(Clone)]
pub enum Scoring {
    /// All records' values are at hand.
    Held(Arc<Scorer>),
    /// They are in files; what was learned is at hand.
    Stored(Option<Arc<FellegiSunter>>),
}

impl Scoring {
    /// A scorer of the records of two windows of what is compared, by their places in these.
    ///
    /// # Errors
    /// When the values of a comparison cannot be brought to a common scale.
    pub fn within(
        &self,
        pass: &PassPlan,
        left: &Window,
        right: &Window,
    ) -> Result<Arc<Scorer>, Error> {
        match self {
            Self::Held(scorer) => Ok(scorer.clone()),
            Self::Stored(learned) => {
                let features = Features::new(pass, &left.batch, &right.batch)?;
                let among = |learned: &Arc<FellegiSunter>| learned.among(left.rows(), right.rows());
                let learned = learned.as_ref().map(among);
                Ok(Arc::new(Scorer::new(pass, Arc::new(features), learned)))
            }
        }
    }
}
