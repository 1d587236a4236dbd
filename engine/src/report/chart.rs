//! Charts of the report as inline SVG. Colours come from the page's style sheet by class, so that a
//! chart reads the same on a screen, in the dark and on paper; every bar has its figure as text.

use std::fmt::Write;

/// The width of a chart in its own units; the page scales it.
const WIDTH: f64 = 720.0;
/// Where bars begin, to the right of their labels.
const LEFT: f64 = 170.0;
/// Room for the figure behind the longest bar, at least.
const RIGHT: f64 = 110.0;
/// The length of the longest bar, at least.
const LONG: f64 = 80.0;
/// The width of a character, a little more than fonts give it.
const CHARACTER: f64 = 8.0;
const ROW: f64 = 26.0;

/// A part of a stacked bar.
#[derive(Clone, Debug)]
pub struct Part {
    /// The class that gives the colour, and the name in the legend.
    pub class: &'static str,
    /// How much it is.
    pub value: u64,
}

/// A labelled bar with the text of its figure.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What it is.
    pub label: String,
    /// How long it is, in any unit.
    pub value: f64,
    /// The figure as written.
    pub figure: String,
}

/// Horizontal bars that each fill the width, divided into parts, with a legend.
#[must_use]
pub fn stacked(title: &str, rows: &[(&str, Vec<Part>)]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a few rows")]
    let height = ROW * (rows.len() as f64 + 1.5);
    let mut body = String::new();
    let width = WIDTH - LEFT;
    let mut y = 4.0;
    for (label, parts) in rows {
        let total: u64 = parts.iter().map(|part| part.value).sum();
        text(&mut body, LEFT - 10.0, y + 16.0, "end", label);
        let mut x = LEFT;
        for part in parts.iter().filter(|part| part.value > 0) {
            let share = ratio(part.value, total);
            let long = share * width;
            let _ = write!(
                body,
                "<rect class=\"{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{long:.1}\" height=\"20\"><title>\
                 {}: {} ({:.2} %)</title></rect>",
                part.class,
                part.class,
                grouped(part.value),
                share * 100.0
            );
            let figure = grouped(part.value);
            if long > CHARACTER * length(&figure) + 6.0 {
                let _ = write!(
                    body,
                    "<text class=\"on\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{figure}</text>",
                    x + long / 2.0,
                    y + 15.0
                );
            }
            x += long;
        }
        y += ROW;
    }
    let mut x = LEFT;
    let mut seen: Vec<&str> = Vec::new();
    for part in rows
        .iter()
        .flat_map(|(_, parts)| parts)
        .filter(|part| part.value > 0)
    {
        if seen.contains(&part.class) {
            continue;
        }
        seen.push(part.class);
        let _ = write!(
            body,
            "<rect class=\"{}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\"/>",
            part.class,
            y + 8.0
        );
        text(&mut body, x + 17.0, y + 18.0, "start", part.class);
        x += 17.0 + CHARACTER * length(part.class) + 14.0;
    }
    svg(title, height, &body)
}

/// Horizontal bars on one scale, each with its figure.
#[must_use]
pub fn bars(title: &str, class: &str, rows: &[Bar]) -> String {
    let most = rows.iter().map(|bar| bar.value.abs()).fold(0.0, f64::max);
    let room = rows
        .iter()
        .map(|bar| CHARACTER * length(&bar.figure) + 12.0)
        .fold(RIGHT, f64::max)
        .min(WIDTH - LEFT - LONG);
    let mut body = String::new();
    let mut y = 4.0;
    for bar in rows {
        let share = if most > 0.0 {
            bar.value.abs() / most
        } else {
            0.0
        };
        let long = share * (WIDTH - LEFT - room);
        text(
            &mut body,
            LEFT - 10.0,
            y + 16.0,
            "end",
            &shortened(&bar.label, 22),
        );
        let _ = write!(
            body,
            "<rect class=\"{class}\" x=\"{LEFT:.1}\" y=\"{y:.1}\" width=\"{long:.1}\" height=\"20\"><title>{}: \
             {}</title></rect>",
            escaped(&bar.label),
            escaped(&bar.figure)
        );
        text(&mut body, LEFT + long + 6.0, y + 16.0, "start", &bar.figure);
        y += ROW;
    }
    svg(title, y + 4.0, &body)
}

