//! Runs whose values are in files give what runs give that hold them, to the byte.

use super::*;
use crate::progress::Silent;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

/// The names and contents of all outputs, of the summary without its times.
type Outputs = BTreeMap<String, Vec<u8>>;

/// A folder with both sides' files and what the runs over them write.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        Self(folder)
    }

    fn input(&self, source: &str) -> InputFile {
        InputFile {
            path: self.0.path().join(source),
            name: source.into(),
        }
    }

    fn request(&self, yaml: &str, out: &str) -> RunRequest {
        let spec = crds::decode::spec_from_yaml(yaml).unwrap();
        let uri = |dataset: &crds::matching::Dataset| dataset.source.uri.clone().unwrap();
        RunRequest {
            left: self.input(&uri(&spec.left)),
            right: self.input(&uri(&spec.right)),
            rates: spec.fx.as_ref().map(|fx| self.input(&uri(&fx.rates))),
            model: None,
            out_dir: self.0.path().join(out),
            spec,
        }
    }

    fn run(&self, yaml: &str, room: Room) -> Result<Outputs, String> {
        let out = format!("out-{}", room.chunk);
        let request = self.request(yaml, &out);
        let ran = runtime().block_on(run_within(request, room, Arc::new(Silent)));
        let mut summary = ran.map_err(|error| error.to_string())?;
        summary.seconds = 0.0;
        for pass in &mut summary.passes {
            pass.seconds = 0.0;
        }
        let mut outputs = Outputs::new();
        for entry in fs::read_dir(self.0.path().join(&out)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            outputs.insert(name, fs::read(path).unwrap());
        }
        outputs.insert("summary.json".into(), format!("{summary:?}").into_bytes());
        Ok(outputs)
    }

    /// Whether the values of both sides are in files.
    fn is_spilled(&self, yaml: &str, room: Room) -> bool {
        let request = self.request(yaml, "none");
        let progress: Arc<dyn Progress> = Arc::new(Silent);
        let inputs = Inputs::new(&request.left, &request.right, request.rates.as_ref());
        let work = open(request.spec, inputs, PlainRows::SetAside, room, &progress);
        let sides = runtime().block_on(work).unwrap().sides;
        sides.left.values.is_spilled() && sides.right.values.is_spilled()
    }

    /// Runs with everything in memory, and with files and chunks of several sizes.
    fn same(&self, yaml: &str, chunks: &[u64]) -> Result<Outputs, String> {
        let in_memory = self.run(yaml, Room::endless());
        for &chunk in chunks {
            let room = little(chunk);
            let of_files = self.run(yaml, room);
            match (&in_memory, &of_files) {
                (Ok(in_memory), Ok(of_files)) => {
                    assert!(self.is_spilled(yaml, room), "the values were held:\n{yaml}");
                    let names = |outputs: &Outputs| outputs.keys().cloned().collect::<Vec<_>>();
                    assert_eq!(names(in_memory), names(of_files), "{yaml}");
                    for (name, bytes) in in_memory {
                        assert!(
                            *bytes == of_files[name],
                            "{name} differs, chunks of {chunk}:\n{yaml}"
                        );
                    }
                }
                (in_memory, of_files) => {
                    let errors = [in_memory, of_files].map(|ran| ran.as_ref().err());
                    assert_eq!(errors[0], errors[1], "{yaml}");
                }
            }
        }
        in_memory
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
}

/// No room for values, but for chunks of them.
fn little(chunk: u64) -> Room {
    Room {
        limit: u64::MAX,
        held: 0,
        chunk,
    }
}

/// A row: key, reference, amount, day, memo, currency. Few values, so that keys repeat and scores tie;
/// some empty keys and amounts that are no numbers.
fn rows() -> impl Strategy<Value = Vec<[String; 6]>> {
    let row = (
        "[a-h]?[a-d]{0,2}",
        "[12]?",
        "([0-3]|1\\.5|x|9\\.999)?",
        "(2026-01-0[1-5])?",
        "[aB]{0,3}( [ab]{1,2})?",
        "(EUR|USD|CHF)?",
    );
    let row = row.prop_map(|(key, reference, amount, day, memo, currency)| {
        [key, reference, amount, day, memo, currency]
    });
    prop::collection::vec(row, 1..30)
}

const COLUMNS: [&str; 6] = ["id", "ref", "amount", "day", "memo", "ccy"];

fn csv(rows: &[[String; 6]]) -> String {
    let lines = rows.iter().map(|row| row.join(",") + "\n");
    COLUMNS.join(",") + "\n" + &lines.collect::<String>()
}

/// One object a line, without the keys whose value is empty: columns show up late.
fn ndjson(rows: &[[String; 6]]) -> String {
    let line = |row: &[String; 6]| {
        let fields = COLUMNS
            .iter()
            .zip(row)
            .filter(|(_, value)| !value.is_empty());
        let fields: Vec<String> = fields
            .map(|(name, value)| format!("\"{name}\": \"{value}\""))
            .collect();
        format!("{{{}}}\n", fields.join(", "))
    };
    // Whatever else is missing, every column is there once.
    let last = ["zz", "3", "7", "2026-02-01", "zz", "EUR"].map(String::from);
    rows.iter().chain([&last]).map(line).collect()
}

