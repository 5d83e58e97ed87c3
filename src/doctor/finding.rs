//! One thing that was looked at, and how it stands.

use std::fmt;

use tui::text::for_message;

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    /// It works, and somebody should look at it.
    Warn,
    /// It will not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Finding {
    /// What was looked at: one or two words.
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    /// What was found, for a person.
    pub(super) said: String,
    /// What to run or to change. Empty: nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) run: String,
    /// Whether what is wrong is that nobody answers.
    #[serde(skip)]
    pub(super) is_unreachable: bool,
}

impl Finding {
    pub(super) fn ok(check: &'static str, said: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, said, "")
    }

    pub(super) fn warn(
        check: &'static str,
        said: impl Into<String>,
        run: impl Into<String>,
    ) -> Self {
        Self::new(check, Verdict::Warn, said, run)
    }

    pub(super) fn fail(
        check: &'static str,
        said: impl Into<String>,
        run: impl Into<String>,
    ) -> Self {
        Self::new(check, Verdict::Fail, said, run)
    }

    pub(super) fn unreachable(
        check: &'static str,
        said: impl Into<String>,
        run: impl Into<String>,
    ) -> Self {
        Self {
            is_unreachable: true,
            ..Self::fail(check, said, run)
        }
    }

    fn new(
        check: &'static str,
        verdict: Verdict,
        said: impl Into<String>,
        run: impl Into<String>,
    ) -> Self {
        Self {
            check,
            verdict,
            said: said.into(),
            run: run.into(),
            is_unreachable: false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "LOOK",
            Verdict::Fail => "MEND",
        };
        // What a broker says of itself is somebody else's text.
        let said = for_message(&self.said);
        write!(f, "{word:<5} {:<12} {said}", self.check)?;
        for line in self.run.lines().map(for_message) {
            write!(f, "\n                     {line}")?;
        }
        Ok(())
    }
}
