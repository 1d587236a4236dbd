//! Which hypotheses a whole has.

use super::super::Rules;
use super::lists::Lists;
use super::{Fit, HOPEFUL, Measure, Problem, Thresholds, real, units};

/// How many bits below the best hypothesis of its whole another may lie to be told: thousands of
/// them would have to be found to change a probability by a half.
const RIVALS: i64 = 16;
/// How many hypotheses of a whole are kept.
const KEPT: usize = 64;

/// A set of parts that fits a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hypothesis {
    /// Positions, ascending.
    pub parts: Box<[u32]>,
    /// Under odds the match weight; under means the sum over the pairs of what their scores have
    /// above the lower threshold.
    pub merit: i64,
    /// The sum less the whole.
    pub residual: i128,
}

/// What was found for one whole.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The best first; equals by their parts.
    pub hypotheses: Vec<Hypothesis>,
    /// log₂ of the odds of all that were found and not kept.
    pub dropped: Option<f64>,
    /// A budget cut the search.
    pub exhausted: bool,
    /// The steps that were taken.
    pub nodes: u64,
}

/// Searches one whole at a time.
pub struct Searcher<'a> {
    problem: &'a Problem,
    lists: &'a Lists,
    rules: &'a Rules,
    thresholds: &'a Thresholds,
    parts: Vec<u32>,
    amounts: Vec<i128>,
    /// What each candidate adds to a hypothesis at most.
    merits: Vec<i64>,
    /// What it adds where nothing is against it, besides its evidence.
    bases: Vec<i64>,
    /// What the comparisons say of each candidate, side by side.
    evidence: Vec<i64>,
    laid_out: Vec<Laid<'a>>,
    /// The sum of the positive merits before each place.
    gains: Vec<i64>,
    /// The largest and the smallest sum of at most so many amounts from each place on.
    bounds: Vec<(i128, i128)>,
    by_amount: Vec<(i128, usize)>,
    chosen: Vec<usize>,
}

/// A candidate before it is in its order.
#[derive(Clone, Copy)]
struct Laid<'a> {
    part: u32,
    /// What it adds at most.
    merit: i64,
    base: i64,
    evidence: &'a [i64],
}

/// One search at work.
struct Run {
    target: i128,
    tolerance: i128,
    slots: usize,
    fit: Fit,
    budget: u64,
    /// No hypothesis of less merit is of use.
    floor: i64,
    /// The most merit that any may have.
    ceiling: i64,
    /// The odds of all found, as a multiple of those of `ceiling`.
    mass: f64,
    /// Of those not kept.
    dropped: f64,
    is_cut: bool,
    /// So much was found that none can reach a threshold.
    is_crowded: bool,
    best: Option<i64>,
    found: Listed,
}

impl<'a> Searcher<'a> {
    /// Searches within these rules.
    pub fn new(
        problem: &'a Problem,
        lists: &'a Lists,
        rules: &'a Rules,
        thresholds: &'a Thresholds,
    ) -> Self {
        Self {
            problem,
            lists,
            rules,
            thresholds,
            parts: Vec::new(),
            amounts: Vec::new(),
            merits: Vec::new(),
            bases: Vec::new(),
            evidence: Vec::new(),
            laid_out: Vec::new(),
            gains: Vec::new(),
            bounds: Vec::new(),
            by_amount: Vec::new(),
            chosen: Vec::new(),
        }
    }

    /// The hypotheses of a whole among the parts that are not taken.
    pub fn list(&mut self, whole: u32, taken: &[bool]) -> Listed {
        let budget = self.rules.node_budget;
        if self.lists.comparisons > 0 {
            let found = self.find(whole, taken, true, budget / HOPEFUL);
            if !found.exhausted {
                return found;
            }
            let mut again = self.find(whole, taken, false, budget - budget / HOPEFUL);
            again.nodes += found.nodes;
            return again;
        }
        self.find(whole, taken, false, budget)
    }

    fn find(&mut self, whole: u32, taken: &[bool], is_hopeful: bool, budget: u64) -> Listed {
        let mut run = self.start(whole, budget);
        let exhausted = self.gather(whole, taken, is_hopeful, &mut run);
        if self.parts.is_empty() {
            run.found.exhausted = exhausted;
            return run.found;
        }
        self.prepare(run.slots);
        self.descend(0, run.target, 0, &mut run);
        self.keep_best(&mut run);
        if run.dropped > 0.0 {
            run.found.dropped = Some(run.dropped.log2() + real(run.ceiling));
        }
        run.found.exhausted = exhausted || run.is_cut;
        run.found
    }

