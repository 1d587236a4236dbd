//! Training of one pass: picks the pairs, counts their patterns and learns from the counts.

use super::Features;
use super::chunks::{each_chunk, in_batches};
use super::frequency::float;
use super::model::{PassModel, Training};
use super::pattern::{Counter, Patterns};
use super::rivals::Rivalry;
use super::sample::{MOST_CANDIDATES, random, random_pairs, shuffled};
use super::train::{Evidence, train};
use crate::block::{Block, Candidates, pairs_of};
use crate::error::Error;
use crate::keys::Keys;
use crate::plan::PassPlan;
use crate::progress::Progress;
use crate::threads;
use crate::values::Values;
use crds::matching::Cardinality;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Pairs that are compared in one go.
const BATCH: usize = 8192;

/// The comparisons of a pass: over all records, or over the records of some pairs at a time.
pub enum Comparisons<'a> {
    /// Prepared for all records.
    Held(Arc<Features>),
    /// The values of both sides are in files.
    Stored([&'a Values; 2]),
}

/// One side of a pass.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// Whether each record takes part.
    pub open: &'a [bool],
    /// The records' keys.
    pub keys: &'a Keys,
}

/// Pairs of records, and for each the blocks that gave it.
#[derive(Default)]
struct Pairs {
    left: Vec<u32>,
    right: Vec<u32>,
    blocks: Vec<u16>,
}

/// Learns the model of a pass from its open records, whose blocks and number of pairs `candidates`
/// says. It does not depend on the order of rows nor on the number of threads.
///
/// # Errors
/// When Arrow cannot order a block's values; [`Error::Cancelled`].
pub async fn learn(
    pass: &PassPlan,
    comparisons: &Comparisons<'_>,
    (left, right): (Side<'_>, Side<'_>),
    candidates: &Candidates,
    progress: &Arc<dyn Progress>,
) -> Result<PassModel, Error> {
    let (lefts, rights) = (
        shuffled(left.keys, left.open, 1),
        shuffled(right.keys, right.open, 2),
    );
    let sample = sampled(&lefts, candidates.at_most, left.open.len());
    let kept = sample.iter().filter(|open| **open).count();
    let found = blocked(&candidates.blocks, &sample, right.open).await?;
    let drawn = random_pairs(lefts.len(), rights.len());
    let (l, r) = random(&lefts, &rights, drawn).unzip();
    let random = Pairs {
        left: l,
        right: r,
        blocks: Vec::new(),
    };

    let training = |iterations, converged| Training {
        left_records: lefts.len() as u64,
        right_records: rights.len() as u64,
        candidates: found.left.len() as u64,
        random_pairs: drawn,
        iterations,
        converged,
    };
    let training_counts = training(0, false);
    let (found, patterns) = count(pass, comparisons, found, progress).await?;
    let (_, random) = count(pass, comparisons, random, progress).await?;
    let levels: Vec<usize> = pass
        .comparisons
        .iter()
        .map(|plan| plan.levels.count())
        .collect();
    let learned = train(&Evidence {
        levels: &levels,
        candidates: &patterns.counts,
        random: &random.counts,
        rivalry: Rivalry::new(
            &patterns.places,
            [&found.left, &found.right],
            (float(lefts.len() as u64), float(rights.len() as u64)),
            pass.one_partner(),
        ),
        free: &free(pass, &candidates.blocks),
        space: float(kept as u64) * float(rights.len() as u64),
        start: 1.0 / float(lefts.len().max(rights.len()).max(1) as u64),
        most: most(
            pass.rules.cardinality,
            float(lefts.len() as u64),
            float(rights.len() as u64),
        ),
    });
    let training = Training {
        iterations: learned.iterations as u64,
        converged: learned.converged,
        ..training_counts
    };
    PassModel::new(pass, &learned, training).as_read_back()
}

/// The largest share of matches that a cardinality allows.
fn most(cardinality: Cardinality, lefts: f64, rights: f64) -> f64 {
    match cardinality {
        Cardinality::OneToOne => 1.0 / lefts.max(rights).max(1.0),
        Cardinality::OneToMany => 1.0 / lefts.max(1.0),
        Cardinality::ManyToOne => 1.0 / rights.max(1.0),
        Cardinality::ManyToMany => 1.0,
    }
}

