//! Random SQL expressions over random values: a run, or an error that names the expression's place,
//! and never a panic.
//!
//! `RECONCILE_FUZZ_INPUTS=100000 cargo test -p engine --test fuzz_expressions` tries that many.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

#[path = "../../crds/tests/inputs/mod.rs"]
mod inputs;

use engine::{Error, InputFile, RunRequest, SQL_FUNCTIONS, Silent};
use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Inputs unless the environment asks for more.
const INPUTS: u64 = 400;

const ROWS: &str = "id,t,n,d,day\n\
    a,,0,0.00,2026-01-31\n\
    b,é€😀 ﬁx,-9223372036854775808,-9999999999999999.99,0001-01-01\n\
    c,12,9223372036854775807,0.01,9999-12-31\n\
    d,%_\\,,,\n\
    e,2026-01-31,-1,1.50,1969-12-31\n";

const LITERALS: &[&str] = &[
    "NULL",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "2",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "2147483648",
    "-2147483649",
    "0.5",
    "1e400",
    "1e-400",
    "''",
    "'a'",
    "'é'",
    "'%'",
    "'12'",
    "'2026-01-31'",
    "'%Y-%m'",
    "'%Q'",
    "'(a|b)*$'",
    "'('",
    "'\\1\\1'",
    "date '2026-01-31'",
    "interval '1 month'",
    "timestamp '2026-01-31 01:02:03'",
    "x'ff'",
    "'year'",
    "'century'",
];
const OPERATORS: &[&str] = &[
    "+",
    "-",
    "*",
    "/",
    "%",
    "=",
    "<>",
    "<",
    ">=",
    "and",
    "or",
    "||",
    "is distinct from",
    "~",
    "~*",
    "like",
    "not ilike",
    "&",
    "|",
    "^",
    "<<",
    ">>",
    "#",
];
/// Functions that an expression may not call, or not here.
const OTHERS: &[&str] = &["random", "now", "near", "words", "max", "repeat"];
const TYPES: &[&str] = &[
    "int",
    "bigint",
    "smallint",
    "double",
    "varchar",
    "date",
    "timestamp",
    "boolean",
    "decimal(38,38)",
    "decimal(38,0)",
    "decimal(5,2)",
    "decimal(76,10)",
    "bytea",
    "time",
    "interval",
];

fn one_of(random: &mut TestRng, words: &[&'static str]) -> &'static str {
    words[random.next_u32() as usize % words.len()]
}

/// A function: now and then one that is refused.
fn function(random: &mut TestRng) -> &'static str {
    if random.next_u32().is_multiple_of(8) {
        one_of(random, OTHERS)
    } else {
        one_of(random, SQL_FUNCTIONS)
    }
}

fn expression(random: &mut TestRng, depth: u32, text: &mut String) {
    let kind = if depth == 0 {
        random.next_u32() % 2
    } else {
        random.next_u32() % 16
    };
    let inner = |random: &mut TestRng| {
        let mut text = String::new();
        expression(random, depth.saturating_sub(1), &mut text);
        text
    };
    let _ = match kind {
        0 => write!(
            text,
            "{}",
            one_of(random, &["t", "n", "d", "day", "id", "\"t\"", "zz"])
        ),
        1 | 2 => write!(text, "{}", one_of(random, LITERALS)),
        3..=6 => {
            let (a, b) = (inner(random), inner(random));
            write!(text, "({a} {} {b})", one_of(random, OPERATORS))
        }
        7..=10 => {
            let arguments: Vec<String> =
                (0..random.next_u32() % 4).map(|_| inner(random)).collect();
            write!(text, "{}({})", function(random), arguments.join(", "))
        }
        11 => {
            let a = inner(random);
            write!(text, "cast({a} as {})", one_of(random, TYPES))
        }
        12 => {
            let a = inner(random);
            write!(text, "try_cast({a} as {})", one_of(random, TYPES))
        }
        13 => {
            let (a, b, c) = (inner(random), inner(random), inner(random));
            write!(text, "case when {a} then {b} else {c} end")
        }
        14 => {
            let (a, b, c) = (inner(random), inner(random), inner(random));
            write!(
                text,
                "({a} {} ({b}, {c}))",
                one_of(random, &["in", "not in"])
            )
        }
        _ => {
            let (a, b) = (inner(random), inner(random));
            match random.next_u32() % 4 {
                0 => write!(text, "({a} between {b} and {a})"),
                1 => write!(text, "(-{a})"),
                2 => write!(text, "(not {a})"),
                _ => write!(text, "({a} is not null)"),
            }
        }
    };
}

struct Place {
    folder: TempDir,
    runtime: Runtime,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("rows.csv"), ROWS).unwrap();
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        Self { folder, runtime }
    }

    /// Runs a job whose `path` is the expression.
    fn run(&self, path: &str, expression: &str) -> Result<(), Error> {
        let (filter, block) = if path == "left.where" {
            (expression, "id")
        } else {
            ("true", expression)
        };
        let columns = "[{name: n, type: integer}, {name: d, type: \"decimal(18,2)\"}, {name: day, \
                       type: date}]";
        let spec = serde_json::json!({
            "left": {"source": {"uri": "rows.csv"}, "key": ["id"], "where": filter,
                "columns": serde_yaml::from_str::<serde_json::Value>(columns).unwrap()},
            "right": {"source": {"uri": "rows.csv"}, "key": ["id"],
                "columns": serde_yaml::from_str::<serde_json::Value>(columns).unwrap()},
            "passes": [{"name": "p", "block": [[block]], "compare": [{"column": "id", "exact": {}}]}],
        });
        let spec = crds::decode::spec_from_value(&spec).map_err(Error::Spec)?;
        let folder: &Path = self.folder.path();
        let file = InputFile {
            path: folder.join("rows.csv"),
            name: "rows.csv".into(),
        };
        let request = RunRequest {
            spec,
            left: file.clone(),
            right: file,
            rates: None,
            model: None,
            out_dir: folder.join("out"),
        };
        self.runtime
            .block_on(engine::run(request, Arc::new(Silent)))
            .map(drop)
    }
}

#[test]
fn an_expression_is_evaluated_or_its_place_is_named() {
    let evaluated = AtomicU64::new(0);
    let tried = inputs::each("expressions", INPUTS, Place::new, |place, input| {
        let mut random = inputs::random(input);
        let mut text = String::new();
        let depth = random.next_u32() % 4;
        expression(&mut random, depth, &mut text);
        let path = one_of(&mut random, &["left.where", "passes[0].block[0][0]"]);
        match place.run(path, &text) {
            Ok(()) => {
                evaluated.fetch_add(1, Ordering::Relaxed);
            }
            Err(Error::Spec(errors)) => {
                assert!(
                    errors.iter().all(|error| error.path == path),
                    "{text}: {errors:?}"
                );
            }
            Err(Error::Expression { path: told, .. }) => assert_eq!(told, path, "{text}"),
            Err(error) => panic!("{path} {text}: {error:?}"),
        }
    });
    let evaluated = evaluated.into_inner();
    if tried >= INPUTS {
        assert!(evaluated * 20 > tried, "{evaluated} of {tried}");
    }
}
