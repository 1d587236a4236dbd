//! Blocks against the nested loop over all pairs.

use super::derive::derived;
use super::describe::which_blocks;
use super::*;
use crate::expression::{self, Entry};
use crate::memory::Room;
use crate::plan::Plan;
use crate::score::{Features, Scorer, Scratch};
use crate::values::Stored;
use datafusion::arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, StringArray};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A record: text, amount in its side's digits, day, whole number.
type Row = (Option<String>, Option<i128>, Option<i32>, Option<i64>);
type PairSet = BTreeSet<(u32, u32)>;

/// Digits after the point of the amounts on the left and on the right.
const SCALES: (i8, i8) = (2, 3);

fn batch(rows: &[Row], scale: i8) -> RecordBatch {
    let amounts: Decimal128Array = rows.iter().map(|row| row.1).collect();
    let amounts = amounts.with_precision_and_scale(30, scale).unwrap();
    RecordBatch::try_from_iter_with_nullable([
        (
            "text",
            Arc::new(
                rows.iter()
                    .map(|row| row.0.clone())
                    .collect::<StringArray>(),
            ) as ArrayRef,
            true,
        ),
        ("amount", Arc::new(amounts), true),
        (
            "day",
            Arc::new(rows.iter().map(|row| row.2).collect::<Date32Array>()),
            true,
        ),
        (
            "count",
            Arc::new(rows.iter().map(|row| row.3).collect::<Int64Array>()),
            true,
        ),
    ])
    .unwrap()
}

fn rows(scale: i8) -> impl Strategy<Value = Vec<Row>> {
    let thousandths = if scale == 3 { 1 } else { 10 };
    let amount = prop_oneof![
        4 => -3000_i128..3000,
        // Beyond 64 bits.
        1 => (-3000_i128..3000).prop_map(|n| n + 10_i128.pow(24)),
    ];
    let row = (
        prop::option::weighted(0.9, "[abAB]{0,2}"),
        prop::option::weighted(0.9, amount.prop_map(move |n| n / thousandths)),
        prop::option::weighted(0.9, -20..20_i32),
        prop::option::weighted(0.9, -5..5_i64),
    );
    prop::collection::vec(row, 0..24)
}

fn plan(yaml: &str, left: &RecordBatch, right: &RecordBatch) -> PassPlan {
    let sides = "left: {source: {uri: a.csv}}\nright: {source: {uri: b.csv}}\n";
    let spec = crds::decode::spec_from_yaml(&format!("{sides}{yaml}")).unwrap();
    let session = expression::session(1);
    let plan = Plan::new(&spec, &left.schema(), &right.schema(), &session);
    plan.unwrap().passes.remove(0)
}

/// The pairs of all parts, walked in turns; panics when a pair comes twice.
fn walk(candidates: Candidates) -> PairSet {
    let mut pairs = PairSet::new();
    let mut count = 0;
    let mut parts = candidates.parts;
    while !parts.is_empty() {
        parts.retain_mut(|part| {
            let Some(batch) = part.next() else {
                return false;
            };
            assert_eq!(batch.left.len(), batch.right.len());
            count += batch.left.len();
            pairs.extend(batch.left.into_iter().zip(batch.right));
            true
        });
    }
    assert_eq!(count, pairs.len(), "a pair comes twice");
    assert!(pairs.len() as u64 <= candidates.at_most);
    pairs
}

fn found_pairs(
    pass: &PassPlan,
    (left, left_open): (&RecordBatch, &[bool]),
    (right, right_open): (&RecordBatch, &[bool]),
    threads: usize,
) -> PairSet {
    let session = expression::session(threads);
    let found = |left: &Values, right: &Values| {
        let open = |values, open| Open { values, open };
        let (left, right) = (open(left, left_open), open(right, right_open));
        let candidates = candidates(&session, pass, left, right, u64::MAX).unwrap();
        (candidates.at_most, walk(candidates))
    };
    let in_memory = found(&held(left), &held(right));
    assert_eq!(found(&stored(left), &stored(right)), in_memory);
    in_memory.1
}

fn held(batch: &RecordBatch) -> Values {
    Values::Held {
        original: batch.clone(),
        compared: batch.clone(),
    }
}

/// A single record.
fn alone(values: &Values) -> Open<'_> {
    Open {
        values,
        open: &[true],
    }
}

/// The same in a file.
fn stored(batch: &RecordBatch) -> Values {
    let room = Room {
        chunk: 64,
        ..Room::endless()
    };
    Values::Spilled(Stored::of(batch, batch, room).unwrap())
}

/// One entry of a block and what it means.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Text,
    FirstLetter,
    Amount(i128),
    Day(i128),
    Count(i128),
}

