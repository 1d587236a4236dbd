use super::super::{Group, Verdict, Why};
use super::lists::Lists;
use super::search::{Hypothesis, Searcher};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const RULES: Rules = Rules {
    tolerance: 0,
    max_parts: 4,
    window_days: None,
    node_budget: 200_000,
    max_candidates: 5_000,
};
const ODDS: Thresholds = Thresholds {
    measure: Measure::Odds,
    accept: 0.5,
    review: 0.5,
    margin: 0.0,
};
const MEAN: Thresholds = Thresholds {
    measure: Measure::Mean,
    accept: 0.8,
    review: 0.5,
    margin: 0.0,
};

fn items(amounts: &[i128]) -> Vec<Item> {
    let item = |(index, &amount)| Item {
        index,
        amount,
        day: None,
    };
    (0..).zip(amounts).map(item).collect()
}

/// Every whole with every part, with the merits of `merits[whole][part]`, and 10 bits for every sum
/// that fits.
fn problem(wholes: &[i128], parts: &[i128], merits: &[&[f64]]) -> Problem {
    let mut candidates = Vec::new();
    for (whole, merits) in (0..).zip(merits) {
        for (part, &merit) in (0..).zip(*merits) {
            candidates.push(Candidate {
                whole,
                part,
                merit: units(merit),
            });
        }
    }
    Problem {
        wholes: items(wholes),
        parts: items(parts),
        candidates,
        evidence: Vec::new(),
        fits: vec![
            Fit {
                exact: units(10.0),
                near: units(2.0)
            };
            wholes.len()
        ],
    }
}

fn solved(problem: &Problem, thresholds: &Thresholds) -> Outcome {
    solve_on(1, problem, &RULES, thresholds, &|_, _| true).expect("nobody stops it")
}

fn groups(outcome: &Outcome) -> Vec<(u32, Vec<u32>, Why)> {
    let of = |group: &Group| (group.whole, group.parts.clone(), group.why);
    outcome.groups.iter().map(of).collect()
}

#[test]
fn of_several_sums_the_one_with_more_evidence_holds() {
    let problem = problem(&[10], &[4, 6, 3, 7], &[&[3.0, 2.0, -4.0, -5.0]]);
    let outcome = solved(&problem, &ODDS);
    assert_eq!(groups(&outcome), [(0, vec![0, 1], Why::Unique)]);
    // 2^15 against 1, 2^1, and the four parts without a sum that fits: 2^(5 - 4.32).
    let expected = 1.0 / (1.0 + 2_f64.powi(-15) + 2_f64.powi(-14) + 2_f64.powf(5.0 + MISS - 15.0));
    assert!((outcome.groups[0].score - expected).abs() < 1e-6);
}

#[test]
fn equal_evidence_is_for_a_person() {
    let problem = problem(&[10], &[4, 6, 3, 7], &[&[1.0, 1.0, 1.0, 1.0]]);
    for thresholds in [ODDS, MEAN] {
        let outcome = solved(&problem, &thresholds);
        assert_eq!(groups(&outcome), [(0, vec![0, 1], Why::Ambiguous)]);
        assert_eq!(outcome.groups[0].verdict, Verdict::Review);
    }
}

#[test]
fn a_single_record_that_equals_the_sum_may_be_the_better_explanation() {
    let single = problem(&[10], &[4, 6, 10], &[&[-1.0, -1.0, 6.0]]);
    assert!(
        groups(&solved(&single, &ODDS))
            .iter()
            .all(|group| group.2 != Why::Unique)
    );
    let weak = problem(&[10], &[4, 6, 10], &[&[3.0, 3.0, -6.0]]);
    assert_eq!(
        groups(&solved(&weak, &ODDS)),
        [(0, vec![0, 1], Why::Unique)]
    );
}

#[test]
fn a_part_goes_to_the_whole_that_it_has_more_in_common_with() {
    let parts = [4, 6, 7];
    let shared = problem(&[10, 11], &parts, &[&[5.0, 5.0, -9.0], &[-3.0, -9.0, 2.0]]);
    let outcome = solved(&shared, &ODDS);
    assert_eq!(groups(&outcome), [(0, vec![0, 1], Why::Unique)]);
    let equal = problem(&[10, 11], &parts, &[&[5.0, 5.0, -9.0], &[5.0, -9.0, 5.0]]);
    let outcome = solved(&equal, &ODDS);
    assert_eq!(
        groups(&outcome),
        [(0, vec![0, 1], Why::Contested { rival: 1 })]
    );
    assert_eq!(outcome.crowded_out, 1);
}

