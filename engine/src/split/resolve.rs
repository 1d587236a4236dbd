//! Which wholes get their parts, where several want the same.

use super::candidates::Index;
use super::parallel;
use super::search::{Searcher, Solved, Tier};
use super::{Group, Outcome, Rules, Verdict, Why};
use std::collections::BTreeMap;

type Progress<'a> = &'a (dyn Fn(u64, u64) -> bool + Sync);

/// Searches all wholes, lets their claims rule out solutions of others, and confirms or proposes.
/// `None`: `progress` stopped it.
pub(super) fn resolve(
    index: &Index,
    rules: &Rules,
    threads: usize,
    progress: Progress,
) -> Option<Outcome> {
    let mut court = Court {
        index,
        rules,
        threads,
        progress,
        nodes: 0,
    };
    let first = court.search_all()?;
    // Claims that would leave another whole without any of its solutions. Contesting them gives
    // that whole its solutions back and others with them, so everything follows anew.
    let mut refused = BTreeMap::new();
    loop {
        let state = court.propagate(&first, &refused)?;
        if state.bereft.is_empty() {
            return court.conclude(state);
        }
        let before = refused.len();
        court.blame(&state, &mut refused)?;
        if refused.len() == before {
            return court.conclude(state);
        }
    }
}

/// The searched state of a whole that is neither without a solution nor certain of one.
struct Undecided {
    tier: Tier,
    first: Box<[u32]>,
    second: Box<[u32]>,
}

struct Claim {
    parts: Box<[u32]>,
    /// A whole that stands against it.
    rival: Option<u32>,
}

/// What follows from the claims. Wholes and parts are ranks.
struct State {
    claims: BTreeMap<u32, Claim>,
    undecided: BTreeMap<u32, Undecided>,
    exhausted: BTreeMap<u32, Option<Box<[u32]>>>,
    /// Wholes whose solutions were all ruled out, with their tier.
    bereft: Vec<(u32, Tier)>,
    /// Which parts the uncontested claims hold.
    taken: Vec<bool>,
}

struct Court<'a> {
    index: &'a Index,
    rules: &'a Rules,
    threads: usize,
    progress: Progress<'a>,
    nodes: u64,
}

