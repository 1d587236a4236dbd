//! Queries as sources, on a real PostgreSQL: `scripts/with-postgres cargo test -p cli`.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::util::display::array_value_to_string;
use assert_cmd::Command;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sqlx::{AssertSqlSafe, PgPool, raw_sql};
use tempfile::TempDir;

const RUN: [&str; 3] = ["run", "job.yaml", "--json"];

/// The URL of a test's database for a role; what follows is the rest of the URL.
fn url(db: &PgPool, role: &str, host: &str, rest: &str) -> String {
    let options = db.connect_options();
    let (port, name) = (options.get_port(), options.get_database().unwrap());
    format!("postgres://{role}@{host}:{port}/{name}{rest}")
}

fn plain(db: &PgPool) -> String {
    url(db, "postgres", "127.0.0.1", "")
}

async fn execute(db: &PgPool, sql: &str) {
    raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(db)
        .await
        .unwrap();
}

/// A folder with a job whose left side is a query, and whose right side is this CSV.
struct Folder(TempDir);

impl Folder {
    fn new(query: &str, left: &str, right: &str, passes: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let query = serde_json::Value::from(query);
        let yaml = format!(
            "left:\n  source: {{sql: {{secretRef: {{name: recon-db, key: url}}, query: {query}}}}}\n  \
             key: [id]\n{left}\
             right: {{source: {{uri: right.csv}}, key: [id]}}\n\
             passes: [{passes}]\noutput: {{formats: [csv, parquet]}}\n"
        );
        fs::write(folder.path().join("job.yaml"), yaml).unwrap();
        fs::write(folder.path().join("right.csv"), right).unwrap();
        Self(folder)
    }

    fn of(query: &str) -> Self {
        let passes = "{name: exact, compare: [{column: id, exact: {}}]}";
        Self::new(
            query,
            "  columns: [{name: id, type: text}]\n",
            "id\n1\n",
            passes,
        )
    }

    fn reconcile(&self, url: &str, arguments: &[&str]) -> Output {
        let mut command = Command::cargo_bin("reconcile").unwrap();
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PG")) {
            command.env_remove(name);
        }
        let command = command.current_dir(self.0.path()).args(arguments);
        command.env("RECON_DB_URL", url).output().unwrap()
    }

    fn run(&self, url: &str) -> serde_json::Value {
        let output = self.reconcile(url, &RUN);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The message of a run that ends with this code and leaves no output.
    fn failure(&self, url: &str, code: i32) -> String {
        let output = self.reconcile(url, &RUN);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(!self.0.path().join("job-out").exists());
        message
    }

    fn output(&self, name: &str) -> RecordBatch {
        read(&self.0.path().join("job-out").join(name))
    }
}

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The values of a column as texts; a null is `null`.
fn column(batch: &RecordBatch, name: &str) -> Vec<String> {
    let column = batch.column_by_name(name).unwrap();
    let value = |row| {
        if column.is_null(row) {
            return "null".into();
        }
        array_value_to_string(column, row).unwrap()
    };
    (0..batch.num_rows()).map(value).collect()
}