/// Vertical bars side by side, each of two parts on one another, such as a histogram of scores by
/// outcome. `ticks` are written under the first, the middle and the last bar.
#[must_use]
pub fn columns(title: &str, classes: [&str; 2], bars: &[[u64; 2]], ticks: [&str; 3]) -> String {
    const HEIGHT: f64 = 150.0;
    let most = bars.iter().map(|[a, b]| a + b).max().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "a few bars")]
    let wide = (WIDTH - 60.0) / bars.len().max(1) as f64;
    let mut body = String::new();
    let mut x = 50.0;
    for [first, second] in bars {
        let mut base = HEIGHT + 10.0;
        for (class, value) in classes.iter().zip([*first, *second]) {
            let high = ratio(value, most) * HEIGHT;
            if value > 0 {
                base -= high.max(1.0);
                let _ = write!(
                    body,
                    "<rect class=\"{class}\" x=\"{:.1}\" y=\"{base:.1}\" width=\"{:.1}\" \
                     height=\"{:.1}\"><title>{class}: {}</title></rect>",
                    x + 1.0,
                    wide - 2.0,
                    high.max(1.0),
                    grouped(value)
                );
            }
        }
        x += wide;
    }
    let _ = write!(
        body,
        "<line class=\"axis\" x1=\"50\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
        WIDTH - 10.0,
        y = HEIGHT + 10.0
    );
    text(&mut body, 44.0, 20.0, "end", &grouped(most));
    text(&mut body, 44.0, HEIGHT + 12.0, "end", "0");
    let places = [50.0, f64::midpoint(50.0, WIDTH - 10.0), WIDTH - 10.0];
    for ((tick, place), anchor) in ticks.iter().zip(places).zip(["start", "middle", "end"]) {
        text(&mut body, place, HEIGHT + 28.0, anchor, tick);
    }
    svg(title, HEIGHT + 36.0, &body)
}

/// How contributions add up from nothing to a total: each bar begins where the one before ended.
#[must_use]
pub fn waterfall(title: &str, steps: &[(String, f64)], total: (&str, f64)) -> String {
    let (mut low, mut high, mut sum) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (_, step) in steps {
        sum += step;
        low = low.min(sum);
        high = high.max(sum);
    }
    low = low.min(total.1);
    high = high.max(total.1);
    let span = if high > low { high - low } else { 1.0 };
    let at = |value: f64| LEFT + (value - low) / span * (WIDTH - LEFT - RIGHT);
    let mut body = String::new();
    #[expect(clippy::cast_precision_loss, reason = "a few steps")]
    let bottom = 4.0 + ROW * (steps.len() as f64 + 1.0);
    let _ = write!(
        body,
        "<line class=\"axis\" x1=\"{zero:.1}\" x2=\"{zero:.1}\" y1=\"0\" y2=\"{bottom:.1}\"/>",
        zero = at(0.0)
    );
    let mut y = 4.0;
    let mut bar = |label: &str, from: f64, to: f64, class: &str, figure: &str| {
        let (start, end) = (at(from.min(to)), at(from.max(to)));
        text(
            &mut body,
            LEFT - 10.0,
            y + 16.0,
            "end",
            &shortened(label, 22),
        );
        let _ = write!(
            body,
            "<rect class=\"{class}\" x=\"{start:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"20\"/>",
            (end - start).max(1.5)
        );
        text(&mut body, end + 6.0, y + 16.0, "start", figure);
        y += ROW;
    };
    let mut sum = 0.0;
    for (label, step) in steps {
        let class = if *step < 0.0 { "against" } else { "for" };
        bar(label, sum, sum + step, class, &format!("{step:+.2}"));
        sum += step;
    }
    bar(total.0, 0.0, total.1, "total", &format!("{:.2}", total.1));
    svg(title, y + 4.0, &body)
}

fn svg(title: &str, height: f64, body: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{}\">{body}</svg>",
        escaped(title)
    )
}

fn text(body: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = write!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escaped(words)
    );
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share of a bar needs no more than 52 bits"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

#[expect(clippy::cast_precision_loss, reason = "a label is short")]
fn length(text: &str) -> f64 {
    text.chars().count() as f64
}

/// At most so many characters of a text.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// 1234567 as `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text that HTML shows as it is.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Not allowed in a page, and of no use in one.
            c if c.is_control() && c != '\n' && c != '\t' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}
