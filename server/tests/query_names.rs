//! Every query has a name, and values with which `audit-indexes` can explain it.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use server::db;
use sqlx::{AssertSqlSafe, Column, Either, Executor, PgPool, Statement};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What asks the catalogue or settings instead of the program's tables, and so has no names.
const WITHOUT_NAMES: [&str; 5] = [
    "db/migration.rs",
    "db/index_audit/catalog.rs",
    "db/index_audit/plans.rs",
    "commands/grants.rs",
    "commands/migrate.rs",
];

fn sources() -> BTreeMap<String, String> {
    fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    visit(&root, &mut paths);
    let name = |path: &Path| path.strip_prefix(&root).unwrap().display().to_string();
    paths
        .iter()
        .map(|path| (name(path), std::fs::read_to_string(path).unwrap()))
        .filter(|(name, _)| !WITHOUT_NAMES.contains(&name.as_str()))
        .collect()
}

/// The constants of a source that are of a type.
fn constants(source: &str, kind: &str) -> BTreeSet<String> {
    source
        .lines()
        .filter_map(|line| {
            let line = line.trim_start().trim_start_matches("pub ");
            let (name, rest) = line.strip_prefix("const ")?.split_once(": ")?;
            rest.starts_with(kind).then(|| name.to_owned())
        })
        .collect()
}

#[test]
fn nothing_but_named_queries_is_sent_to_the_database() {
    let mut seen = 0;
    for (file, source) in sources() {
        let named = constants(&source, "NamedQuery");
        for call in ["query", "query_as", "query_scalar", "raw_sql", "query_with"] {
            for (at, _) in source.match_indices(&format!("sqlx::{call}")) {
                let rest = source[at..].split_once('(').unwrap();
                if !rest.0.ends_with(call) && !rest.0.contains("::<") {
                    continue;
                }
                let argument = rest.1.split([')', ',']).next().unwrap().trim();
                // A variable, as in a loop over several, has its type from the constants.
                let known = named.contains(argument) || ["query", "statement"].contains(&argument);
                assert!(known, "{file}: sqlx::{call}({argument}) is no NamedQuery");
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "{seen} calls were found");
}

#[test]
fn every_named_query_is_registered() {
    let written: usize = sources()
        .values()
        .map(|source| constants(source, "NamedQuery ").len())
        .sum();
    let names: BTreeSet<&str> = db::queries().map(|query| query.name).collect();
    assert_eq!(
        db::queries().count(),
        names.len(),
        "a name stands for one query"
    );
    assert_eq!(
        written,
        names.len(),
        "a query is missing in the QUERIES of its module, or the module in db::queries"
    );
    for name in names {
        let (module, query) = name.split_once('.').unwrap();
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(plain(module) && plain(query), "{name}");
    }
}

#[sqlx::test]
async fn every_named_query_fits_the_schema_and_has_a_value_for_each_parameter(db: PgPool) {
    for query in db::queries() {
        let name = query.name;
        let prepared = (&db).prepare(AssertSqlSafe(query.sql).into_sql()).await;
        let prepared = prepared.unwrap_or_else(|error| panic!("{name}: {error}"));
        let parameters = match prepared.parameters() {
            Some(Either::Left(types)) => types.len(),
            Some(Either::Right(number)) => number,
            None => 0,
        };
        let from = query
            .sample
            .table
            .map_or(String::new(), |it| format!(" FROM {it}"));
        let sample = format!("SELECT {}{from}", query.sample.values);
        let values = (&db).prepare(AssertSqlSafe(sample).into_sql()).await;
        let values = values.unwrap_or_else(|error| panic!("the sample of {name}: {error}"));
        assert_eq!(
            values.columns().len(),
            parameters,
            "the sample of {name}: {:?}",
            values
                .columns()
                .iter()
                .map(Column::name)
                .collect::<Vec<_>>()
        );
    }
}

/// What `prepare` takes.
trait IntoSql {
    fn into_sql(self) -> sqlx::SqlStr;
}

impl<T> IntoSql for AssertSqlSafe<T>
where
    Self: sqlx::SqlSafeStr,
{
    fn into_sql(self) -> sqlx::SqlStr {
        sqlx::SqlSafeStr::into_sql_str(self)
    }
}