#[sqlx::test(migrations = false)]
async fn every_type_arrives_exactly(db: PgPool) {
    execute(
        &db,
        "CREATE TYPE colour AS ENUM ('red', 'blue');
         CREATE DOMAIN money_eur AS numeric(12,4);
         CREATE TABLE all_types (
           id int, big bigint, small smallint, declared numeric, plain numeric, typed numeric(20,3),
           domain money_eur, real real, double double precision, yes bool, day date,
           moment timestamp, zoned timestamptz, memo text, code char(4), uid uuid, doc jsonb,
           shade colour, list int[], bytes bytea, span interval, other text);
         INSERT INTO all_types VALUES
           (1, 9223372036854775807, -32768, 0.1, 12345678901234567890.123456789, 1.5, 2.5,
            0.1, 0.1, true, '2026-01-31', '2026-01-31 23:59:59.123456',
            '2026-07-01 00:30:00+02', E'ü \"x\",\\n\\t\\\\N', 'ab',
            'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{\"a\": 1.10}', 'blue', '{1,NULL}', '\\xDEAD',
            '1 day 2 hours', ''),
           (2, -9223372036854775808, 7, 100, -0.5, 0, 0, 1e30, 1e300, false, '0044-03-15 BC',
            '0001-01-01', '1969-12-31 23:59:59.5+00', '', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL);",
    )
    .await;
    let folder = Folder::new(
        "SELECT * FROM all_types",
        "  columns: [{name: exact, from: declared, type: 'decimal(18,2)'}]\n",
        "id\nnone\n",
        "{name: exact, compare: [{left: memo, right: id, exact: {}}]}",
    );
    let summary = folder.run(&plain(&db));
    assert_eq!(summary["left"]["rows"], 2, "{summary}");
    let rows = folder.output("unmatched_left.parquet");
    let expected = [
        ("exact", ["0.10", "100.00"]),
        ("big", ["9223372036854775807", "-9223372036854775808"]),
        ("small", ["-32768", "7"]),
        ("plain", ["12345678901234567890.123456789", "-0.500000000"]),
        ("typed", ["1.500", "0.000"]),
        ("domain", ["2.5000", "0.0000"]),
        ("real", ["0.1", "1e30"]),
        ("double", ["0.1", "1e300"]),
        ("yes", ["true", "false"]),
        ("day", ["2026-01-31", "-0043-03-15"]),
        (
            "moment",
            ["2026-01-31T23:59:59.123456", "0001-01-01T00:00:00"],
        ),
        (
            "zoned",
            ["2026-06-30T22:30:00Z", "1969-12-31T23:59:59.500Z"],
        ),
        ("memo", ["ü \"x\",\n\t\\N", ""]),
        ("code", ["ab  ", "    "]),
        ("uid", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "null"]),
        ("doc", ["{\"a\": 1.10}", "null"]),
        ("shade", ["blue", "null"]),
        ("list", ["{1,NULL}", "null"]),
        ("bytes", ["\\xdead", "null"]),
        ("span", ["P1DT2H", "null"]),
        // An empty text is none that is missing.
        ("other", ["", "null"]),
    ];
    for (name, values) in expected {
        assert_eq!(column(&rows, name), values, "{name}");
    }
    // The column of faults is none of the table's.
    assert!(
        !rows
            .schema()
            .fields()
            .iter()
            .any(|field| field.name().contains("fault"))
    );
}

#[sqlx::test(migrations = false)]
async fn a_value_that_its_type_cannot_hold_makes_its_row_rejected(db: PgPool) {
    let folder = Folder::new(
        "SELECT * FROM (VALUES
           (1, 'NaN'::numeric, '2026-01-31'::date, 1.5::float8, now(), 1.00::numeric),
           (2, 1.5, 'infinity', 1.5, now(), 1.00),
           (3, 1.5, '2026-01-31', 'Infinity', now(), 1.00),
           (4, 1.5, '2026-01-31', 1.5, '-infinity', 1.00),
           (5, 1.5, '2026-01-31', 1.5, now(), 1.005),
           (6, 1.5, '2026-01-31', 1.5, now(), 'NaN'),
           (7, 1.5, '2026-01-31', 1.5, now(), 1.00)) AS t(id, n, d, f, z, a) ORDER BY id",
        "  columns: [{name: id, type: text}, {name: a, type: 'decimal(9,2)'}, {name: d, type: date}]\n",
        "id\n7\n",
        "{name: exact, compare: [{column: id, exact: {}}]}",
    );
    let summary = folder.run(&plain(&db));
    let left = &summary["left"];
    assert_eq!((&left["rows"], &left["rejected"]), (&7.into(), &6.into()));
    assert_eq!(left["matched"], 1);
    let rejected = folder.output("rejected.parquet");
    assert_eq!(column(&rejected, "line"), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(column(&rejected, "column"), ["n", "d", "f", "z", "a", "a"]);
    assert_eq!(column(&rejected, "file")[0], "left.source.sql.query");
    for reason in column(&rejected, "reason") {
        assert!(!reason.is_empty());
    }
}

