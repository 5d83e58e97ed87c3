//! Progress on stderr: a bar where that is a terminal, a plain line every ten seconds elsewhere.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::format::{bytes, duration, grouped, percent};
use crate::text::for_message;

/// How far something has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgressSample {
    /// Bytes done.
    pub bytes: u64,
    /// Bytes in all. `None`: not known.
    pub total_bytes: Option<u64>,
    /// Records done.
    pub rows: u64,
    /// What a person should know just now; empty where all is well.
    pub note: String,
}

/// Where readings are shown.
#[derive(Debug)]
pub struct ProgressMeter {
    display: Display,
    began: Instant,
}

#[derive(Debug)]
enum Display {
    Bar(ProgressBar),
    Lines { next: Instant },
    Nothing,
}

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl ProgressMeter {
    /// How often it is worth showing a reading.
    pub const EVERY: Duration = Duration::from_millis(100);

    /// A meter on stderr; one that shows nothing where `quiet`.
    pub fn new(quiet: bool) -> Self {
        let began = Instant::now();
        let display = if quiet {
            Display::Nothing
        } else if std::io::stderr().is_terminal() {
            Display::Bar(ProgressBar::new(0))
        } else {
            Display::Lines {
                next: began + LINE_EVERY,
            }
        };
        Self { display, began }
    }

    /// Shows `reading`.
    pub fn show(&mut self, reading: &ProgressSample) {
        match &mut self.display {
            Display::Bar(bar) => draw(bar, reading),
            Display::Lines { next } if Instant::now() >= *next => {
                *next += LINE_EVERY;
                crate::stderr_line!("rowmill: {}", line(reading, self.began.elapsed()));
            }
            Display::Lines { .. } | Display::Nothing => {}
        }
    }

    /// Runs `write`, which writes to the terminal, without the bar in its way.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.display {
            Display::Bar(bar) => bar.suspend(write),
            Display::Lines { .. } | Display::Nothing => write(),
        }
    }

    /// Takes the bar away.
    pub fn clear(&mut self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

/// One line that fits 80 columns, and under it what a person should know.
fn draw(bar: &ProgressBar, reading: &ProgressSample) {
    let progress = match reading.total_bytes {
        Some(_) if reading.bytes > 0 => {
            "{bar:14.cyan/blue} {share:>5}  {done}  {rate}  {eta} to go  {wide_msg}"
        }
        Some(_) => "{bar:14.cyan/blue} {share:>5}  {wide_msg}",
        None => "{spinner:.cyan} {done}  {rate}  {wide_msg}",
    };
    let note = if reading.note.is_empty() {
        ""
    } else {
        "\n{prefix}"
    };
    if let Ok(style) = ProgressStyle::with_template(&format!("{progress}{note}")) {
        let style = style
            .with_key("share", written(|state| percent(state.fraction().into())))
            .with_key("done", written(|state| bytes(state.pos())))
            .with_key(
                "rate",
                written(|state| format!("{}/s", bytes(state.per_sec() as u64))),
            );
        bar.set_style(style.progress_chars("━━╌"));
    }
    bar.set_length(reading.total_bytes.unwrap_or(0).max(reading.bytes));
    bar.set_position(reading.bytes);
    bar.set_message(format!("{} rows", grouped(reading.rows)));
    bar.set_prefix(for_message(&reading.note).into_owned());
}

/// A part of the bar that is written as the same number is elsewhere.
fn written(
    part: fn(&ProgressState) -> String,
) -> impl Fn(&ProgressState, &mut dyn Write) + Clone + Send + Sync + 'static {
    move |state, out| {
        // Writing into a String cannot fail.
        let written = out.write_str(&part(state));
        debug_assert!(written.is_ok());
    }
}

/// One line for a log: how much, of how much, how fast, and what is the matter.
fn line(reading: &ProgressSample, elapsed: Duration) -> String {
    let mut line = bytes(reading.bytes);
    if let Some(total) = reading.total_bytes.filter(|&total| total > 0) {
        let share = percent(reading.bytes as f64 / total as f64);
        line += &format!(" of {} ({share})", bytes(total));
    }
    let rate = (reading.bytes as f64 / elapsed.as_secs_f64().max(1e-3)) as u64;
    line += &format!(
        ", {} rows, {}/s, for {}",
        grouped(reading.rows),
        bytes(rate),
        duration(elapsed.as_millis() as u64)
    );
    if let Some(left) = left(reading, elapsed) {
        line += &format!(", {} to go", duration(left.as_millis() as u64));
    }
    if !reading.note.is_empty() {
        line += &format!("; {}", for_message(&reading.note));
    }
    line
}

/// How long the rest takes, if it is as fast as what is done was on the whole.
fn left(reading: &ProgressSample, elapsed: Duration) -> Option<Duration> {
    let rest = reading.total_bytes?.checked_sub(reading.bytes)?;
    let seconds = elapsed.as_secs_f64() * rest as f64 / reading.bytes as f64;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_how_fast_and_what_is_the_matter() {
        let reading = ProgressSample {
            bytes: 2_999_852,
            total_bytes: Some(4_000_000),
            rows: 12_345,
            note: "the queue is full".into(),
        };
        assert_eq!(
            line(&reading, Duration::from_secs(3)),
            "3.00 MB of 4.00 MB (75 %), 12,345 rows, 1.00 MB/s, for 3s, 1s to go; the queue is full"
        );
    }
}
