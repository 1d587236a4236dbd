use super::Cardinality::{ManyToMany, ManyToOne, OneToMany, OneToOne};
use super::*;
use proptest::prelude::*;

const CARDINALITIES: [Cardinality; 4] = [OneToOne, OneToMany, ManyToOne, ManyToMany];

fn edge(left: u32, right: u32, score: f64) -> Edge {
    weighed(left, right, score, score)
}

fn weighed(left: u32, right: u32, score: f64, weight: f64) -> Edge {
    Edge {
        left,
        right,
        score,
        weight,
    }
}

fn rules(method: Method, cardinality: Cardinality, accept: f64, margin: f64) -> Rules {
    Rules {
        method,
        cardinality,
        accept,
        margin,
    }
}

fn greedy(accept: f64) -> Rules {
    rules(Method::Greedy, OneToOne, accept, 0.0)
}

fn optimal(accept: f64) -> Rules {
    rules(Method::Optimal, OneToOne, accept, 0.0)
}

fn pairs(chosen: &[Chosen]) -> Vec<(u32, u32, bool)> {
    chosen
        .iter()
        .map(|c| (c.edge.left, c.edge.right, c.tied))
        .collect()
}

fn units(chosen: &[Chosen]) -> i64 {
    chosen.iter().map(|c| c.edge.units().max(0)).sum()
}

/// Up to 5 × 5 records with scores and weights out of few, so that ties are common. A weight
/// follows from its score, but in another order.
fn few_edges() -> impl Strategy<Value = Vec<Edge>> {
    proptest::collection::btree_map((0..5_u32, 0..5_u32), 0..4_usize, 0..14).prop_map(|found| {
        let edges = found.into_iter().map(|((left, right), value)| {
            let (score, weight) = [(0.5, 1.5), (0.7, 2.5), (0.9, -1.0), (1.0, 4.0)][value];
            weighed(left, right, score, weight)
        });
        edges.collect()
    })
}

fn shuffled_edges() -> impl Strategy<Value = (Vec<Edge>, Vec<Edge>)> {
    few_edges().prop_flat_map(|edges| (Just(edges.clone()), Just(edges).prop_shuffle()))
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let cardinality = proptest::sample::select(CARDINALITIES.to_vec());
    let method = proptest::sample::select(vec![Method::Optimal, Method::Greedy]);
    let accept = proptest::sample::select(vec![0.0, 0.7, 0.9, 1.1]);
    let margin = proptest::sample::select(vec![0.0, 0.1, 0.2]);
    (method, cardinality, accept, margin)
        .prop_map(|(m, c, accept, margin)| rules(m, c, accept, margin))
}

#[test]
fn greedily_the_best_pair_comes_first_and_takes_its_records() {
    let edges = vec![edge(0, 0, 0.8), edge(0, 1, 0.9), edge(1, 1, 0.85)];
    let decided = assign(edges, &greedy(0.5), 2, 2);
    assert_eq!(pairs(&decided.confirmed), [(0, 1, false)]);
    assert!(decided.review.is_empty());
}

#[test]
fn optimally_the_total_counts() {
    let edges = vec![edge(0, 0, 0.8), edge(0, 1, 0.9), edge(1, 1, 0.85)];
    let decided = assign(edges, &optimal(0.5), 2, 2);
    assert_eq!(pairs(&decided.confirmed), [(0, 0, false), (1, 1, false)]);
}

#[test]
fn a_tie_goes_to_the_smaller_keys_and_is_said() {
    let edges = vec![
        edge(1, 0, 1.0),
        edge(0, 1, 1.0),
        edge(0, 0, 1.0),
        edge(1, 1, 1.0),
    ];
    for rules in [greedy(1.0), optimal(1.0)] {
        let decided = assign(edges.clone(), &rules, 2, 2);
        assert_eq!(pairs(&decided.confirmed), [(0, 0, true), (1, 1, true)]);
    }
}

#[test]
fn review_takes_only_what_confirmation_left() {
    let edges = vec![
        edge(0, 0, 0.95),
        edge(0, 1, 0.8),
        edge(1, 1, 0.7),
        edge(1, 0, 0.75),
    ];
    for rules in [greedy(0.9), optimal(0.9)] {
        let decided = assign(edges.clone(), &rules, 2, 2);
        assert_eq!(pairs(&decided.confirmed), [(0, 0, false)]);
        assert_eq!(pairs(&decided.review), [(1, 1, false)]);
        assert!(!decided.review[0].ambiguous);
    }
}