#[sqlx::test(migrations = false)]
async fn the_order_of_the_rows_does_not_matter(db: PgPool) {
    execute(
        &db,
        "CREATE TABLE entries AS
           SELECT 'k' || n AS id, (n % 5000)::numeric / 100 AS amount FROM generate_series(1, 70000) n",
    )
    .await;
    let right: Vec<String> = (0..5000)
        .map(|n| format!("{n},{:.2}", f64::from(n) / 100.0))
        .collect();
    let right = format!("id,amount\n{}\n", right.join("\n"));
    let ran = |order: &str| {
        let folder = Folder::new(
            &format!("SELECT * FROM entries ORDER BY {order}"),
            "  columns: [{name: amount, type: 'decimal(9,2)'}]\n",
            &right,
            "{name: exact, compare: [{column: amount, exact: {}}]}",
        );
        let yaml = fs::read_to_string(folder.0.path().join("job.yaml")).unwrap();
        let typed =
            "right: {source: {uri: right.csv}, columns: [{name: amount, type: 'decimal(9,2)'}], ";
        let yaml = yaml.replace("right: {source: {uri: right.csv}, ", typed);
        fs::write(folder.0.path().join("job.yaml"), yaml).unwrap();
        let summary = folder.run(&plain(&db));
        let pairs = fs::read(folder.0.path().join("job-out/pairs.csv")).unwrap();
        (summary["left"].clone(), pairs)
    };
    let (counts, pairs) = ran("id");
    assert_eq!(
        (&counts["rows"], &counts["matched"]),
        (&70_000.into(), &5000.into())
    );
    assert_eq!(ran("id DESC"), (counts.clone(), pairs.clone()));
    assert_eq!(ran("md5(id)"), (counts, pairs));
}

