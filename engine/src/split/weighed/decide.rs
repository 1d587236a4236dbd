//! Which hypotheses hold, where several need the same records.

use super::super::{Group, Outcome, Rules, Verdict, Why, parallel};
use super::lists::Lists;
use super::search::{Hypothesis, Listed, Searcher};
use super::{MISS, Measure, Problem, Thresholds, real, units};
use std::collections::{BTreeMap, BTreeSet};

type Progress<'a> = &'a (dyn Fn(u64, u64) -> bool + Sync);

/// Searches all wholes and decides in rounds. `None`: `progress` stopped it.
pub fn decide(
    problem: &Problem,
    lists: &Lists,
    rules: &Rules,
    thresholds: &Thresholds,
    threads: usize,
    progress: Progress,
) -> Option<Outcome> {
    let mut court = Court {
        problem,
        lists,
        rules,
        thresholds,
        threads,
        progress,
        whole_taken: vec![false; problem.wholes.len()],
        part_taken: vec![false; problem.parts.len()],
        listed: BTreeMap::new(),
        outcome: Outcome::default(),
    };
    let mut again: Vec<u32> = (0..).take(problem.wholes.len()).collect();
    loop {
        court.search(&again)?;
        again = court.confirm();
        if again.is_empty() {
            break;
        }
    }
    court.propose();
    court
        .outcome
        .groups
        .sort_unstable_by_key(|group| group.whole);
    Some(court.outcome)
}

struct Court<'a> {
    problem: &'a Problem,
    lists: &'a Lists,
    rules: &'a Rules,
    thresholds: &'a Thresholds,
    threads: usize,
    progress: Progress<'a>,
    whole_taken: Vec<bool>,
    part_taken: Vec<bool>,
    /// What is known of every whole that is not taken and has a hypothesis or is exhausted.
    listed: BTreeMap<u32, Listed>,
    outcome: Outcome,
}

/// A hypothesis among all.
#[derive(Clone, Copy)]
struct Named<'a> {
    whole: u32,
    hypothesis: &'a Hypothesis,
}

/// What stands against a hypothesis.
struct Case {
    /// Its score among its rivals, in units.
    score: i64,
    /// The score of the best rival, in units.
    rival: Option<i64>,
    /// The whole of the best rival.
    whole: Option<u32>,
}

/// The hypotheses that are alive, and who needs what.
struct Docket<'a> {
    all: Vec<Named<'a>>,
    /// The places of each whole's hypotheses.
    of_whole: BTreeMap<u32, Vec<usize>>,
    of_part: BTreeMap<u32, Vec<usize>>,
}