impl Court<'_> {
    fn searcher(&self) -> Searcher<'_> {
        Searcher::new(self.index, self.rules)
    }

    fn total(&self) -> u64 {
        self.index.wholes.len() as u64
    }

    fn search_all(&mut self) -> Option<Vec<(u32, Solved)>> {
        let wholes: Vec<u32> = (0..).take(self.index.wholes.len()).collect();
        let total = self.total();
        let solved = parallel::map(
            self.threads,
            &wholes,
            || self.searcher(),
            |searcher, whole| searcher.solve(whole, &[], None),
            &|done| (self.progress)(done, total),
        )?;
        self.nodes += solved.iter().map(|(_, nodes)| nodes).sum::<u64>();
        let solved = wholes.into_iter().zip(solved);
        Some(
            solved
                .filter_map(|(whole, (solved, _))| {
                    (solved != Solved::None).then_some((whole, solved))
                })
                .collect(),
        )
    }

    /// Searches wholes again among the parts that are not taken.
    fn search_again(
        &mut self,
        wholes: &[(u32, Option<Tier>)],
        taken: &[bool],
    ) -> Option<Vec<Solved>> {
        let total = self.total();
        let ranks: Vec<u32> = (0..).take(wholes.len()).collect();
        let solved = parallel::map(
            self.threads,
            &ranks,
            || self.searcher(),
            |searcher, at| {
                let (whole, tier) = wholes[at as usize];
                searcher.solve(whole, taken, tier)
            },
            &|_| (self.progress)(total, total),
        )?;
        self.nodes += solved.iter().map(|(_, nodes)| nodes).sum::<u64>();
        Some(solved.into_iter().map(|(solved, _)| solved).collect())
    }

    /// Lets claims rule out solutions until nothing changes. `refused` claims rule out nothing.
    fn propagate(
        &mut self,
        first: &[(u32, Solved)],
        refused: &BTreeMap<u32, u32>,
    ) -> Option<State> {
        let mut state = State {
            claims: BTreeMap::new(),
            undecided: BTreeMap::new(),
            exhausted: BTreeMap::new(),
            bereft: Vec::new(),
            taken: vec![false; self.index.parts.len()],
        };
        let mut claimant = vec![None; self.index.parts.len()];
        let mut news: Vec<(u32, Solved)> = first.to_vec();
        loop {
            let mut fresh = Vec::new();
            for (whole, solved) in news {
                if let Some(parts) = state.admit(whole, solved) {
                    fresh.push(whole);
                    let rival = refused.get(&whole).copied();
                    state.claims.insert(whole, Claim { parts, rival });
                }
            }
            for &whole in &fresh {
                state.register(whole, &mut claimant);
            }
            for whole in fresh {
                let claim = &state.claims[&whole];
                if claim.rival.is_none() {
                    for &part in &claim.parts {
                        state.taken[part as usize] = true;
                    }
                }
            }
            let hit: Vec<(u32, Option<Tier>)> = state
                .undecided
                .iter()
                .filter(|(_, undecided)| {
                    !state.are_free(&undecided.first) || !state.are_free(&undecided.second)
                })
                .map(|(whole, undecided)| (*whole, Some(undecided.tier)))
                .collect();
            if hit.is_empty() {
                return Some(state);
            }
            let solved = self.search_again(&hit, &state.taken)?;
            for ((whole, tier), solved) in hit.iter().zip(&solved) {
                state.undecided.remove(whole);
                if let (Solved::None, Some(tier)) = (solved, tier) {
                    state.bereft.push((*whole, *tier));
                }
            }
            news = hit
                .into_iter()
                .map(|(whole, _)| whole)
                .zip(solved)
                .collect();
        }
    }

    /// Refuses the claims that touch a solution of a bereft whole.
    fn blame(&mut self, state: &State, refused: &mut BTreeMap<u32, u32>) -> Option<()> {
        let total = self.total();
        let ranks: Vec<u32> = (0..).take(state.bereft.len()).collect();
        let supports = parallel::map(
            self.threads,
            &ranks,
            || self.searcher(),
            |searcher, at| {
                let (whole, tier) = state.bereft[at as usize];
                searcher.support(whole, tier)
            },
            &|_| (self.progress)(total, total),
        )?;
        let mut holder = vec![None; self.index.parts.len()];
        for (whole, claim) in &state.claims {
            if claim.rival.is_none() {
                for &part in &claim.parts {
                    holder[part as usize] = Some(*whole);
                }
            }
        }
        for ((bereft, _), (support, nodes)) in state.bereft.iter().zip(supports) {
            self.nodes += nodes;
            for part in support {
                if let Some(whole) = holder[part as usize] {
                    let rival = refused.entry(whole).or_insert(*bereft);
                    *rival = (*rival).min(*bereft);
                }
            }
        }
        Some(())
    }

    /// Confirms the uncontested claims and proposes parts for the other wholes.
    fn conclude(&mut self, state: State) -> Option<Outcome> {
        let mut outcome = Outcome {
            exhausted: state.exhausted.len() as u64,
            ..Outcome::default()
        };
        let mut proposals = BTreeMap::new();
        let mut left = state.taken;
        for (whole, claim) in state.claims {
            match claim.rival {
                None => outcome
                    .groups
                    .push(self.group(whole, &claim.parts, Why::Unique)),
                Some(rival) => {
                    let rival = self.index.wholes[rival as usize].index;
                    proposals.insert(whole, (vec![claim.parts], Why::Contested { rival }, None));
                }
            }
        }
        for (whole, undecided) in state.undecided {
            let sets = vec![undecided.first, undecided.second];
            proposals.insert(whole, (sets, Why::Ambiguous, Some(undecided.tier)));
        }
        let (broken, intact): (Vec<_>, Vec<_>) = state
            .exhausted
            .into_iter()
            .partition(|(_, parts)| parts.as_ref().is_some_and(|parts| !are_free(parts, &left)));
        let broken: Vec<(u32, Option<Tier>)> =
            broken.into_iter().map(|(whole, _)| (whole, None)).collect();
        let renewed = self.search_again(&broken, &left)?;
        let renewed = renewed.into_iter().map(|solved| match solved {
            Solved::None => None,
            Solved::Unique(parts) | Solved::Ambiguous { first: parts, .. } => Some(parts),
            Solved::Exhausted(parts) => parts,
        });
        let renewed = broken.into_iter().map(|(whole, _)| whole).zip(renewed);
        for (whole, parts) in intact.into_iter().chain(renewed) {
            if let Some(parts) = parts {
                proposals.insert(whole, (vec![parts], Why::BudgetExhausted, None));
            }
        }

        let mut searcher = Searcher::new(self.index, self.rules);
        for (whole, (sets, why, tier)) in proposals {
            if !(self.progress)(self.total(), self.total()) {
                return None;
            }
            let mut parts = sets.into_iter().find(|parts| are_free(parts, &left));
            if parts.is_none() && why == Why::Ambiguous {
                let (solved, nodes) = searcher.solve(whole, &left, tier);
                self.nodes += nodes;
                parts = match solved {
                    Solved::Unique(parts) | Solved::Ambiguous { first: parts, .. } => Some(parts),
                    Solved::None | Solved::Exhausted(_) => None,
                };
            }
            match parts {
                Some(parts) => {
                    for &part in &parts {
                        left[part as usize] = true;
                    }
                    outcome.groups.push(self.group(whole, &parts, why));
                }
                None if why == Why::BudgetExhausted => {}
                None => outcome.crowded_out += 1,
            }
        }
        outcome.groups.sort_unstable_by_key(|group| group.whole);
        outcome.nodes = self.nodes;
        Some(outcome)
    }

    fn group(&self, whole: u32, parts: &[u32], why: Why) -> Group {
        let whole = &self.index.wholes[whole as usize];
        let items = parts.iter().map(|&part| &self.index.parts[part as usize]);
        let sum: i128 = items.clone().map(|item| item.amount).sum();
        let mut parts: Vec<u32> = items.map(|item| item.index).collect();
        parts.sort_unstable();
        Group {
            whole: whole.index,
            parts,
            verdict: if why == Why::Unique {
                Verdict::Confirmed
            } else {
                Verdict::Review
            },
            why,
            residual: sum - whole.amount,
            score: 1.0,
        }
    }
}