#[test]
fn an_optimal_review_holds_each_record_once() {
    let edges = vec![edge(0, 0, 0.8), edge(0, 1, 0.9), edge(1, 1, 0.85)];
    let decided = assign(edges, &optimal(0.95), 2, 2);
    assert!(decided.confirmed.is_empty());
    assert_eq!(pairs(&decided.review), [(0, 0, false), (1, 1, false)]);
}

#[test]
fn equal_scores_go_by_weight_greedily() {
    let edges = vec![weighed(0, 0, 0.9, 3.0), weighed(0, 1, 0.9, 5.0)];
    let decided = assign(edges, &greedy(0.5), 1, 2);
    assert_eq!(pairs(&decided.confirmed), [(0, 1, false)]);
}

#[test]
fn weight_decides_the_optimum_and_score_the_threshold() {
    let edges = vec![
        weighed(0, 0, 0.99, 2.0),
        weighed(0, 1, 0.95, 9.0),
        weighed(1, 1, 0.5, 50.0),
    ];
    let decided = assign(edges, &optimal(0.9), 2, 2);
    assert_eq!(pairs(&decided.confirmed), [(0, 1, false)]);
    assert!(decided.review.is_empty());
}

#[test]
fn edges_without_weight_take_only_records_that_the_optimum_left() {
    let edges = vec![
        weighed(0, 0, 0.9, 1.0),
        weighed(0, 1, 0.99, -1.0),
        weighed(1, 0, 0.98, 0.0),
        weighed(1, 1, 0.6, -3.0),
    ];
    let decided = assign(edges, &optimal(0.5), 2, 2);
    assert_eq!(pairs(&decided.confirmed), [(0, 0, false), (1, 1, false)]);
}

#[test]
fn weights_that_are_no_numbers_or_too_large_do_no_harm() {
    let edges = vec![
        weighed(0, 0, 0.9, f64::NAN),
        weighed(0, 1, 0.9, f64::INFINITY),
        weighed(1, 0, 0.9, f64::MAX),
        weighed(1, 1, 0.9, f64::NEG_INFINITY),
        weighed(2, 1, 0.9, 1.0),
    ];
    let decided = assign(edges, &optimal(0.5), 3, 2);
    assert_eq!(pairs(&decided.confirmed), [(0, 1, false), (1, 0, false)]);
}

#[test]
fn a_runner_up_exactly_at_the_margin_makes_a_pair_ambiguous() {
    let near = |runner_up| vec![edge(0, 0, 0.92), edge(0, 1, runner_up)];
    for method in [Method::Optimal, Method::Greedy] {
        let rules = rules(method, OneToOne, 0.9, 0.05);
        let decided = assign(near(0.87), &rules, 1, 2);
        assert!(decided.confirmed.is_empty());
        assert_eq!(pairs(&decided.review), [(0, 0, false)]);
        assert!(decided.review[0].ambiguous);

        let decided = assign(near(0.869_999_999_999), &rules, 1, 2);
        assert_eq!(pairs(&decided.confirmed), [(0, 0, false)]);
        assert!(!decided.confirmed[0].ambiguous);
    }
}

#[test]
fn a_runner_up_counts_though_another_pair_takes_its_other_record() {
    let edges = vec![edge(0, 0, 0.95), edge(0, 1, 0.93), edge(1, 1, 1.0)];
    let rules = rules(Method::Optimal, OneToOne, 0.9, 0.03);
    let decided = assign(edges, &rules, 2, 2);
    assert_eq!(pairs(&decided.confirmed), [(1, 1, false)]);
    assert_eq!(pairs(&decided.review), [(0, 0, false)]);
}

#[test]
fn only_the_many_side_has_runners_up_in_groups() {
    // Left 0 has two partners near each other; right 2 has.
    let edges = vec![
        edge(0, 0, 0.95),
        edge(0, 1, 0.95),
        edge(1, 2, 0.95),
        edge(2, 2, 0.94),
    ];
    let decide = |cardinality| {
        let rules = rules(Method::Optimal, cardinality, 0.9, 0.05);
        assign(edges.clone(), &rules, 3, 3)
    };
    let to_many = decide(OneToMany);
    assert_eq!(pairs(&to_many.confirmed), [(0, 0, false), (0, 1, false)]);
    assert_eq!(pairs(&to_many.review), [(1, 2, false)]);
    assert!(to_many.review[0].ambiguous);
    let to_one = decide(ManyToOne);
    assert_eq!(pairs(&to_one.confirmed), [(1, 2, false), (2, 2, false)]);
    assert_eq!(pairs(&to_one.review), [(0, 0, true)]);
    let many = decide(ManyToMany);
    assert_eq!(many.confirmed.len(), 4);
    assert!(many.review.is_empty());
}