#[test]
fn what_a_confirmed_group_takes_frees_others_of_doubt() {
    // Whole 1 is 4 + 8 or 5 + 7; the second needs what whole 0 is sure of.
    let problem = problem(
        &[12, 12],
        &[5, 7, 4, 8],
        &[&[9.0, 9.0, -20.0, -20.0], &[2.0, 2.0, 2.0, 2.0]],
    );
    let found = groups(&solved(&problem, &ODDS));
    assert_eq!(
        found,
        [(0, vec![0, 1], Why::Unique), (1, vec![2, 3], Why::Unique)]
    );
}

#[test]
fn a_part_that_surely_belongs_elsewhere_is_not_taken_by_chance() {
    // Part 0 has everything in common with whole 1, though nothing adds up there.
    let problem = problem(&[10, 99], &[4, 6], &[&[-3.0, -3.0], &[14.0, -9.0]]);
    let outcome = solved(&problem, &ODDS);
    assert!(
        outcome
            .groups
            .iter()
            .all(|group| group.verdict == Verdict::Review)
    );
}

#[test]
fn the_mean_of_the_parts_is_a_groups_score() {
    let problem = problem(&[10], &[4, 6, 3, 7], &[&[0.9, 0.8, 0.6, 0.7]]);
    let outcome = solved(&problem, &MEAN);
    assert_eq!(groups(&outcome), [(0, vec![0, 1], Why::Unique)]);
    assert!((outcome.groups[0].score - 0.85).abs() < 1e-9);
    let near = Thresholds {
        margin: 0.3,
        ..MEAN
    };
    assert_eq!(
        groups(&solved(&problem, &near)),
        [(0, vec![0, 1], Why::Ambiguous)]
    );
    let strict = Thresholds {
        accept: 0.9,
        ..MEAN
    };
    assert_eq!(
        groups(&solved(&problem, &strict)),
        [(0, vec![0, 1], Why::Unsure)]
    );
}

#[test]
fn what_parts_share_counts_once_against_them() {
    // The one comparison says -6 of each pair: for a group that is -6, and not -18.
    let mut problem = problem(&[13], &[2, 4, 7], &[&[-7.0, -7.0, -7.0]]);
    problem.evidence = vec![units(-6.0); 3];
    let outcome = solved(&problem, &ODDS);
    assert_eq!(groups(&outcome), [(0, vec![0, 1, 2], Why::Unique)]);
    // 3 · -1 for what is besides, -6 once, and 10 for the sum.
    assert!((outcome.groups[0].score - 2.0 / 3.0).abs() < 1e-6);
    // What is for a group counts in full, and what is against it never more than that.
    problem.evidence = vec![units(-6.0), units(2.0), units(3.0)];
    for (candidate, merit) in problem.candidates.iter_mut().zip([-7.0, 0.0, 1.0]) {
        candidate.merit = units(merit);
    }
    // 10 for the sum, -1, -2 and -2 for what is besides, and -1 for the comparison.
    let expected = 1.0 / (1.0 + 2_f64.powi(-4) + 2_f64.powf(1.0 + MISS - 4.0));
    assert!((solved(&problem, &ODDS).groups[0].score - expected).abs() < 1e-6);
}

#[test]
fn a_search_that_is_cut_short_claims_nothing() {
    let amounts: Vec<i128> = (0..60).map(|n| 1_000 + n * 7).collect();
    let merits = vec![1.0; 60];
    let problem = problem(&[4_321], &amounts, &[&merits]);
    let rules = Rules {
        node_budget: 50,
        ..RULES
    };
    let outcome = solve_on(1, &problem, &rules, &ODDS, &|_, _| true).expect("nobody stops it");
    assert_eq!(outcome.exhausted, 1);
    assert!(
        outcome
            .groups
            .iter()
            .all(|group| group.why == Why::BudgetExhausted)
    );
    let few = Rules {
        max_candidates: 10,
        ..RULES
    };
    let outcome = solve_on(1, &problem, &few, &ODDS, &|_, _| true).expect("nobody stops it");
    assert_eq!(outcome.exhausted, 1);
}