const RATES: &str = "date,currency,rate\n2025-12-01,USD,0.9\n2026-01-03,USD,0.8\n";

fn passes() -> impl Strategy<Value = String> {
    let block = prop::sample::select(vec![
        "block: [[ref], [\"substr(memo, 1, 1)\", \"near(day, 1)\"], [\"near(amount, 1.00)\"]]",
        "block: [[\"lower(memo)\", ref], [\"amount > 1\"]]",
        "block: [[\"near(amount, 0.5)\", \"near(day, 2)\"]]",
        "",
    ]);
    let score = prop::sample::select(vec!["all", "weighted", "fellegiSunter"]);
    let how = prop::sample::select(vec![
        "assign: greedy",
        "margin: 0.1",
        "cardinality: oneToMany",
        "cardinality: manyToMany",
        "assign: optimal",
    ]);
    let nulls = prop::sample::select(vec!["mismatch", "neutral", "match"]);
    let method = prop::sample::select(vec![
        "levenshtein",
        "jaroWinkler",
        "tokenSet",
        "qgram",
        "soundex",
    ]);
    let thresholds = (0_u8..=10, 0_u8..=10);
    (any::<bool>(), any::<bool>(), block, score, how, nulls, method, thresholds).prop_map(
        |(exact, sum, block, score, how, nulls, method, (one, other))| {
            let mut passes = String::from("passes:\n");
            if exact {
                passes += "  - {name: exact, assign: greedy, compare: [{column: ref, exact: {}}, \
                           {column: amount, exact: {}}]}\n";
            }
            let thresholds = if score == "all" {
                String::new()
            } else {
                let (accept, review) = (one.max(other), one.min(other));
                format!("accept: 0.{accept:02}, review: 0.{review:02}, ")
            };
            let block = if block.is_empty() { String::new() } else { format!("{block}, ") };
            let _ = writeln!(
                passes,
                "  - {{name: fuzzy, {block}score: {score}, {how}, {thresholds}compare: [\
                 {{column: amount, number: {{abs: \"1\"}}, nulls: {nulls}}}, \
                 {{column: memo, text: {{method: {method}, atLeast: 0.5}}, nulls: {nulls}}}, \
                 {{column: day, date: {{minDays: -2, maxDays: 2}}, nulls: mismatch}}, \
                 {{column: ref, exact: {{}}, nulls: {nulls}}}]}}"
            );
            if sum {
                passes += "  - {name: split, cardinality: oneToMany, block: [[ccy]], \
                           sum: {column: amount, abs: \"0.5\", windowDays: 3, dateColumn: day}}\n";
            }
            passes
        },
    )
}