#[test]
fn each_of_many_takes_its_best_and_a_tie_the_smaller_key() {
    let edges = vec![
        edge(1, 0, 0.9),
        edge(0, 0, 0.9),
        edge(0, 1, 0.8),
        edge(1, 1, 0.95),
        edge(0, 2, 0.7),
    ];
    let one_to_many = rules(Method::Optimal, OneToMany, 0.5, 0.0);
    let decided = assign(edges, &one_to_many, 2, 3);
    assert_eq!(
        pairs(&decided.confirmed),
        [(0, 0, true), (0, 2, false), (1, 1, false)]
    );
}

#[test]
fn groups_leave_confirmed_records_out_of_review() {
    let edges = vec![edge(0, 0, 0.95), edge(0, 1, 0.8), edge(1, 2, 0.8)];
    for cardinality in CARDINALITIES {
        let rules = rules(Method::Optimal, cardinality, 0.9, 0.0);
        let decided = assign(edges.clone(), &rules, 2, 3);
        assert_eq!(pairs(&decided.confirmed), [(0, 0, false)]);
        assert_eq!(pairs(&decided.review), [(1, 2, false)]);
    }
}

#[test]
fn pairs_that_share_a_record_are_one_group() {
    let pairs = [(7, 1), (2, 2), (7, 3), (4, 3), (u32::MAX, 9), (2, 2)];
    assert_eq!(groups(&pairs), [0, 1, 0, 0, 2, 1]);
    assert!(groups(&[]).is_empty());
}

