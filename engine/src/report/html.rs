//! `report.html`: one page for people, self-contained, without scripts, readable on paper.

use super::chart::{self, Bar, Part, escaped, grouped, shortened};
use super::figures::Figures;
use crate::outcome::{SideSummary, Summary};
use std::fmt::Write;

/// Characters of a value, columns of a table and bytes of its rows that the page shows at most, so
/// that it stays small whatever the data.
const LONGEST: usize = 300;
const COLUMNS: usize = 16;
const ROOM: usize = 100_000;

/// The style sheet. Colours are from a palette that colour-blind readers tell apart (Okabe and Ito,
/// "Color universal design", 2008).
const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--line:#d1d9e0;--paper:#fff;--band:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--line:#3d444d;--paper:#0d1117;--band:#151b23}.duplicate{fill:#818b98!important}.rejected{fill:#57606a!important}.matched,.for{fill:#1f83c4!important}.review{fill:#a868a0!important}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:960px;padding:24px;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:26px;margin:0 0 4px}h2{font-size:18px;margin:36px 0 8px;border-bottom:1px solid var(--line);padding-bottom:4px}
p.note,figcaption{color:var(--soft);margin:4px 0}
.tiles{display:flex;flex-wrap:wrap;gap:12px;margin:16px 0}
.tile{border:1px solid var(--line);border-radius:8px;padding:10px 16px;min-width:130px}
.tile b{display:block;font-size:22px}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13px}
th,td{border-bottom:1px solid var(--line);padding:4px 8px;text-align:left;vertical-align:top}
th,td.n{white-space:nowrap}td{min-width:5em}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
tr:nth-child(even) td{background:var(--band)}
td{overflow-wrap:anywhere}
svg{width:100%;height:auto;font:13px system-ui,sans-serif}
svg text{fill:var(--ink)}svg text.on{fill:#fff}
.matched,.for{fill:#0072b2}.differing{fill:#b35900}.review{fill:#8a4f7d}.unmatched,.against{fill:#c23b22}
.duplicate{fill:#6e7781}.rejected{fill:#3d444d}.total,.plain{fill:#00795a}.axis{stroke:var(--soft)}
@media print{:root{color-scheme:light;--ink:#000;--soft:#333;--line:#999;--paper:#fff;--band:#fff}body{max-width:none;padding:0;font-size:11pt}
h2{break-after:avoid}figure,.tile,tr{break-inside:avoid}rect{print-color-adjust:exact;-webkit-print-color-adjust:exact}.wide{overflow:visible}}
figure{margin:0 0 12px}
";

/// The page.
#[must_use]
pub fn page(summary: &Summary, figures: &Figures) -> String {
    let mut page =
        String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    let title = format!("{} against {}", figures.left_name, figures.right_name);
    let _ = write!(
        page,
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>{0}</title><style>{STYLE}</style></head><body><h1>{0}</h1>",
        escaped(&title)
    );
    tiles(&mut page, summary);
    outcomes(&mut page, summary);
    passes(&mut page, summary, figures);
    scores(&mut page, figures);
    ages(&mut page, figures);
    differences(&mut page, figures);
    reviews(&mut page, figures);
    samples(&mut page, figures);
    let _ = writeln!(
        page,
        "<p class=\"note\">Specification {}</p></body></html>",
        escaped(&summary.spec_hash)
    );
    page
}

fn tiles(page: &mut String, summary: &Summary) {
    let rate = format!("{:.2} %", summary.match_rate * 100.0);
    let tiles = [
        ("match rate", rate),
        ("left rows", grouped(summary.left.rows)),
        ("right rows", grouped(summary.right.rows)),
        (
            "for review",
            grouped(summary.left.review + summary.right.review),
        ),
        (
            "unmatched",
            grouped(summary.left.unmatched + summary.right.unmatched),
        ),
        (
            "differing",
            grouped(summary.left.differing + summary.right.differing),
        ),
    ];
    page.push_str("<div class=\"tiles\">");
    for (name, figure) in tiles {
        let _ = write!(page, "<div class=\"tile\"><b>{figure}</b>{name}</div>");
    }
    page.push_str("</div><p class=\"note\">Every row of both sides has exactly one outcome; counts of both sides are added up above.</p>");
}

fn outcomes(page: &mut String, summary: &Summary) {
    let parts = |side: &SideSummary| {
        [
            ("matched", side.matched),
            ("differing", side.differing),
            ("review", side.review),
            ("unmatched", side.unmatched),
            ("duplicate", side.duplicate),
            ("rejected", side.rejected),
        ]
        .map(|(class, value)| Part { class, value })
        .to_vec()
    };
    let rows = [
        ("left", parts(&summary.left)),
        ("right", parts(&summary.right)),
    ];
    figure(
        page,
        "Outcome per side",
        "What became of the rows of each side.",
        &chart::stacked("Outcome per side", &rows),
    );
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a bar and a rate need no more than 52 bits"
)]
fn passes(page: &mut String, summary: &Summary, figures: &Figures) {
    let rows = summary.left.rows + summary.right.rows;
    let rate = |confirmed: u64| confirmed as f64 / rows.max(1) as f64 * 100.0;
    let all: u64 = summary.passes.iter().map(|pass| pass.pairs).sum();
    let bars: Vec<Bar> = summary
        .passes
        .iter()
        .map(|pass| Bar {
            label: pass.name.clone(),
            value: pass.pairs as f64,
            figure: format!(
                "{} ({:.1} %)",
                grouped(pass.pairs),
                pass.pairs as f64 / all.max(1) as f64 * 100.0
            ),
        })
        .collect();
    figure(
        page,
        "Pairs by pass",
        "Which pass made the pairs, confirmed and for review, and its share of all pairs.",
        &chart::bars("Pairs by pass", "plain", &bars),
    );
    let bars: Vec<Bar> = summary
        .passes
        .iter()
        .zip(&figures.confirmed)
        .map(|(pass, &confirmed)| Bar {
            label: pass.name.clone(),
            value: confirmed as f64,
            figure: format!("{:.2} %", rate(confirmed)),
        })
        .collect();
    figure(
        page,
        "Match rate by pass",
        "The share of the rows of both sides that each pass adds to the match rate.",
        &chart::bars("Match rate by pass", "matched", &bars),
    );
    let header = [
        "pass",
        "#pairs",
        "#rows confirmed",
        "#match rate",
        "#candidates compared",
    ];
    table(
        page,
        &header,
        summary
            .passes
            .iter()
            .zip(&figures.confirmed)
            .map(|(pass, &confirmed)| {
                vec![
                    pass.name.clone(),
                    grouped(pass.pairs),
                    grouped(confirmed),
                    format!("{:.2} %", rate(confirmed)),
                    grouped(pass.candidates),
                ]
            }),
    );
}

fn scores(page: &mut String, figures: &Figures) {
    if figures.scores.iter().all(|bar| *bar == [0, 0]) {
        return;
    }
    figure(
        page,
        "Scores",
        "How many pairs have which score: confirmed (blue) below, for review (purple) on top.",
        &chart::columns(
            "Scores",
            ["matched", "review"],
            &figures.scores,
            ["0", "0.5", "1"],
        ),
    );
}

fn ages(page: &mut String, figures: &Figures) {
    let Some(ages) = &figures.ages else {
        return;
    };
    let rows: Vec<Bar> = ages
        .buckets
        .iter()
        .map(|bucket| Bar {
            label: bucket.label.clone(),
            value: bucket.length,
            figure: match bucket.rows {
                1 => format!("{} (1 row)", bucket.amount),
                rows => format!("{} ({} rows)", bucket.amount, grouped(rows)),
            },
        })
        .collect();
    figure(
        page,
        "Breaks by age",
        &format!(
            "The sum of absolute amounts of <code>{}</code> that are unmatched or for review, by \
             days of <code>{}</code> before {}, the newest date of the data.",
            escaped(&ages.amount),
            escaped(&ages.date),
            escaped(&ages.newest)
        ),
        &chart::bars("Breaks by age", "unmatched", &rows),
    );
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a bar needs no more than 52 bits"
)]
fn differences(page: &mut String, figures: &Figures) {
    if figures.differing.is_empty() {
        return;
    }
    let rows: Vec<Bar> = figures
        .differing
        .iter()
        .map(|(column, count)| Bar {
            label: column.clone(),
            value: *count as f64,
            figure: grouped(*count),
        })
        .collect();
    figure(
        page,
        "Top differing columns",
        "On how many matched pairs a column differs.",
        &chart::bars("Top differing columns", "differing", &rows),
    );
}

fn reviews(page: &mut String, figures: &Figures) {
    if figures.waterfalls.is_empty() {
        return;
    }
    page.push_str("<h2>How scores came about</h2><p class=\"note\">The first pairs for review: what each comparison adds to the score.</p>");
    for fall in &figures.waterfalls {
        let caption = format!(
            "{} with {}, pass {}",
            shortened(&fall.left_key, LONGEST),
            shortened(&fall.right_key, LONGEST),
            fall.pass
        );
        let total = (fall.steps.unit, fall.steps.total);
        let _ = write!(
            page,
            "<figure><figcaption>{}</figcaption>{}</figure>",
            escaped(&caption),
            chart::waterfall(&caption, &fall.steps.parts, total)
        );
    }
}

fn samples(page: &mut String, figures: &Figures) {
    for sample in &figures.samples {
        if sample.rows.is_empty() {
            continue;
        }
        let _ = write!(page, "<h2>{}</h2>", escaped(&sample.title));
        let header: Vec<&str> = (sample.header.iter().map(String::as_str))
            .take(COLUMNS)
            .collect();
        let shown = table(page, &header, sample.rows.iter().cloned());
        let hidden = sample.header.len() - header.len();
        if sample.total > shown || hidden > 0 {
            let _ = write!(
                page,
                "<p class=\"note\">{} of {} rows, {} of {} columns; the Parquet files hold all.</p>",
                grouped(shown),
                grouped(sample.total),
                header.len(),
                sample.header.len()
            );
        }
    }
}

fn figure(page: &mut String, title: &str, caption: &str, chart: &str) {
    let _ = write!(
        page,
        "<h2>{}</h2><figure>{chart}<figcaption>{caption}</figcaption></figure>",
        escaped(title)
    );
}

/// A column whose name begins with `#` holds figures. Returns how many rows there was room for.
fn table(page: &mut String, header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> u64 {
    page.push_str("<div class=\"wide\"><table><thead><tr>");
    let class = |name: &str| {
        if name.starts_with('#') {
            " class=\"n\""
        } else {
            ""
        }
    };
    for name in header {
        let text = escaped(name.trim_start_matches('#'));
        let _ = write!(page, "<th{}>{text}</th>", class(name));
    }
    page.push_str("</tr></thead><tbody>");
    let (start, mut shown) = (page.len(), 0);
    for row in rows {
        if page.len() - start > ROOM {
            break;
        }
        page.push_str("<tr>");
        for (name, value) in header.iter().zip(&row) {
            let text = escaped(&shortened(value, LONGEST));
            let _ = write!(page, "<td{}>{text}</td>", class(name));
        }
        page.push_str("</tr>");
        shown += 1;
    }
    page.push_str("</tbody></table></div>");
    shown
}
