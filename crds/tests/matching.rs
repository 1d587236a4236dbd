//! The matching language: what is wrong, and where.

use crds::decode::{for_the_cli_only, spec_from_yaml};
use crds::matching::{Location, SecretKey};
use rstest::rstest;
use serde_json::json;
use std::fmt::Write;

const GOOD: &str = "
left: {source: {uri: a.csv}, key: [id], columns: [{name: amount, type: 'decimal(18,2)'}]}
right: {source: {uri: b.csv}, key: [id]}
passes:
  - name: one
    assign: greedy
    block: [[ccy]]
    score: weighted
    accept: 0.9
    review: 0.5
    compare:
      - {column: amount, number: {abs: '0.05'}, weight: 2}
      - {column: memo, text: {method: jaroWinkler, atLeast: 0.8}}
";

fn paths(yaml: &str) -> Vec<String> {
    spec_from_yaml(yaml)
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|e| e.path)
        .collect()
}

#[test]
fn the_good_one_is_good_and_survives_a_round_trip() {
    let spec = spec_from_yaml(GOOD).unwrap();
    assert_eq!(spec_from_yaml(&spec.canonical_json()).unwrap(), spec);
}

#[rstest]
#[case("uri: a.csv", "uri: 7", "left.source.uri")]
#[case("{uri: a.csv}", "{}", "left.source")]
#[case("{uri: a.csv}", "{uri: a.csv, upload: {id: x}}", "left.source")]
#[case("key: [id], c", "keys: [id], c", "left.keys")]
#[case("decimal(18,2)", "decimal(39,2)", "left.columns[0].type")]
#[case("decimal(18,2)", "float", "left.columns[0].type")]
#[case(
    "type: 'decimal(18,2)'",
    "format: '%Y', type: text",
    "left.columns[0].format"
)]
#[case(
    "{name: amount,",
    "{name: amount}, {name: amount,",
    "left.columns[1].name"
)]
#[case("assign: greedy", "assign: best", "passes[0].assign")]
#[case("    assign: greedy\n", "    margin: 2\n", "passes[0].margin")]
#[case("accept: 0.9", "accept: 1.5", "passes[0].accept")]
#[case("    accept: 0.9\n", "", "passes[0].accept")]
#[case("review: 0.5", "review: 0.95", "passes[0].review")]
#[case("    score: weighted\n", "", "passes[0].accept")]
#[case("weight: 2", "levels: [0.8, 0.9]", "passes[0].compare[0].levels")]
#[case("weight: 2", "levels: [0.9, 0]", "passes[0].compare[0].levels")]
#[case(
    "type: 'decimal(18,2)'",
    "negate: true, type: date",
    "left.columns[0].negate"
)]
#[case("uri: a.csv", "sql: {query: select 1}", "left.source.sql.secretRef")]
#[case(
    "uri: a.csv",
    "sql: {secretRef: {name: db, key: url}, query: ' '}",
    "left.source.sql.query"
)]
#[case(
    "uri: a.csv",
    "sql: {secretRef: {name: db, key: url}, query: \"select 1\\0\"}",
    "left.source.sql.query"
)]
#[case(
    "uri: a.csv}, key: [id]",
    "sql: {secretRef: {name: db, key: url}, query: select 1}}",
    "left.key"
)]
#[case("uri: a.csv", "uri: gs://bucket/a.csv", "left.source.uri")]
#[case("uri: a.csv", "uri: 'https://host/a.csv'", "left.source.uri")]
#[case("uri: a.csv", "uri: s3://bucket", "left.source.uri")]
#[case("uri: a.csv", "uri: s3://bucket/", "left.source.uri")]
#[case("uri: a.csv", "uri: s3:///a.csv", "left.source.uri")]
#[case("uri: a.csv", "uri: s3://bucket/a//b.csv", "left.source.uri")]
#[case("uri: a.csv", "uri: s3://bucket/../b.csv", "left.source.uri")]
#[case("uri: a.csv", "uri: 's3://id:secret@bucket/b.csv'", "left.source.uri")]
#[case("key: [id], c", "where: '', c", "left.where")]
#[case("block: [[ccy]]", "block: [[]]", "passes[0].block[0]")]
#[case("abs: '0.05'", "abs: 0.05", "passes[0].compare[0].number.abs")]
#[case("abs: '0.05'", "abs: '-1'", "passes[0].compare[0].number.abs")]
#[case("{abs: '0.05'}", "{}", "passes[0].compare[0].number")]
#[case("weight: 2", "weight: 0", "passes[0].compare[0].weight")]
#[case("weight: 2", "weight: 2, exact: {}", "passes[0].compare[0]")]
#[case("{column: amount,", "{left: amount,", "passes[0].compare[0]")]
#[case(
    "method: jaroWinkler",
    "method: soundslike",
    "passes[0].compare[1].text.method"
)]
#[case("atLeast: 0.8", "atLeast: 2", "passes[0].compare[1].text.atLeast")]
#[case("passes:", "limits: {maxPairs: 0}\npasses:", "limits.maxPairs")]
#[case("passes:", "limits: {memory: 2 GiB}\npasses:", "limits.memory")]
#[case("passes:", "limits: {memory: 1Mi}\npasses:", "limits.memory")]
#[case("passes:", "diff: [{column: a}]\npasses:", "diff[0]")]
#[case("passes:", "model: {}\npasses:", "model.uri")]
#[case("passes:", "model: {uri: s3://b/m.json}\npasses:", "model.uri")]
#[case(
    "passes:",
    "fx: {rates: {source: {uri: r.csv}}, base: EUR, amount: a, date: d}\npasses:",
    "fx.currency"
)]
#[case("passes:", "output: {pairs: some}\npasses:", "output.pairs")]
#[case("passes:", "duplicates: {left: keep}\npasses:", "duplicates.left")]
#[case(
    "passes:",
    "normalize: [{column: a, steps: []}]\npasses:",
    "normalize[0].steps"
)]
#[case("passes:", "output: {formats: [pdf]}\npasses:", "output.formats[0]")]
fn one_mistake_has_one_path(#[case] good: &str, #[case] bad: &str, #[case] path: &str) {
    assert!(GOOD.contains(good), "{good}");
    assert_eq!(paths(&GOOD.replacen(good, bad, 1)), [path]);
}

