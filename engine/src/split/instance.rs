//! One whole and its candidates, laid out for the search: distinct amounts with their parts, and
//! what the amounts from any of them on can add up to.

use super::{Item, Rules};

/// Parts with the same amount.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    pub amount: i128,
    /// How many parts.
    pub count: usize,
    /// Where they start in `members`.
    first: usize,
}

/// What can be said of a whole before any search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prospect {
    /// No set of candidates can be a solution.
    Hopeless,
    /// A search decides.
    Open,
    /// There are too many candidates; only those nearest in days were kept.
    Truncated,
    /// An amount is too large to be summed without overflow.
    TooLarge,
}

#[derive(Debug, Default)]
pub(super) struct Instance {
    pub target: i128,
    pub tolerance: i128,
    /// The largest number of parts.
    pub slots: usize,
    /// By magnitude, the largest first; of two opposite amounts the positive one.
    pub classes: Vec<Class>,
    /// No amount is negative.
    pub all_positive: bool,
    /// The parts, by class; within one the nearest in days first, then by rank.
    members: Vec<u32>,
    gains: Sums,
    losses: Sums,
    /// The greatest common divisor of the amounts from each class on, where it can exclude a sum,
    /// else zero.
    divisors: Vec<u128>,
    candidates: Vec<Candidate>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    part: u32,
    amount: i128,
    distance: u32,
}

/// Sums of the amounts of one sign, largest magnitude first, each as often as it occurs.
#[derive(Debug, Default)]
struct Sums {
    /// The sum of the first n amounts, modulo the range of the type: a difference of two that fits
    /// is right even where they do not fit themselves.
    prefix: Vec<i128>,
    /// How many amounts come before each class.
    before: Vec<usize>,
}

impl Sums {
    fn fill(&mut self, classes: &[Class], counts: impl Fn(i128) -> bool) {
        self.prefix.clear();
        self.before.clear();
        self.prefix.push(0);
        let mut sum = 0_i128;
        for class in classes {
            self.before.push(self.prefix.len() - 1);
            if counts(class.amount) {
                for _ in 0..class.count {
                    sum = sum.wrapping_add(class.amount);
                    self.prefix.push(sum);
                }
            }
        }
        self.before.push(self.prefix.len() - 1);
    }

    /// The sum of the first `slots` amounts from `class` on.
    fn from(&self, class: usize, slots: usize) -> i128 {
        let before = self.before[class];
        let last = (before + slots).min(self.prefix.len() - 1);
        self.prefix[last].wrapping_sub(self.prefix[before])
    }
}

impl Instance {
    /// Lays out `parts`, ranks in `items`, as the candidates of `whole`.
    pub fn fill(&mut self, whole: &Item, items: &[Item], parts: &[u32], rules: &Rules) -> Prospect {
        // No difference between sums within bounds exceeds half the range.
        let half = i128::MAX / 2;
        self.tolerance = i128::try_from(rules.tolerance).map_or(half, |digits| digits.min(half));
        self.target = whole.amount;
        self.candidates.clear();
        self.candidates.extend(parts.iter().map(|&part| {
            let item = &items[part as usize];
            let distance = whole.day.zip(item.day).map(|(a, b)| a.abs_diff(b));
            Candidate {
                part,
                amount: item.amount,
                distance: distance.unwrap_or(u32::MAX),
            }
        }));
        if !self.drop_useless() || rules.max_parts < 2 {
            return Prospect::Hopeless;
        }
        let mut prospect = Prospect::Open;
        if self.candidates.len() > rules.max_candidates {
            prospect = Prospect::Truncated;
            self.candidates
                .sort_unstable_by_key(|c| (c.distance, c.part));
            self.candidates.truncate(rules.max_candidates);
        }
        self.slots = rules.max_parts.min(self.candidates.len());
        let largest = i128::MAX.unsigned_abs() / (2 * (self.slots as u128 + 1));
        let mut amounts = self.candidates.iter().map(|candidate| candidate.amount);
        if self.target.unsigned_abs() > largest || amounts.any(|a| a.unsigned_abs() > largest) {
            return Prospect::TooLarge;
        }
        self.lay_out();
        prospect
    }

