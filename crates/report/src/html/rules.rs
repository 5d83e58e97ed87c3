//! A validation report as a page.

use cli::format;
use maud::html;
use proto::v1::{Job, ValidateReport};

use super::{document, head, shown};
use crate::validate::sorted;

/// The page of a validation report.
pub(super) fn page(job: &Job, report: &ValidateReport, is_partial: bool) -> String {
    let counts = vec![
        ("rows", format::grouped(report.rows)),
        ("valid", format::grouped(report.valid)),
        ("invalid", format::grouped(report.invalid)),
        ("bad records left out", format::grouped(job.rejects)),
    ];
    let body = html! {
        (head("Validated against a schema", job, is_partial, counts))
        h2 { "Rules" }
        div.wide {
            table {
                tr { th { "column" } th { "rule" } th { "expected" } th.number { "broken" } }
                @for rule in sorted(report) {
                    tr {
                        td { (shown(&rule.column)) }
                        td { (shown(&rule.rule)) }
                        td { (shown(&rule.expected)) }
                        td.number { (format::grouped(rule.broken)) }
                    }
                }
            }
        }
    };
    document(job, "rules", &body)
}
