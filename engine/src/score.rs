//! Scoring: from candidate pairs to the pairs worth keeping.

mod chunks;
pub mod fellegi_sunter;
mod frequency;
pub mod levels;
pub mod model;
mod pattern;
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
    /// The candidate pairs that were compared.
    pub candidates: u64,
}

/// How many scored pairs a pass may keep.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// By `limits.maxEdges`.
    pub edges: u64,
    /// By the memory: what is left of it, and all of it.
    pub memory: (u64, u64),
}

/// What a kept pair takes while pairs are kept and assigned.
const BYTES_OF_EDGE: u64 = 2 * size_of::<Edge>() as u64;

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
        let needed = kept.saturating_mul(BYTES_OF_EDGE);
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
    let mut parts = JoinSet::new();
    for part in candidates.parts {
        let (scorer, progress) = (scorer.clone(), progress.clone());
        let (compared, kept) = (compared.clone(), kept.clone());
        let pass = pass.name.clone();
        parts.spawn(async move {
            let (mut edges, mut scratch) = (Vec::new(), Scratch::default());
            for pairs in part {
                if progress.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let before = edges.len();
                scorer.score(&pairs.left, &pairs.right, &mut scratch, &mut edges);
                let rows = pairs.left.len() as u64;
                let done = compared.fetch_add(rows, Ordering::Relaxed) + rows;
                let count = (edges.len() - before) as u64;
                most.check(&pass, kept.fetch_add(count, Ordering::Relaxed) + count)?;
                progress.advance(done, total);
                tokio::task::yield_now().await;
            }
            Ok(edges)
        });
    }
    let mut edges = Vec::new();
    while let Some(part) = parts.join_next().await {
        edges.extend(part??);
    }
    Ok(Scored {
        edges,
        candidates: compared.load(Ordering::Relaxed),
    })
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
    let mut edges: Vec<Edge> = Vec::new();
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
        let parts = chunks::in_batches(left.len(), |own: &mut (Vec<Edge>, Scratch), range| {
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let (edges, scratch) = own;
            let before = edges.len();
            let rows = range.len() as u64;
            scorer.score(&left[range.clone()], &right[range], scratch, edges);
            let done = compared.fetch_add(rows, Ordering::Relaxed) + rows;
            let count = (edges.len() - before) as u64;
            most.check(&pass.name, kept.fetch_add(count, Ordering::Relaxed) + count)?;
            progress.advance(done, total);
            Ok(())
        })?;
        edges.extend(parts.into_iter().flat_map(|(own, _)| own).map(|edge| Edge {
            left: lefts[edge.left as usize],
            right: rights[edge.right as usize],
            ..edge
        }));
        Ok(())
    })?;
    Ok(Scored {
        edges,
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
