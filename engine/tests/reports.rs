//! The reports for people: `report.html` and `report.xlsx`.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use engine::{InputFile, RunRequest, Silent};
use std::fmt::Write;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use support::{Ran, run_texts};

const JOB: &str = r#"
left:
  name: <b>ours</b>
  source: {uri: left.csv}
  key: [id]
  columns:
    - {name: amount, type: "decimal(18,2)"}
    - {name: date, type: date}
    - {name: big, type: integer}
right:
  name: theirs
  source: {uri: right.csv}
  key: [id]
  columns:
    - {name: amount, type: "decimal(18,2)"}
    - {name: date, type: date}
    - {name: big, type: integer}
passes:
  - name: near
    block: [[amount]]
    score: weighted
    compare:
      - {column: amount, number: {abs: "0"}, weight: 3}
      - {column: memo, exact: {}, weight: 1}
    accept: 0.9
    review: 0.5
diff:
  - {column: note, exact: {}}
output: {formats: FORMATS}
"#;

const LEFT: &str = "id,amount,date,big,memo,note\n\
    a,10.00,2026-01-10,1,rent,same\n\
    b,20.50,2026-01-10,2,food,mine\n\
    c,30.00,2026-01-09,3,<script>alert(1)</script>,same\n\
    d,41.25,2025-12-01,1234567890123456789,=1+1,\"\"\"&\"\n";
const RIGHT: &str = "id,amount,date,big,memo,note\n\
    a,10.00,2026-01-10,1,rent,same\n\
    b,20.50,2026-01-10,2,food,theirs\n\
    c,30.00,2026-01-08,3,other,same\n\
    e,99.00,2024-06-01,4,none,x\n\
    e,98.00,2024-06-01,4,none,x\n\
    f,oops,2024-06-01,4,none,x\n";

fn ran(formats: &str) -> Ran {
    let job = JOB.replace("FORMATS", formats);
    run_texts(&job, LEFT.as_bytes(), RIGHT.as_bytes()).unwrap()
}

fn page(ran: &Ran) -> String {
    fs::read_to_string(ran.out.path().join("out/report.html")).unwrap()
}

fn workbook(ran: &Ran) -> Vec<(String, String)> {
    let file = File::open(ran.out.path().join("out/report.xlsx")).unwrap();
    let mut archive = zip::ZipArchive::new(file).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut entry = archive.by_index(index).unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (entry.name().unwrap().into_owned(), text)
        })
        .collect()
}

fn sheet(parts: &[(String, String)], number: usize) -> &str {
    let name = format!("xl/worksheets/sheet{number}.xml");
    let part = parts.iter().find(|(part, _)| *part == name);
    part.map(|(_, text)| text.as_str()).unwrap()
}

#[test]
fn reports_are_written_only_when_asked_for() {
    for (formats, html, xlsx) in [
        ("[parquet]", false, false),
        ("[html]", true, false),
        ("[xlsx]", false, true),
    ] {
        let ran = ran(formats);
        let is_there = |name: &str| ran.out.path().join("out").join(name).exists();
        assert_eq!(is_there("report.html"), html, "{formats}");
        assert_eq!(is_there("report.xlsx"), xlsx, "{formats}");
        assert!(is_there("pairs.parquet"), "{formats}");
    }
}

#[tokio::test]
async fn reports_of_an_earlier_run_do_not_stay_beside_new_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        InputFile {
            path,
            name: name.into(),
        }
    };
    let (left, right) = (file("left.csv", LEFT), file("right.csv", RIGHT));
    let out = folder.path().join("out");
    let run = async |formats: &str| {
        let request = RunRequest {
            spec: crds::decode::spec_from_yaml(&JOB.replace("FORMATS", formats)).unwrap(),
            left: left.clone(),
            right: right.clone(),
            out_dir: out.clone(),
            model: None,
            rates: None,
        };
        engine::run(request, Arc::new(Silent)).await.unwrap();
    };
    let reports = |out: &Path| ["report.html", "report.xlsx"].map(|name| out.join(name).exists());
    run("[html, xlsx]").await;
    assert_eq!(reports(&out), [true, true]);
    run("[html]").await;
    assert_eq!(reports(&out), [true, false]);
    run("[parquet]").await;
    assert_eq!(reports(&out), [false, false]);
}

