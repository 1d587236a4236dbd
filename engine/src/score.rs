//! Scoring: from candidate pairs to the pairs worth keeping.

use crate::assign::Edge;
use crate::block::Candidates;
use crate::compare::{FAILED, Feature};
use crate::error::Error;
use crate::plan::PassPlan;
use crate::progress::Progress;
use crds::matching::Score;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::UInt32Type;
use futures::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinSet;

/// Slack for pruning: far above the rounding errors of a sum of 64 terms, so that no pair is pruned
/// that the final score would keep.
const PRUNING_SLACK: f64 = 1e-9;
/// Scores are rounded to this fraction, so that a score of 0.85 is at least 0.85.
const SCORE_STEPS: f64 = 1e12;

/// The comparisons of one pass, ready to score pairs of record indices.
pub struct Scorer {
    features: Vec<Feature>,
    /// The features by the order in which they run: those that drop pairs first, cheap ones first.
    order: Vec<usize>,
    weighted: bool,
    keep: f64,
}

impl Scorer {
    /// Prepares the comparisons of a pass over normalised columns.
    ///
    /// # Errors
    /// When the values of a comparison cannot be brought to a common scale.
    pub fn new(pass: &PassPlan, left: &RecordBatch, right: &RecordBatch) -> Result<Self, Error> {
        let features = pass
            .comparisons
            .iter()
            .enumerate()
            .map(|(index, plan)| {
                Feature::new(
                    plan,
                    &format!("{}.compare[{index}]", pass.path),
                    left,
                    right,
                )
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut order: Vec<usize> = (0..features.len()).collect();
        order.sort_by_key(|&index| (!features[index].must_hold, features[index].cost, index));
        Ok(Self {
            features,
            order,
            weighted: pass.score == Score::Weighted,
            keep: pass.keep,
        })
    }

    /// The pairs whose score reaches the pass's lower threshold.
    #[must_use]
    pub fn score(&self, left: &[u32], right: &[u32]) -> Vec<Edge> {
        let count = left.len();
        let mut alive: Vec<u32> = (0..).take(count).collect();
        let mut found = vec![vec![0.0; count]; self.features.len()];
        let mut reached = vec![(0.0, 0.0); count];
        let mut open: f64 = self.features.iter().map(|feature| feature.weight).sum();
        for &index in &self.order {
            let feature = &self.features[index];
            feature.compare(left, right, &alive, &mut found[index]);
            open -= feature.weight;
            let similarities = &found[index];
            alive.retain(|&pair| {
                let similarity = similarities[pair as usize];
                if feature.must_hold && similarity.total_cmp(&FAILED).is_eq() {
                    return false;
                }
                let (sum, weight) = &mut reached[pair as usize];
                if !similarity.is_nan() {
                    *sum += feature.weight * similarity.max(0.0);
                    *weight += feature.weight;
                }
                // The best that the comparisons still open can make of this pair.
                !self.weighted
                    || *weight + open <= 0.0
                    || (*sum + open) / (*weight + open) >= self.keep - PRUNING_SLACK
            });
            if alive.is_empty() {
                return Vec::new();
            }
        }
        alive
            .into_iter()
            .map(|pair| pair as usize)
            .map(|pair| {
                let score = self.total(|feature| found[feature][pair]);
                Edge {
                    left: left[pair],
                    right: right[pair],
                    score,
                    weight: score,
                }
            })
            .filter(|edge| edge.score >= self.keep)
            .collect()
    }

    /// The similarity of each comparison, in the order of the specification, for one pair.
    #[must_use]
    pub fn similarities(&self, left: u32, right: u32) -> Vec<f64> {
        self.features
            .iter()
            .map(|feature| {
                let mut similarity = [0.0];
                feature.compare(&[left], &[right], &[0], &mut similarity);
                similarity[0]
            })
            .collect()
    }

    /// The score, added up in the order of the specification so that it never depends on the order
    /// in which the comparisons ran.
    fn total(&self, similarity: impl Fn(usize) -> f64) -> f64 {
        if !self.weighted {
            return 1.0;
        }
        let (mut sum, mut weight) = (0.0, 0.0);
        for (index, feature) in self.features.iter().enumerate() {
            let similarity = similarity(index);
            if !similarity.is_nan() {
                sum += feature.weight * similarity.max(0.0);
                weight += feature.weight;
            }
        }
        if weight > 0.0 {
            (sum / weight * SCORE_STEPS).round() / SCORE_STEPS
        } else {
            // Nothing could be compared, which is no evidence for a match.
            0.0
        }
    }
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
    for mut stream in candidates.streams {
        let (scorer, progress) = (scorer.clone(), progress.clone());
        let (compared, kept) = (compared.clone(), kept.clone());
        let pass = pass.name.clone();
        parts.spawn(async move {
            let mut edges = Vec::new();
            while let Some(batch) = stream.next().await {
                let batch = batch?;
                if progress.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let side = |index: usize| batch.column(index).as_primitive::<UInt32Type>().values();
                let new = scorer.score(side(0), side(1));
                let rows = batch.num_rows() as u64;
                let done = compared.fetch_add(rows, Ordering::Relaxed) + rows;
                let count = new.len() as u64;
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
                edges.extend(new);
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