impl Asked {
    fn text(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::FirstLetter => "lower(substr(text, 1, 1))".into(),
            // Tenths of a thousandth: finer than either side.
            Self::Amount(width) => {
                format!("near(amount, {}.{:04})", width / 10_000, width % 10_000)
            }
            Self::Day(width) => format!("NEAR(day, {width})"),
            Self::Count(width) => format!("near(\"count\", {width})"),
        }
    }

    fn holds(self, left: &Row, right: &Row) -> bool {
        let letter = |row: &Row| {
            let text = row.0.as_ref()?;
            Some(text.chars().next().map(|c| c.to_ascii_lowercase()))
        };
        let near = |left: Option<i128>, right: Option<i128>, width| matches!((left, right), (Some(l), Some(r)) if (l - r).abs() <= width);
        match self {
            Self::Text => left.0.is_some() && left.0 == right.0,
            Self::FirstLetter => letter(left).is_some() && letter(left) == letter(right),
            Self::Amount(width) => near(left.1.map(|n| n * 100), right.1.map(|n| n * 10), width),
            Self::Day(width) => near(left.2.map(i128::from), right.2.map(i128::from), width),
            Self::Count(width) => near(left.3.map(i128::from), right.3.map(i128::from), width),
        }
    }
}

fn asked() -> impl Strategy<Value = Vec<Vec<Asked>>> {
    let entry = prop_oneof![
        Just(Asked::Text),
        Just(Asked::FirstLetter),
        prop_oneof![Just(0), 0..40_000_i128].prop_map(Asked::Amount),
        (0..8_i128).prop_map(Asked::Day),
        (0..3_i128).prop_map(Asked::Count),
    ];
    prop::collection::vec(prop::collection::vec(entry, 1..5), 1..4)
}

