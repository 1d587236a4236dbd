//! Instances with known truth.

use crate::engine::split::{Item, Problem, Side};
use std::collections::BTreeMap;

pub const WINDOW: u32 = 7;
const YEAR: u64 = 365;

/// What an instance is like.
pub struct Shape {
    pub name: &'static str,
    pub wholes: usize,
    /// The mean number of a whole's candidates.
    pub candidates: usize,
    /// The largest amount, in hundredths. Most are much smaller.
    pub largest: u64,
    /// Whether the wholes that are no splits have their single counterpart among the parts.
    pub singles: bool,
    /// How many of a hundred parts are negative.
    pub credit_notes: u64,
    /// What amounts are multiples of.
    pub round_to: u64,
    pub tolerance: u128,
}

pub struct Planted {
    pub problem: Problem,
    /// The parts of every whole that is a split.
    pub truth: BTreeMap<u32, Vec<u32>>,
}

/// One whole in five is the sum of two to ten parts of its party within the window, the fewer the
/// more often.
pub fn plant(shape: &Shape) -> Planted {
    let mut random = Random(shape.wholes as u64 ^ (shape.candidates as u64) << 32);
    let expected = shape.wholes * if shape.singles { 8 } else { 5 } / 5 * 9 / 10;
    let per_party = shape.candidates * YEAR as usize / (2 * WINDOW as usize + 1);
    let parties = (expected / per_party).max(1) as u64;
    let mut planted = Planted {
        problem: Problem::default(),
        truth: BTreeMap::new(),
    };
    let amount = |random: &mut Random| {
        let spread = random.below(1_000) * random.below(1_000);
        let digits = (1 + spread * shape.largest / 1_000_000) / shape.round_to + 1;
        let sign = if random.below(100) < shape.credit_notes {
            -1
        } else {
            1
        };
        sign * i128::from(digits * shape.round_to)
    };
    for _ in 0..shape.wholes {
        let (party, day) = (random.below(parties) as u32, random.below(YEAR) as i32);
        let mut sum = 0;
        if random.below(5) == 0 {
            let mut count = 2;
            while count < 10 && random.below(5) < 3 {
                count += 1;
            }
            let mut parts = Vec::new();
            for _ in 0..count {
                let part = amount(&mut random);
                let near = day + random.below(2 * u64::from(WINDOW) + 1) as i32 - WINDOW as i32;
                parts.push(add(&mut planted.problem.parts, part, near, party));
                sum += part;
            }
            let whole = add(&mut planted.problem.wholes, sum, day, party);
            planted.truth.insert(whole, parts);
        } else {
            sum = amount(&mut random) + amount(&mut random);
            add(&mut planted.problem.wholes, sum, day, party);
            let near = day + random.below(3) as i32;
            if shape.singles {
                add(&mut planted.problem.parts, sum, near, party);
            }
        }
    }
    planted
}

fn add(side: &mut Side, amount: i128, day: i32, party: u32) -> u32 {
    let index = side.items.len() as u32;
    let day = Some(day);
    side.items.push(Item { index, amount, day });
    side.blocks.push((index, party));
    index
}

/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ z >> 31) % end
    }
}