    fn start(&self, whole: u32, budget: u64) -> Run {
        let half = i128::MAX / 2;
        let tolerance = i128::try_from(self.rules.tolerance).map_or(half, |t| t.min(half));
        let floor = match self.thresholds.measure {
            Measure::Odds => {
                let review = self.thresholds.review.clamp(1e-9, 1.0 - 1e-9);
                units((review / (1.0 - review)).log2()) - units(bits(RIVALS))
            }
            Measure::Mean => 0,
        };
        Run {
            target: self.problem.wholes[whole as usize].amount,
            tolerance,
            slots: self.rules.max_parts,
            fit: match self.thresholds.measure {
                Measure::Odds => self.problem.fits[whole as usize],
                Measure::Mean => Fit::default(),
            },
            budget,
            floor,
            ceiling: 0,
            mass: 0.0,
            dropped: 0.0,
            is_cut: false,
            is_crowded: false,
            best: None,
            found: Listed::default(),
        }
    }

    /// Lays out the candidates that may be in a hypothesis. Returns whether a budget left some out.
    fn gather(&mut self, whole: u32, taken: &[bool], is_hopeful: bool, run: &mut Run) -> bool {
        let threshold = match self.thresholds.measure {
            Measure::Odds => 0,
            Measure::Mean => units(self.thresholds.review),
        };
        let candidates = self.lists.of_whole(whole).iter();
        let evidence = self.lists.evidence(self.problem, whole);
        self.laid_out.clear();
        for (&(part, merit), evidence) in candidates.zip(evidence) {
            if taken.get(part as usize).is_some_and(|taken| *taken) {
                continue;
            }
            let base = merit - threshold - evidence.iter().sum::<i64>();
            let hope: i64 = evidence.iter().map(|said| (*said).max(0)).sum();
            self.laid_out.push(Laid {
                part,
                merit: if is_hopeful {
                    base + hope
                } else {
                    merit - threshold
                },
                base,
                evidence,
            });
        }
        if is_hopeful {
            self.laid_out
                .sort_unstable_by_key(|laid| (-laid.merit, laid.part));
        }
        self.parts.clear();
        self.merits.clear();
        self.bases.clear();
        self.evidence.clear();
        for laid in &self.laid_out {
            self.parts.push(laid.part);
            self.merits.push(laid.merit);
            self.bases.push(laid.base);
            self.evidence.extend_from_slice(laid.evidence);
        }
        let most: i64 = (self.merits.iter().take(run.slots))
            .map(|merit| (*merit).max(0))
            .sum();
        let fit = run.fit.exact.max(run.fit.near);
        run.ceiling = most + fit;
        let useful = (self.merits).partition_point(|merit| merit + most + fit >= run.floor);
        let exhausted = useful > self.rules.max_candidates;
        let kept = useful.min(self.rules.max_candidates);
        self.parts.truncate(kept);
        self.merits.truncate(kept);
        let amount = |part: &u32| self.problem.parts[*part as usize].amount;
        self.amounts.clear();
        self.amounts.extend(self.parts.iter().map(amount));
        run.slots = run.slots.min(kept);
        let largest = i128::MAX.unsigned_abs() / (4 * (run.slots as u128 + 1));
        let is_large = |amount: &i128| amount.unsigned_abs() > largest;
        if is_large(&run.target) || self.amounts.iter().any(is_large) {
            self.parts.clear();
            return true;
        }
        exhausted
    }

    fn prepare(&mut self, slots: usize) {
        let count = self.parts.len();
        self.gains.clear();
        self.gains.push(0);
        for &merit in &self.merits {
            let before = self.gains.last().copied().unwrap_or_default();
            self.gains.push(before + merit.max(0));
        }
        self.bounds.clear();
        self.bounds.resize((count + 1) * (slots + 1), (0, 0));
        let (mut largest, mut smallest): (Vec<i128>, Vec<i128>) = (Vec::new(), Vec::new());
        for place in (0..count).rev() {
            let amount = self.amounts[place];
            let best = if amount > 0 {
                &mut largest
            } else {
                &mut smallest
            };
            let at = best.partition_point(|other| other.unsigned_abs() >= amount.unsigned_abs());
            best.insert(at, amount);
            best.truncate(slots);
            let (mut high, mut low) = (0, 0);
            for used in 1..=slots {
                high += largest.get(used - 1).copied().unwrap_or_default();
                low += smallest.get(used - 1).copied().unwrap_or_default();
                self.bounds[place * (slots + 1) + used] = (high, low);
            }
        }
        self.by_amount.clear();
        self.by_amount
            .extend(self.amounts.iter().copied().zip(0..count));
        self.by_amount.sort_unstable();
        self.chosen.clear();
    }