/// Which left records are trained on: so many that about [`MOST_CANDIDATES`] pairs are compared.
fn sampled(shuffled: &[u32], candidates: u64, records: usize) -> Vec<bool> {
    let wanted = if candidates <= MOST_CANDIDATES {
        shuffled.len()
    } else {
        let share = u128::from(MOST_CANDIDATES) * shuffled.len() as u128 / u128::from(candidates);
        usize::try_from(share).unwrap_or(usize::MAX).max(1)
    };
    let mut open = vec![false; records];
    for &index in shuffled.iter().take(wanted) {
        open[index as usize] = true;
    }
    open
}

/// The pairs of every block, each once.
async fn blocked(blocks: &[Block], left: &[bool], right: &[bool]) -> Result<Pairs, Error> {
    let mut all: Vec<((u32, u32), u16)> = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let threads = threads::count();
        let mut parts = JoinSet::new();
        for part in pairs_of(block, left, right, threads)? {
            parts.spawn_blocking(move || {
                let mut pairs = Vec::new();
                for batch in part {
                    let both = batch.left.into_iter().zip(batch.right);
                    pairs.extend(both.map(|pair| (pair, 1 << index)));
                }
                pairs
            });
        }
        while let Some(part) = parts.join_next().await {
            all.extend(part?);
        }
    }
    all.sort_unstable();
    let mut pairs = Pairs::default();
    for same in all.chunk_by(|a, b| a.0 == b.0) {
        let ((left, right), _) = same[0];
        pairs.left.push(left);
        pairs.right.push(right);
        let blocks = same.iter().fold(0, |blocks, (_, block)| blocks | block);
        pairs.blocks.push(blocks);
    }
    Ok(pairs)
}

/// The pairs again, and their patterns, counted on all threads.
async fn count(
    pass: &PassPlan,
    comparisons: &Comparisons<'_>,
    pairs: Pairs,
    progress: &Arc<dyn Progress>,
) -> Result<(Arc<Pairs>, Patterns), Error> {
    let features = match comparisons {
        Comparisons::Held(features) => features,
        Comparisons::Stored(sides) => {
            let patterns = count_chunks(pass, *sides, &pairs, progress.as_ref())?;
            return Ok((Arc::new(pairs), patterns));
        }
    };
    let threads = threads::count();
    let pairs = Arc::new(pairs);
    let part = pairs.left.len().div_ceil(threads).max(1);
    let mut parts = JoinSet::new();
    for begin in (0..pairs.left.len()).step_by(part) {
        let (features, pairs, progress) = (features.clone(), pairs.clone(), progress.clone());
        parts.spawn_blocking(move || {
            let mut counter = Counter::default();
            let end = (begin + part).min(pairs.left.len());
            for begin in (begin..end).step_by(BATCH) {
                if progress.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let range = begin..(begin + BATCH).min(end);
                let blocks = pairs.blocks.get(range.clone()).unwrap_or_default();
                features.count(
                    begin,
                    (&pairs.left[range.clone()], &pairs.right[range]),
                    blocks,
                    &mut counter,
                );
            }
            Ok(counter)
        });
    }
    let mut counter = Counter::default();
    while let Some(part) = parts.join_next().await {
        counter.merge(part??);
    }
    Ok((pairs, counter.sorted()))
}

/// As [`count`], where values are in files.
fn count_chunks(
    pass: &PassPlan,
    sides: [&Values; 2],
    pairs: &Pairs,
    progress: &dyn Progress,
) -> Result<Patterns, Error> {
    let mut counter = Counter::default();
    let all = pairs.left.iter().copied().zip(pairs.right.iter().copied());
    each_chunk(pass, sides, all, |chunk| {
        let parts = in_batches(chunk.left.len(), |own: &mut Counter, range| {
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let (from, to) = (chunk.first + range.start, chunk.first + range.end);
            let blocks = pairs.blocks.get(from..to).unwrap_or_default();
            let (left, right) = (&chunk.left[range.clone()], &chunk.right[range]);
            chunk.features.count(from, (left, right), blocks, own);
            Ok(())
        })?;
        for part in parts {
            counter.merge(part);
        }
        Ok(())
    })?;
    Ok(counter.sorted())
}

/// For each comparison the blocks that use none of its columns, as bits.
fn free(pass: &PassPlan, blocks: &[Block]) -> Vec<u16> {
    let mut free = vec![0; pass.comparisons.len()];
    for (index, block) in blocks.iter().enumerate() {
        let (left, right) = &block.columns;
        for (bits, plan) in free.iter_mut().zip(&pass.comparisons) {
            if !left.contains(&plan.left) && !right.contains(&plan.right) {
                *bits |= 1 << index;
            }
        }
    }
    free
}
