//! Odd files, jobs and folders: each ends in a result or in a message that names the place, soon, and
//! never in a panic.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use assert_cmd::cargo::cargo_bin;

const JOB: &str = "
left: {source: {uri: left.csv}, key: [id]}
right: {source: {uri: right.csv}, key: [id]}
passes: [{name: exact, compare: [{column: amount, exact: {}}]}]
";

/// A folder with a job and its two sides.
fn folder(job: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder, "job.yaml", job);
    write(&folder, "left.csv", "id,amount\na,1\nb,2\n");
    write(&folder, "right.csv", "id,amount\nx,1\ny,3\n");
    folder
}

fn write(folder: &tempfile::TempDir, name: &str, content: impl AsRef<[u8]>) {
    fs::write(folder.path().join(name), content).expect("written");
}

/// What a shell makes of a line in which `$R` is the program.
fn shell(folder: &Path, line: &str) -> Output {
    Command::new("bash")
        .args(["-c", line])
        .current_dir(folder)
        .env("R", cargo_bin("reconcile"))
        .output()
        .expect("runs")
}

/// Exit code and standard error of a run of `job.yaml`.
fn run(folder: &tempfile::TempDir, arguments: &str) -> (i32, String) {
    let output = shell(folder.path(), &format!("\"$R\" run job.yaml {arguments}"));
    told(&output)
}

fn told(output: &Output) -> (i32, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains("panicked"), "{text}");
    (output.status.code().unwrap_or(-1), text)
}

/// Runs a job whose left file is this one.
fn run_left(name: &str, content: &[u8], dataset: &str) -> (i32, String) {
    let job = JOB.replace("left.csv}", &format!("{name}}}{dataset}"));
    let folder = folder(&job);
    write(&folder, name, content);
    run(&folder, "")
}

#[test]
fn an_output_folder_that_cannot_be_is_told_before_any_data_is_read() {
    let folder = folder(JOB);
    fs::remove_file(folder.path().join("left.csv")).expect("removed");
    let setup = "touch file; ln -s loop loop; ln -s nowhere dangling";
    assert!(shell(folder.path(), setup).status.success());
    for out in [
        "file",
        "loop",
        "dangling",
        "file/below",
        "/dev/null",
        "/proc/none/out",
    ] {
        let (code, error) = run(&folder, &format!("--out {out}"));
        assert_eq!(code, 1, "{out}: {error}");
        assert!(
            error.contains("error: ") && !error.contains("left.csv"),
            "{out}: {error}"
        );
    }
    // Everything is as it was: no folder of a draft is left.
    let names = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(
        names,
        ["job.yaml", "right.csv", "file", "loop", "dangling"].len()
    );
}

#[test]
fn a_disk_that_is_full_fails_the_run_and_leaves_nothing() {
    let folder = folder(JOB);
    // A file may take 512 bytes, and a program that writes more is told so instead of being ended.
    let line = "trap '' XFSZ; ulimit -f 1; exec \"$R\" run job.yaml --out results";
    let (code, error) = told(&shell(folder.path(), line));
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("File too large"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 3);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = folder(JOB);
    for command in [
        "run job.yaml",
        "run job.yaml --json",
        "explain job.yaml --left a --right x",
        "explain job.yaml --left a --right x --json",
        "validate job.yaml",
        "validate job.yaml --plan",
        "profile left.csv",
        "profile left.csv --json",
        "completions bash",
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = Command::new(cargo_bin("reconcile"))
            .args(command.split(' '))
            .current_dir(folder.path())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .and_then(Child::wait_with_output)
            .expect("runs");
        let (code, error) = told(&output);
        assert_eq!((code, error.as_str()), (0, ""), "{command}");
        let (code, error) = told(&shell(
            folder.path(),
            &format!("\"$R\" {command} >/dev/full"),
        ));
        assert_eq!(code, 1, "{command}: {error}");
        assert!(error.contains("standard output: "), "{command}: {error}");
    }
}