#[test]
fn the_page_charts_the_figures_of_the_run() {
    let ran = ran("[html]");
    let page = page(&ran);
    for chart in [
        "Outcome per side",
        "Pairs by pass",
        "Match rate by pass",
        "Scores",
        "Top differing columns",
    ] {
        assert!(page.contains(&format!("aria-label=\"{chart}\"")), "{chart}");
    }
    let (left, right) = (ran.summary.left, ran.summary.right);
    assert_eq!((left.matched, left.differing, left.review), (1, 1, 1));
    assert_eq!((right.duplicate, right.rejected), (2, 1));
    assert!(page.contains("<title>matched: 1 (25.00 %)</title>"));
    assert!(page.contains("<title>duplicate: 2 (33.33 %)</title>"));
    assert!(page.contains("<title>near: 3 (100.0 %)</title>"));
    // Four of ten rows are in a confirmed pair.
    assert!(page.contains("<title>near: 40.00 %</title>"));
    assert!(page.contains("<title>note: 1</title>"));
}

#[test]
fn the_steps_of_a_score_add_up_to_it() {
    let page = page(&ran("[html]"));
    let (_, falls) = page.split_once("How scores came about").unwrap();
    let (fall, _) = falls.split_once("</svg>").unwrap();
    for text in [
        ">amount<", ">+0.75<", ">memo<", ">+0.00<", ">score<", ">0.75<",
    ] {
        assert!(fall.contains(text), "{text} in {fall}");
    }
}

#[test]
fn breaks_are_summed_by_age_before_the_newest_date() {
    let job = JOB.replace("FORMATS", "[html]").replace(
        "{column: memo, exact",
        "{column: date, date: {minDays: 0, maxDays: 0}, weight: 0.1}\n      - {column: memo, exact",
    );
    let ran = run_texts(&job, LEFT.as_bytes(), RIGHT.as_bytes()).unwrap();
    let page = page(&ran);
    assert!(page.contains("aria-label=\"Breaks by age\""));
    assert!(page.contains("before 2026-01-10"));
    // Both records of the pair for review, and the unmatched one of 1 December.
    assert!(page.contains("<title>up to 7 days: 60.00 (2 rows)</title>"));
    assert!(page.contains("<title>31 to 90 days: 41.25 (1 row)</title>"));
}

#[test]
fn the_page_shows_every_value_as_text_and_loads_nothing() {
    let page = page(&ran("[html]"));
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("<td>&quot;&amp;</td>"));
    assert!(page.contains("<title>&lt;b&gt;ours&lt;/b&gt; against theirs</title>"));
    assert!(page.contains("default-src 'none'"));
    for outside in ["http:", "https:", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn the_page_stays_small_whatever_the_data() {
    let mut left = String::from("id,amount,date,big,memo,note\n");
    for id in 0..3000 {
        let memo = "<&".repeat(500);
        writeln!(left, "{id},{id}.00,2026-01-10,1,{memo},{memo}").unwrap();
    }
    let job = JOB.replace("FORMATS", "[html]");
    let page = page(&run_texts(&job, left.as_bytes(), RIGHT.as_bytes()).unwrap());
    assert!(page.len() < 1_000_000, "{}", page.len());
    assert!(page.contains("of 2,998 rows"));
}

#[test]
fn the_workbook_holds_numbers_dates_and_texts_as_such() {
    let parts = workbook(&ran("[xlsx]"));
    let book = &parts
        .iter()
        .find(|(name, _)| name == "xl/workbook.xml")
        .unwrap()
        .1;
    for name in [
        "Summary",
        "Pairs",
        "Differences",
        "Unmatched left",
        "Unmatched right",
        "Rejected",
        "Duplicates",
    ] {
        assert!(book.contains(&format!("<sheet name=\"{name}\"")), "{name}");
    }
    let unmatched = sheet(&parts, 4);
    assert!(unmatched.contains("<v>41.25</v>"), "{unmatched}");
    // 1 December 2025 by the count of days that workbooks keep.
    assert!(unmatched.contains("<v>45992</v>"), "{unmatched}");
    assert!(
        unmatched.contains(">1234567890123456789</t>"),
        "{unmatched}"
    );
    assert!(unmatched.contains(">=1+1</t>"), "{unmatched}");
    assert!(parts.iter().all(|(_, text)| !text.contains("<f>")));
    assert!(sheet(&parts, 3).contains(">theirs</t>"));
    assert!(sheet(&parts, 6).contains("<v>7</v>"));
    assert!(sheet(&parts, 7).contains(">2 rows have this key</t>"));
}

#[test]
fn the_same_data_give_the_same_bytes() {
    let (once, again) = (ran("[html, xlsx]"), ran("[html, xlsx]"));
    for name in ["report.html", "report.xlsx"] {
        let bytes = |ran: &Ran| fs::read(ran.out.path().join("out").join(name)).unwrap();
        assert!(bytes(&once) == bytes(&again), "{name}");
    }
}
