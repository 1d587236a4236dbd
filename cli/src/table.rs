//! The result for people to read.

use std::fmt::Write;
use std::path::Path;

use engine::Summary;

/// Outcomes by side, the passes, and where the files are.
pub fn of(summary: &Summary, out: &Path) -> String {
    let mut text = String::new();
    let header = [
        "rows",
        "matched",
        "differing",
        "review",
        "unmatched",
        "duplicate",
        "rejected",
    ];
    let _ = write!(text, "{:<8}", "");
    for name in header {
        let _ = write!(text, "{name:>11}");
    }
    text.push('\n');
    for (name, side) in [("left", &summary.left), ("right", &summary.right)] {
        let counts = [
            side.rows,
            side.matched,
            side.differing,
            side.review,
            side.unmatched,
            side.duplicate,
            side.rejected,
        ];
        let _ = write!(text, "{name:<8}");
        for count in counts {
            let _ = write!(text, "{:>11}", grouped(count));
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "\nmatch rate {:.4}, {} pairs in {:.2} s",
        summary.match_rate,
        grouped(summary.pairs),
        summary.seconds
    );
    for pass in &summary.passes {
        let _ = writeln!(
            text,
            "  {:<20} {:>11} pairs of {:>13} candidates in {:.2} s",
            pass.name,
            grouped(pass.pairs),
            grouped(pass.candidates),
            pass.seconds
        );
    }
    let _ = writeln!(text, "\nresults in {}", out.display());
    text
}

/// 1234567 as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
