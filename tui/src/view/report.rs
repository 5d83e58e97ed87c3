//! What stands on the Job tab in place of a profile, for jobs that make none: what a command made of
//! the rows, or what a schema's rules came to.

use proto::v1::{ExecReport, RuleReport, ValidateReport};
use ratatui::layout::Rect;

use super::cut_top;
use super::facts::{Fact, facts};
use super::pen::{Ink, Pen};
use super::table::{Cell, Column, table};
use crate::format::{bytes, count, grouped};
use crate::theme::{Theme, Tone};
use crate::words::share;

const RULES: [Column; 4] = [
    Column::text("COLUMN", 12, 32, 0),
    Column::text("RULE", 10, 18, 0),
    Column::text("EXPECTED", 12, 60, 1),
    Column::figure("BROKEN", 8, 13, 0),
];

/// What came of a command; `kept` are the bytes of its rows that the master has.
pub(super) fn exec(pen: &mut Pen, area: Rect, report: &ExecReport, (kept, label): (u64, &[Ink])) {
    let title = [
        ("Command".to_owned(), Tone::Strong),
        (format!(" {}", report.command), Tone::Plain),
    ];
    pen.rule(area, &title, label);
    let columns = if report.columns.is_empty() {
        pen.theme.sign("–", "-").to_owned()
    } else {
        report.columns.join(", ")
    };
    let list: Vec<Fact> = vec![
        ("rows in", grouped(report.rows_in), Tone::Plain),
        ("rows out", grouped(report.rows_out), Tone::Strong),
        ("kept", bytes(kept), Tone::Plain),
        ("columns", columns, Tone::Plain),
    ];
    facts(pen, cut_top(area, 1).1, &list);
}

/// Every rule, those that are broken most first.
pub(super) fn rules(
    pen: &mut Pen,
    area: Rect,
    report: &ValidateReport,
    (chosen, label): (usize, &[Ink]),
) {
    let mut rules: Vec<&RuleReport> = report.rules.iter().collect();
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.broken));
    let (_, lines) = cut_top(area, 1);
    let chosen = chosen.min(rules.len().saturating_sub(1));
    table(pen, lines, &RULES, (rules.len(), Some(chosen)), |at| {
        cells(rules[at])
    });
    pen.rule(area, &title(pen.theme, report), label);
}

fn title(theme: Theme, report: &ValidateReport) -> Vec<Ink> {
    let valid = format!(
        " {} valid of {} rows",
        count(report.valid, 13),
        count(report.rows, 13)
    );
    let mut title = vec![("Rules".to_owned(), Tone::Strong), (valid, Tone::Plain)];
    if report.invalid > 0 {
        let share = share(report.invalid, report.rows);
        let invalid = format!(
            "{}{} invalid, {share}",
            theme.dot(),
            count(report.invalid, 13)
        );
        title.push((invalid, Tone::Warn));
    }
    title
}

fn cells(rule: &RuleReport) -> Vec<Cell> {
    let tone = if rule.broken == 0 {
        Tone::Faint
    } else {
        Tone::Warn
    };
    let column = match rule.column.as_str() {
        "" => "(record)",
        column => column,
    };
    vec![
        Cell::Text((column.to_owned(), Tone::Strong)),
        Cell::Text((rule.rule.clone(), Tone::Accent)),
        Cell::plain(rule.expected.clone()),
        Cell::Count(rule.broken, tone),
    ]
}
