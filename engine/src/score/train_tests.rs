//! EM on simulated pairs whose m, u and λ are known.

use super::*;
use crate::score::pattern::Counter;

/// A generator of numbers in [0, 1): `SplitMix64` of Steele, Lea and Flood.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        float((x ^ (x >> 31)) >> 11) / float(1 << 53)
    }

    /// A level with these probabilities.
    fn level(&mut self, shares: &[f64]) -> u8 {
        let mut open = self.next();
        for (level, share) in (0..).zip(shares) {
            open -= share;
            if open < 0.0 {
                return level;
            }
        }
        u8::try_from(shares.len() - 1).unwrap()
    }
}

type Counts = Vec<(Pattern, u64)>;

/// What pairs are made from.
struct World {
    m: Vec<Vec<f64>>,
    u: Vec<Vec<f64>>,
    /// The comparisons that each block wants equal.
    blocks: Vec<Vec<usize>>,
    missing: f64,
    records: u64,
    matches: u64,
}

impl World {
    /// Five comparisons of three levels and three blocks, as lists of people have them.
    fn people() -> Self {
        let m = [0.8, 0.85, 0.9, 0.95, 0.7];
        let u = [0.01, 0.004, 0.001, 0.003, 0.05];
        Self {
            m: m.iter()
                .map(|top| vec![(1.0 - top) * 0.4, (1.0 - top) * 0.6, *top])
                .collect(),
            u: u.iter()
                .map(|top| vec![1.0 - 3.0 * top, 2.0 * top, *top])
                .collect(),
            blocks: vec![vec![0, 1], vec![2], vec![3]],
            missing: 0.1,
            records: 1_000,
            matches: 800,
        }
    }

    fn learn(&self, seed: u64) -> Learned {
        let levels: Vec<usize> = self.m.iter().map(Vec::len).collect();
        let (candidates, random) = self.pairs(seed);
        let free = self.free();
        train(&Evidence {
            levels: &levels,
            candidates: &candidates,
            random: &random,
            free: &free,
            space: float(self.records * self.records),
            start: 1.0 / float(self.records),
            most: 1.0 / float(self.records),
        })
    }

    /// By comparison, the blocks that do not use it.
    fn free(&self) -> Vec<u16> {
        let uses =
            |comparison| move |(_, block): &(usize, &Vec<usize>)| !block.contains(&comparison);
        (0..self.m.len())
            .map(|comparison| {
                let blocks = self.blocks.iter().enumerate().filter(uses(comparison));
                blocks.fold(0, |bits, (block, _)| bits | 1 << block)
            })
            .collect()
    }

    /// The patterns of the candidates, and of a tenth of all pairs.
    fn pairs(&self, seed: u64) -> (Counts, Counts) {
        let mut numbers = Numbers(seed);
        let (mut candidates, mut random) = (Counter::default(), Counter::default());
        for pair in 0..self.records * self.records {
            let shares = if pair < self.matches {
                &self.m
            } else {
                &self.u
            };
            let levels: Vec<u8> = shares
                .iter()
                .map(|shares| {
                    if numbers.next() < self.missing {
                        MISSING
                    } else {
                        numbers.level(shares)
                    }
                })
                .collect();
            let top = |&comparison: &usize| {
                usize::from(levels[comparison]) + 1 == shares[comparison].len()
            };
            let blocks = (self.blocks.iter().enumerate())
                .filter(|(_, block)| block.iter().all(top))
                .fold(0, |bits, (block, _)| bits | 1 << block);
            let pattern = |blocks| {
                let mut pattern = Pattern::new(blocks);
                for (comparison, &level) in levels.iter().enumerate() {
                    pattern.set(comparison, level);
                }
                pattern
            };
            if blocks != 0 {
                candidates.add(pattern(blocks));
            }
            if numbers.next() < 0.1 {
                random.add(pattern(0));
            }
        }
        (candidates.sorted(), random.sorted())
    }
}

fn near(learned: &[Vec<f64>], truth: &[Vec<f64>], bound: impl Fn(f64) -> f64) {
    for (comparison, (learned, truth)) in learned.iter().zip(truth).enumerate() {
        for (level, (learned, truth)) in learned.iter().zip(truth).enumerate() {
            assert!(
                (learned - truth).abs() < bound(*truth),
                "comparison {comparison}, level {level}: {learned} is not {truth}"
            );
        }
    }
}

#[test]
fn known_m_u_and_prior_come_back_though_blocks_pick_the_pairs() {
    let world = World::people();
    for seed in 1..=3 {
        let learned = world.learn(seed);
        assert!(learned.converged, "{} steps", learned.iterations);
        // Three standard deviations of a share among some 500 matches.
        near(&learned.m, &world.m, |m| {
            3.0 * (m * (1.0 - m) / 500.0).sqrt() + 0.01
        });
        // And of a share among 90,000 random pairs.
        near(&learned.u, &world.u, |u| {
            4.0 * (u * (1.0 - u) / 90_000.0).sqrt()
        });
        let matches = learned.prior * float(world.records * world.records);
        // Blocks miss a few, see the module's text.
        assert!((740.0..810.0).contains(&matches), "{matches} matches");
    }
}

#[test]
fn learning_from_a_block_that_uses_the_comparison_would_be_biased() {
    let world = World::people();
    let levels: Vec<usize> = world.m.iter().map(Vec::len).collect();
    let (candidates, random) = world.pairs(1);
    let evidence = |free| Evidence {
        levels: &levels,
        candidates: &candidates,
        random: &random,
        free,
        space: 1e6,
        start: 1e-3,
        most: 1e-3,
    };
    let (held_out, all) = (world.free(), vec![u16::MAX; 5]);
    let error = |free| (train(&evidence(free)).m[3][2] - world.m[3][2]).abs();
    assert!(error(&held_out) < 0.02);
    assert!(error(&held_out) < error(&all));
}

#[test]
fn a_comparison_that_every_block_uses_learns_from_random_pairs() {
    let mut world = World::people();
    world.blocks = vec![vec![3]];
    let learned = world.learn(1);
    // A tenth of 800 matches are among the random pairs.
    assert!((learned.m[3][2] - 0.95).abs() < 0.1, "{:?}", learned.m[3]);
    assert!((learned.m[0][2] - 0.8).abs() < 0.05, "{:?}", learned.m[0]);
}

#[test]
fn lists_without_matches_get_a_small_prior() {
    let mut world = World::people();
    world.matches = 0;
    let learned = world.learn(1);
    let matches = learned.prior * float(world.records * world.records);
    assert!(matches < 20.0, "{matches} matches");
}

#[test]
fn nothing_to_learn_from_leaves_the_start_values() {
    let learned = train(&Evidence {
        levels: &[2, 4],
        candidates: &[],
        random: &[],
        free: &[1, 1],
        space: 0.0,
        start: 1.0,
        most: 1.0,
    });
    assert_eq!(learned.m, [start(2), start(4)]);
    assert_eq!(learned.u, [vec![0.5; 2], vec![0.25; 4]]);
    assert!(learned.prior > 0.0 && learned.prior < 1.0);
}