fn comparisons() -> impl Strategy<Value = String> {
    let nulls = prop::sample::select(vec!["mismatch", "mismatch", "neutral", "match"]);
    let percent = (
        0..150_u32,
        prop::sample::select(vec!["max", "left", "right"]),
    );
    let method = prop_oneof![
        Just("column: text, exact: {}".to_owned()),
        Just("column: count, exact: {}".to_owned()),
        (0..3000_u32).prop_map(|n| format!(
            "column: amount, number: {{abs: \"{}.{:03}\"}}",
            n / 1000,
            n % 1000
        )),
        percent.prop_map(|(n, base)| format!(
            "column: amount, number: {{percent: \"{n}\", base: {base}}}"
        )),
        (0..9_u32, 0..99_u32).prop_map(|(abs, percent)| format!(
            "column: count, number: {{abs: \"{abs}\", percent: \"{percent}\"}}"
        )),
        (-6..4_i32, 0..9_i32).prop_map(|(min, more)| format!(
            "column: day, date: {{minDays: {min}, maxDays: {}}}",
            min + more
        )),
        Just("column: text, text: {method: levenshtein, atLeast: 0.5}".to_owned()),
    ];
    let comparison =
        (method, nulls, any::<bool>(), 1..9_u32).prop_map(|(method, nulls, required, weight)| {
            format!("{{{method}, nulls: {nulls}, required: {required}, weight: {weight}}}")
        });
    prop::collection::vec(comparison, 1..4).prop_map(|all| all.join(", "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn blocks_give_the_pairs_of_the_nested_loop_each_once(
        left in rows(SCALES.0),
        right in rows(SCALES.1),
        blocks in asked(),
        open in prop::collection::vec(prop::bool::weighted(0.9), 48),
        threads in 1..4_usize,
    ) {
        let (left_open, right_open) = (&open[..left.len()], &open[24..][..right.len()]);
        let mut expected = PairSet::new();
        for (l, a) in (0_u32..).zip(&left) {
            for (r, b) in (0_u32..).zip(&right) {
                let held = blocks.iter().any(|block| block.iter().all(|entry| entry.holds(a, b)));
                if held && left_open[l as usize] && right_open[r as usize] {
                    expected.insert((l, r));
                }
            }
        }
        let (l, r) = (batch(&left, SCALES.0), batch(&right, SCALES.1));
        let texts: Vec<Vec<String>> =
            blocks.iter().map(|block| block.iter().map(|entry| entry.text()).collect()).collect();
        let yaml = format!(
            "passes: [{{name: p, block: {}, compare: [{{column: text, exact: {{}}}}]}}]",
            serde_json::to_string(&texts).unwrap()
        );
        let pass = plan(&yaml, &l, &r);
        let found = found_pairs(&pass, (&l, left_open), (&r, right_open), threads);
        prop_assert_eq!(&found, &expected);

        // The order of rows is nothing: both sides upside down.
        let turned = |rows: &[Row]| rows.iter().rev().cloned().collect::<Vec<_>>();
        let reversed = |open: &[bool]| open.iter().rev().copied().collect::<Vec<_>>();
        let (l, r) = (batch(&turned(&left), SCALES.0), batch(&turned(&right), SCALES.1));
        let (left_open, right_open) = (reversed(left_open), reversed(right_open));
        let found = found_pairs(&pass, (&l, &left_open), (&r, &right_open), 1);
        let back = |row: u32, rows: &[Row]| u32::try_from(rows.len()).unwrap() - 1 - row;
        let found: PairSet =
            found.into_iter().map(|(a, b)| (back(a, &left), back(b, &right))).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn derived_blocks_lose_no_pair_where_comparisons_must_hold(
        left in rows(SCALES.0),
        right in rows(SCALES.1),
        compare in comparisons(),
        accept in prop::option::of(0..=20_u32),
    ) {
        let (l, r) = (batch(&left, SCALES.0), batch(&right, SCALES.1));
        let score = match accept {
            None => String::new(),
            Some(accept) => format!("score: weighted, accept: {}, ", f64::from(accept) / 20.0),
        };
        let yaml = format!("passes: [{{name: p, {score}compare: [{compare}]}}]");
        let spec = crds::decode::spec_from_yaml(
            &format!("left: {{source: {{uri: a.csv}}}}\nright: {{source: {{uri: b.csv}}}}\n{yaml}")
        ).unwrap();
        let session = expression::session(1);
        // Nothing that must hold makes a block: the pass is refused.
        let Ok(mut plan) = Plan::new(&spec, &l.schema(), &r.schema(), &session) else {
            return Ok(());
        };
        let pass = plan.passes.remove(0);
        let scorer = Scorer::new(&pass, Arc::new(Features::new(&pass, &l, &r).unwrap()), None);
        let all: Vec<(u32, u32)> = (0..left.len()).flat_map(|l| (0..right.len()).map(move |r| (l, r)))
            .map(|(l, r)| (u32::try_from(l).unwrap(), u32::try_from(r).unwrap())).collect();
        let (ls, rs): (Vec<u32>, Vec<u32>) = all.into_iter().unzip();
        let mut edges = Vec::new();
        scorer.score(&ls, &rs, &mut Scratch::default(), &mut edges, None);
        let kept: PairSet = edges.iter().map(|e| (e.left, e.right)).collect();
        let (lo, ro) = (vec![true; left.len()], vec![true; right.len()]);
        let found = found_pairs(&pass, (&l, &lo), (&r, &ro), 2);
        prop_assert!(kept.is_subset(&found), "{:?} is lost", kept.difference(&found).next());
    }
}

#[test]
fn a_near_is_read_and_its_mistakes_are_told() {
    let session = expression::session(1);
    let near = |text: &str| match expression::entry(&session, text) {
        Ok(Entry::Near(near)) => near.to_string(),
        Ok(Entry::Words(words)) => words.to_string(),
        Ok(Entry::Equal(sql)) => format!("equal {sql}"),
        Err(message) => message,
    };
    assert_eq!(near("near(amount, 2.00)"), "near(amount, 2.00)");
    assert_eq!(near(" NEAR( \"Booked On\" , 30 ) "), "near(Booked On, 30)");
    assert_eq!(near("substr(memo, 1, 3)"), "equal substr(memo, 1, 3)");
    for (text, part) in [
        ("near(amount)", "takes a column and a width"),
        ("near(amount, 1, 2)", "takes a column and a width"),
        ("near(DISTINCT amount, 1)", "takes a column and a width"),
        (
            "near(abs(amount), 1)",
            "takes a column first, not `abs(amount)`",
        ),
        ("near(amount, -1)", "not negative"),
        ("near(amount, '1')", "not negative"),
        ("near(amount, 1e3)", "not negative"),
        ("near(amount, other)", "not negative"),
        ("near(amount, 1) = 2", "stands alone"),
        ("coalesce(near(amount, 1), 2)", "stands alone"),
    ] {
        let told = near(text);
        assert!(told.contains(part), "{text}: {told}");
    }
}

/// People with a name, a town, a street and a number; every right one has an error in one column.
fn people(count: u64) -> (RecordBatch, RecordBatch) {
    let pick = |seed: u64, of: u64| {
        let mut value = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        value = (value ^ (value >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (value ^ (value >> 32)) % of
    };
    let syllables = [
        "ka", "lo", "mi", "ren", "sta", "vo", "zin", "bur", "de", "fal",
    ];
    let word = |seed: u64| -> String {
        (0..3)
            .map(|at| syllables[usize::try_from(pick(seed * 7 + at, 10)).unwrap()])
            .collect()
    };
    let column = |of: &dyn Fn(u64) -> String| -> ArrayRef {
        Arc::new((0..count).map(|row| Some(of(row))).collect::<StringArray>())
    };
    let spoil = |text: String| {
        let (head, tail) = text.split_at(1);
        format!("{head}x{tail}")
    };
    let side = |right: bool| {
        let value = |at: u64, row: u64| {
            let text = match at {
                0 => word(pick(row * 4, 900)),
                1 => word(pick(row * 4 + 1, 900) + 5_000),
                2 => format!("{} street {}", word(pick(row * 4 + 2, 300)), pick(row, 90)),
                _ => format!("{:08}", pick(row * 4 + 3, 100_000_000)),
            };
            if right && row % 4 == at {
                spoil(text)
            } else {
                text
            }
        };
        RecordBatch::try_from_iter([
            ("given", column(&|row| value(0, row))),
            ("surname", column(&|row| value(1, row))),
            ("street", column(&|row| value(2, row))),
            ("phone", column(&|row| value(3, row))),
        ])
        .unwrap()
    };
    (side(false), side(true))
}

#[test]
fn blocks_chosen_by_the_data_find_people_with_an_error_within_the_budget() {
    let count = 6000;
    let (l, r) = people(count);
    let text =
        |column| format!("{{column: {column}, text: {{method: jaroWinkler, atLeast: 0.8}}}}");
    let yaml = format!(
        "passes: [{{name: p, score: weighted, accept: 0.7, compare: [{}, {}, {}, \
         {{column: phone, exact: {{}}}}]}}]",
        text("given"),
        text("surname"),
        text("street")
    );
    let pass = plan(&yaml, &l, &r);
    let open = vec![true; usize::try_from(count).unwrap()];
    let (lefts, rights) = (held(&l), held(&r));
    let side = |values| Open {
        values,
        open: &open,
    };
    let session = expression::session(1);
    let chosen = derived(&session, &pass, side(&lefts), side(&rights), u64::MAX).unwrap();
    assert!(chosen.how.unwrap().contains("left out"));
    let found = found_pairs(&pass, (&l, &open), (&r, &open), 2);
    assert!(found.len() <= 1_000_000, "{} pairs", found.len());
    let recall = (0..u32::try_from(count).unwrap())
        .filter(|&row| found.contains(&(row, row)))
        .count();
    assert!(recall as u64 * 1000 >= count * 995, "{recall} of {count}");
}

#[test]
fn a_verdict_names_the_entry_that_does_not_hold_with_both_values() {
    let left = vec![(Some("a".into()), Some(150), Some(3), None)];
    let right = vec![(Some("a".into()), Some(1_800), Some(9), None)];
    let (l, r) = (batch(&left, SCALES.0), batch(&right, SCALES.1));
    let yaml = "passes: [{name: p, block: [[text, \"near(amount, 0.30)\"], [text, \"near(day, 5)\"], \
                [\"count\"]], compare: [{column: text, exact: {}}]}]";
    let pass = plan(yaml, &l, &r);
    let session = expression::session(1);
    let verdicts = |l: &Values, r: &Values| {
        which_blocks(&session, &pass, (alone(l), 0), (alone(r), 0), u64::MAX).unwrap()
    };
    let of_files = verdicts(&stored(&l), &stored(&r));
    let verdicts = verdicts(&held(&l), &held(&r));
    assert_eq!(verdicts, of_files);
    assert_eq!(verdicts[0].failed, None);
    assert_eq!(verdicts[1].block, "text AND near(day, 5)");
    let failed = verdicts[1].failed.clone().unwrap();
    assert_eq!(failed.entry, "near(day, 5)");
    assert_eq!(failed.left.as_deref(), Some("1970-01-04"));
    assert_eq!(failed.right.as_deref(), Some("1970-01-10"));
    assert_eq!(verdicts[2].failed.clone().unwrap().left, None);
}

#[test]
fn block_numbers_are_equal_where_the_blocks_values_are() {
    let text = |text: &str| (Some(text.to_owned()), None, None, None);
    let left = vec![text("b"), text("a"), (None, None, None, None), text("b")];
    let right = vec![text("a"), text("c"), text("b")];
    let (l, r) = (batch(&left, SCALES.0), batch(&right, SCALES.1));
    let pass = plan(
        "passes: [{name: p, block: [[text]], compare: [{column: text, exact: {}}]}]",
        &l,
        &r,
    );
    let session = expression::session(1);
    let open = |values, open| Open { values, open };
    let (lefts, rights) = (held(&l), held(&r));
    let numbers = block_numbers(
        &session,
        &pass,
        open(&lefts, &[true, true, true, false]),
        open(&rights, &[true, true, true]),
    )
    .unwrap();
    let expected = (
        UInt32Array::from(vec![Some(0), Some(1), None, None]),
        UInt32Array::from(vec![Some(1), None, Some(0)]),
    );
    assert_eq!(numbers, [expected]);
}
