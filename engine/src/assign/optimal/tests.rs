use super::*;
use proptest::prelude::*;

/// All edges weigh whole numbers.
fn edge(&(left, right, weight): &(u32, u32, i32)) -> Edge {
    Edge {
        left,
        right,
        score: 0.5,
        weight: weight.into(),
    }
}

fn sparse(
    lefts: u32,
    rights: u32,
    weights: std::ops::RangeInclusive<i32>,
    edges: usize,
) -> impl Strategy<Value = Vec<(u32, u32, i32)>> {
    proptest::collection::btree_map((0..lefts, 0..rights), weights, 0..edges)
        .prop_map(|found| found.into_iter().map(|((l, r), w)| (l, r, w)).collect())
}

fn graph(edges: &[(u32, u32, i32)], lefts: usize, rights: usize) -> Graph {
    let mut graph = Graph::default();
    graph.load(
        lefts,
        rights,
        edges.iter().map(|&(l, r, w)| (l, r, w.into())),
    );
    graph
}

/// Every optimal matching as a sorted list of pairs, by trying each subset of edges.
fn optima(edges: &[(u32, u32, i32)]) -> Vec<Vec<(u32, u32)>> {
    fn extend(
        rest: &[(u32, u32, i32)],
        held: &mut Vec<(u32, u32)>,
        total: i64,
        found: &mut Vec<(i64, Vec<(u32, u32)>)>,
    ) {
        let Some((&(left, right, weight), rest)) = rest.split_first() else {
            found.push((-total, held.clone()));
            return;
        };
        if held.iter().all(|&(l, r)| l != left && r != right) {
            held.push((left, right));
            extend(rest, held, total + i64::from(weight), found);
            held.pop();
        }
        extend(rest, held, total, found);
    }
    let mut found = Vec::new();
    extend(edges, &mut Vec::new(), 0, &mut found);
    found.sort();
    let best = found[0].0;
    let optima = found.into_iter().take_while(|(total, _)| *total == best);
    optima.map(|(_, pairs)| pairs).collect()
}

fn by_search(graph: &Graph) -> Matching {
    let (mut search, mut matching) = (Search::default(), Matching::default());
    let free = search.start(graph, &mut matching);
    let left = search.augment(graph, &mut matching, free, u64::MAX);
    assert!(left.is_empty());
    matching
}

fn by_auction(graph: &Graph) -> Matching {
    let mut matching = Matching::default();
    assert!(Auction::solve(graph, &mut matching));
    matching
}

fn total(matching: &Matching) -> i64 {
    matching.row_dual.iter().chain(&matching.column_dual).sum()
}

#[test]
fn the_auction_leaves_weights_alone_that_do_not_fit() {
    let mut graph = Graph::default();
    graph.load(
        2,
        2,
        [(0, 0, 1 << 60), (1, 1, 1 << 60), (1, 0, 5)].into_iter(),
    );
    let mut matching = by_search(&graph);
    let before = matching.clone();
    assert!(!Auction::solve(&graph, &mut matching));
    assert_eq!(matching.row_mate, before.row_mate);
    assert_eq!(matching.row_dual, before.row_dual);
}

#[test]
fn a_chain_is_solved_whole() {
    // Greedily every second edge would do for more than half of it only.
    let chain: Vec<Edge> = (0..2000_u32)
        .flat_map(|n| [edge(&(n, n, 2)), edge(&(n, n + 1, 3))])
        .collect();
    let chosen = assign(chain, 2000, 2001);
    assert_eq!(chosen.len(), 2000);
    assert!(
        chosen
            .iter()
            .all(|c| c.edge.right == c.edge.left + 1 && !c.tied)
    );
}

#[test]
fn equal_weights_everywhere_pair_records_in_the_order_of_keys() {
    let all = (0..60_u32).flat_map(|l| (0..60_u32).map(move |r| edge(&(l, r, 1))));
    let mut chosen = assign(all.collect(), 60, 60);
    chosen.sort_unstable_by(|a, b| a.edge.by_keys(&b.edge));
    assert_eq!(chosen.len(), 60);
    assert!(chosen.iter().all(|c| c.edge.left == c.edge.right && c.tied));
}

#[test]
fn many_ties_are_settled_alike_whoever_solved() {
    // Ordering them takes so many steps that settled records are left out on the way.
    let mut edges: Vec<(u32, u32, i32)> = (0..400_u32)
        .flat_map(|l| (0..10_u32).map(move |n| (l, (l * 31 + n * n * 17 + n * l) % 390, 1)))
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let graph = graph(&edges, 400, 390);
    let (mut found, mut sold) = (by_search(&graph), by_auction(&graph));
    assert_eq!(total(&found), total(&sold));
    for matching in [&mut found, &mut sold] {
        Ties::default().settle(
            matching,
            edges.iter().map(|&(l, r, w)| (l, r, i64::from(w))),
        );
        assert!(matching.is_optimal(&graph));
    }
    assert_eq!(found.row_mate, sold.row_mate);
}

#[test]
fn weights_that_factor_are_solved_by_the_auction_too() {
    let products: Vec<(u32, u32, i32)> = (0..40_u32)
        .flat_map(|l| (0..50_u32).map(move |r| (l, r, ((l + 1) * (r + 1)).cast_signed())))
        .collect();
    let graph = graph(&products, 40, 50);
    let (found, sold) = (by_search(&graph), by_auction(&graph));
    assert!(found.is_optimal(&graph) && sold.is_optimal(&graph));
    let best: i64 = (0..40).map(|n| (40 - n) * (50 - n)).sum();
    assert_eq!((total(&found), total(&sold)), (best, best));
}

