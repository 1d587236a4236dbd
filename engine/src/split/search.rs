//! What the solutions of one whole are.

use super::Rules;
use super::candidates::Index;
use super::instance::{Instance, Prospect};
use super::subset::{Found, Goal, Subset};

/// The kind of solutions that count for a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    /// Residual zero.
    Exact,
    /// Within the tolerance, where none has residual zero.
    Near,
}

/// What is known of a whole's solutions. Parts are ranks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Solved {
    /// There is none.
    None,
    /// There is one.
    Unique(Box<[u32]>),
    /// There are several; two of them.
    Ambiguous {
        tier: Tier,
        first: Box<[u32]>,
        second: Box<[u32]>,
    },
    /// A budget ended the search; the best set that it met.
    Exhausted(Option<Box<[u32]>>),
}

/// Up to how many combinations of amounts a whole's solutions are listed.
const LISTED: usize = 64;

/// How many times `max_candidates` records are looked at for candidates among them.
const LOOKED_THROUGH: usize = 8;

/// Searches for the parts of one whole at a time.
pub(super) struct Searcher<'a> {
    index: &'a Index,
    rules: &'a Rules,
    candidates: Vec<u32>,
    instance: Instance,
    subset: Subset,
}

impl<'a> Searcher<'a> {
    pub fn new(index: &'a Index, rules: &'a Rules) -> Self {
        Self {
            index,
            rules,
            candidates: Vec::new(),
            instance: Instance::default(),
            subset: Subset::default(),
        }
    }

    /// The solutions of `whole` among the parts that are not taken, and the steps of the search.
    /// `tier` is the kind of its solutions where that is known.
    pub fn solve(&mut self, whole: u32, taken: &[bool], tier: Option<Tier>) -> (Solved, u64) {
        let truncated = match self.lay_out(whole, taken) {
            Some(Prospect::Hopeless) => return (Solved::None, 0),
            Some(Prospect::TooLarge) | None => return (Solved::Exhausted(None), 0),
            Some(Prospect::Truncated) => true,
            Some(Prospect::Open) => false,
        };
        let goal = Goal {
            near: tier != Some(Tier::Exact),
            exact: tier != Some(Tier::Near),
            enough: if truncated { 1 } else { 2 },
            exchange: true,
        };
        let budget = self.rules.node_budget;
        let found = self.subset.find(&self.instance, goal, budget);
        let solved = if truncated || !found.complete {
            self.exhausted(&found)
        } else {
            self.judge(&found, tier)
        };
        (solved, found.nodes)
    }

    fn exhausted(&self, found: &Found) -> Solved {
        let solution = found.exact.first().or(found.near.first());
        let best = solution.or(found.nearest.as_ref().map(|(_, set)| set));
        Solved::Exhausted(best.map(|set| self.instance.parts_of(set).0.into()))
    }

    fn judge(&self, found: &Found, tier: Option<Tier>) -> Solved {
        let (sets, kind) = if found.exact.is_empty() {
            (&found.near, Tier::Near)
        } else {
            (&found.exact, Tier::Exact)
        };
        let Some(set) = sets.first() else {
            return Solved::None;
        };
        let (first, exchanged) = self.instance.parts_of(set);
        let second = sets.get(1).map(|set| self.instance.parts_of(set).0);
        match exchanged.or(second) {
            None => Solved::Unique(first.into()),
            Some(second) => Solved::Ambiguous {
                tier: tier.unwrap_or(kind),
                first: first.into(),
                second: second.into(),
            },
        }
    }

    /// All parts that occur in a solution of `whole` while none is taken. Where they cannot be
    /// listed, all its candidates.
    pub fn support(&mut self, whole: u32, tier: Tier) -> (Vec<u32>, u64) {
        let mut nodes = 0;
        if self.lay_out(whole, &[]) == Some(Prospect::Open) {
            let goal = Goal {
                near: tier == Tier::Near,
                exact: tier == Tier::Exact,
                enough: LISTED,
                exchange: false,
            };
            let found = self
                .subset
                .find(&self.instance, goal, self.rules.node_budget);
            nodes = found.nodes;
            let sets = if tier == Tier::Exact {
                &found.exact
            } else {
                &found.near
            };
            if found.complete && sets.len() < LISTED {
                let mut support: Vec<u32> = sets
                    .iter()
                    .flat_map(|set| self.instance.members_of(set))
                    .collect();
                support.sort_unstable();
                support.dedup();
                return (support, nodes);
            }
        }
        (self.candidates.clone(), nodes)
    }

    /// `None`: there are too many records to look through.
    fn lay_out(&mut self, whole: u32, taken: &[bool]) -> Option<Prospect> {
        let limit = self.rules.max_candidates.saturating_mul(LOOKED_THROUGH);
        if !self.index.gather(whole, limit, &mut self.candidates) {
            return None;
        }
        self.candidates
            .retain(|&part| !taken.get(part as usize).is_some_and(|taken| *taken));
        let whole = &self.index.wholes[whole as usize];
        let prospect = self
            .instance
            .fill(whole, &self.index.parts, &self.candidates, self.rules);
        Some(prospect)
    }
}
