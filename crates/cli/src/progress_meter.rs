//! Progress on stderr: a bar if it is a terminal, else a plain line every ten seconds.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::format::{bytes, duration, grouped, percent};
use crate::text::for_message;

/// The progress at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgressSample {
    /// Bytes done.
    pub bytes: u64,
    /// Total bytes. `None` if not known.
    pub total_bytes: Option<u64>,
    /// Records done.
    pub rows: u64,
    /// A notice for the user; empty if there is none.
    pub note: String,
}

/// Shows progress on stderr.
#[derive(Debug)]
pub struct ProgressMeter {
    display: Display,
    start: Instant,
}

#[derive(Debug)]
enum Display {
    Bar(ProgressBar),
    Lines { next: Instant },
    Nothing,
}

/// Interval between lines if stderr is not a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl ProgressMeter {
    /// Recommended interval between calls of `show`.
    pub const EVERY: Duration = Duration::from_millis(100);

    /// A meter on stderr; if `quiet`, it shows nothing.
    pub fn new(quiet: bool) -> Self {
        let start = Instant::now();
        let display = if quiet {
            Display::Nothing
        } else if std::io::stderr().is_terminal() {
            Display::Bar(ProgressBar::new(0))
        } else {
            Display::Lines {
                next: start + LINE_EVERY,
            }
        };
        Self { display, start }
    }

    /// Shows `sample`.
    pub fn show(&mut self, sample: &ProgressSample) {
        match &mut self.display {
            Display::Bar(bar) => draw(bar, sample),
            Display::Lines { next } if Instant::now() >= *next => {
                *next += LINE_EVERY;
                crate::stderr_line!("rowmill: {}", line(sample, self.start.elapsed()));
            }
            Display::Lines { .. } | Display::Nothing => {}
        }
    }

    /// Hides the bar while `write` writes to the terminal.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.display {
            Display::Bar(bar) => bar.suspend(write),
            Display::Lines { .. } | Display::Nothing => write(),
        }
    }

    /// Removes the bar.
    pub fn clear(&mut self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

/// Draws one line that fits 80 columns, and the notice below it.
fn draw(bar: &ProgressBar, sample: &ProgressSample) {
    let progress = match sample.total_bytes {
        Some(_) if sample.bytes > 0 => {
            "{bar:14.cyan/blue} {share:>5}  {done}  {rate}  {eta} to go  {wide_msg}"
        }
        Some(_) => "{bar:14.cyan/blue} {share:>5}  {wide_msg}",
        None => "{spinner:.cyan} {done}  {rate}  {wide_msg}",
    };
    let note = if sample.note.is_empty() {
        ""
    } else {
        "\n{prefix}"
    };
    if let Ok(style) = ProgressStyle::with_template(&format!("{progress}{note}")) {
        let style = style
            .with_key("share", formatted(|state| percent(state.fraction().into())))
            .with_key("done", formatted(|state| bytes(state.pos())))
            .with_key(
                "rate",
                formatted(|state| format!("{}/s", bytes(state.per_sec() as u64))),
            );
        bar.set_style(style.progress_chars("━━╌"));
    }
    bar.set_length(sample.total_bytes.unwrap_or(0).max(sample.bytes));
    bar.set_position(sample.bytes);
    bar.set_message(format!("{} rows", grouped(sample.rows)));
    bar.set_prefix(for_message(&sample.note).into_owned());
}

/// A part of the bar with our own number format.
fn formatted(
    part: fn(&ProgressState) -> String,
) -> impl Fn(&ProgressState, &mut dyn Write) + Clone + Send + Sync + 'static {
    move |state, out| {
        // Writing into a String cannot fail.
        let formatted = out.write_str(&part(state));
        debug_assert!(formatted.is_ok());
    }
}

/// One line for a log: bytes, total, rate, and the notice.
fn line(sample: &ProgressSample, elapsed: Duration) -> String {
    let mut line = bytes(sample.bytes);
    if let Some(total) = sample.total_bytes.filter(|&total| total > 0) {
        let share = percent(sample.bytes as f64 / total as f64);
        line += &format!(" of {} ({share})", bytes(total));
    }
    let rate = (sample.bytes as f64 / elapsed.as_secs_f64().max(1e-3)) as u64;
    line += &format!(
        ", {} rows, {}/s, for {}",
        grouped(sample.rows),
        bytes(rate),
        duration(elapsed.as_millis() as u64)
    );
    if let Some(time_left) = time_left(sample, elapsed) {
        line += &format!(", {} to go", duration(time_left.as_millis() as u64));
    }
    if !sample.note.is_empty() {
        line += &format!("; {}", for_message(&sample.note));
    }
    line
}

/// The estimated time left, at the mean rate so far.
fn time_left(sample: &ProgressSample, elapsed: Duration) -> Option<Duration> {
    let rest = sample.total_bytes?.checked_sub(sample.bytes)?;
    let seconds = elapsed.as_secs_f64() * rest as f64 / sample.bytes as f64;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_how_fast_and_what_is_the_matter() {
        let sample = ProgressSample {
            bytes: 2_999_852,
            total_bytes: Some(4_000_000),
            rows: 12_345,
            note: "the queue is full".into(),
        };
        assert_eq!(
            line(&sample, Duration::from_secs(3)),
            "3.00 MB of 4.00 MB (75 %), 12,345 rows, 1.00 MB/s, for 3s, 1s to go; the queue is full"
        );
    }
}
