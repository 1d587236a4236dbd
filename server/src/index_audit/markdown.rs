//! The report for people.

use std::fmt::Write as _;

use super::report::{Kind, Mode, QueryReport, Report};

/// The report as Markdown.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    let database = &report.database;
    let _ = writeln!(
        out,
        "# Index audit of {}\n\n{}, PostgreSQL {}, schema {}, as {}. \
         Nothing was changed: statements below are proposals.\n",
        database.name,
        report.generated_at.format("%Y-%m-%d %H:%M UTC"),
        database.postgres,
        database.schema,
        database.role
    );
    statistics(&mut out, report);
    findings(&mut out, report);
    limits(&mut out, report);
    queries(&mut out, &report.queries);
    out
}

fn statistics(out: &mut String, report: &Report) {
    let statistics = &report.statistics;
    let _ = match (statistics.since, statistics.days) {
        (Some(since), Some(days)) => writeln!(
            out,
            "Uses of indexes are counted since {} ({days} days, {}). An index is called unused \
             after {} days.\n",
            since.format("%Y-%m-%d %H:%M UTC"),
            if statistics.reset {
                "when the counters were set to zero"
            } else {
                "when the schema was made"
            },
            report.thresholds.unused_days
        ),
        _ => writeln!(
            out,
            "It is not known since when uses of indexes are counted, so no index is called unused.\n"
        ),
    };
}

fn findings(out: &mut String, report: &Report) {
    if report.findings.is_empty() {
        let _ = writeln!(out, "## Findings\n\nNone.\n");
        return;
    }
    let _ = writeln!(out, "## Findings\n\n| what | number |\n|---|---:|");
    let of = |kind: Kind| report.findings.iter().filter(move |it| it.kind == kind);
    let present = || {
        Kind::ALL
            .into_iter()
            .filter(|kind| of(*kind).next().is_some())
    };
    for kind in present() {
        let _ = writeln!(out, "| {} | {} |", kind.title(), of(kind).count());
    }
    for kind in present() {
        let _ = writeln!(out, "\n### {}\n", kind.title());
        for finding in of(kind) {
            let _ = writeln!(out, "- {}", finding.message);
            for statement in &finding.statements {
                let _ = writeln!(out, "\n  ```sql\n  {statement};\n  ```\n");
            }
        }
    }
    out.push('\n');
}

fn limits(out: &mut String, report: &Report) {
    if report.limits.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "## What could not be seen\n\n| what | why | what helps |\n|---|---|---|"
    );
    for limit in &report.limits {
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            cell(&limit.what),
            cell(&limit.why),
            cell(&limit.remedy)
        );
    }
    out.push('\n');
}

fn queries(out: &mut String, queries: &[QueryReport]) {
    let _ = writeln!(
        out,
        "## Queries\n\nAn *analyzed* query ran with values of as many rows as `samples` says, and \
         was rolled back; its figures are the worst of them. A *planned* one writes, locks or reads \
         no table, so it did not run.\n\n\
         | query | how | samples | ms | pages | reads |\n|---|---|---:|---:|---:|---|"
    );
    for query in queries {
        let how = match query.mode {
            Mode::Analyzed => "analyzed",
            Mode::Planned => "planned",
            Mode::TimedOut => "timed out",
            Mode::NotPlanned => "not planned",
        };
        let scans: Vec<String> = query
            .scans
            .iter()
            .map(|scan| {
                let what = scan.index.as_ref().or(scan.table.as_ref());
                format!(
                    "{} {} ({:.0})",
                    scan.node,
                    what.map_or("", String::as_str),
                    scan.rows_read
                )
            })
            .collect();
        let _ = writeln!(
            out,
            "| `{}` | {how} | {} | {} | {} | {} |",
            query.name,
            query.samples,
            query
                .milliseconds
                .map_or(String::new(), |it| format!("{it:.2}")),
            query.pages.map_or(String::new(), |it| it.to_string()),
            scans.join("; ")
        );
    }
}
