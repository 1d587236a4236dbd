//! Sums with comparisons over a ledger whose amounts are round, where sums meet by chance all the
//! time: what the records have in common must decide.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use support::{Ran, run_texts};

const SIDES: &str = "
left: {source: {uri: left.csv}, key: [id], columns: [{name: amount, type: integer}, {name: date, type: date}, {name: ref, type: text}]}
right: {source: {uri: right.csv}, key: [id], columns: [{name: amount, type: integer}, {name: date, type: date}, {name: ref, type: text}]}
passes:
  - name: sums
    cardinality: oneToMany
    block: [[party], [ref]]
    sum: {column: amount, maxParts: 4, dateColumn: date, windowDays: 20}
";

const COMPARED: &str = "
    compare:
      - {column: party, text: {method: jaroWinkler, atLeast: 0.8}}
      - {column: ref, text: {method: levenshtein, atLeast: 0.6}}
      - {column: date, date: {minDays: 0, maxDays: 20}}
";

type Groups = BTreeSet<(String, BTreeSet<String>)>;

/// `SplitMix64` (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ z >> 31) % end
    }
}

/// Invoices of 30 parties in multiples of 50, every third paid in 2 to 4 parts; some payments lack
/// their reference or their party. Both files, and the true splits.
fn ledger() -> (String, String, Groups) {
    let mut random = Random(7);
    let mut left = "id,party,ref,amount,date\n".to_owned();
    let mut right = left.clone();
    let mut truth = Groups::new();
    let mut line = 0;
    for invoice in 0..900_u64 {
        let party = format!("party {}", random.below(30) * 7_919 % 1_000);
        let reference = 100_000 + invoice * 37;
        let day = random.below(25) + 1;
        let installments = if invoice % 3 == 0 {
            2 + random.below(3)
        } else {
            1
        };
        let amounts: Vec<u64> = (0..installments)
            .map(|_| 50 * (1 + random.below(12)))
            .collect();
        let total: u64 = amounts.iter().sum();
        let key = format!("i{invoice:04}");
        writeln!(left, "{key},{party},{reference},{total},2026-03-{day:02}").unwrap();
        let mut members = BTreeSet::new();
        for amount in amounts {
            line += 1;
            let id = format!("p{line:05}");
            let payer = match random.below(10) {
                0 => String::new(),
                _ => party.clone(),
            };
            let quoted = match random.below(4) {
                0 if !payer.is_empty() => String::new(),
                _ => reference.to_string(),
            };
            let paid = day + random.below(5);
            writeln!(right, "{id},{payer},{quoted},{amount},2026-03-{paid:02}").unwrap();
            members.insert(id);
        }
        if members.len() > 1 {
            truth.insert((key, members));
        }
    }
    (left, right, truth)
}

fn confirmed(ran: &Ran) -> Groups {
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in ran.rows("pairs.parquet") {
        if row[4] == "matched" {
            groups
                .entry(row[0].clone())
                .or_default()
                .insert(row[1].clone());
        }
    }
    groups.into_iter().collect()
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "hundreds of groups")]
fn what_parts_have_in_common_decides_between_round_sums() {
    let (left, right, truth) = ledger();
    let run = |more: &str| {
        let job = format!("{SIDES}{more}");
        confirmed(&run_texts(&job, left.as_bytes(), right.as_bytes()).unwrap())
    };
    let quality = |found: &Groups| {
        let right = found.intersection(&truth).count() as f64;
        (right / found.len() as f64, right / truth.len() as f64)
    };
    let by_amount = quality(&run(""));
    let learned = |accept: f64| {
        let score = format!("    score: fellegiSunter\n    accept: {accept}\n");
        quality(&run(&format!("{COMPARED}{score}")))
    };
    let (likely, sure) = (learned(0.5), learned(0.9));
    let weighted = quality(&run(&format!(
        "{COMPARED}    score: weighted\n    accept: 0.75\n    review: 0.6\n"
    )));
    let told =
        format!("amounts {by_amount:?}, likely {likely:?}, sure {sure:?}, weighted {weighted:?}");
    assert!(by_amount.1 < 0.2, "{told}");
    assert!(likely.0 > 0.93 && likely.1 > 0.85, "{told}");
    assert!(sure.0 > 0.98 && sure.1 > 0.7, "{told}");
    assert!(weighted.0 > 0.85 && weighted.1 > 0.5, "{told}");
}

#[test]
fn row_order_changes_nothing() {
    let (left, right, _) = ledger();
    let reversed = |text: &str| {
        let (head, body) = text.split_once('\n').unwrap();
        let mut rows: Vec<&str> = body.lines().collect();
        rows.reverse();
        format!("{head}\n{}\n", rows.join("\n"))
    };
    let job =
        format!("{SIDES}{COMPARED}    score: fellegiSunter\n    accept: 0.9\n    review: 0.4\n");
    let one = run_texts(&job, left.as_bytes(), right.as_bytes()).unwrap();
    let (left, right) = (reversed(&left), reversed(&right));
    let other = run_texts(&job, left.as_bytes(), right.as_bytes()).unwrap();
    assert!(
        one.rows("pairs.parquet")
            .iter()
            .any(|row| row[4] == "review")
    );
    assert_eq!(one.rows("pairs.parquet"), other.rows("pairs.parquet"));
}