    /// Leaves out candidates that no other could bring back to the target. Returns whether a
    /// solution is still conceivable.
    fn drop_useless(&mut self) -> bool {
        let low = self.target.saturating_sub(self.tolerance);
        let high = self.target.saturating_add(self.tolerance);
        loop {
            let (mut gain, mut loss) = (0_i128, 0_i128);
            for candidate in &self.candidates {
                gain = gain.saturating_add(candidate.amount.max(0));
                loss = loss.saturating_add(candidate.amount.min(0));
            }
            if self.candidates.len() < 2 || gain < low || loss > high {
                return false;
            }
            let before = self.candidates.len();
            self.candidates.retain(|candidate| {
                if candidate.amount > 0 {
                    candidate.amount.saturating_add(loss) <= high
                } else {
                    candidate.amount.saturating_add(gain) >= low
                }
            });
            if self.candidates.len() == before {
                return true;
            }
        }
    }

    fn lay_out(&mut self) {
        self.candidates.sort_unstable_by(|a, b| {
            let (larger, smaller) = (b.amount.unsigned_abs(), a.amount.unsigned_abs());
            larger
                .cmp(&smaller)
                .then(b.amount.cmp(&a.amount))
                .then((a.distance, a.part).cmp(&(b.distance, b.part)))
        });
        self.members.clear();
        self.members.extend(self.candidates.iter().map(|c| c.part));
        self.classes.clear();
        let mut first = 0;
        for same in self.candidates.chunk_by(|a, b| a.amount == b.amount) {
            self.classes.push(Class {
                amount: same[0].amount,
                count: same.len(),
                first,
            });
            first += same.len();
        }
        self.all_positive = self.classes.iter().all(|class| class.amount > 0);
        self.gains.fill(&self.classes, |amount| amount > 0);
        self.losses.fill(&self.classes, |amount| amount < 0);

        let excludes = self.tolerance.unsigned_abs() * 2 + 1;
        self.divisors.clear();
        self.divisors.resize(self.classes.len(), 0);
        let mut divisor = 0;
        for (at, class) in self.classes.iter().enumerate().rev() {
            divisor = greatest_common_divisor(divisor, class.amount.unsigned_abs());
            if divisor <= excludes {
                break;
            }
            // Among a few amounts the bounds alone decide, and cheaper.
            if self.classes.len() - at >= 4 {
                self.divisors[at] = divisor;
            }
        }
    }

    /// Whether at most `slots` parts from `class` on may add up to `sum`, give or take `tolerance`.
    pub fn may_reach(&self, sum: i128, class: usize, slots: usize, tolerance: i128) -> bool {
        self.is_within(sum, class, slots, tolerance) && self.divides(sum, class, tolerance)
    }

    /// [`Self::may_reach`] by the largest and the smallest sum alone: once `false`, it is `false`
    /// for all later classes.
    pub fn is_within(&self, sum: i128, class: usize, slots: usize, tolerance: i128) -> bool {
        sum - tolerance <= self.gains.from(class, slots)
            && sum + tolerance >= self.losses.from(class, slots)
    }

    fn divides(&self, sum: i128, class: usize, tolerance: i128) -> bool {
        let divisor = self.divisors[class];
        if divisor == 0 {
            return true;
        }
        let rest = sum.unsigned_abs() % divisor;
        rest.min(divisor - rest) <= tolerance.unsigned_abs()
    }

    /// The parts of a solution given as classes in their order, and whether there are others with
    /// the same amounts: then also the set with one of them exchanged.
    pub fn parts_of(&self, classes: &[u32]) -> (Vec<u32>, Option<Vec<u32>>) {
        let mut parts = Vec::with_capacity(classes.len());
        let mut exchange = None;
        for run in classes.chunk_by(|a, b| a == b) {
            let class = &self.classes[run[0] as usize];
            let end = class.first + run.len();
            parts.extend_from_slice(&self.members[class.first..end]);
            if run.len() < class.count {
                exchange.get_or_insert((parts.len() - 1, self.members[end]));
            }
        }
        let other = exchange.map(|(at, part)| {
            let mut other = parts.clone();
            other[at] = part;
            other
        });
        (parts, other)
    }

    /// Whether a set of classes in their order leaves parts out that are interchangeable with it.
    pub fn can_exchange(&self, classes: &[u32]) -> bool {
        let mut runs = classes.chunk_by(|a, b| a == b);
        runs.any(|run| run.len() < self.classes[run[0] as usize].count)
    }

    /// All parts with the amounts of these classes.
    pub fn members_of(&self, classes: &[u32]) -> impl Iterator<Item = u32> {
        classes.chunk_by(|a, b| a == b).flat_map(|run| {
            let class = &self.classes[run[0] as usize];
            self.members[class.first..class.first + class.count]
                .iter()
                .copied()
        })
    }
}

fn greatest_common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
