//! Damaged specifications: each is decoded or has errors with a message, and never a panic.
//!
//! `RECONCILE_FUZZ_INPUTS=100000 cargo test -p crds --test fuzz` tries that many.

mod inputs;

use crds::decode::{rest_of_yaml, spec_from_value, spec_from_yaml};
use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use std::sync::atomic::{AtomicU64, Ordering};

/// Inputs unless the environment asks for more.
const INPUTS: u64 = 2_000;

const SPEC: &str = r#"
left:
  name: ledger
  source: {uri: ledger.csv.gz}
  format: csv
  options: {delimiter: ";", header: true, encoding: utf-8, nullValues: ["", NA]}
  key: [entry_id]
  columns:
    - {name: amount, from: "Amount (EUR)", type: "decimal(18,2)", negate: true}
    - {name: date, from: booked, type: date, format: "%d/%m/%Y"}
  where: "status <> 'void'"
right: {source: {sql: {secretRef: {name: db, key: url}, query: select 1}}, key: [id]}
normalize:
  - {column: memo, steps: [nfkc, lowercase]}
passes:
  - name: exact
    assign: greedy
    compare: &same
      - {column: ref, exact: {}}
  - name: fuzzy
    block: [["ccy", "substr(memo, 1, 3)"]]
    compare:
      - {column: amount, number: {abs: "0.05", percent: "1", base: max}, weight: 4, required: true}
      - {left: date, right: day, date: {minDays: -3, maxDays: 30}, nulls: neutral}
      - {column: memo, text: {method: jaroWinkler, atLeast: 0.85}, levels: [0.9, 0.5]}
    score: weighted
    accept: 0.92
    review: 0.70
    margin: 0.05
  - {name: again, assign: greedy, compare: *same}
  - {name: split, cardinality: oneToMany, block: [[ccy]], sum: {column: amount, abs: "0.01", maxParts: 10}}
diff: [{column: status, exact: {}}]
duplicates: {left: report, right: first}
fx: {rates: {source: {uri: r.csv}}, base: EUR, amount: amount, currency: ccy, date: date}
limits: {maxPairs: 500000000, memory: 2Gi, maxRejected: 0}
output: {formats: [csv, html]}
"#;

/// Pieces that mean something to YAML or to the language.
const PIECES: &[&str] = &[
    "\n",
    "  ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "#",
    "&a ",
    "*a",
    "<<: *same",
    "!!int ",
    "|",
    ">",
    "~",
    "null",
    "true",
    "-1",
    "1e999",
    "0x10",
    ".nan",
    "99999999999999999999",
    "\u{0}",
    "é",
    "\u{feff}",
    "---\n",
    "...\n",
    "? ",
    "decimal(99,99)",
    "left",
    "passes",
    "exact",
    "\t",
    "%",
    "kind: ReconciliationJob\nspec:\n",
];

fn mutated(random: &mut TestRng) -> String {
    let mut text: Vec<char> = SPEC.chars().collect();
    for _ in 0..=random.next_u32() % 2 {
        if text.is_empty() {
            break;
        }
        let place = random.next_u32() as usize % text.len();
        let end = (place + random.next_u32() as usize % 24).min(text.len());
        let piece = PIECES[random.next_u32() as usize % PIECES.len()];
        match random.next_u32() % 5 {
            0 => drop(text.drain(place..end)),
            1 => {
                let copy = text[place..end].to_vec();
                text.splice(place..place, copy);
            }
            2 => drop(text.splice(place..place, piece.chars())),
            3 => drop(text.splice(place..end, piece.chars())),
            _ => text[place] = char::from_u32(random.next_u32() % 0x250).unwrap_or(' '),
        }
    }
    text.into_iter().collect()
}

#[test]
fn damaged_specifications_are_decoded_or_have_errors() {
    let valid = spec_from_yaml(SPEC).unwrap();
    assert_eq!(valid.passes.len(), 4);
    let (decoded, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    let with_rest = AtomicU64::new(0);
    let tried = inputs::each(
        "specifications",
        INPUTS,
        || (),
        |(), input| {
            let text = mutated(&mut inputs::random(input));
            match spec_from_yaml(&text) {
                Ok(spec) => {
                    decoded.fetch_add(1, Ordering::Relaxed);
                    // What is decoded means the same once it is written and read again.
                    let json = serde_json::from_str(&spec.canonical_json()).unwrap();
                    assert_eq!(spec_from_value(&json).as_ref(), Ok(&spec), "{text}");
                }
                Err(errors) => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    assert!(!errors.is_empty(), "{text}");
                    assert!(errors.iter().all(|e| !e.message.is_empty()), "{text}");
                    // Where something is left, it is in other places than the mistakes.
                    if let Some(rest) = rest_of_yaml(&text, &errors) {
                        with_rest.fetch_add(1, Ordering::Relaxed);
                        let found = |e| rest.is_of_the_document(e);
                        assert!(!errors.iter().any(found), "{text}");
                    }
                }
            }
        },
    );
    let (decoded, refused) = (decoded.into_inner(), refused.into_inner());
    assert_eq!(decoded + refused, tried);
    if tried >= INPUTS {
        assert!(
            decoded * 40 > tried && refused * 40 > tried,
            "{decoded} of {tried}"
        );
        let with_rest = with_rest.into_inner();
        assert!(with_rest * 10 > refused, "{with_rest} of {refused}");
    }
}