fn jobs() -> impl Strategy<Value = String> {
    let policy = prop::sample::select(vec!["report", "first", "reject"]);
    let rest = prop::sample::select(vec![
        "",
        "diff: [{column: memo, exact: {}}, {column: amount, number: {abs: \"0.5\"}}]\n",
        "normalize: [{column: memo, steps: [lowercase, collapseWhitespace]}]\n\
         diff: [{column: memo, exact: {}}, {column: day, date: {minDays: 0, maxDays: 1}}]\n",
    ]);
    let condition = prop::sample::select(vec!["", ", where: \"ref is null or ref <> '2'\""]);
    let fx = prop::sample::select(vec![
        "",
        "fx: {rates: {source: {uri: rates.csv}}, base: EUR, amount: amount, currency: ccy, \
         date: day, missing: reject}\n",
    ]);
    let key = prop::sample::select(vec!["key: [id], ", "key: [id, ref], ", ""]);
    let shown = prop::sample::select(vec!["all", "exceptions"]);
    let file = prop::sample::select(vec!["csv", "ndjson"]);
    let dataset = (key, condition, policy.clone(), policy, file);
    (dataset, rest, fx, shown, passes()).prop_map(
        |((key, condition, left, right, file), rest, fx, shown, passes)| {
            let dataset = |side: &str| {
                format!(
                    "{side}: {{source: {{uri: {side}.{file}}}, {key}columns: [\
                     {{name: amount, type: \"decimal(6,2)\"}}, {{name: day, type: date}}]{condition}}}\n"
                )
            };
            format!(
                "{}{}duplicates: {{left: {left}, right: {right}}}\n{rest}{fx}\
                 output: {{pairs: {shown}, formats: [parquet, csv, html, xlsx]}}\n{passes}",
                dataset("left"),
                dataset("right"),
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn values_in_files_change_nothing(job in jobs(), left in rows(), right in rows()) {
        let folder = Folder::new(&[
            ("left.csv", &csv(&left)),
            ("right.csv", &csv(&right)),
            ("left.ndjson", &ndjson(&left)),
            ("right.ndjson", &ndjson(&right)),
            ("rates.csv", RATES),
        ]);
        let _ = folder.same(&job, &[40, 700, 1 << 20]);
    }
}

/// Many rows, so that files have several blocks, and outputs several batches.
fn many(rows: u32, seed: u32) -> String {
    let mut text = String::from("id,name,town,amount,day\n");
    for row in 0..rows {
        let mixed = row.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 7;
        let day = 1 + mixed % 28;
        // Keys are in no order.
        let id = u64::from(row) * 48_271 % 2_147_483_647;
        let _ = writeln!(
            text,
            "{id},name {},town {},{}.{:02},2026-03-{day:02}",
            (mixed + row % 7) % 900,
            mixed % 50,
            mixed % 3000,
            row % 100
        );
    }
    text
}

#[test]
fn blocks_and_batches_of_many_rows_change_nothing() {
    let folder = Folder::new(&[
        ("left.csv", &many(30_000, 1)),
        ("right.csv", &many(30_000, 3)),
    ]);
    let side = |side: &str| {
        format!(
            "{side}: {{source: {{uri: {side}.csv}}, key: [id], columns: [\
             {{name: amount, type: \"decimal(12,2)\"}}, {{name: day, type: date}}]}}\n"
        )
    };
    let rest = "output: {formats: [parquet, csv, html]}\n\
                diff: [{column: amount, exact: {}}, {column: town, exact: {}}]\n\
                passes:\n\
                \x20 - name: exact\n\
                \x20   compare: [{column: name, exact: {}}, {column: town, exact: {}}, {column: day, exact: {}}]\n\
                \x20 - name: fuzzy\n\
                \x20   block: [[name, \"near(day, 2)\"], [town, \"near(amount, 1)\"]]\n\
                \x20   score: fellegiSunter\n\
                \x20   accept: 0.9\n\
                \x20   review: 0.5\n\
                \x20   compare:\n\
                \x20     - {column: name, text: {method: jaroWinkler, atLeast: 0.8}}\n\
                \x20     - {column: town, exact: {}}\n\
                \x20     - {column: amount, number: {abs: \"5\"}}\n\
                \x20     - {column: day, date: {minDays: -3, maxDays: 3}}\n";
    let yaml = side("left") + &side("right") + rest;
    let outputs = folder.same(&yaml, &[200_000, 1 << 20]).unwrap();
    assert!(outputs["pairs.parquet"].len() > 50_000);
    assert!(outputs["differences.parquet"].len() > 5_000);
    assert!(outputs.contains_key("model.json"));
}

#[test]
fn a_budget_is_told_with_the_same_keys() {
    let folder = Folder::new(&[("left.csv", &many(300, 1)), ("right.csv", &many(300, 3))]);
    let sides = "left: {source: {uri: left.csv}, key: [id]}\nright: {source: {uri: right.csv}, key: [id]}\n";
    for block in [
        "[day]",
        "[day, \"substr(town, 1, 6)\"]",
        "[\"substr(town, 1, 6)\", \"near(id, 9)\"]",
    ] {
        let yaml = format!(
            "{sides}limits: {{maxPairs: 20}}\npasses: [{{name: p, block: [{block}], compare: [\
             {{column: name, exact: {{}}}}]}}]\n"
        );
        let yaml = yaml.replace(
            "key: [id]",
            "key: [id], columns: [{name: id, type: integer}]",
        );
        let message = folder.same(&yaml, &[500]).err().unwrap();
        assert!(message.contains("limits.maxPairs leaves 20"), "{message}");
        assert!(message.contains("most come from"), "{message}");
    }
}

#[test]
fn what_stays_in_memory_is_held_against_the_limit() {
    let folder = Folder::new(&[("left.csv", &many(2000, 1)), ("right.csv", &many(2000, 3))]);
    let sides = "left: {source: {uri: left.csv}, key: [id]}\nright: {source: {uri: right.csv}, key: [id]}\n";
    let run = |passes: &str, limit: u64| {
        let room = Room {
            limit,
            ..little(10_000)
        };
        folder
            .run(&format!("{sides}passes: [{passes}]\n"), room)
            .err()
            .unwrap()
    };
    let every_pair = "{name: p, block: [[town]], score: weighted, accept: 0.0, review: 0.0, compare: [\
                      {column: name, exact: {}}]}";
    let message = run(every_pair, 500_000);
    assert!(
        message.contains("the scored pairs of pass `p` take over"),
        "{message}"
    );
    let no_block = "{name: p, score: weighted, accept: 0.4, compare: [\
                    {column: name, exact: {}}, {column: town, exact: {}}]}";
    let message = run(no_block, 200_000);
    assert!(message.contains("pass `p` has no block"), "{message}");
    let message = run(every_pair, 1000);
    assert!(
        message.contains("the records of both sides take"),
        "{message}"
    );
}
