//! The report of each operation in all formats. Each operation implements [`Render`] in a file of its own.

use std::io::{self, Write};

use proto::v1::{self, GetJobResponse, Profile, Report, report};
use serde::Serialize;

/// The report of an operation, for people and scripts. Implemented for its message in `Report.kind`.
pub trait Render {
    /// The fields that it adds to the JSON object of its job.
    type Json: Serialize + for<'r> From<&'r Self>
    where
        Self: Sized;

    /// Writes a table for a terminal, at most `width` columns wide.
    ///
    /// # Errors
    ///
    /// If writing fails.
    fn table(&self, out: &mut dyn Write, width: usize) -> io::Result<()>;

    /// Writes CSV with raw numbers.
    ///
    /// # Errors
    ///
    /// If writing fails.
    fn csv(&self, out: &mut dyn Write) -> io::Result<()>;

    /// Writes Markdown with the line `summary` above it; by default, a table of at most `width` columns.
    ///
    /// # Errors
    ///
    /// If writing fails.
    fn markdown(&self, out: &mut dyn Write, _summary: &str, width: usize) -> io::Result<()> {
        self.table(out, width)
    }

    /// An HTML page; by default, that of an empty profile.
    fn html_page(&self, response: &GetJobResponse) -> String {
        Profile::default().html_page(response)
    }

    /// Its output, for the summary of the job. `None`: the summary has the number of columns.
    fn output(&self) -> Option<String> {
        None
    }

    /// A remark for the summary of the job, starting with a comma. Empty if there is none.
    fn remark(&self) -> String {
        String::new()
    }

    /// Whether bad records are listed with the rules that they break.
    fn has_rules(&self) -> bool {
        false
    }

    /// Number of its columns or rules: the lines of its table that can be selected on the dashboard.
    fn entries(&self) -> usize {
        0
    }

    /// Its texts, which come from the input and may contain any character.
    fn texts(&mut self) -> Vec<&mut String>;
}

macro_rules! renderers {
    ($($kind:ident($spec:ident, $partial:ident, $report:ident);)*) => {
        /// The renderer of a report. `None` if its operation is not known.
        pub fn renderer(report: Option<&Report>) -> Option<&dyn Render> {
            match report?.kind.as_ref()? {
                $(report::Kind::$kind(report) => Some(report),)*
            }
        }

        /// The texts of a report, which come from the input and may contain any character.
        pub fn texts(report: &mut Report) -> Vec<&mut String> {
            match &mut report.kind {
                $(Some(report::Kind::$kind(report)) => report.texts(),)*
                None => Vec::new(),
            }
        }

        /// The fields that a report adds to the JSON object of its job.
        #[derive(Debug, Serialize)]
        #[serde(untagged)]
        pub(crate) enum ReportJson {
            $($kind(<v1::$report as Render>::Json),)*
        }

        impl ReportJson {
            /// `None` if the report's operation is not known.
            pub(crate) fn new(report: Option<&Report>) -> Option<Self> {
                match report?.kind.as_ref()? {
                    $(report::Kind::$kind(report) => Some(Self::$kind(report.into())),)*
                }
            }
        }
    };
}

proto::operations!(renderers);

/// The HTML page of the job's report.
pub fn html_page(response: &GetJobResponse) -> String {
    let nothing = Profile::default();
    let report = renderer(response.report.as_ref()).unwrap_or(&nothing);
    report.html_page(response)
}