#[test]
fn a_wrong_uri_is_told_without_what_may_be_a_password() {
    let yaml = GOOD.replace("uri: a.csv", "uri: 's3://id:hunter2@bucket/a.csv'");
    let errors = spec_from_yaml(&yaml).unwrap_err();
    assert!(errors[0].message.contains("AWS_SECRET_ACCESS_KEY"));
    assert!(!errors[0].message.contains("hunter2"));
}

#[test]
fn an_object_has_a_bucket_and_a_key_and_everything_else_is_a_file() {
    let object = Location::S3 {
        bucket: "b.c-d",
        key: "e f/g%20h?i#j.csv",
    };
    assert_eq!(Location::of("s3://b.c-d/e f/g%20h?i#j.csv"), Ok(object));
    for file in ["a.csv", "/tmp/a b.csv", "1://a", "a/b://c", "s3:/a", "://"] {
        assert_eq!(Location::of(file), Ok(Location::File(file)), "{file}");
    }
}

#[test]
fn a_secret_has_a_variable_of_its_own() {
    let secret = |name: &str, key: &str| SecretKey {
        name: name.into(),
        key: key.into(),
    };
    assert_eq!(secret("recon-db", "url").variable(), "RECON_DB_URL");
    assert_eq!(secret("a.b", "DATABASE_URL").variable(), "A_B_DATABASE_URL");
}

#[test]
fn remote_sources_are_for_the_cli_wherever_they_stand() {
    let sql = json!({"sql": {"secretRef": {"name": "a", "key": "b"}, "query": "SELECT 1"}});
    let object = json!({"uri": "s3://bucket/key.csv"});
    for place in ["left", "right", "fx.rates"] {
        for (source, kind) in [(&sql, "sql"), (&object, "uri")] {
            let mut spec = json!({"source": source});
            for part in place.rsplit('.') {
                spec = json!({ part: spec });
            }
            let errors = for_the_cli_only(&spec);
            let paths: Vec<String> = errors.into_iter().map(|error| error.path).collect();
            assert_eq!(paths, [format!("{place}.source.{kind}")]);
        }
    }
}