impl State {
    /// Books what a search said of a whole; returns the parts of a unique solution.
    fn admit(&mut self, whole: u32, solved: Solved) -> Option<Box<[u32]>> {
        match solved {
            Solved::None => {}
            Solved::Unique(parts) => return Some(parts),
            Solved::Ambiguous {
                tier,
                first,
                second,
            } => {
                let undecided = Undecided {
                    tier,
                    first,
                    second,
                };
                self.undecided.insert(whole, undecided);
            }
            Solved::Exhausted(parts) => {
                self.exhausted.insert(whole, parts);
            }
        }
        None
    }

    /// Enters a claim and contests those that need one of its parts.
    fn register(&mut self, whole: u32, claimant: &mut [Option<u32>]) {
        let parts = self.claims[&whole].parts.clone();
        for part in parts {
            match claimant[part as usize] {
                None => claimant[part as usize] = Some(whole),
                Some(other) => {
                    self.contest(other, whole);
                    self.contest(whole, other);
                }
            }
        }
    }

    fn contest(&mut self, whole: u32, rival: u32) {
        if let Some(claim) = self.claims.get_mut(&whole) {
            let known = claim.rival.unwrap_or(rival);
            claim.rival = Some(known.min(rival));
        }
    }

    fn are_free(&self, parts: &[u32]) -> bool {
        are_free(parts, &self.taken)
    }
}

fn are_free(parts: &[u32], taken: &[bool]) -> bool {
    parts.iter().all(|&part| !taken[part as usize])
}
