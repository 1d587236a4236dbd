//! Random jobs over small random tables, and the same jobs with their sides swapped.

use crate::support::{Ran, run_on};
use engine::{Error, Silent};
use proptest::prelude::*;
use proptest::sample::select;
use std::fmt::Write;
use std::fs;
use std::sync::Arc;

/// The rates of exchange that every job may use.
const RATES: &str = "date,currency,rate\n2026-01-01,USD,0.5\n2026-01-05,USD,0.25\n";
const HEADER: &str = "id,ref,amount,day,memo,ccy\n";

/// A job.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a field of a specification that is there or not"
)]
pub struct Job {
    left: Side,
    right: Side,
    passes: Vec<Pass>,
    normalize: bool,
    diff: bool,
    fx: bool,
    exceptions: bool,
    /// `limits`, as YAML; none where it is empty.
    pub limits: &'static str,
    /// The `formats` of the output.
    pub formats: &'static str,
}

#[derive(Clone, Debug)]
struct Side {
    filter: &'static str,
    negate: bool,
    duplicates: &'static str,
}

#[derive(Clone, Debug)]
enum Pass {
    Exact { assign: &'static str },
    Scored(Scored),
    Sum { of_left: bool, window: bool },
}

#[derive(Clone, Debug)]
struct Scored {
    learned: bool,
    block: &'static str,
    how: How,
    accept: f64,
    review: f64,
    margin: bool,
    base: &'static str,
    days: (i32, i32),
    nulls: &'static str,
    method: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Greedy,
    Optimal,
    OneToMany,
    ManyToOne,
    ManyToMany,
}

impl How {
    fn yaml(self) -> &'static str {
        match self {
            Self::Greedy => "assign: greedy",
            Self::Optimal => "assign: optimal",
            Self::OneToMany => "cardinality: oneToMany",
            Self::ManyToOne => "cardinality: manyToOne",
            Self::ManyToMany => "cardinality: manyToMany",
        }
    }

    fn swapped(self) -> Self {
        match self {
            Self::OneToMany => Self::ManyToOne,
            Self::ManyToOne => Self::OneToMany,
            same => same,
        }
    }
}

impl Job {
    /// The job in the language.
    pub fn yaml(&self) -> String {
        let mut text = String::new();
        for (name, side) in [("left", &self.left), ("right", &self.right)] {
            let negate = side.negate;
            let _ = writeln!(
                text,
                "{name}: {{source: {{uri: {name}.csv}}, key: [id], {}columns: [{{name: amount, \
                 type: \"decimal(6,2)\", negate: {negate}}}, {{name: day, type: date}}]}}",
                side.filter
            );
        }
        let _ = writeln!(
            text,
            "duplicates: {{left: {}, right: {}}}",
            self.left.duplicates, self.right.duplicates
        );
        if self.normalize {
            text.push_str("normalize: [{column: memo, steps: [lowercase]}]\n");
        }
        if self.fx {
            text.push_str(
                "fx: {rates: {source: {uri: rates.csv}}, base: EUR, amount: amount, currency: ccy, \
                 date: day, missing: reject}\n",
            );
        }
        if self.diff {
            text.push_str(
                "diff: [{column: memo, exact: {}}, {column: amount, number: {abs: \"0.5\"}}, \
                 {column: day, exact: {}}]\n",
            );
        }
        if !self.limits.is_empty() {
            let _ = writeln!(text, "limits: {}", self.limits);
        }
        let pairs = if self.exceptions { "exceptions" } else { "all" };
        let _ = writeln!(
            text,
            "output: {{pairs: {pairs}, formats: {}}}\npasses:",
            self.formats
        );
        for (index, pass) in self.passes.iter().enumerate() {
            pass.write(&mut text, index);
        }
        text
    }