    /// Completes the chosen set with one part from `next` on, and goes on with each of them.
    fn descend(&mut self, next: usize, rest: i128, merit: i64, run: &mut Run) {
        let slots = run.slots - self.chosen.len();
        if slots == 0 {
            return;
        }
        let low = rest - run.tolerance;
        let start = self.by_amount.partition_point(|(amount, _)| *amount < low);
        for at in start..self.by_amount.len() {
            let (amount, place) = self.by_amount[at];
            if amount > rest + run.tolerance {
                break;
            }
            run.found.nodes += 1;
            if place >= next {
                let fit = if amount == rest {
                    run.fit.exact
                } else {
                    run.fit.near
                };
                if merit + self.merits[place] + fit >= run.floor {
                    self.offer(place, fit, amount - rest, run);
                }
            }
        }
        if slots < 2 {
            return;
        }
        let fit = run.fit.exact.max(run.fit.near);
        for place in next..self.parts.len().saturating_sub(1) {
            if run.is_crowded {
                return;
            }
            if run.found.nodes >= run.budget {
                run.is_cut = true;
                return;
            }
            run.found.nodes += 1;
            let own = merit + self.merits[place];
            // At least one more part comes after it, and none has more merit than the next.
            let after = (place + slots).min(self.parts.len());
            let more =
                self.merits[place + 1] + self.gains[after] - self.gains[(place + 2).min(after)];
            if own + more + fit < run.floor {
                return;
            }
            let rest = rest - self.amounts[place];
            let (high, low) = self.bounds[(place + 1) * (run.slots + 1) + slots - 1];
            if rest - run.tolerance > high || rest + run.tolerance < low {
                continue;
            }
            self.chosen.push(place);
            self.descend(place + 1, rest, own, run);
            self.chosen.pop();
        }
    }

    /// Takes a hypothesis down.
    fn offer(&self, last: usize, fit: i64, residual: i128, run: &mut Run) {
        let merit = self.merit(last) + fit;
        if merit < run.floor {
            return;
        }
        let places = self.chosen.iter().copied().chain([last]);
        let mut parts: Box<[u32]> = places.map(|place| self.parts[place]).collect();
        parts.sort_unstable();
        run.found.hypotheses.push(Hypothesis {
            parts,
            merit,
            residual,
        });
        let measure = self.thresholds.measure;
        if measure == Measure::Odds {
            let odds = real(merit - run.ceiling).exp2();
            run.mass += odds;
            // Whatever comes, its probability stays below what anybody asks for.
            run.is_crowded |= run.mass * self.thresholds.review.max(0.01) > 4.0;
            if run.best.is_none_or(|best| merit > best) {
                run.best = Some(merit);
                run.floor = run.floor.max(merit - units(bits(RIVALS)));
            }
        }
        if run.found.hypotheses.len() >= 2 * KEPT {
            self.keep_best(run);
        }
    }

    /// What speaks for the chosen set with one more part, besides its amounts.
    fn merit(&self, last: usize) -> i64 {
        let places = || self.chosen.iter().copied().chain([last]);
        let bases: i64 = places().map(|place| self.bases[place]).sum();
        let comparisons = self.lists.comparisons;
        let said = |comparison: usize| {
            let each = || places().map(|place| self.evidence[place * comparisons + comparison]);
            let worst = each().min().unwrap_or_default();
            each().sum::<i64>().max(worst)
        };
        bases + (0..comparisons).map(said).sum::<i64>()
    }

    /// Sorts what was found, keeps the best, and books the odds of the others.
    fn keep_best(&self, run: &mut Run) {
        let measure = self.thresholds.measure;
        let hypotheses = &mut run.found.hypotheses;
        hypotheses.sort_unstable_by(|a, b| {
            b.rank(measure)
                .cmp(&a.rank(measure))
                .then_with(|| a.parts.cmp(&b.parts))
        });
        let dropped = hypotheses.split_off(hypotheses.len().min(KEPT));
        if measure == Measure::Odds {
            let odds = dropped.iter().map(|h| real(h.merit - run.ceiling).exp2());
            run.dropped += odds.sum::<f64>();
        }
    }
}

fn bits(count: i64) -> f64 {
    f64::from(i32::try_from(count).unwrap_or(i32::MAX))
}

impl Hypothesis {
    /// What hypotheses of one whole are ordered by.
    pub fn rank(&self, measure: Measure) -> i64 {
        match measure {
            Measure::Odds => self.merit,
            Measure::Mean => self.merit / i64::try_from(self.parts.len().max(1)).unwrap_or(1),
        }
    }
}
