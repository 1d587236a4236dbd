//! What splits are, by example.

mod properties;
mod reference;

use super::*;

fn rules() -> Rules {
    Rules {
        tolerance: 0,
        max_parts: 10,
        window_days: None,
        node_budget: 200_000,
        max_candidates: 5_000,
    }
}

fn item(index: u32, amount: i128) -> Item {
    let day = Some(0);
    Item { index, amount, day }
}

/// Everything in one block.
fn problem(wholes: &[i128], parts: &[i128]) -> Problem {
    let side = |amounts: &[i128]| Side {
        items: (0..).zip(amounts).map(|(i, &a)| item(i, a)).collect(),
        blocks: (0..).zip(amounts).map(|(i, _)| (i, 0)).collect(),
    };
    Problem {
        wholes: side(wholes),
        parts: side(parts),
    }
}

fn solved(problem: &Problem, rules: &Rules) -> Outcome {
    solve(problem, rules, &|_, _| true).expect("nobody stops it")
}

fn brief(outcome: &Outcome) -> Vec<(u32, Vec<u32>, Why)> {
    let groups = outcome.groups.iter();
    groups.map(|g| (g.whole, g.parts.clone(), g.why)).collect()
}

fn contested(rival: u32) -> Why {
    Why::Contested { rival }
}

#[test]
fn an_invoice_paid_in_parts_is_found() {
    let outcome = solved(&problem(&[1_000], &[250, 400, 350, 99]), &rules());
    assert_eq!(brief(&outcome), [(0, vec![0, 1, 2], Why::Unique)]);
    assert_eq!(outcome.groups[0].verdict, Verdict::Confirmed);
    assert_eq!(outcome.groups[0].residual, 0);
}

#[test]
fn a_single_equal_part_is_no_split() {
    assert!(
        solved(&problem(&[100], &[100, 7]), &rules())
            .groups
            .is_empty()
    );
}

#[test]
fn two_sets_that_fit_are_ambiguous_whatever_their_sizes() {
    let outcome = solved(&problem(&[100], &[60, 40, 50, 30, 20]), &rules());
    assert_eq!(outcome.groups.len(), 1);
    assert_eq!(outcome.groups[0].why, Why::Ambiguous);
    assert_eq!(outcome.groups[0].verdict, Verdict::Review);
}

#[test]
fn all_of_the_interchangeable_parts_are_unique_and_some_are_ambiguous() {
    let outcome = solved(&problem(&[300], &[100, 100, 100]), &rules());
    assert_eq!(brief(&outcome), [(0, vec![0, 1, 2], Why::Unique)]);
    let outcome = solved(&problem(&[300], &[100, 100, 100, 100]), &rules());
    assert_eq!(brief(&outcome), [(0, vec![0, 1, 2], Why::Ambiguous)]);
}

#[test]
fn of_interchangeable_parts_the_nearest_in_days_are_proposed_then_the_smallest_keys() {
    let mut problem = problem(&[200], &[100, 100, 100, 100]);
    for (item, day) in problem.parts.items.iter_mut().zip([5, -1, 1, 1]) {
        item.day = Some(day);
    }
    let rules = Rules {
        window_days: Some(7),
        ..rules()
    };
    assert_eq!(
        brief(&solved(&problem, &rules)),
        [(0, vec![1, 2], Why::Ambiguous)]
    );
}

#[test]
fn an_exact_sum_beats_sums_within_the_tolerance() {
    let rules = Rules {
        tolerance: 1,
        ..rules()
    };
    let parts = [60, 40, 39, 41];
    let outcome = solved(&problem(&[100], &parts), &rules);
    assert_eq!(brief(&outcome), [(0, vec![0, 1], Why::Unique)]);
    let outcome = solved(&problem(&[100], &[60, 39, 41]), &rules);
    assert_eq!(outcome.groups[0].why, Why::Ambiguous);
    let outcome = solved(&problem(&[100], &[60, 39]), &rules);
    assert_eq!(outcome.groups[0].why, Why::Unique);
    assert_eq!(outcome.groups[0].residual, -1);
    assert!(
        solved(&problem(&[100], &[60, 38]), &rules)
            .groups
            .is_empty()
    );
}