    /// The job that gives the same outcomes when both sides' files are swapped too: what says left
    /// says right, "many" is the other side, and days between are counted the other way.
    pub fn swapped(&self) -> Self {
        let mut job = self.clone();
        (job.left, job.right) = (self.right.clone(), self.left.clone());
        for pass in &mut job.passes {
            match pass {
                Pass::Exact { .. } => {}
                Pass::Sum { of_left, .. } => *of_left = !*of_left,
                Pass::Scored(scored) => {
                    scored.how = scored.how.swapped();
                    scored.days = (-scored.days.1, -scored.days.0);
                    scored.base = match scored.base {
                        "left" => "right",
                        "right" => "left",
                        same => same,
                    };
                }
            }
        }
        job
    }

    /// The passes whose assignment is optimal: which of several optima they take follows the left
    /// keys.
    pub fn optimal(&self) -> Vec<String> {
        let is_optimal = |pass: &Pass| match pass {
            Pass::Exact { assign } => *assign == "optimal",
            Pass::Scored(scored) => scored.how == How::Optimal,
            Pass::Sum { .. } => false,
        };
        (self.passes.iter().enumerate())
            .filter(|(_, pass)| is_optimal(pass))
            .map(|(index, _)| format!("p{index}"))
            .collect()
    }

    /// Whether it has one pass, with weights that the job gives.
    pub fn is_one_weighted_pass(&self) -> bool {
        matches!(self.passes.as_slice(), [Pass::Scored(scored)] if !scored.learned)
    }

    /// Whether matched pairs are left out of its outputs.
    pub fn lists_exceptions_only(&self) -> bool {
        self.exceptions
    }
}

impl Pass {
    fn write(&self, text: &mut String, index: usize) {
        let _ = match self {
            Self::Exact { assign } => writeln!(
                text,
                "  - {{name: p{index}, assign: {assign}, compare: [{{column: ref, exact: {{}}}}, \
                 {{column: amount, exact: {{}}}}]}}"
            ),
            Self::Sum { of_left, window } => writeln!(
                text,
                "  - {{name: p{index}, cardinality: {}, block: [[ccy]], sum: {{column: amount, \
                 abs: \"0.5\", maxParts: 3{}}}}}",
                if *of_left { "oneToMany" } else { "manyToOne" },
                if *window {
                    ", windowDays: 3, dateColumn: day"
                } else {
                    ""
                }
            ),
            Self::Scored(scored) => {
                let Scored {
                    accept,
                    review,
                    base,
                    days: (least, most),
                    nulls,
                    method,
                    ..
                } = scored;
                writeln!(
                    text,
                    "  - name: p{index}\n    {}\n    {}score: {}\n    accept: {accept}\n    \
                     review: {review}\n    margin: {}\n    compare:\n      \
                     - {{column: amount, number: {{abs: \"1\", percent: \"20\", base: {base}}}, \
                     nulls: {nulls}, weight: 2}}\n      \
                     - {{column: day, date: {{minDays: {least}, maxDays: {most}}}, nulls: {nulls}}}\
                     \n      - {{column: memo, text: {{method: {method}, atLeast: 0.3}}}}",
                    scored.how.yaml(),
                    scored.block,
                    if scored.learned {
                        "fellegiSunter"
                    } else {
                        "weighted"
                    },
                    if scored.margin { "0.1" } else { "0" },
                )
            }
        };
    }
}

/// Jobs of one to three passes of every kind.
pub fn jobs() -> impl Strategy<Value = Job> {
    let side = || {
        let filter = select(vec![
            "",
            "",
            "",
            "",
            "where: \"ccy <> 'USD'\", ",
            "where: \"amount > -1\", ",
        ]);
        let duplicates = select(vec!["report", "first", "reject"]);
        (filter, any::<bool>(), duplicates).prop_map(|(filter, negate, duplicates)| Side {
            filter,
            negate,
            duplicates,
        })
    };
    let seldom = || prop::bool::weighted(0.25);
    let flags = (any::<bool>(), any::<bool>(), seldom(), seldom());
    let passes = prop::collection::vec(passes(), 1..4);
    // The signs of one side are turned round only where the other side's are too: else hardly any
    // amounts would agree.
    (side(), side(), flags, passes).prop_map(
        |(left, mut right, (normalize, diff, fx, exceptions), passes)| {
            right.negate = left.negate;
            Job {
                left,
                right,
                passes,
                normalize,
                diff,
                fx,
                exceptions,
                limits: "",
                formats: "[parquet]",
            }
        },
    )
}

