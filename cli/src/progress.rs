//! A progress bar on a terminal, and nothing where the output is piped.

use std::sync::Mutex;
use std::time::Duration;

use engine::{Phase, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sources::Fetching;

use crate::table::grouped;

/// Shows the phase and how far it is, on standard error.
pub struct Bar {
    bar: ProgressBar,
    phase: Mutex<String>,
}

impl Bar {
    /// A bar; indicatif hides it by itself where standard error is no terminal.
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            bar,
            phase: Mutex::default(),
        }
    }

    fn show(&self, phase: String) {
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            self.bar.set_style(style);
        }
        self.bar.set_message(phase.clone());
        if let Ok(mut current) = self.phase.lock() {
            *current = phase;
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Fetching for Bar {
    fn fetching(&self, what: &str) {
        self.show(format!("fetching {what}"));
    }

    fn rows(&self, count: u64) {
        if let Ok(phase) = self.phase.lock() {
            let count = grouped(count);
            self.bar.set_message(format!("{phase}: {count} rows"));
        }
    }
}

impl Progress for Bar {
    fn phase(&self, phase: Phase) {
        self.show(phase.to_string());
    }

    fn advance(&self, done: u64, total: u64) {
        if total == 0 {
            return;
        }
        if self.bar.length() != Some(total) {
            let template = "{spinner} {msg} [{bar:30}] {human_pos}/{human_len} {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style.progress_chars("=> "));
            }
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
    }
}