#[sqlx::test(migrations = false)]
async fn a_query_that_is_wrong_is_a_mistake_of_the_job_with_its_position(db: PgPool) {
    for (query, place, said) in [
        (
            "SELECT 1 AS id,\n  'ü', amont FROM pg_class",
            "line 2, column 8: ",
            "\"amont\" does not exist",
        ),
        ("SELEC 1", "line 1, column 1: ", "syntax error"),
        (
            "SELECT 1 AS id FROM no_such_table",
            "line 1, column 21: ",
            "no_such_table",
        ),
        ("SELECT 1 AS id; SELECT 2", "", "multiple commands"),
    ] {
        let message = Folder::of(query).failure(&plain(&db), 2);
        let start = format!("left.source.sql.query: {place}");
        assert!(message.starts_with(&start), "{message}");
        assert!(message.contains(said), "{message}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_query_only_reads_and_gives_rows(db: PgPool) {
    execute(
        &db,
        "CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)",
    )
    .await;
    for (query, said) in [
        (
            "WITH gone AS (DELETE FROM kept RETURNING id) SELECT * FROM gone",
            "read-only transaction",
        ),
        (
            "SELECT id, set_config('transaction_read_only', 'off', true) FROM kept",
            "read-write",
        ),
        ("DELETE FROM kept RETURNING id", "read-only transaction"),
        ("COMMIT", "write a SELECT"),
        ("DELETE FROM kept", "write a SELECT"),
        ("SELECT id FROM kept WHERE id = $1", "parameters such as $1"),
        ("SELECT id FROM kept WHERE false", "gives no rows"),
        (
            "SELECT id, 1 AS a, 2 AS a FROM kept",
            "the column `a` twice",
        ),
        ("SELECT id, 10 / (id - 1) FROM kept", "division by zero"),
        (
            "SELECT id, repeat('9', 39)::numeric AS n FROM kept",
            "its column `n` has 39 digits",
        ),
    ] {
        let message = Folder::of(query).failure(&plain(&db), 1);
        assert!(message.contains("left.source.sql.query: "), "{message}");
        assert!(message.contains(said), "{query}: {message}");
    }
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM kept")
        .fetch_one(&db)
        .await
        .unwrap();
    assert_eq!(kept, 1);
}

#[sqlx::test(migrations = false)]
async fn a_query_that_takes_too_long_is_ended_by_the_limit_in_the_url(db: PgPool) {
    let url = url(
        &db,
        "postgres",
        "127.0.0.1",
        "?options=-c%20statement_timeout=200ms",
    );
    let started = Instant::now();
    let message = Folder::of("SELECT 1 AS id, pg_sleep(300)").failure(&url, 1);
    assert!(message.contains("statement timeout"), "{message}");
    assert!(message.contains("make the query faster"), "{message}");
    assert!(started.elapsed().as_secs() < 60);
    // Without one the program sets its own.
    let folder = Folder::of("SELECT current_setting('statement_timeout') AS id");
    fs::write(folder.0.path().join("right.csv"), "id\n1h\n").unwrap();
    assert_eq!(folder.run(&plain(&db))["pairs"], 1);
}

#[sqlx::test(migrations = false)]
async fn who_may_not_read_is_told_so_without_the_password(db: PgPool) {
    // The role outlives a test's database, so another run may have made it.
    execute(
        &db,
        "DO $$ BEGIN CREATE ROLE scram LOGIN PASSWORD 'hunter2'; \
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$; \
         CREATE TABLE secret (id int)",
    )
    .await;
    let folder = Folder::of("SELECT * FROM secret");
    let right = url(&db, "scram:hunter2", "127.0.0.1", "");
    let message = folder.failure(&right, 1);
    assert!(
        message.contains("permission denied for table secret"),
        "{message}"
    );
    assert!(message.contains("let the role read it"), "{message}");

    let wrong = url(&db, "scram:hunter3", "127.0.0.1", "");
    let message = folder.failure(&wrong, 1);
    assert!(
        message.contains("password authentication failed"),
        "{message}"
    );
    assert!(message.contains("correct RECON_DB_URL"), "{message}");
    assert!(!message.contains("hunter"), "{message}");

    let message = folder.failure(&plain(&db).replace("_sqlx_test", "no_such"), 1);
    assert!(message.contains("does not exist"), "{message}");

    let message = folder.failure("mysql://u:hunter2@h/d", 1);
    assert!(message.contains("RECON_DB_URL holds no URL"), "{message}");
    assert!(!message.contains("hunter"), "{message}");

    let message = folder.failure("", 1);
    assert!(message.contains("left.source.sql.secretRef"), "{message}");
    assert!(message.contains("RECON_DB_URL is not set"), "{message}");
}

#[test]
fn a_server_that_is_not_there_or_hangs_up_fails_the_run() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("postgres://u:hunter2@{free}/d");
    let message = Folder::of("SELECT 1 AS id").failure(&url, 1);
    assert!(message.contains("cannot be reached"), "{message}");
    assert!(!message.contains("hunter"), "{message}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u:hunter2@{}/d", listener.local_addr().unwrap());
    std::thread::spawn(move || while listener.accept().is_ok() {});
    let message = Folder::of("SELECT 1 AS id").failure(&url, 1);
    assert!(message.contains("cannot be reached"), "{message}");
}

/// Whether the connection of a query was encrypted.
fn encrypted(url: &str) -> bool {
    let ssl = "SELECT ssl::text AS id FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let folder = Folder::of(ssl);
    fs::write(folder.0.path().join("right.csv"), "id\ntrue\n").unwrap();
    let summary = folder.run(url);
    assert_eq!(summary["left"]["rows"], 1);
    summary["pairs"] == 1
}

#[sqlx::test(migrations = false)]
async fn tls_is_as_the_url_says(db: PgPool) {
    let authority = std::env::var("DATABASE_CA").unwrap();
    let of = |host: &str, rest: &str| url(&db, "postgres", host, rest);
    assert!(!encrypted(&of("localhost", "?sslmode=disable")));
    assert!(encrypted(&of("localhost", "?sslmode=prefer")));
    assert!(encrypted(&of("localhost", "")));
    assert!(encrypted(&of("127.0.0.1", "?sslmode=require")));
    let verified = format!("?sslmode=verify-full&sslrootcert={authority}");
    assert!(encrypted(&of("localhost", &verified)));

    let folder = Folder::of("SELECT 1 AS id");
    // The certificate is the right one for another name, and nobody's who is known here.
    for (host, rest) in [
        ("127.0.0.1", verified.as_str()),
        ("localhost", "?sslmode=verify-full"),
    ] {
        let message = folder.failure(&of(host, rest), 1);
        assert!(message.contains("certificate"), "{message}");
        assert!(message.contains("sslrootcert"), "{message}");
    }
    let missing = folder.failure(
        &of("localhost", "?sslmode=verify-full&sslrootcert=no-such"),
        1,
    );
    assert!(missing.contains("cannot be reached"), "{missing}");
}

/// A way to a server that refuses to encrypt.
fn without_tls(server: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let mut first = [0; 8];
            client.read_exact(&mut first).unwrap();
            let mut server = TcpStream::connect(&server).unwrap();
            // The number of a request for encryption.
            if first[4..] == [4, 210, 22, 47] {
                client.write_all(b"N").unwrap();
            } else {
                server.write_all(&first).unwrap();
            }
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            std::thread::spawn(move || std::io::copy(&mut server, &mut client));
        }
    });
    port
}

