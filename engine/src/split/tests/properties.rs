//! What holds of all splits: against naive references, in any order, within any budget.

use super::reference::{Reference, confirmed_in_order};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Amounts among which sums meet often, sometimes, and hardly ever.
fn amounts(most: RangeInclusive<usize>) -> impl Strategy<Value = Vec<i128>> {
    let few = prop::sample::select(vec![5_i128, 10, 15, -5]);
    prop_oneof![
        prop::collection::vec(-6_i128..=14, most.clone()),
        prop::collection::vec(1_i128..=60, most.clone()),
        prop::collection::vec(few, most.clone()),
        prop::collection::vec(-100_000_i128..=100_000, most),
    ]
}

fn side(most: usize) -> impl Strategy<Value = Side> {
    amounts(1..=most).prop_flat_map(|amounts| {
        let count = amounts.len();
        let positions = 0..u32::try_from(count).expect("few");
        let days = prop::collection::vec(prop::option::weighted(0.9, -3..=3), count);
        let blocks = prop::collection::vec((positions, 0_u32..2), count..=2 * count);
        (Just(amounts), days, blocks).prop_map(|(amounts, days, blocks)| Side {
            items: (0..)
                .zip(amounts)
                .zip(days)
                .map(|((at, amount), day)| Item {
                    index: at * 3 + 1,
                    amount,
                    day,
                })
                .collect(),
            blocks,
        })
    })
}

fn some_rules() -> impl Strategy<Value = Rules> {
    (0_u128..=2, 2_usize..=6, prop::option::of(0_u32..=4)).prop_map(
        |(tolerance, max_parts, window_days)| Rules {
            tolerance,
            max_parts,
            window_days,
            ..rules()
        },
    )
}

/// Wholes some of which are sums, in one block, so that they compete.
fn planted() -> impl Strategy<Value = Problem> {
    let masks = prop::collection::vec(0_u32..1 << 10, 1..=6);
    (amounts(4..=10), masks).prop_map(|(parts, masks)| {
        let sum = |mask: &u32| {
            let chosen = parts
                .iter()
                .enumerate()
                .filter(|(at, _)| mask >> at & 1 == 1);
            chosen.map(|(_, amount)| amount).sum()
        };
        let wholes: Vec<i128> = masks.iter().map(sum).collect();
        problem(&wholes, &parts)
    })
}

fn any_problem() -> impl Strategy<Value = Problem> {
    let loose = (side(5), side(10)).prop_map(|(wholes, parts)| Problem { wholes, parts });
    prop_oneof![loose, planted()]
}

