//! Scoring: from candidate pairs to the pairs worth keeping.

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

/// Scores all candidates of a pass, its parts side by side.
///
/// # Errors
/// [`Error::Budget`] when over `max_edges` pairs are kept; [`Error::Cancelled`].
pub async fn score_all(
    pass: &PassPlan,
    scorer: Arc<Scorer>,
    candidates: Candidates,
    max_edges: u64,
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
                if kept.fetch_add(count, Ordering::Relaxed) + count > max_edges {
                    return Err(Error::Budget {
                        pass,
                        detail: format!(
                            "over {max_edges} scored pairs reach its threshold, and \
                             limits.maxEdges allows no more"
                        ),
                        worst: String::new(),
                        remedy: "Raise review or accept, tell more records apart in block, or \
                                 raise limits.maxEdges"
                            .into(),
                    });
                }
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