#[sqlx::test(migrations = false)]
async fn a_server_without_tls_is_used_only_where_that_is_allowed(db: PgPool) {
    let options = db.connect_options();
    let port = without_tls(format!("127.0.0.1:{}", options.get_port()));
    let name = options.get_database().unwrap();
    let of = |mode: &str| format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode={mode}");
    assert!(!encrypted(&of("prefer")));
    assert!(!encrypted(&of("disable")));
    for mode in ["require", "verify-full"] {
        let message = Folder::of("SELECT 1 AS id").failure(&of(mode), 1);
        assert!(message.contains("does not support TLS"), "{message}");
    }
}

#[sqlx::test(migrations = false)]
async fn both_sides_and_the_rates_can_be_queries(db: PgPool) {
    execute(
        &db,
        "CREATE TABLE ledger AS SELECT 'L' || n AS id, n * 1.10 AS amount, 'USD' AS ccy,
           date '2026-01-31' AS day FROM generate_series(1, 3) n;
         CREATE TABLE bank AS SELECT 'B' || n AS id, n * 1.00 AS amount, 'EUR' AS ccy,
           date '2026-01-31' AS day FROM generate_series(1, 3) n;",
    )
    .await;
    let source = |query: &str| {
        format!(
            "{{source: {{sql: {{secretRef: {{name: recon-db, key: url}}, query: \"{query}\"}}}}"
        )
    };
    let folder = Folder::of("SELECT 1 AS id");
    let yaml = format!(
        "left: {}, key: [id]}}\nright: {}, key: [id]}}\n\
         fx: {{rates: {}}}, base: EUR, amount: amount, currency: ccy, date: day}}\n\
         passes: [{{name: exact, compare: [{{column: amount, number: {{abs: '0.0001'}}}}]}}]\n",
        source("SELECT * FROM ledger"),
        source("SELECT * FROM bank"),
        source("SELECT date '2026-01-01' AS date, 'USD' AS currency, 0.9090909090 AS rate"),
    );
    fs::write(folder.0.path().join("job.yaml"), yaml).unwrap();
    assert_eq!(folder.run(&plain(&db))["pairs"], 3);
    for command in [
        ["validate", "job.yaml", "--plan"].as_slice(),
        &["explain", "job.yaml", "--left", "L1", "--right", "B1"],
    ] {
        let output = folder.reconcile(&plain(&db), command);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

#[test]
fn validate_connects_to_nothing_and_a_file_can_stand_in_for_a_query() {
    let folder = Folder::of("SELECT 1 AS id");
    let nowhere = "postgres://u@127.0.0.1:1/d";
    let output = folder.reconcile(nowhere, &["validate", "job.yaml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let left = [&RUN[..], &["--left", "right.csv"]].concat();
    let output = folder.reconcile(nowhere, &left);
    assert!(output.status.success(), "{}", text(&output.stderr));
}