#[test]
fn a_credit_note_takes_part_with_its_sign_and_a_zero_does_not() {
    let outcome = solved(&problem(&[100, -70], &[130, -30, 0, -45, -25]), &rules());
    let expected = [(0, vec![0, 1], Why::Unique), (1, vec![3, 4], Why::Unique)];
    assert_eq!(brief(&outcome), expected);
}

#[test]
fn two_wholes_that_need_the_same_part_go_to_review() {
    let outcome = solved(&problem(&[100, 90], &[60, 40, 30]), &rules());
    assert_eq!(brief(&outcome), [(0, vec![0, 1], contested(1))]);
    assert_eq!(outcome.crowded_out, 1);
}

#[test]
fn a_confirmed_whole_settles_what_was_ambiguous() {
    // 100 is 60 + 40 or 70 + 30; 65 needs the 60.
    let outcome = solved(&problem(&[100, 65], &[60, 40, 70, 30, 5]), &rules());
    let expected = [(0, vec![2, 3], Why::Unique), (1, vec![0, 4], Why::Unique)];
    assert_eq!(brief(&outcome), expected);
}

#[test]
fn claims_that_would_leave_another_whole_without_a_solution_are_contested() {
    // 100 is 61 + 39 or 72 + 28; 1061 needs the 61 and 2072 the 72.
    let parts = [61, 39, 72, 28, 1_000, 2_000];
    let outcome = solved(&problem(&[1_061, 2_072, 100], &parts), &rules());
    let expected = [(0, vec![0, 4], contested(2)), (1, vec![2, 5], contested(2))];
    assert_eq!(brief(&outcome), expected);
    assert_eq!(outcome.crowded_out, 1);
    let without = solved(&problem(&[1_061, 2_072], &parts), &rules());
    assert!(without.groups.iter().all(|group| group.why == Why::Unique));
}

#[test]
fn blocks_are_alternatives() {
    let mut problem = problem(&[100], &[60, 40]);
    problem.wholes.blocks = vec![(0, 1), (0, 2)];
    problem.parts.blocks = vec![(0, 1), (1, 2)];
    assert_eq!(
        brief(&solved(&problem, &rules())),
        [(0, vec![0, 1], Why::Unique)]
    );
    problem.parts.blocks = vec![(0, 1), (1, 3)];
    assert!(solved(&problem, &rules()).groups.is_empty());
}

#[test]
fn an_exhausted_whole_is_counted_and_proposes_the_nearest_sum() {
    let scattered = |n: i128| (n * n * 7_919 + n * 104_729) % 1_000_003 + 500_000;
    let parts: Vec<i128> = (1..=40).map(scattered).collect();
    let rules = Rules {
        node_budget: 500,
        ..rules()
    };
    let outcome = solved(&problem(&[4_000_000], &parts), &rules);
    assert_eq!(outcome.exhausted, 1);
    assert_eq!(outcome.groups.len(), 1);
    assert_eq!(outcome.groups[0].why, Why::BudgetExhausted);
    assert_eq!(outcome.groups[0].verdict, Verdict::Review);
    assert!(outcome.groups[0].residual.abs() < 100_000);
}

#[test]
fn more_candidates_than_allowed_are_a_review_of_the_nearest() {
    let mut problem = problem(&[100], &[60, 40, 60, 40]);
    for (item, day) in problem.parts.items.iter_mut().zip([3, 3, 1, 2]) {
        item.day = Some(day);
    }
    let rules = Rules {
        max_candidates: 2,
        ..rules()
    };
    let outcome = solved(&problem, &rules);
    assert_eq!(brief(&outcome), [(0, vec![2, 3], Why::BudgetExhausted)]);
    assert_eq!(outcome.exhausted, 1);
}

#[test]
fn hundreds_of_equal_amounts_stay_cheap() {
    let parts = vec![999; 1_000];
    let wholes: Vec<i128> = (2..=10).map(|n| n * 999).collect();
    let outcome = solved(&problem(&wholes, &parts), &rules());
    assert_eq!(outcome.groups.len(), wholes.len());
    assert!(
        outcome
            .groups
            .iter()
            .all(|group| group.why == Why::Ambiguous)
    );
    assert!(outcome.nodes < 1_000, "{} steps", outcome.nodes);
}