#[test]
fn a_wrong_matching_is_not_taken_for_optimal() {
    let edges = [(0, 0, 3), (0, 1, 2), (1, 0, 2)];
    let graph = graph(&edges, 2, 2);
    let right = by_search(&graph);
    assert!(right.is_optimal(&graph));
    let mut heavy_edge_only = Matching::default();
    heavy_edge_only.clear(2, 2);
    heavy_edge_only.row_mate[0] = 0;
    heavy_edge_only.column_mate[0] = 0;
    heavy_edge_only.row_dual[0] = 3;
    assert!(!heavy_edge_only.is_optimal(&graph));
    let mut bound_not_met = right.clone();
    bound_not_met.column_dual[0] += 1;
    assert!(!bound_not_met.is_optimal(&graph));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_total_the_choice_and_the_ties_are_those_of_all_matchings(
        edges in sparse(6, 5, 1..=4, 14)
    ) {
        let optima = optima(&edges);
        let mut chosen = assign(edges.iter().map(edge).collect(), 6, 5);
        chosen.sort_unstable_by(|a, b| a.edge.by_keys(&b.edge));
        let pairs: Vec<_> = chosen.iter().map(|c| (c.edge.left, c.edge.right)).collect();
        prop_assert!(optima.contains(&pairs), "{pairs:?} is not among {optima:?}");
        prop_assert_eq!(Some(&pairs), optima.iter().min());
        for found in &chosen {
            let pair = (found.edge.left, found.edge.right);
            prop_assert_eq!(found.tied, !optima.iter().all(|pairs| pairs.contains(&pair)));
        }
    }

    #[test]
    fn equal_weights_give_the_first_matching_of_the_largest_size(edges in sparse(6, 6, 1..=1, 15)) {
        let optima = optima(&edges);
        let mut chosen = assign(edges.iter().map(edge).collect(), 6, 6);
        chosen.sort_unstable_by(|a, b| a.edge.by_keys(&b.edge));
        let pairs: Vec<_> = chosen.iter().map(|c| (c.edge.left, c.edge.right)).collect();
        prop_assert_eq!(Some(&pairs), optima.iter().min());
    }

    #[test]
    fn search_and_auction_prove_the_same_total(edges in sparse(30, 40, 1..=1000, 300)) {
        let graph = graph(&edges, 30, 40);
        let (found, sold) = (by_search(&graph), by_auction(&graph));
        prop_assert!(found.is_optimal(&graph));
        prop_assert!(sold.is_optimal(&graph));
        prop_assert_eq!(total(&found), total(&sold));
    }

    #[test]
    fn search_and_auction_prove_the_same_total_of_few_weights(edges in sparse(40, 30, 1..=3, 120)) {
        let graph = graph(&edges, 40, 30);
        let (found, sold) = (by_search(&graph), by_auction(&graph));
        prop_assert!(found.is_optimal(&graph));
        prop_assert!(sold.is_optimal(&graph));
        prop_assert_eq!(total(&found), total(&sold));
    }

    #[test]
    fn the_choice_does_not_depend_on_who_solved(edges in sparse(12, 12, 1..=2, 50)) {
        let graph = graph(&edges, 12, 12);
        let (mut found, mut sold) = (by_search(&graph), by_auction(&graph));
        let mut ties = Ties::default();
        for matching in [&mut found, &mut sold] {
            let edges = edges.iter().map(|&(l, r, w)| (l, r, i64::from(w)));
            ties.settle(matching, edges);
            prop_assert!(matching.is_optimal(&graph));
        }
        prop_assert_eq!(found.row_mate, sold.row_mate);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_choice_and_the_ties_are_those_of_solving_again_for_each_edge(
        edges in sparse(14, 13, 1..=2, 90)
    ) {
        let best = |edges: &[(u32, u32, i32)]| total(&by_search(&graph(edges, 14, 13)));
        let mut chosen = assign(edges.iter().map(edge).collect(), 14, 13);
        chosen.sort_unstable_by(|a, b| a.edge.by_keys(&b.edge));
        let optimum = best(&edges);

        // An edge is taken when what is left without its records makes up for its weight.
        let (mut open, mut expected, mut held) = (edges.clone(), Vec::new(), 0);
        for &(left, right, weight) in &edges {
            let rest: Vec<_> =
                open.iter().copied().filter(|&(l, r, _)| l != left && r != right).collect();
            let is_open = open.contains(&(left, right, weight));
            if is_open && held + i64::from(weight) + best(&rest) == optimum {
                held += i64::from(weight);
                expected.push((left, right));
                open = rest;
            }
        }
        let pairs: Vec<_> = chosen.iter().map(|c| (c.edge.left, c.edge.right)).collect();
        prop_assert_eq!(pairs, expected);
        for found in chosen {
            let pair = (found.edge.left, found.edge.right);
            let without: Vec<_> =
                edges.iter().copied().filter(|&(l, r, _)| (l, r) != pair).collect();
            prop_assert_eq!(found.tied, best(&without) == optimum);
        }
    }
}
