//! Signs and colours. Every colour is one of the terminal's own sixteen, so that it suits a light
//! background as well as a dark one, and none stands alone: a word or a sign says the same.

use proto::v1::{BrokerState, JobState, WorkerState};
use ratatui::style::{Color, Modifier, Style};

use crate::text::Charset;

/// How the screen is drawn on this terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theme {
    pub(crate) charset: Charset,
    colour: bool,
}

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As the terminal writes.
    Plain,
    /// Labels and what matters less.
    Faint,
    /// Names and what is looked at.
    Strong,
    /// The house's colour: titles, charts, gauges.
    Accent,
    Good,
    Warn,
    Bad,
}

impl Theme {
    pub(crate) fn new(charset: Charset, colour: bool) -> Self {
        Self { charset, colour }
    }

    pub(crate) fn style(self, tone: Tone) -> Style {
        // All that was there before goes: a title stands on a faint rule without being faint.
        let plain = Style::reset();
        match tone {
            Tone::Plain => plain,
            Tone::Faint => plain.add_modifier(Modifier::DIM),
            Tone::Strong => plain.add_modifier(Modifier::BOLD),
            // What is well is not green, which many cannot tell from red.
            Tone::Accent | Tone::Good => self.coloured(Color::Cyan),
            Tone::Warn => self.coloured(Color::Yellow).add_modifier(Modifier::BOLD),
            Tone::Bad => self.coloured(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colour {
            Style::reset().fg(colour)
        } else {
            Style::reset()
        }
    }

    /// The Unicode sign, or what stands for it in ASCII.
    pub(crate) fn sign(self, utf8: &'static str, ascii: &'static str) -> &'static str {
        match self.charset {
            Charset::Utf8 => utf8,
            Charset::Ascii => ascii,
        }
    }

    /// Between things on one line.
    pub(crate) fn dot(self) -> &'static str {
        self.sign(" · ", " - ")
    }

    /// From `from` to `to`.
    pub(crate) fn range(self, from: usize, to: usize) -> String {
        format!("{from}{}{to}", self.sign("–", "-"))
    }

    /// Sign, word and tone of a job's state.
    pub(crate) fn job_state(self, state: JobState) -> (&'static str, &'static str, Tone) {
        match state {
            JobState::Unspecified => ("?", "unknown", Tone::Faint),
            JobState::Publishing => (self.sign("↑", "^"), "publishing", Tone::Accent),
            JobState::Stalled => (self.sign("‖", "="), "stalled", Tone::Warn),
            JobState::Running => (self.sign("▸", ">"), "running", Tone::Accent),
            JobState::Done => (self.sign("✓", "+"), "done", Tone::Good),
            JobState::DoneWithFailures => ("!", "failures", Tone::Bad),
            JobState::Paused => (self.sign("‖", "="), "paused", Tone::Faint),
            JobState::Cancelled => (self.sign("×", "x"), "cancelled", Tone::Faint),
            JobState::Damaged => ("!", "damaged", Tone::Bad),
            JobState::ChunksLost => ("!", "lost", Tone::Bad),
        }
    }

    /// Sign, word and tone of a worker's state.
    pub(crate) fn worker_state(self, state: WorkerState) -> (&'static str, &'static str, Tone) {
        match state {
            WorkerState::Unspecified => ("?", "unknown", Tone::Faint),
            WorkerState::Running => (self.sign("●", "*"), "running", Tone::Good),
            WorkerState::Draining => (self.sign("◐", "v"), "draining", Tone::Warn),
            WorkerState::Left => (self.sign("○", "o"), "left", Tone::Faint),
            WorkerState::Lost => (self.sign("✗", "x"), "lost", Tone::Bad),
        }
    }

    /// Sign, word and tone of the master's hold on its broker.
    pub(crate) fn broker_state(self, state: BrokerState) -> (&'static str, &'static str, Tone) {
        match state {
            BrokerState::Unspecified => ("?", "unknown", Tone::Faint),
            BrokerState::Connected => (self.sign("●", "*"), "connected", Tone::Good),
            BrokerState::Reconnecting => (self.sign("✗", "x"), "reconnecting", Tone::Bad),
            BrokerState::Blocked => ("!", "blocked", Tone::Bad),
            BrokerState::Standby => (self.sign("◐", "v"), "standby", Tone::Warn),
        }
    }
}