impl Court<'_> {
    fn search(&mut self, wholes: &[u32]) -> Option<()> {
        let total = self.problem.wholes.len() as u64;
        let before = total - wholes.len() as u64;
        let found = parallel::map(
            self.threads,
            wholes,
            || Searcher::new(self.problem, self.lists, self.rules, self.thresholds),
            |searcher, whole| searcher.list(whole, &self.part_taken),
            &|done| (self.progress)(before + done, total),
        )?;
        for (&whole, listed) in wholes.iter().zip(found) {
            self.outcome.nodes += listed.nodes;
            if listed.hypotheses.is_empty() && !listed.exhausted {
                self.listed.remove(&whole);
            } else {
                self.listed.insert(whole, listed);
            }
        }
        Some(())
    }

    fn is_alive(&self, whole: u32, parts: &[u32]) -> bool {
        !self.whole_taken[whole as usize]
            && parts.iter().all(|&part| !self.part_taken[part as usize])
    }

    /// Confirms in rounds. Returns the wholes that have lost a hypothesis by it.
    fn confirm(&mut self) -> Vec<u32> {
        let mut has_confirmed = false;
        loop {
            let fresh = self.round();
            if fresh.is_empty() {
                break;
            }
            has_confirmed = true;
            for (whole, hypothesis, score) in fresh {
                self.whole_taken[whole as usize] = true;
                for &part in &hypothesis.parts {
                    self.part_taken[part as usize] = true;
                }
                self.listed.remove(&whole);
                let group = self.group(whole, &hypothesis, Why::Unique, score);
                self.outcome.groups.push(group);
            }
        }
        if !has_confirmed {
            return Vec::new();
        }
        let lost = |(&whole, listed): (&u32, &Listed)| {
            let candidates = self.lists.of_whole(whole);
            let touched = (candidates.iter()).any(|&(part, _)| self.part_taken[part as usize]);
            let mut hypotheses = listed.hypotheses.iter();
            let died = hypotheses.any(|h| !self.is_alive(whole, &h.parts));
            (died || touched && (listed.exhausted || listed.dropped.is_some())).then_some(whole)
        };
        self.listed.iter().filter_map(lost).collect()
    }

    /// The hypotheses that one look at all confirms, with their scores.
    fn round(&self) -> Vec<(u32, Hypothesis, i64)> {
        let docket = self.docket();
        let accept = units(self.thresholds.accept);
        let margin = units(self.thresholds.margin);
        let mut fit: Vec<(i64, Named<'_>)> = Vec::new();
        for (place, named) in docket.all.iter().enumerate() {
            if named.hypothesis.parts.len() < 2 {
                continue;
            }
            let case = self.weigh(&docket, place);
            let clear = case.rival.is_none_or(|rival| {
                let ahead = case.score - rival;
                ahead > 0 && (margin == 0 || ahead > margin)
            });
            if clear && case.score >= accept {
                fit.push((case.score, *named));
            }
        }
        fit.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.order(&b.1)));
        let mut part_taken = BTreeSet::new();
        let mut whole_taken = BTreeSet::new();
        let mut confirmed = Vec::new();
        for (score, named) in fit {
            let parts = &named.hypothesis.parts;
            if whole_taken.contains(&named.whole)
                || parts.iter().any(|part| part_taken.contains(part))
            {
                continue;
            }
            whole_taken.insert(named.whole);
            part_taken.extend(parts.iter().copied());
            confirmed.push((named.whole, named.hypothesis.clone(), score));
        }
        confirmed
    }

    fn docket(&self) -> Docket<'_> {
        let mut docket = Docket {
            all: Vec::new(),
            of_whole: BTreeMap::new(),
            of_part: BTreeMap::new(),
        };
        for (&whole, listed) in self.listed.iter().filter(|(_, listed)| !listed.exhausted) {
            for hypothesis in &listed.hypotheses {
                if !self.is_alive(whole, &hypothesis.parts) {
                    continue;
                }
                let place = docket.all.len();
                docket.all.push(Named { whole, hypothesis });
                docket.of_whole.entry(whole).or_default().push(place);
                for &part in &hypothesis.parts {
                    docket.of_part.entry(part).or_default().push(place);
                }
            }
        }
        docket
    }

    /// What a hypothesis is worth beside all that share a record with it.
    fn weigh(&self, docket: &Docket<'_>, place: usize) -> Case {
        let named = &docket.all[place];
        let of_parts = named.hypothesis.parts.iter();
        let mut rivals: Vec<usize> = of_parts
            .filter_map(|part| docket.of_part.get(part))
            .chain(docket.of_whole.get(&named.whole))
            .flatten()
            .copied()
            .filter(|&other| other != place)
            .collect();
        rivals.sort_unstable();
        rivals.dedup();
        match self.thresholds.measure {
            Measure::Mean => {
                let best = rivals.iter().map(|&at| {
                    let rival = &docket.all[at];
                    (self.mean(rival.hypothesis), rival.whole)
                });
                let best = best.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
                Case {
                    score: self.mean(named.hypothesis),
                    rival: best.map(|(score, _)| score),
                    whole: best.map(|(_, whole)| whole),
                }
            }
            Measure::Odds => self.odds(docket, named, &rivals),
        }
    }

    /// The score of a group under [`Measure::Mean`], in units.
    fn mean(&self, hypothesis: &Hypothesis) -> i64 {
        units(self.thresholds.review) + hypothesis.rank(Measure::Mean)
    }

    fn odds(&self, docket: &Docket<'_>, named: &Named<'_>, rivals: &[usize]) -> Case {
        let own = named.hypothesis.merit;
        let against = |merit: f64| (merit - real(own)).exp2();
        let mut total = 1.0 + against(0.0);
        let mut best: Option<(i64, u32)> = None;
        for &at in rivals {
            let rival = &docket.all[at];
            let merit = rival.hypothesis.merit;
            total += against(real(merit));
            if best.is_none_or(|(other, _)| merit > other) {
                best = Some((merit, rival.whole));
            }
        }
        if let Some(dropped) = self.listed.get(&named.whole).and_then(|l| l.dropped) {
            total += against(dropped);
        }
        // True parts whose sum does not fit.
        let whole: i64 = (self.lists.of_whole(named.whole).iter())
            .filter(|(part, merit)| *merit > 0 && !self.part_taken[*part as usize])
            .take(self.rules.max_parts)
            .map(|(_, merit)| merit)
            .sum();
        if whole > 0 {
            total += against(real(whole) + MISS);
        }
        for &part in &named.hypothesis.parts {
            let mut others = self.lists.of_part(part).iter();
            let other = others
                .find(|(other, _)| *other != named.whole && !self.whole_taken[*other as usize]);
            if let Some((_, merit)) = other {
                total += against(real(*merit) + MISS);
            }
        }
        Case {
            score: units(1.0 / total),
            rival: best.map(|(merit, _)| units(against(real(merit)) / total)),
            whole: best.map(|(_, whole)| whole),
        }
    }

    /// Puts the best of what is left to review.
    fn propose(&mut self) {
        let docket = self.docket();
        let review = units(self.thresholds.review);
        let mut proposals: Vec<(i64, u32, Hypothesis, Why)> = Vec::new();
        for (place, named) in docket.all.iter().enumerate() {
            let alone = self.alone(named.hypothesis);
            if named.hypothesis.parts.len() < 2 || alone < review {
                continue;
            }
            let case = self.weigh(&docket, place);
            let why = match case.whole {
                _ if alone < units(self.thresholds.accept) => Why::Unsure,
                Some(whole) if whole == named.whole => Why::Ambiguous,
                Some(whole) => Why::Contested {
                    rival: self.problem.wholes[whole as usize].index,
                },
                None => Why::Unsure,
            };
            proposals.push((case.score, named.whole, named.hypothesis.clone(), why));
        }
        for (&whole, listed) in self.listed.iter().filter(|(_, listed)| listed.exhausted) {
            self.outcome.exhausted += 1;
            let mut alive = (listed.hypotheses.iter())
                .filter(|h| h.parts.len() > 1 && self.is_alive(whole, &h.parts));
            if let Some(best) = alive.next() {
                proposals.push((-1, whole, best.clone(), Why::BudgetExhausted));
            }
        }
        proposals.sort_by(|a, b| {
            (b.0.cmp(&a.0))
                .then(b.2.merit.cmp(&a.2.merit))
                .then(a.1.cmp(&b.1))
                .then_with(|| a.2.parts.cmp(&b.2.parts))
        });
        let mut crowded_out: Vec<u32> = Vec::new();
        for (score, whole, hypothesis, why) in proposals {
            if self.is_alive(whole, &hypothesis.parts) {
                self.whole_taken[whole as usize] = true;
                for &part in &hypothesis.parts {
                    self.part_taken[part as usize] = true;
                }
                let group = self.group(whole, &hypothesis, why, score.max(0));
                self.outcome.groups.push(group);
            } else {
                crowded_out.push(whole);
            }
        }
        crowded_out.sort_unstable();
        crowded_out.dedup();
        crowded_out.retain(|&whole| !self.whole_taken[whole as usize]);
        self.outcome.crowded_out = crowded_out.len() as u64;
    }

    /// The score of a hypothesis without rivals, in units.
    fn alone(&self, hypothesis: &Hypothesis) -> i64 {
        match self.thresholds.measure {
            Measure::Odds => units(1.0 / (1.0 + (-real(hypothesis.merit)).exp2())),
            Measure::Mean => self.mean(hypothesis),
        }
    }

    fn group(&self, whole: u32, hypothesis: &Hypothesis, why: Why, score: i64) -> Group {
        let parts = hypothesis.parts.iter();
        Group {
            whole: self.problem.wholes[whole as usize].index,
            parts: parts
                .map(|&part| self.problem.parts[part as usize].index)
                .collect(),
            verdict: if why == Why::Unique {
                Verdict::Confirmed
            } else {
                Verdict::Review
            },
            why,
            residual: hypothesis.residual,
            score: real(score),
        }
    }
}

impl Named<'_> {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        (other.hypothesis.merit.cmp(&self.hypothesis.merit))
            .then(self.whole.cmp(&other.whole))
            .then_with(|| self.hypothesis.parts.cmp(&other.hypothesis.parts))
    }
}