#[test]
fn sources_that_are_no_files_are_told_apart() {
    let folder = folder(
        &JOB.replace("left.csv", ".")
            .replace("key: [id]}\nright", "format: csv, key: [id]}\nright"),
    );
    let (code, error) = run(&folder, "");
    assert_eq!(code, 1);
    assert!(error.contains("Is a directory"), "{error}");
    let (code, error) = run(&folder, "--left /dev/null");
    assert_eq!(code, 1);
    assert!(error.contains("null: the file is empty"), "{error}");
    for format in ["csv", "tsv", "ndjson", "json", "parquet", "arrow", "xlsx"] {
        let line = format!("\"$R\" profile /dev/null --format {format}");
        let (code, error) = told(&shell(folder.path(), &line));
        assert_eq!(code, 1, "{format}");
        assert!(error.starts_with("error: null: "), "{format}: {error}");
    }
}

#[test]
fn odd_texts_are_read_or_told() {
    let cases: [(&[u8], &str, i32, &str); 11] = [
        (b"\xef\xbb\xbfid,amount\r\na,1\r\n", "", 0, ""),
        (b"\xef\xbb\xbf\"id\",amount\r\na,1\r\n", "", 0, ""),
        (b"id,amount\ra,1\rb,2\r", "", 0, ""),
        (b"\n\n\nid,amount\n\n\na,1", "", 0, ""),
        (b"id,amount\na\0b,\0\n\0,1\n", "", 0, ""),
        (b"id,amount\n\xff\xfe,1\n", "", 0, ""),
        (
            b"\xff\xfei\0d\0\n\0a\0\n\0",
            "",
            1,
            "the header is not UTF-8 text",
        ),
        (
            b"id,amount,id\na,1,b\n",
            "",
            1,
            "the column `id` occurs twice",
        ),
        (b"id,amount\n", "", 1, "a header and no rows"),
        (b"\0", "", 1, ""),
        (b",\n,\n", "", 2, "there is no column `id`"),
    ];
    for (content, dataset, expected, message) in cases {
        let (code, error) = run_left("left.csv", content, dataset);
        let shown = String::from_utf8_lossy(content);
        assert_eq!(code, expected, "{shown:?}: {error}");
        assert!(error.contains(message), "{shown:?}: {error}");
    }
}

#[test]
fn numbers_that_are_none_are_rejected_rows() {
    let typed = "columns: [{name: amount, type: \"decimal(38,0)\"}]";
    let job = JOB.replace("key: [id]", &format!("key: [id], {typed}"));
    let folder = folder(&job);
    let texts = [
        "NaN",
        "Infinity",
        "-inf",
        "1e5",
        "1e400",
        "0x10",
        "1_000",
        "٣",
        "--1",
        "+-1",
        ".",
        "-",
        "1.5",
        "+",
        "1 000",
        "1’000",
        "99999999999999999999999999999999999999999",
    ];
    let mut rows = String::from("id,amount\n");
    for (at, text) in texts.iter().enumerate() {
        writeln!(rows, "r{at},{text}").unwrap();
    }
    rows += "a,99999999999999999999999999999999999999\nb,-0\nc, 1.000 \nd,000000000000000000000000000000000000000000001\n";
    write(&folder, "left.csv", rows);
    let output = shell(folder.path(), "\"$R\" run job.yaml --json");
    assert_eq!(told(&output), (0, String::new()));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(summary["left"]["rejected"], texts.len());
    assert_eq!(summary["left"]["matched"], 1);
}