#[test]
fn thousands_of_candidates_end_within_the_budget() {
    let scattered = |n: i128| n.pow(9) * 7_919 % 1_000_000_000_000_039 + 1_000_000_000_000;
    let parts: Vec<i128> = (1..=5_000).map(scattered).collect();
    let outcome = solved(&problem(&[3_000_000_000_000_001], &parts), &rules());
    assert!(outcome.nodes <= rules().node_budget + 1);
    assert_eq!(outcome.groups.len() as u64, 1);
}

#[test]
fn powers_of_two_have_one_solution() {
    let powers: Vec<i128> = (0..100).map(|n| 1_i128 << n).collect();
    let whole = powers.iter().step_by(10).sum();
    let outcome = solved(&problem(&[whole], &powers), &rules());
    let parts: Vec<u32> = (0..100).step_by(10).collect();
    assert_eq!(brief(&outcome), [(0, parts, Why::Unique)]);
}

#[test]
fn amounts_that_share_a_divisor_rule_a_whole_out_at_once() {
    let parts: Vec<i128> = (1..=400).map(|n| n * 2_500).collect();
    let outcome = solved(&problem(&[1_234_567], &parts), &rules());
    assert!(outcome.groups.is_empty());
    assert_eq!(outcome.exhausted, 0);
}

#[test]
fn a_whole_just_below_or_above_a_shared_divisor_is_within_the_tolerance() {
    let parts: Vec<i128> = (0..10).map(|n| 100 << n).collect();
    let rules = Rules {
        tolerance: 2,
        ..rules()
    };
    for off in [-2, 1] {
        let whole = parts[9] + parts[8] + parts[0] + off;
        let outcome = solved(&problem(&[whole], &parts), &rules);
        assert_eq!(brief(&outcome), [(0, vec![0, 8, 9], Why::Unique)]);
        assert_eq!(outcome.groups[0].residual, -off);
    }
}

#[test]
fn amounts_at_the_ends_of_the_range_neither_overflow_nor_match_by_wrapping() {
    let amounts = [i128::MAX, i128::MIN, i128::MAX - 1, i128::MIN + 1, 1, -1, 5];
    for tolerance in [0, 1, u128::MAX] {
        let rules = Rules {
            tolerance,
            ..rules()
        };
        let outcome = solved(&problem(&amounts, &amounts), &rules);
        assert!(outcome.groups.iter().all(|group| group.parts.len() >= 2));
    }
    let largest = i128::MAX / 6;
    let outcome = solved(&problem(&[largest], &[largest - 1, 1]), &rules());
    assert_eq!(brief(&outcome), [(0, vec![0, 1], Why::Unique)]);
    // All of them together exceed the range, two of the smallest do not.
    let many: Vec<i128> = (0..700).map(|n| largest / 100 - n * n).collect();
    let outcome = solved(&problem(&[many[690] + many[691]], &many), &rules());
    assert_eq!(outcome.groups.len(), 1);
}

#[test]
fn rules_that_allow_nothing_find_nothing() {
    let problem = problem(&[100], &[60, 40]);
    for rules in [
        Rules {
            max_parts: 1,
            ..rules()
        },
        Rules {
            max_parts: 0,
            ..rules()
        },
    ] {
        assert_eq!(solved(&problem, &rules), Outcome::default());
    }
    let rules = Rules {
        node_budget: 0,
        max_candidates: 0,
        ..rules()
    };
    assert_eq!(solved(&problem, &rules).exhausted, 1);
}

#[test]
fn a_whole_without_a_day_has_no_counterpart_within_a_window() {
    let mut problem = problem(&[100], &[60, 40]);
    problem.wholes.items[0].day = None;
    let rules = Rules {
        window_days: Some(1_000),
        ..rules()
    };
    assert_eq!(solved(&problem, &rules), Outcome::default());
}

#[test]
fn it_can_be_stopped() {
    let problem = problem(&[100], &[60, 40]);
    assert_eq!(solve(&problem, &rules(), &|_, _| false), None);
}
