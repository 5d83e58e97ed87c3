//! A validation report as a page.

use cli::format;
use proto::v1::{Job, ValidateReport};

use super::escape::escaped;
use super::{document, head_with};
use crate::rules::sorted;

/// The page of a validation report.
pub(super) fn page(job: &Job, report: &ValidateReport, is_partial: bool) -> String {
    let counts = vec![
        ("rows", format::grouped(report.rows)),
        ("valid", format::grouped(report.valid)),
        ("invalid", format::grouped(report.invalid)),
        ("bad records left out", format::grouped(job.rejects)),
    ];
    let head = head_with("Held against a schema", job, is_partial, counts);
    let rows: String = sorted(report)
        .into_iter()
        .map(|rule| {
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"number\">{}</td></tr>\n",
                escaped(&rule.column),
                escaped(&rule.rule),
                escaped(&rule.expected),
                format::grouped(rule.broken)
            )
        })
        .collect();
    let table = format!(
        "<h2>Rules</h2>\n<div class=\"wide\"><table><tr><th>column</th><th>rule</th><th>expected</th>\
         <th class=\"number\">broken</th></tr>\n{rows}</table></div>\n"
    );
    document(job, "rules", &(head + &table))
}