fn passes() -> impl Strategy<Value = Pass> {
    let assign = || select(vec!["greedy", "optimal"]);
    let blocks = select(vec![
        "",
        "block: [[ref], [\"substr(memo, 1, 1)\"]]\n    ",
        "block: [[\"near(amount, 1)\"], [\"near(day, 2)\", ccy]]\n    ",
    ]);
    let how = select(vec![
        How::Greedy,
        How::Greedy,
        How::Optimal,
        How::Optimal,
        How::OneToMany,
        How::ManyToOne,
        How::ManyToMany,
    ]);
    let days = (-4_i32..=2, 0_i32..=5).prop_map(|(least, more)| (least, least + more));
    let words = (
        select(vec!["left", "right", "max"]),
        select(vec!["mismatch", "neutral", "match"]),
        select(vec![
            "levenshtein",
            "damerauLevenshtein",
            "jaro",
            "jaroWinkler",
            "tokenSort",
            "tokenSet",
            "qgram",
            "soundex",
        ]),
    );
    let thresholds = (0_u8..=10, 0_u8..=10);
    let scored = (
        any::<bool>(),
        blocks,
        how,
        thresholds,
        any::<bool>(),
        words,
        days,
    )
        .prop_map(
            |(learned, block, how, (accept, review), margin, (base, nulls, method), days)| {
                Pass::Scored(Scored {
                    learned,
                    block,
                    how,
                    accept: f64::from(accept.max(review)) / 10.0,
                    review: f64::from(review.min(accept)) / 10.0,
                    margin,
                    base,
                    days,
                    nulls,
                    method,
                })
            },
        );
    prop_oneof![
        1 => assign().prop_map(|assign| Pass::Exact { assign }),
        4 => scored,
        2 => (any::<bool>(), any::<bool>()).prop_map(|(of_left, window)| Pass::Sum { of_left, window }),
    ]
}

/// Rows with few different values, so that keys repeat, scores tie and amounts add up; some are no
/// records at all.
pub fn rows() -> impl Strategy<Value = Vec<String>> {
    let row = (
        "[a-h]?[a-p]",
        "[12]?",
        "(-?[0-6]|[0-6]|[1-4]\\.[05]|[0-6]|[0-6]|[0-6]|[0-6]|(x|9\\.999)?)",
        "(2026-01-0[1-9]|2026-01-0[1-9]|2026-01-0[1-9]|2026-01-0[1-9]|2026-01-0[1-9]|(2026-02-30)?)",
        "[abB]{0,4}",
        "(EUR|EUR|EUR|USD|USD|(EUR)?)",
    )
        .prop_map(|(id, reference, amount, day, memo, ccy)| {
            format!("{id},{reference},{amount},{day},{memo},{ccy}")
        });
    prop::collection::vec(row, 1..25)
}

/// Rows as a CSV file.
pub fn csv(rows: &[String]) -> Vec<u8> {
    format!("{HEADER}{}\n", rows.join("\n")).into_bytes()
}

/// Runs a job over two CSV files on so many threads.
pub fn run(job: &Job, left: &[u8], right: &[u8], threads: usize) -> Result<Ran, Error> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    write("rates.csv", RATES.as_bytes());
    let (left, right) = (write("left.csv", left), write("right.csv", right));
    run_on(threads, &job.yaml(), &left, &right, Arc::new(Silent)).0
}
