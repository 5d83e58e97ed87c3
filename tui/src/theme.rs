//! Signs and colours. Every colour is one of the terminal's own sixteen, so that it suits light and
//! dark backgrounds. No information is shown by colour alone: a word or a sign repeats it.

use cli::text::Charset;
use proto::v1::{BrokerState, JobState, WorkerState};
use ratatui::style::{Color, Modifier, Style};

/// The charset and colours of this terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theme {
    pub(crate) charset: Charset,
    colour: bool,
}

/// The meaning of a text's style; `Theme::style` maps it to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextStyle {
    /// The terminal's default.
    Plain,
    /// Labels and secondary text.
    Faint,
    /// Names and emphasised values.
    Strong,
    /// Titles, charts and gauges.
    Accent,
    Good,
    Warn,
    Bad,
}

impl Theme {
    pub(crate) fn new(charset: Charset, colour: bool) -> Self {
        Self { charset, colour }
    }

    pub(crate) fn style(self, text_style: TextStyle) -> Style {
        // Reset first, so that a title on a faint rule is not faint itself.
        let plain = Style::reset();
        match text_style {
            TextStyle::Plain => plain,
            TextStyle::Faint => plain.add_modifier(Modifier::DIM),
            TextStyle::Strong => plain.add_modifier(Modifier::BOLD),
            // Not green, which many cannot distinguish from red.
            TextStyle::Accent | TextStyle::Good => self.coloured(Color::Cyan),
            TextStyle::Warn => self.coloured(Color::Yellow).add_modifier(Modifier::BOLD),
            TextStyle::Bad => self.coloured(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colour {
            Style::reset().fg(colour)
        } else {
            Style::reset()
        }
    }

    /// The Unicode sign, or its ASCII replacement.
    pub(crate) fn sign(self, utf8: &'static str, ascii: &'static str) -> &'static str {
        match self.charset {
            Charset::Utf8 => utf8,
            Charset::Ascii => ascii,
        }
    }

    /// Separator between items on one line.
    pub(crate) fn dot(self) -> &'static str {
        self.sign(" · ", " - ")
    }

    /// `1–20`.
    pub(crate) fn range(self, from: usize, to: usize) -> String {
        format!("{from}{}{to}", self.sign("–", "-"))
    }

    /// Sign, word and text style of a job's state.
    pub(crate) fn job_state(self, state: JobState) -> (&'static str, &'static str, TextStyle) {
        match state {
            JobState::Unspecified => ("?", "unknown", TextStyle::Faint),
            JobState::Publishing => (self.sign("↑", "^"), "publishing", TextStyle::Accent),
            JobState::Stalled => (self.sign("‖", "="), "stalled", TextStyle::Warn),
            JobState::Running => (self.sign("▸", ">"), "running", TextStyle::Accent),
            JobState::Done => (self.sign("✓", "+"), "done", TextStyle::Good),
            JobState::DoneWithFailures => ("!", "failures", TextStyle::Bad),
            JobState::Paused => (self.sign("‖", "="), "paused", TextStyle::Faint),
            JobState::Cancelled => (self.sign("×", "x"), "cancelled", TextStyle::Faint),
            JobState::Damaged => ("!", "damaged", TextStyle::Bad),
            JobState::ChunksLost => ("!", "lost", TextStyle::Bad),
        }
    }

    /// Sign, word and text style of a worker's state.
    pub(crate) fn worker_state(
        self,
        state: WorkerState,
    ) -> (&'static str, &'static str, TextStyle) {
        match state {
            WorkerState::Unspecified => ("?", "unknown", TextStyle::Faint),
            WorkerState::Running => (self.sign("●", "*"), "running", TextStyle::Good),
            WorkerState::Draining => (self.sign("◐", "v"), "draining", TextStyle::Warn),
            WorkerState::Left => (self.sign("○", "o"), "left", TextStyle::Faint),
            WorkerState::Lost => (self.sign("✗", "x"), "lost", TextStyle::Bad),
        }
    }

    /// Sign, word and text style of the master's connection to its broker.
    pub(crate) fn broker_state(
        self,
        state: BrokerState,
    ) -> (&'static str, &'static str, TextStyle) {
        match state {
            BrokerState::Unspecified => ("?", "unknown", TextStyle::Faint),
            BrokerState::Connected => (self.sign("●", "*"), "connected", TextStyle::Good),
            BrokerState::Reconnecting => (self.sign("✗", "x"), "reconnecting", TextStyle::Bad),
            BrokerState::Blocked => ("!", "blocked", TextStyle::Bad),
            BrokerState::Standby => (self.sign("◐", "v"), "standby", TextStyle::Warn),
        }
    }
}
