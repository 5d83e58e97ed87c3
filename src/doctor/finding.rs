//! The result of one check.

use std::fmt;

use cli::text::for_message;

/// The verdict of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    /// It works, but should be looked at.
    Warn,
    /// It will not work.
    Fail,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Finding {
    /// The subject of the check, in one or two words.
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    /// The finding, for the user.
    pub(super) said: String,
    /// The command to run or the setting to change; empty if none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) run: String,
    /// Whether the check failed because a service does not answer.
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
        // A broker's texts may contain control characters.
        let said = for_message(&self.said);
        write!(f, "{word:<5} {:<12} {said}", self.check)?;
        for line in self.run.lines().map(for_message) {
            write!(f, "\n                     {line}")?;
        }
        Ok(())
    }
}