#[test]
fn many_equal_sums_end_a_search_before_its_budget() {
    let amounts = vec![5; 200];
    let merits = vec![3.0; 200];
    let problem = problem(&[15], &amounts, &[&merits]);
    let outcome = solved(&problem, &ODDS);
    assert_eq!(outcome.exhausted, 0);
    assert!(outcome.nodes < 20_000, "{}", outcome.nodes);
    assert_eq!(outcome.groups[0].why, Why::Ambiguous);
}

#[test]
fn a_window_leaves_out_what_is_too_far_away() {
    let mut problem = problem(&[10], &[4, 6, 6], &[&[3.0, 3.0, 3.0]]);
    problem.wholes[0].day = Some(10);
    for (part, day) in problem.parts.iter_mut().zip([10, 13, 14]) {
        part.day = Some(day);
    }
    let rules = Rules {
        window_days: Some(3),
        ..RULES
    };
    let outcome = solve_on(1, &problem, &rules, &ODDS, &|_, _| true).expect("nobody stops it");
    assert_eq!(groups(&outcome), [(0, vec![0, 1], Why::Unique)]);
}

/// Small problems in which sums meet.
fn any_problem() -> impl Strategy<Value = Problem> {
    let amount = || {
        let amounts = prop_oneof![1_i128..12, Just(5), -6_i128..0];
        amounts.prop_filter("a part", |amount| *amount != 0)
    };
    (
        prop::collection::vec(amount(), 2..9),
        prop::collection::vec((0_u32..256, -1_i128..=1), 1..5),
        prop::collection::vec(-80_i32..90, 40),
        prop::collection::vec(-60_i32..60, 80),
        prop::bool::ANY,
        prop::bool::ANY,
    )
        .prop_map(|(parts, wholes, merits, evidence, is_told, sparse)| {
            let sum = |&(mask, off): &(u32, i128)| {
                let chosen = parts
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| mask >> at & 1 == 1);
                chosen.map(|(_, amount)| amount).sum::<i128>() + off
            };
            let wholes: Vec<i128> = wholes.iter().map(sum).collect();
            let merits: Vec<f64> = merits.iter().map(|m| f64::from(*m) / 8.0).collect();
            let rows: Vec<&[f64]> = merits.chunks(parts.len()).take(wholes.len()).collect();
            let mut problem = problem(&wholes, &parts, &rows);
            if sparse {
                problem.candidates.retain(|c| (c.whole + c.part) % 3 != 0);
            }
            if is_told {
                // Two comparisons, of which the merits are made besides something else.
                let bits = evidence.iter().map(|bits| units(f64::from(*bits) / 8.0));
                problem.evidence = bits.take(2 * problem.candidates.len()).collect();
            }
            problem
        })
}

/// Every hypothesis of a whole, by looking at all sets.
fn all(problem: &Problem, whole: u32, rules: &Rules, measure: Measure) -> Vec<Hypothesis> {
    let candidates: Vec<usize> = (0..problem.candidates.len())
        .filter(|&at| problem.candidates[at].whole == whole)
        .collect();
    let target = problem.wholes[whole as usize].amount;
    let fit = problem.fits[whole as usize];
    let mut found = Vec::new();
    for mask in 1_u32..1 << candidates.len() {
        if mask.count_ones() as usize > rules.max_parts {
            continue;
        }
        let chosen = (0..candidates.len()).filter(|at| mask >> at & 1 == 1);
        let places: Vec<usize> = chosen.map(|at| candidates[at]).collect();
        let chosen: Vec<&Candidate> = places.iter().map(|&at| &problem.candidates[at]).collect();
        let amounts = chosen.iter().map(|c| problem.parts[c.part as usize].amount);
        let residual = amounts.sum::<i128>() - target;
        if residual.unsigned_abs() > rules.tolerance {
            continue;
        }
        let merit = merit(problem, &places);
        let count = i64::try_from(chosen.len()).expect("few");
        let merit = match measure {
            Measure::Odds if residual == 0 => merit + fit.exact,
            Measure::Odds => merit + fit.near,
            Measure::Mean => merit - count * units(MEAN.review),
        };
        let mut parts: Vec<u32> = chosen.iter().map(|c| c.part).collect();
        parts.sort_unstable();
        let parts = parts.into();
        found.push(Hypothesis {
            parts,
            merit,
            residual,
        });
    }
    found
}

