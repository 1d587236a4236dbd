//! EM on simulated pairs whose m, u and λ are known.

use super::*;
use crate::score::pattern::{Counter, Patterns};

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
            rivalry: None,
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
                candidates.add(0, [pattern(blocks)]);
            }
            if numbers.next() < 0.1 {
                random.add(0, [pattern(0)]);
            }
        }
        (candidates.sorted().counts, random.sorted().counts)
    }
}

/// Households of two, on both sides but for every fifth person: the two share the last two
/// comparisons as matches do, and in the others they are strangers.
struct Households {
    patterns: Patterns,
    random: Counts,
    left: Vec<u32>,
    right: Vec<u32>,
}

const PERSONS: u32 = 2_000;

impl Households {
    /// People whose last two comparisons are of streets and numbers that few share.
    fn world() -> World {
        let mut world = World::people();
        world.u[3] = vec![0.999, 0.0005, 0.0005];
        world.u[4] = world.u[3].clone();
        world.m[4] = vec![0.05, 0.05, 0.9];
        world
    }

    fn new(seed: u64) -> Self {
        let world = Self::world();
        let mut numbers = Numbers(seed);
        let (mut candidates, mut random) = (Counter::default(), Counter::default());
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let mut pattern = |blocks, shares: [&Vec<f64>; 5]| {
            let mut pattern = Pattern::new(blocks);
            for (comparison, shares) in shares.into_iter().enumerate() {
                pattern.set(comparison, numbers.level(shares));
            }
            pattern
        };
        let (m, u) = (&world.m, &world.u);
        for person in (0..PERSONS).filter(|person| person % 5 != 0) {
            for other in [person, person ^ 1] {
                left.push(person);
                right.push(other);
                let shares = if person == other { m } else { u };
                let shares = [&shares[0], &shares[1], &shares[2], &m[3], &m[4]];
                candidates.add(left.len() - 1, [pattern(1, shares)]);
            }
        }
        for pair in 0..200_000 {
            random.add(pair, [pattern(0, std::array::from_fn(|at| &u[at]))]);
        }
        Self {
            patterns: candidates.sorted(),
            random: random.sorted().counts,
            left,
            right,
        }
    }

    fn learn(&self, competing: bool) -> Learned {
        let sides = [&*self.left, &*self.right];
        let people = f64::from(PERSONS);
        train(&Evidence {
            levels: &[3; 5],
            candidates: &self.patterns.counts,
            random: &self.random,
            rivalry: Rivalry::new(
                &self.patterns.places,
                sides,
                (people, people),
                [competing; 2],
            ),
            free: &[1; 5],
            space: people * people,
            start: 1.0 / people,
            most: 1.0 / people,
        })
    }
}

#[test]
fn persons_of_one_household_are_learned_as_rivals_and_do_not_spoil_m() {
    let world = Households::world();
    for seed in 1..=3 {
        let households = Households::new(seed);
        let learned = households.learn(true);
        assert!(learned.converged, "{} steps", learned.iterations);
        let m = |found: &Learned| (0..5).map(|at| found.m[at][2]).collect::<Vec<_>>();
        for (found, truth) in m(&learned).iter().zip(&world.m) {
            assert!((found - truth[2]).abs() < 0.05, "{:?}", m(&learned));
        }
        let rivals = learned.rivals.as_ref().unwrap();
        for (found, like) in rivals.r.iter().zip(&world.u[..3]) {
            assert!((found[2] - like[2]).abs() < 0.01, "{:?}", rivals.r);
        }
        assert!(
            rivals.r[3][2] > 0.9 && rivals.r[4][2] > 0.85,
            "{:?}",
            rivals.r
        );
        let spoilt = households.learn(false);
        assert_eq!(spoilt.rivals, None);
        assert!(spoilt.m[0][2] < 0.6, "{:?}", m(&spoilt));
    }
}

#[test]
fn what_is_learned_does_not_depend_on_the_order_of_the_pairs() {
    let households = Households::new(1);
    let mut other = Households::new(1);
    other.left.reverse();
    other.right.reverse();
    other.patterns.places.reverse();
    assert_eq!(other.learn(true), households.learn(true));
}

#[test]
fn without_rivals_to_speak_of_none_are_learned() {
    let households = Households::new(1);
    let mut alone = Counter::default();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let pairs = households.left.iter().zip(&households.right);
    for ((&l, &r), &place) in pairs.zip(&households.patterns.places) {
        if l == r {
            alone.add(left.len(), [households.patterns.counts[place as usize].0]);
            left.push(l);
            right.push(r);
        }
    }
    let learned = Households {
        patterns: alone.sorted(),
        left,
        right,
        ..households
    }
    .learn(true);
    assert_eq!(learned.rivals, None);
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
        rivalry: None,
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
        rivalry: None,
        free: &[1, 1],
        space: 0.0,
        start: 1.0,
        most: 1.0,
    });
    assert_eq!(learned.m, [start(2), start(4)]);
    assert_eq!(learned.u, [vec![0.5; 2], vec![0.25; 4]]);
    assert!(learned.prior > 0.0 && learned.prior < 1.0);
}

#[test]
fn evidence_beyond_every_number_stays_a_probability() {
    // 64 comparisons that strangers never agree on and two candidates that agree on all of them.
    let (mut agreeing, mut strangers) = (Pattern::new(1), Pattern::new(0));
    for comparison in 0..64 {
        agreeing.set(comparison, 1);
        strangers.set(comparison, 0);
    }
    let places = [0, 0];
    let learned = train(&Evidence {
        levels: &[2; 64],
        candidates: &[(agreeing, 2)],
        random: &[(strangers, 1_000_000), (agreeing, 1)],
        rivalry: Rivalry::new(&places, [&[0, 0], &[0, 1]], (1e6, 1e6), [true; 2]),
        free: &[1; 64],
        space: 1e12,
        start: 1e-6,
        most: 1e-6,
    });
    let all = learned.m.iter().chain(&learned.u).flatten();
    assert!(
        all.chain([&learned.prior])
            .all(|share| *share > 0.0 && *share < 1.0)
    );
}
