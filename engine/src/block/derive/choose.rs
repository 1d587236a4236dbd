//! Choosing blocks by what the data is like.

use super::super::Open;
use super::super::columns::number_rows;
use super::super::evaluate::{Block, Equal, Within};
use super::super::join::Join;
use super::super::number::{NONE, Numbers};
use super::super::text_keys::{AFFIX, prefixes, rare_words, sounds, suffixes};
use super::{equal, within};
use crate::error::Error;
use crate::plan::{OwnedMethod, PassPlan};
use datafusion::arrow::array::{Array, ArrayRef};
use std::cmp::Reverse;
use std::thread::scope;

/// The most blocks that are chosen.
const MOST_BLOCKS: usize = 12;
/// The share of the budget that one block may take.
const SHARE: u64 = 6;
/// Comparisons that are looked at, those of the highest weight.
const MOST_COMPARISONS: usize = 8;
/// Rows up to which pairs are counted and not estimated.
const COUNTED: usize = 200_000;
/// One key of so many is looked at where pairs are estimated.
const SAMPLED: u64 = 16;

/// A key of one comparison's columns.
struct Feature {
    comparison: usize,
    /// Whether equal texts imply this key, so that a block of the texts adds nothing to it.
    loose: bool,
    /// Whether it may be combined with keys of other comparisons.
    combines: bool,
    key: Key,
}

enum Key {
    Equal(Equal, Numbers),
    Near(Within),
}

/// Chooses blocks of which each holds `must` too, within about `allowance` pairs in all.
pub fn choose(
    pass: &PassPlan,
    must: &Block,
    left: Open<'_>,
    right: Open<'_>,
    allowance: u64,
) -> Result<Vec<Block>, Error> {
    let features = features(pass, left, right)?;
    let mut chooser = Chooser {
        pass,
        must,
        base: must.condition(left.open, right.open)?,
        features: &features,
        left,
        right,
        each: (allowance / SHARE).max(1),
        room: allowance,
        chosen: Vec::new(),
        blocks: Vec::new(),
    };
    chooser.singles()?;
    chooser.combinations(2)?;
    if chooser.blocks.is_empty() {
        chooser.combinations(3)?;
    }
    Ok(chooser.blocks)
}

fn features(pass: &PassPlan, left: Open<'_>, right: Open<'_>) -> Result<Vec<Feature>, Error> {
    let mut order: Vec<usize> = (0..pass.comparisons.len()).collect();
    order.sort_by(|&a, &b| {
        let weight = |at: usize| pass.comparisons[at].weight;
        weight(b).total_cmp(&weight(a)).then(a.cmp(&b))
    });
    order.truncate(MOST_COMPARISONS);
    order.sort_unstable();
    let mut features = Vec::new();
    for at in order {
        let comparison = &pass.comparisons[at];
        let path = format!("{}.compare[{at}]", pass.path);
        let mut add = |loose: bool, combines: bool, equal: Equal| -> Result<(), Error> {
            let numbers = number_rows(
                std::slice::from_ref(&equal.left),
                std::slice::from_ref(&equal.right),
                |row| left.open[row],
                |row| right.open[row],
            )?;
            features.push(Feature {
                comparison: at,
                loose,
                combines,
                key: Key::Equal(equal, numbers),
            });
            Ok(())
        };
        let whole = equal(comparison, left, right, &path)?;
        if let OwnedMethod::Text(_) = comparison.method {
            let (l, r) = (&whole.left, &whole.right);
            let mut key = |label: String, of: fn(&ArrayRef) -> ArrayRef| {
                let (left, right) = (of(l), of(r));
                add(true, true, Equal { label, left, right })
            };
            let name = &comparison.label;
            key(format!("first {AFFIX} characters of {name}"), prefixes)?;
            key(format!("last {AFFIX} characters of {name}"), suffixes)?;
            key(format!("sound of {name}"), sounds)?;
            if let Some(words) = rare_words((l, left.open), (r, right.open)) {
                for (one, place) in [(0, "rarest"), (1, "second rarest")] {
                    for (other, its) in [(0, "rarest"), (1, "second rarest")] {
                        let label =
                            format!("{place} word of {name} on the left, {its} on the right");
                        let (left, right) = (words[one].0.clone(), words[other].1.clone());
                        add(false, false, Equal { label, left, right })?;
                    }
                }
            }
        }
        add(false, true, whole)?;
        if let Some(near) = within(comparison, left, right, &path)? {
            features.push(Feature {
                comparison: at,
                loose: true,
                combines: true,
                key: Key::Near(near),
            });
        }
    }
    Ok(features)
}