#[test]
fn five_mistakes_are_five_errors_in_one_answer() {
    let yaml = GOOD
        .replace("decimal(18,2)", "money")
        .replace("assign: greedy", "assign: best")
        .replace("abs: '0.05'", "abs: 0.05")
        .replace("atLeast: 0.8", "atLeast: 80")
        .replace("review: 0.5", "reviews: 0.5");
    let mut found = paths(&yaml);
    found.sort();
    assert_eq!(
        found,
        [
            "left.columns[0].type",
            "passes[0].assign",
            "passes[0].compare[0].number.abs",
            "passes[0].compare[1].text.atLeast",
            "passes[0].reviews",
        ]
    );
}

#[rstest]
#[case("", &[])]
#[case("cardinality: oneToOne, ", &["passes[0].cardinality"])]
#[case("accept: 0.9, ", &["passes[0].accept"])]
#[case("windowDays: 3", &["passes[0].sum.dateColumn"])]
#[case("maxParts: 1", &["passes[0].sum.maxParts"])]
#[case("assign: greedy, ", &["passes[0].assign"])]
#[case("compare: [{column: a, exact: {}}], ", &[])]
#[case("compare: [{column: a, exact: {}}], accept: 0.9, ", &["passes[0].accept"])]
#[case("compare: [{column: a, exact: {}}], margin: 0.1, ", &["passes[0].margin"])]
#[case("compare: [{column: a, exact: {}}], score: weighted, ", &["passes[0].accept"])]
#[case("compare: [{column: a, exact: {}}], score: weighted, accept: 0.9, margin: 0.1, ", &[])]
#[case("compare: [{column: a, exact: {}}], score: fellegiSunter, accept: 0.5, assign: greedy, ", &["passes[0].assign"])]
fn a_sum_has_rules_of_its_own(#[case] change: &str, #[case] expected: &[&str]) {
    let (outer, inner) = if change.ends_with(", ") {
        (change, String::new())
    } else {
        ("", format!(", {change}"))
    };
    let outer = if outer.contains("cardinality") {
        outer.to_owned()
    } else {
        format!("cardinality: oneToMany, {outer}")
    };
    let inner = inner.trim_end_matches(", ");
    let yaml = format!(
        "left: {{source: {{uri: a.csv}}}}\nright: {{source: {{uri: b.csv}}}}\npasses:\n  - {{name: s, \
         {outer}block: [[ccy]], sum: {{column: amount{inner}}}}}\n"
    );
    let found = spec_from_yaml(&yaml).map_or_else(
        |errors| errors.into_iter().map(|e| e.path).collect(),
        |_| Vec::new(),
    );
    assert_eq!(found, expected, "{yaml}");
}

#[test]
fn a_duplicate_name_is_reported_at_the_later_pass() {
    let second = "  - {name: one, assign: greedy, compare: [{column: a, exact: {}}]}\n";
    assert_eq!(paths(&format!("{GOOD}{second}")), ["passes[1].name"]);
}

#[test]
fn paths_of_a_manifest_start_with_spec() {
    let body = GOOD.replace('\n', "\n  ").replace("uri: a.csv", "uri: 7");
    let yaml = format!("kind: ReconciliationJob\nspec:\n  project: p{body}");
    assert_eq!(paths(&yaml), ["spec.left.source.uri"]);
}

#[test]
fn aliases_that_stand_for_more_than_a_specification_holds_are_refused() {
    let text = "x".repeat(10_000);
    let aliases = "*a, ".repeat(2_000);
    let bomb = format!("left: &a [\"{text}\"]\nright: [{aliases}]\npasses: []\n");
    let mut doubling = String::new();
    for (at, before) in (1..40).zip(0..) {
        writeln!(doubling, "a{at}: &a{at} [*a{before}, *a{before}]").unwrap();
    }
    let doubling = format!("a0: &a0 [1, 2]\n{doubling}");
    for text in [bomb, doubling] {
        let errors = crds::decode::spec_from_yaml(&text).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert!(
            errors[0].message.starts_with("this is not YAML: "),
            "{errors:?}"
        );
    }
}

#[test]
fn a_key_that_occurs_twice_is_a_mistake_and_not_ignored() {
    let twice = format!("{GOOD}\nleft: {{source: {{uri: other.csv}}}}\n");
    let errors = crds::decode::spec_from_yaml(&twice).unwrap_err();
    assert!(
        errors[0].message.contains("the key `left` occurs twice"),
        "{errors:?}"
    );
}