/// The merit of a set by the definition.
fn merit(problem: &Problem, chosen: &[usize]) -> i64 {
    let merits: i64 = chosen.iter().map(|&at| problem.candidates[at].merit).sum();
    let comparisons = problem.evidence.len() / problem.candidates.len();
    let said = |comparison: usize| {
        let each = || {
            chosen
                .iter()
                .map(|&at| problem.evidence[at * comparisons + comparison])
        };
        let (sum, worst) = (each().sum::<i64>(), each().min().expect("some"));
        sum.max(worst) - sum
    };
    merits + (0..comparisons).map(said).sum::<i64>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_search_finds_the_best_of_all_sets(
        problem in any_problem(),
        tolerance in 0_u128..2,
        max_parts in 2_usize..6,
        odds in prop::bool::ANY,
    ) {
        let rules = Rules { tolerance, max_parts, ..RULES };
        let odds = odds || !problem.evidence.is_empty();
        let thresholds = if odds { ODDS } else { MEAN };
        let lists = Lists::new(&problem, None);
        let mut searcher = Searcher::new(&problem, &lists, &rules, &thresholds);
        for whole in (0..).take(problem.wholes.len()) {
            let listed = searcher.list(whole, &[]);
            prop_assert!(!listed.exhausted);
            let all = all(&problem, whole, &rules, thresholds.measure);
            for hypothesis in &listed.hypotheses {
                prop_assert!(all.contains(hypothesis));
            }
            let found: BTreeSet<_> = listed.hypotheses.iter().map(|h| &h.parts).collect();
            prop_assert_eq!(found.len(), listed.hypotheses.len());
            let best = all.iter().map(|h| h.rank(thresholds.measure)).max();
            // Ten bits below the best nothing is lost, unless so much was found that none can win.
            let near = match thresholds.measure {
                Measure::Odds => 10.0,
                Measure::Mean => 0.0,
            };
            if let Some(best) = best.filter(|best| *best >= 0) {
                let lost = all.iter().filter(|h| {
                    h.rank(thresholds.measure) >= (best - units(near)).max(0)
                        && !found.contains(&h.parts)
                });
                let crowd = listed.hypotheses.iter().map(|h| real(h.merit - best).exp2());
                let crowd: f64 = crowd.sum();
                prop_assert!(lost.count() == 0 || odds && crowd > 2.0 || found.len() >= 64);
            }
        }
    }

    #[test]
    fn groups_add_up_and_no_record_is_in_two(
        problem in any_problem(),
        tolerance in 0_u128..2,
        odds in prop::bool::ANY,
    ) {
        let rules = Rules { tolerance, ..RULES };
        let odds = odds || !problem.evidence.is_empty();
        let thresholds = if odds { ODDS } else { MEAN };
        let outcome = solve_on(1, &problem, &rules, &thresholds, &|_, _| true).expect("runs");
        let mut reversed = problem.clone();
        reversed.candidates.reverse();
        let comparisons = problem.evidence.len() / problem.candidates.len().max(1);
        if comparisons > 0 {
            let evidence = problem.evidence.chunks(comparisons).rev();
            reversed.evidence = evidence.flatten().copied().collect();
        }
        let other = solve_on(3, &reversed, &rules, &thresholds, &|_, _| true).expect("runs");
        prop_assert_eq!(&outcome, &other);
        let mut parts = BTreeSet::new();
        let mut wholes = BTreeSet::new();
        for group in &outcome.groups {
            prop_assert!(wholes.insert(group.whole));
            prop_assert!(group.parts.len() > 1);
            let mut sum = 0;
            for &part in &group.parts {
                prop_assert!(parts.insert(part));
                sum += problem.parts[part as usize].amount;
            }
            prop_assert_eq!(sum - problem.wholes[group.whole as usize].amount, group.residual);
            prop_assert!(group.residual.unsigned_abs() <= tolerance);
            if group.verdict == Verdict::Confirmed {
                prop_assert!(group.score >= thresholds.accept);
            }
        }
    }
}