/// The same problem with its lists in another order.
fn shuffled(problem: Problem) -> impl Strategy<Value = (Problem, Problem)> {
    let order = |side: &Side| Just((0..side.items.len()).collect::<Vec<_>>()).prop_shuffle();
    let orders = (order(&problem.wholes), order(&problem.parts));
    (Just(problem), orders).prop_map(|(problem, (wholes, parts))| {
        let reorder = |side: &Side, order: &[usize]| {
            let items = order.iter().map(|&at| side.items[at]).collect();
            let new = |old: u32| {
                let mut positions = (0..).zip(order);
                positions.find(|(_, at)| **at == old as usize)
            };
            let mut blocks: Vec<(u32, u32)> = side
                .blocks
                .iter()
                .map(|&(at, block)| (new(at).expect("a permutation").0, block ^ 1))
                .collect();
            blocks.reverse();
            Side { items, blocks }
        };
        let other = Problem {
            wholes: reorder(&problem.wholes, &wholes),
            parts: reorder(&problem.parts, &parts),
        };
        (problem, other)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn verdicts_are_those_of_the_rules_on_all_subsets(
        problem in any_problem(),
        rules in some_rules(),
    ) {
        let outcome = solved(&problem, &rules);
        let reference = Reference::new(&problem, &rules);
        let of = |why: fn(Why) -> bool| -> BTreeSet<(u32, Vec<u32>)> {
            let groups = outcome.groups.iter().filter(|group| why(group.why));
            groups.map(|group| (group.whole, group.parts.clone())).collect()
        };
        prop_assert_eq!(outcome.exhausted, 0);
        prop_assert_eq!(of(|why| why == Why::Unique), reference.confirmed());
        let contested = of(|why| matches!(why, Why::Contested { .. }));
        prop_assert!(contested.is_subset(&reference.contested()));
        for (whole, parts) in of(|why| why == Why::Ambiguous) {
            prop_assert!(reference.ambiguous(whole).contains(&parts));
        }
        // A whole is left without a group only if others hold parts of all its solutions.
        let mut held: BTreeSet<u32> = of(|why| why == Why::Unique)
            .into_iter()
            .flat_map(|(_, parts)| parts)
            .collect();
        let mut crowded_out = 0;
        for (whole, solutions) in reference.to_review() {
            if let Some(group) = outcome.groups.iter().find(|group| group.whole == whole) {
                prop_assert!(group.parts.iter().all(|part| held.insert(*part)));
            } else {
                crowded_out += 1;
                let is_free = |parts: &Vec<u32>| parts.iter().all(|part| !held.contains(part));
                prop_assert!(!solutions.iter().any(is_free));
            }
        }
        prop_assert_eq!(outcome.crowded_out, crowded_out);
    }

    #[test]
    fn taking_claims_in_another_order_confirms_the_same(
        problem in planted(),
        rules in some_rules(),
        order in Just((0_u32..6).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let reference = Reference::new(&problem, &rules);
        prop_assert_eq!(confirmed_in_order(&reference, &order), reference.confirmed());
    }

    #[test]
    fn neither_the_order_of_records_nor_threads_change_anything(
        (problem, other) in any_problem().prop_flat_map(shuffled),
        rules in some_rules(),
        node_budget in 0_u64..60,
        max_candidates in 0_usize..9,
    ) {
        for rules in [rules, Rules { node_budget, max_candidates, ..rules }] {
            let one = solve_on(1, &problem, &rules, &|_, _| true);
            prop_assert_eq!(&one, &solve_on(1, &other, &rules, &|_, _| true));
            prop_assert_eq!(&one, &solve_on(3, &problem, &rules, &|_, _| true));
        }
    }

    #[test]
    fn no_record_is_in_two_groups_and_every_sum_is_as_said(
        problem in any_problem(),
        rules in some_rules(),
        node_budget in 0_u64..60,
        max_candidates in 0_usize..9,
    ) {
        for rules in [rules, Rules { node_budget, max_candidates, ..rules }] {
            let outcome = solved(&problem, &rules);
            let (mut wholes, mut parts) = (BTreeSet::new(), BTreeSet::new());
            let amount = |side: &Side, index: u32| {
                let mut items = side.items.iter();
                items.find(|item| item.index == index).map(|item| item.amount)
            };
            for group in &outcome.groups {
                prop_assert!(wholes.insert(group.whole));
                prop_assert!((2..=rules.max_parts).contains(&group.parts.len()));
                let mut sum = 0;
                for &part in &group.parts {
                    prop_assert!(parts.insert(part));
                    sum += amount(&problem.parts, part).expect("a part of the problem");
                }
                let whole = amount(&problem.wholes, group.whole).expect("a whole of the problem");
                prop_assert_eq!(group.residual, sum - whole);
                if group.why != Why::BudgetExhausted {
                    prop_assert!(group.residual.unsigned_abs() <= rules.tolerance);
                }
            }
        }
    }

    #[test]
    fn the_budget_holds_within_one_look_at_the_sums(
        parts in prop::collection::vec(any::<i64>().prop_map(i128::from), 2..60),
        whole in any::<i64>().prop_map(i128::from),
        node_budget in 0_u64..5_000,
    ) {
        let rules = Rules { node_budget, ..rules() };
        let outcome = solved(&problem(&[whole], &parts), &rules);
        prop_assert!(outcome.nodes <= node_budget.max(128) + 1);
    }
}
