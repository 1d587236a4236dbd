//! Over random data and rules: every row ends in exactly one outcome, and the order of the input
//! changes nothing.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

mod support;

use engine::SideSummary;
use proptest::prelude::*;
use std::collections::BTreeSet;
use support::{Ran, run_texts};

/// A row: key, reference, amount, memo. Few values, so that keys repeat and scores tie; some empty
/// keys and amounts that are no numbers.
fn rows() -> impl Strategy<Value = Vec<String>> {
    let row = (
        "[a-h]?[a-d]?",
        "[12]?",
        "([0-3]|1\\.5|x|9\\.999)?",
        "[ab]{0,4}",
    )
        .prop_map(|(key, reference, amount, memo)| format!("{key},{reference},{amount},{memo}"));
    prop::collection::vec(row, 1..25)
}

fn specs() -> impl Strategy<Value = String> {
    let policy = prop::sample::select(vec!["report", "first", "reject"]);
    let nulls = prop::sample::select(vec!["mismatch", "neutral", "match"]);
    let score = prop::sample::select(vec!["weighted", "fellegiSunter"]);
    let diff = prop::sample::select(vec![
        "",
        "diff: [{column: memo, exact: {}}, {column: amount, number: {abs: \"0.5\"}}]\n",
    ]);
    let shown = prop::sample::select(vec!["all", "exceptions"]);
    let how = prop::sample::select(vec![
        "assign: greedy",
        "assign: optimal",
        "margin: 0.1",
        "cardinality: oneToMany",
        "cardinality: manyToOne",
        "cardinality: manyToMany",
    ]);
    let thresholds = (0_u8..=10, 0_u8..=10);
    let policies = (policy.clone(), policy);
    (policies, nulls, thresholds, any::<bool>(), score, diff, shown, how).prop_map(
        |((left, right), nulls, (accept, review), exact_first, score, diff, shown, how)| {
            let (accept, review) = (f64::from(accept.max(review)) / 10.0, f64::from(review.min(accept)) / 10.0);
            let dataset = |side| format!(
                "{side}: {{source: {{uri: {side}.csv}}, key: [id], \
                 columns: [{{name: amount, type: \"decimal(6,2)\"}}]}}\n"
            );
            let exact = "  - {name: exact, assign: greedy, compare: [{column: ref, exact: {}}, \
                         {column: amount, exact: {}}]}\n";
            let fuzzy = format!(
                "  - name: fuzzy\n    block: [[ref], [\"substr(memo, 1, 1)\"]]\n    score: {score}\n    \
                 {how}\n    accept: {accept}\n    review: {review}\n    compare:\n      \
                 - {{column: amount, number: {{abs: \"1\"}}, nulls: {nulls}, weight: 2}}\n      \
                 - {{column: memo, text: {{method: levenshtein, atLeast: 0.3}}}}\n"
            );
            let passes = if exact_first { format!("{exact}{fuzzy}") } else { format!("{fuzzy}{exact}") };
            format!(
                "{}{}duplicates: {{left: {left}, right: {right}}}\n{diff}\
                 output: {{pairs: {shown}}}\npasses:\n{passes}",
                dataset("left"), dataset("right")
            )
        },
    )
}

fn csv(rows: &[String]) -> Vec<u8> {
    format!("id,ref,amount,memo\n{}\n", rows.join("\n")).into_bytes()
}

fn check(
    ran: &Ran,
    exceptions: bool,
    side: &str,
    summary: &SideSummary,
    pair_column: usize,
    rows: usize,
) {
    let SideSummary {
        matched,
        differing,
        review,
        unmatched,
        duplicate,
        rejected,
        ..
    } = *summary;
    assert_eq!(summary.rows, rows as u64);
    assert_eq!(
        matched + differing + review + unmatched + duplicate + rejected,
        summary.rows
    );
    let paired = ran.column("pairs.parquet", pair_column);
    let alone = ran.column(&format!("unmatched_{side}.parquet"), 0);
    let unlisted = if exceptions { matched } else { 0 };
    // A record of a group is in several pairs of it.
    let paired: BTreeSet<String> = paired.into_iter().collect();
    let both: Vec<&String> = alone.iter().filter(|key| paired.contains(*key)).collect();
    assert!(both.is_empty(), "records with two outcomes: {both:?}");
    assert_eq!(
        (paired.len() as u64, alone.len() as u64),
        (matched + differing + review - unlisted, unmatched)
    );
    let differing_pairs: BTreeSet<String> = ran
        .column("differences.parquet", pair_column)
        .into_iter()
        .collect();
    assert_eq!(differing_pairs.len() as u64, differing);
    let of_side = |name| ran.column(name, 0).iter().filter(|s| *s == side).count() as u64;
    assert_eq!(of_side("duplicates.parquet"), duplicate);
    assert_eq!(of_side("rejected.parquet"), rejected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn rows_are_conserved_and_their_order_is_nothing(
        spec in specs(),
        (left, shuffled_left) in rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        (right, shuffled_right) in rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
    ) {
        let one = run_texts(&spec, &csv(&left), &csv(&right)).unwrap();
        let exceptions = spec.contains("pairs: exceptions");
        check(&one, exceptions, "left", &one.summary.left, 0, left.len());
        check(&one, exceptions, "right", &one.summary.right, 1, right.len());

        let other = run_texts(&spec, &csv(&shuffled_left), &csv(&shuffled_right)).unwrap();
        for name in ["pairs.parquet", "differences.parquet", "unmatched_left.parquet", "unmatched_right.parquet"] {
            prop_assert_eq!(one.rows(name), other.rows(name));
        }
        prop_assert_eq!((one.summary.left, one.summary.right), (other.summary.left, other.summary.right));
    }
}
