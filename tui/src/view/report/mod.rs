//! The report on the Job tab. Each operation implements [`Panel`] in a file of its own.

mod exec;
mod profile;
mod validate;

use proto::v1::{Job, Report, report};
use ratatui::layout::Rect;

use super::canvas::{Canvas, StyledText};
use super::screens;
use crate::layout::cut_top;
use crate::model::Model;
use crate::records::Records;
use crate::theme::TextStyle;

/// The report of an operation on the dashboard. Implemented for its message in `Report.kind`.
pub(super) trait Panel {
    /// Draws it on `area`, with a rule on the first line; `label` says whether it is partial.
    fn draw(
        &self,
        model: &Model,
        canvas: &mut Canvas,
        area: Rect,
        job_and_label: (&Job, &[StyledText]),
    );

    /// Its table for the export, with titles. `None` if it has no table.
    fn records(&self) -> Option<Records> {
        None
    }
}

macro_rules! panels {
    ($($kind:ident($spec:ident, $partial:ident, $report:ident);)*) => {
        /// The panel of a report. `None` if its operation is not known.
        pub(super) fn panel(report: Option<&Report>) -> Option<&dyn Panel> {
            match report?.kind.as_ref()? {
                $(report::Kind::$kind(report) => Some(report),)*
            }
        }
    };
}

proto::operations!(panels);

/// The table of a report for the export, with titles. `None` if it has no table.
pub(crate) fn records(report: Option<&Report>) -> Option<Records> {
    panel(report)?.records()
}

/// Draws that there is no report, and why.
pub(super) fn nothing(
    model: &Model,
    canvas: &mut Canvas,
    area: Rect,
    (job, label): (&Job, &[StyledText]),
) {
    canvas.rule(area, &[("Profile".into(), TextStyle::Strong)], label);
    screens::no_profile(model, canvas, cut_top(area, 1).1, job);
}
