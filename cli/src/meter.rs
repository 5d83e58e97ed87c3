//! Progress on stderr: a bar where that is a terminal, a plain line every ten seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressStyle};

/// How far something has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
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
pub struct Meter {
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

impl Meter {
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
    pub fn show(&mut self, reading: &Reading) {
        match &mut self.display {
            Display::Bar(bar) => draw(bar, reading),
            Display::Lines { next } if Instant::now() >= *next => {
                *next += LINE_EVERY;
                eprintln!("rowmill: {}", line(reading, self.began.elapsed()));
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
fn draw(bar: &ProgressBar, reading: &Reading) {
    let progress = match reading.total_bytes {
        Some(_) if reading.bytes > 0 => {
            "{bar:14.cyan/blue} {percent:>3} %  {bytes}  {binary_bytes_per_sec}  {eta} to go  {wide_msg}"
        }
        Some(_) => "{bar:14.cyan/blue} {percent:>3} %  {wide_msg}",
        None => "{spinner:.cyan} {bytes}  {binary_bytes_per_sec}  {wide_msg}",
    };
    let note = if reading.note.is_empty() {
        ""
    } else {
        "\n{prefix}"
    };
    if let Ok(style) = ProgressStyle::with_template(&format!("{progress}{note}")) {
        bar.set_style(style.progress_chars("━━╌"));
    }
    bar.set_length(reading.total_bytes.unwrap_or(0).max(reading.bytes));
    bar.set_position(reading.bytes);
    bar.set_message(format!("{} rows", HumanCount(reading.rows)));
    bar.set_prefix(reading.note.clone());
}

/// One line for a log: how much, of how much, how fast, and what is the matter.
fn line(reading: &Reading, elapsed: Duration) -> String {
    let mut line = HumanBytes(reading.bytes).to_string();
    if let Some(total) = reading.total_bytes.filter(|&total| total > 0) {
        let percent = reading.bytes.min(total) * 100 / total;
        line += &format!(" of {} ({percent} %)", HumanBytes(total));
    }
    let rate = (reading.bytes as f64 / elapsed.as_secs_f64().max(1e-3)) as u64;
    line += &format!(
        ", {} rows, {}/s, for {}",
        HumanCount(reading.rows),
        HumanBytes(rate),
        HumanDuration(elapsed)
    );
    if let Some(left) = left(reading, elapsed) {
        line += &format!(", {} to go", HumanDuration(left));
    }
    if !reading.note.is_empty() {
        line += &format!("; {}", reading.note);
    }
    line
}

/// How long the rest takes, if it is as fast as what is done was on the whole.
fn left(reading: &Reading, elapsed: Duration) -> Option<Duration> {
    let rest = reading.total_bytes?.checked_sub(reading.bytes)?;
    let seconds = elapsed.as_secs_f64() * rest as f64 / reading.bytes as f64;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_how_fast_and_what_is_the_matter() {
        let reading = Reading {
            bytes: 3 << 20,
            total_bytes: Some(4 << 20),
            rows: 12_345,
            note: "the queue is full".into(),
        };
        assert_eq!(
            line(&reading, Duration::from_secs(3)),
            "3.00 MiB of 4.00 MiB (75 %), 12,345 rows, 1.00 MiB/s, for 3 seconds, 1 second to go; the queue is full"
        );
    }
}