#[test]
fn jobs_that_stand_for_more_than_they_are_end_soon() {
    let nested = |open: &str, close: &str, times: usize| open.repeat(times) + &close.repeat(times);
    let cases = [
        ("brackets", nested("[", "]", 20_000)),
        ("open brackets", "[".repeat(20_000)),
        ("mappings", nested("{a: ", "}", 20_000)),
        ("lists", "- ".repeat(20_000)),
        ("anchors", "a: &a ".to_owned() + &"b: &a ".repeat(2_000)),
        ("a bomb", {
            let lines = (1..60).map(|at| format!("a{at}: &a{at} [*a{0}, *a{0}, *a{0}]\n", at - 1));
            "a0: &a0 [x]\n".to_owned() + &lines.collect::<String>()
        }),
        (
            "a number",
            JOB.replace("exact: {}", "number: {abs: \"1e400\"}"),
        ),
        (
            "a threshold",
            JOB.replace("compare:", "score: weighted, accept: 1e400, compare:"),
        ),
        (
            "no threshold",
            JOB.replace("compare:", "score: weighted, accept: .nan, compare:"),
        ),
        ("nothing", String::new()),
        ("a byte", "\0".into()),
        ("documents", "---\n...\n".repeat(1_000)),
        (
            "a type",
            JOB.replace(
                "key: [id]}\nright",
                "columns: [{name: amount, type: \"decimal(38,-1)\"}]}\nright",
            ),
        ),
        (
            "a larger type",
            JOB.replace(
                "key: [id]}\nright",
                "columns: [{name: amount, type: \"decimal(39,0)\"}]}\nright",
            ),
        ),
    ];
    for (name, job) in cases {
        let folder = folder(&job);
        let started = std::time::Instant::now();
        let (code, error) = run(&folder, "");
        assert_eq!(code, 2, "{name}: {error}");
        assert!(error.contains("job.yaml: 1 mistake"), "{name}: {error}");
        assert!(started.elapsed() < Duration::from_secs(20), "{name}");
    }
}

#[test]
fn expressions_that_are_deeper_than_a_stack_or_longer_than_a_memory_are_refused() {
    let deep = [
        "amount".to_owned() + &"||amount".repeat(450),
        "amount = '1'".to_owned() + &" or amount = '1'".repeat(250),
        "not ".repeat(900) + "true",
        "(".repeat(900) + "true" + &")".repeat(900),
        "amount".to_owned() + &"::text".repeat(600),
        "case when true then ".repeat(100) + "1" + &" end".repeat(100),
        "- ".repeat(1_501) + "1",
        "replace(".repeat(30) + "amount" + &",'1','11111111111111111111')".repeat(30),
    ];
    let long = [
        "replace(".repeat(8) + "amount" + &",'1','11111111111111111111')".repeat(8),
        "regexp_replace(".repeat(8) + "amount" + &",'.','\\0\\0\\0','g')".repeat(8),
    ];
    let long = long.map(|text| text + " = '1'");
    let refused = (deep.iter().map(|sql| (sql, "nests too deep")))
        .chain(long.iter().map(|sql| (sql, "times longer")));
    for (sql, reason) in refused {
        let filter = serde_json::Value::from(sql.as_str()).to_string();
        let folder = folder(&JOB.replace("left.csv}", &format!("left.csv}}, where: {filter}")));
        let (code, error) = run(&folder, "");
        assert_eq!(code, 2, "{sql}: {error}");
        assert!(
            error.contains("left.where") && error.contains(reason),
            "{sql}: {error}"
        );
    }
}

#[test]
fn threads_change_nothing_and_a_wrong_number_is_named() {
    let example = format!("{}/../examples/bank/job.yaml", env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a folder");
    let mut expected: Option<Vec<(String, Vec<u8>)>> = None;
    for threads in [
        "",
        "--threads 1",
        "--threads 2",
        "--threads 4",
        "--threads 8",
        "one core",
    ] {
        let (command, threads) = match threads {
            "one core" => ("taskset -c 0 \"$R\"", ""),
            threads => ("\"$R\"", threads),
        };
        let line = format!("rm -rf out; {command} run {example} --out out {threads}");
        let (code, error) = told(&shell(folder.path(), &line));
        assert_eq!(code, 0, "{error}");
        let files = fs::read_dir(folder.path().join("out")).expect("outputs");
        let mut found: Vec<(String, Vec<u8>)> = files
            .map(|file| {
                let path = file.expect("an output").path();
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                (name, fs::read(path).expect("an output"))
            })
            .filter(|(name, _)| name != "summary.json")
            .collect();
        found.sort();
        assert!(found.len() > 6);
        let expected = expected.get_or_insert_with(|| found.clone());
        assert!(*expected == found, "{threads}");
    }
    for threads in ["0", "99999", "many"] {
        let line = format!("\"$R\" run {example} --threads {threads}");
        let (code, error) = told(&shell(folder.path(), &line));
        assert_eq!(code, 2);
        assert!(error.contains("--threads"), "{error}");
    }
}