struct Chooser<'a> {
    pass: &'a PassPlan,
    must: &'a Block,
    base: super::super::join::Condition,
    features: &'a [Feature],
    left: Open<'a>,
    right: Open<'a>,
    /// The most pairs of one block.
    each: u64,
    /// The pairs that further blocks may give.
    room: u64,
    /// The features of each chosen block.
    chosen: Vec<Vec<usize>>,
    blocks: Vec<Block>,
}

impl Chooser<'_> {
    /// Takes keys that are selective on their own, the most selective first, up to half of the
    /// room, so that combinations have theirs.
    fn singles(&mut self) -> Result<(), Error> {
        let all: Vec<Vec<usize>> = (0..self.features.len()).map(|at| vec![at]).collect();
        let fitting = self.fitting(all);
        let is_implied = |at: usize| {
            let own = &self.features[at];
            !own.loose
                && own.combines
                && fitting.iter().any(|(_, other)| {
                    let other = &self.features[other[0]];
                    other.loose && other.comparison == own.comparison
                })
        };
        let fitting: Vec<_> = fitting
            .iter()
            .filter(|(_, feature)| !is_implied(feature[0]))
            .cloned()
            .collect();
        let keep = self.room / 2;
        for (pairs, feature) in fitting {
            if self.blocks.len() < MOST_BLOCKS * 2 / 3 && self.room.saturating_sub(pairs) >= keep {
                self.take(feature)?;
            }
        }
        Ok(())
    }

    /// Takes combinations of keys of `size` different comparisons: those of comparisons that chosen
    /// blocks use least, so that an error in one column leaves blocks of others, and of one set of
    /// comparisons the loosest combination that fits.
    fn combinations(&mut self, size: usize) -> Result<(), Error> {
        let features = self.features;
        let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
        for _ in 0..size {
            sets = sets
                .iter()
                .flat_map(|set| {
                    let next = set.last().map_or(0, |last| last + 1);
                    (next..features.len()).filter_map(move |at| {
                        let apart =
                            |&other: &usize| features[other].comparison != features[at].comparison;
                        (features[at].combines && set.iter().all(apart))
                            .then(|| [set.as_slice(), &[at]].concat())
                    })
                })
                .collect();
        }
        sets.retain(|set| !self.is_covered(set));
        let mut fitting = self.fitting(sets);
        while self.blocks.len() < MOST_BLOCKS {
            let used = |set: &[usize]| -> usize {
                let comparison = |at: usize| self.features[at].comparison;
                let chosen = self.chosen.iter().flatten();
                chosen
                    .map(|&other| {
                        set.iter()
                            .filter(|&&at| comparison(at) == comparison(other))
                            .count()
                    })
                    .sum()
            };
            let room = self.room;
            let best = (fitting.iter())
                .filter(|(pairs, set)| *pairs <= room && !self.is_covered(set))
                .min_by_key(|(pairs, set)| (used(set), Reverse(*pairs), set.clone()))
                .cloned();
            let Some((_, set)) = best else {
                break;
            };
            fitting.retain(|(_, other)| *other != set);
            self.take(set)?;
        }
        Ok(())
    }

    /// Whether a chosen block gives every pair that these features give.
    fn is_covered(&self, set: &[usize]) -> bool {
        let implies = |own: usize, other: usize| {
            let (a, b) = (&self.features[own], &self.features[other]);
            own == other || (a.comparison == b.comparison && !a.loose && b.loose)
        };
        self.chosen
            .iter()
            .any(|block| (block.iter()).all(|&other| set.iter().any(|&own| implies(own, other))))
    }

    /// Those of the sets whose blocks give few enough pairs, with about how many, fewest first.
    fn fitting(&self, sets: Vec<Vec<usize>>) -> Vec<(u64, Vec<usize>)> {
        let threads = crate::threads::count();
        let share = sets.len().div_ceil(threads).max(1);
        let mut counts = vec![0; sets.len()];
        scope(|scope| {
            for (sets, counts) in sets.chunks(share).zip(counts.chunks_mut(share)) {
                scope.spawn(move || {
                    for (set, count) in sets.iter().zip(counts) {
                        *count = self.estimate(set);
                    }
                });
            }
        });
        let mut fitting: Vec<_> = (counts.into_iter().zip(sets))
            .filter(|(pairs, _)| *pairs > 0 && *pairs <= self.each)
            .collect();
        fitting.sort_unstable();
        fitting
    }

    /// Adds a block, unless its pairs turn out to be too many.
    fn take(&mut self, set: Vec<usize>) -> Result<(), Error> {
        let mut block = self.must.clone();
        for &at in &set {
            match &self.features[at].key {
                Key::Equal(equal, _) => block.equals.push(equal.clone()),
                Key::Near(near) => block.nears.push(near.clone()),
            }
            let comparison = &self.pass.comparisons[self.features[at].comparison];
            block.columns.0.insert(comparison.left);
            block.columns.1.insert(comparison.right);
        }
        let condition = block.condition(self.left.open, self.right.open)?;
        let pairs = Join::new(&condition).pairs;
        // An estimate may be off where a few keys give most pairs.
        if pairs <= self.room.min(self.each.saturating_mul(2)) {
            tracing::debug!(
                pass = self.pass.name,
                pairs,
                block = block.text(),
                "derived"
            );
            self.room -= pairs;
            self.chosen.push(set);
            self.blocks.push(block);
        }
        Ok(())
    }

    /// About how many pairs the block of `must` and these features gives: exactly where there are
    /// few rows and one window, else from a sample of keys.
    fn estimate(&self, set: &[usize]) -> u64 {
        let mut numbers = vec![(&self.base.left, &self.base.right)];
        let mut nears: Vec<&Within> = self.must.nears.iter().collect();
        for &at in set {
            match &self.features[at].key {
                Key::Equal(_, own) => numbers.push((&own.left, &own.right)),
                Key::Near(near) => nears.push(near),
            }
        }
        let rows = self.left.open.len() + self.right.open.len();
        let keyed = numbers.len() > 1
            || !self.must.equals.is_empty()
            || nears
                .iter()
                .any(|near| near.range.window().bucket().is_some());
        let sampled = if rows > COUNTED && keyed { SAMPLED } else { 1 };
        // Rows by the hash of their key, with the first window's ends on the left and its value on
        // the right. Every window of a fixed width adds its bucket to the key.
        let mut lefts: Vec<(u64, i128, i128)> = Vec::new();
        let mut hashes = Vec::new();
        'left: for row in 0..self.left.open.len() {
            let mut hash = 0;
            for (left, _) in &numbers {
                if left[row] == NONE {
                    continue 'left;
                }
                hash = mix(hash ^ u64::from(left[row]));
            }
            if nears.iter().any(|near| near.left.is_null(row)) {
                continue;
            }
            hashes.clear();
            hashes.push(hash);
            for near in &nears {
                let window = near.range.window();
                if let Some(width) = window.bucket() {
                    let (low, high) = window.of(near.range.left(place(row)));
                    let (first, last) = (low.div_euclid(width), high.div_euclid(width));
                    let before = hashes.len();
                    for at in 0..before {
                        let hash = hashes[at];
                        hashes[at] = with_bucket(hash, first);
                        if first != last {
                            hashes.push(with_bucket(hash, last));
                        }
                    }
                }
            }
            let (low, high) = nears.first().map_or((0, 0), |near| {
                near.range.window().of(near.range.left(place(row)))
            });
            let kept = hashes.iter().filter(|hash| hash.is_multiple_of(sampled));
            lefts.extend(kept.map(|&hash| (hash, low, high)));
        }
        let mut rights: Vec<(u64, i128)> = Vec::new();
        'right: for row in 0..self.right.open.len() {
            let mut hash = 0;
            for (_, right) in &numbers {
                if right[row] == NONE {
                    continue 'right;
                }
                hash = mix(hash ^ u64::from(right[row]));
            }
            if nears.iter().any(|near| near.right.is_null(row)) {
                continue;
            }
            for near in &nears {
                if let Some(width) = near.range.window().bucket() {
                    hash = with_bucket(hash, near.range.right(place(row)).div_euclid(width));
                }
            }
            if hash.is_multiple_of(sampled) {
                let value = nears.first().map_or(0, |near| near.range.right(place(row)));
                rights.push((hash, value));
            }
        }
        lefts.sort_unstable();
        rights.sort_unstable();
        let mut pairs = 0_u64;
        let mut to = 0;
        for same in lefts.chunk_by(|a, b| a.0 == b.0) {
            let hash = same[0].0;
            let from = to + rights[to..].partition_point(|right| right.0 < hash);
            to = from + rights[from..].partition_point(|right| right.0 == hash);
            let group = &rights[from..to];
            for &(_, low, high) in same {
                let first = group.partition_point(|right| right.1 < low);
                let last = group.partition_point(|right| right.1 <= high);
                pairs += last.saturating_sub(first) as u64;
            }
        }
        pairs.saturating_mul(sampled)
    }
}

fn place(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(NONE)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a hash takes the low bits of both halves"
)]
fn with_bucket(hash: u64, bucket: i128) -> u64 {
    mix(mix(hash ^ bucket as u64) ^ (bucket >> 64) as u64)
}

/// The finalizer of `SplitMix64` (Steele, Lea and Flood 2014): every bit of the result depends on
/// every bit of the value.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