proptest! {
    #[test]
    fn the_order_of_edges_does_not_matter(
        (sorted, shuffled) in shuffled_edges(), rules in any_rules()
    ) {
        prop_assert_eq!(assign(sorted, &rules, 5, 5), assign(shuffled, &rules, 5, 5));
    }

    #[test]
    fn no_record_is_in_more_pairs_than_its_cardinality_allows(
        edges in few_edges(), rules in any_rules()
    ) {
        let decided = assign(edges.clone(), &rules, 5, 5);
        let (mut left, mut right) = ([0; 5], [0; 5]);
        for chosen in decided.confirmed.iter().chain(&decided.review) {
            prop_assert!(edges.contains(&chosen.edge));
            left[chosen.edge.left as usize] += 1;
            right[chosen.edge.right as usize] += 1;
        }
        for chosen in &decided.confirmed {
            prop_assert!(chosen.edge.score >= rules.accept && !chosen.ambiguous);
        }
        for chosen in &decided.review {
            prop_assert_eq!(chosen.ambiguous, chosen.edge.score >= rules.accept);
        }
        if matches!(rules.cardinality, OneToOne | ManyToOne) {
            prop_assert!(left.iter().all(|&count| count <= 1));
        }
        if matches!(rules.cardinality, OneToOne | OneToMany) {
            prop_assert!(right.iter().all(|&count| count <= 1));
        }
        if rules.cardinality == ManyToMany && rules.margin == 0.0 {
            let sure = edges.iter().filter(|edge| edge.score >= rules.accept).count();
            prop_assert_eq!(decided.confirmed.len(), sure);
        }
    }

    #[test]
    fn a_margin_confirms_exactly_what_has_no_runner_up_within_it(
        edges in few_edges(), accept in 0.4..1.1, margin in 1..30_u32
    ) {
        let hundredths = |score: f64| (score * 100.0).round();
        let rules = rules(Method::Optimal, OneToOne, accept, f64::from(margin) / 100.0);
        let is_clear = |edge: &Edge| {
            let rivals = edges.iter().filter(|other| {
                (other.left == edge.left) != (other.right == edge.right)
            });
            let near = hundredths(edge.score) - f64::from(margin);
            rivals.into_iter().all(|other| hundredths(other.score) < near)
        };
        let expected: Vec<Edge> = edges
            .iter()
            .filter(|edge| edge.score >= accept && is_clear(edge))
            .copied()
            .collect();
        let decided = assign(edges.clone(), &rules, 5, 5);
        let confirmed: Vec<Edge> = decided.confirmed.iter().map(|c| c.edge).collect();
        prop_assert_eq!(confirmed, expected);
    }

    #[test]
    fn greedily_each_choice_is_the_best_that_was_open(edges in few_edges()) {
        let mut ranked = edges.clone();
        ranked.sort_by(Edge::by_rank);
        let mut expected = Vec::<Edge>::new();
        for edge in ranked {
            if expected.iter().all(|held| held.left != edge.left && held.right != edge.right) {
                expected.push(edge);
            }
        }
        expected.sort_by(Edge::by_keys);
        let decided = assign(edges, &greedy(0.0), 5, 5);
        let confirmed: Vec<Edge> = decided.confirmed.iter().map(|c| c.edge).collect();
        prop_assert_eq!(confirmed, expected);
    }

    #[test]
    fn one_to_many_is_many_to_one_with_sides_swapped(
        edges in few_edges(), accept in 0.4..1.1, margin in proptest::sample::select(vec![0.0, 0.2])
    ) {
        let rules = |cardinality| rules(Method::Optimal, cardinality, accept, margin);
        let decided = assign(edges.clone(), &rules(OneToMany), 5, 5);
        let swapped = assign(swap(&edges), &rules(ManyToOne), 5, 5);
        let back = |chosen: &[Chosen]| {
            let mut found: Vec<_> = chosen.iter().map(|c| (c.edge.right, c.edge.left, c.tied)).collect();
            found.sort_unstable();
            found
        };
        prop_assert_eq!(pairs(&decided.confirmed), back(&swapped.confirmed));
        prop_assert_eq!(pairs(&decided.review), back(&swapped.review));
    }

    #[test]
    fn the_optimum_is_never_below_greedy(edges in few_edges()) {
        let best = assign(edges.clone(), &optimal(0.0), 5, 5);
        let first = assign(edges, &greedy(0.0), 5, 5);
        prop_assert!(units(&best.confirmed) >= units(&first.confirmed));
    }

    #[test]
    fn swapping_sides_gives_the_same_total_and_without_ties_the_same_pairs(edges in few_edges()) {
        let edges: Vec<Edge> = edges.into_iter().filter(|edge| edge.units() > 0).collect();
        let decided = assign(edges.clone(), &optimal(0.0), 5, 5).confirmed;
        let swapped = swap_chosen(&assign(swap(&edges), &optimal(0.0), 5, 5).confirmed);
        prop_assert_eq!(units(&decided), units(&swapped));
        if decided.iter().all(|chosen| !chosen.tied) {
            prop_assert_eq!(decided, swapped);
        }
    }

    #[test]
    fn groups_are_the_connected_components(
        pairs in proptest::collection::vec((0..9_u32, 0..9_u32), 0..12)
    ) {
        let found = groups(&pairs);
        let touch = |a: usize, b: usize| pairs[a].0 == pairs[b].0 || pairs[a].1 == pairs[b].1;
        let mut naive: Vec<usize> = (0..pairs.len()).collect();
        for _ in 0..pairs.len() {
            for a in 0..pairs.len() {
                for b in 0..pairs.len() {
                    if touch(a, b) {
                        naive[a] = naive[a].min(naive[b]);
                    }
                }
            }
        }
        let mut firsts = naive.clone();
        firsts.sort_unstable();
        firsts.dedup();
        let number = |first| firsts.iter().position(|known| known == first);
        let naive: Vec<_> = naive.iter().map(number).collect();
        let found: Vec<_> = found.into_iter().map(|group| Some(group as usize)).collect();
        prop_assert_eq!(found, naive);
    }
}

fn swap(edges: &[Edge]) -> Vec<Edge> {
    edges
        .iter()
        .map(|e| weighed(e.right, e.left, e.score, e.weight))
        .collect()
}

fn swap_chosen(chosen: &[Chosen]) -> Vec<Chosen> {
    let swapped = chosen.iter().map(|c| Chosen {
        edge: swap(&[c.edge])[0],
        ..*c
    });
    let mut swapped: Vec<Chosen> = swapped.collect();
    swapped.sort_unstable_by(|a, b| a.edge.by_keys(&b.edge));
    swapped
}
