//! The results on the Job tab of jobs without a profile: the report of a command, or of a validation.

use proto::v1::{ExecReport, RuleReport, ValidateReport};
use ratatui::layout::Rect;

use super::canvas::{Canvas, StyledText};
use super::cut_top;
use super::fields::{Field, fields};
use super::table::{Cell, Column, table};
use crate::theme::{TextStyle, Theme};
use cli::format::{bytes, count, grouped};
use report::result_text::share;

const RULES: [Column; 4] = [
    Column::text("COLUMN", 12, 32, 0),
    Column::text("RULE", 10, 18, 0),
    Column::text("EXPECTED", 12, 60, 1),
    Column::figure("BROKEN", 8, 13, 0),
];

/// Draws the report of a command; `kept` is the size in bytes of its output stored on the master.
pub(super) fn exec(
    canvas: &mut Canvas,
    area: Rect,
    report: &ExecReport,
    (kept, label): (u64, &[StyledText]),
) {
    let title = [
        ("Command".to_owned(), TextStyle::Strong),
        (format!(" {}", report.command), TextStyle::Plain),
    ];
    canvas.rule(area, &title, label);
    let columns = if report.columns.is_empty() {
        canvas.theme.sign("–", "-").to_owned()
    } else {
        report.columns.join(", ")
    };
    let list: Vec<Field> = vec![
        ("rows in", grouped(report.rows_in), TextStyle::Plain),
        ("rows out", grouped(report.rows_out), TextStyle::Strong),
        ("kept", bytes(kept), TextStyle::Plain),
        ("columns", columns, TextStyle::Plain),
    ];
    fields(canvas, cut_top(area, 1).1, &list);
}

/// Draws all rules, most violations first.
pub(super) fn rules(
    canvas: &mut Canvas,
    area: Rect,
    report: &ValidateReport,
    (selected, label): (usize, &[StyledText]),
) {
    let mut rules: Vec<&RuleReport> = report.rules.iter().collect();
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.broken));
    let (_, lines) = cut_top(area, 1);
    let selected = selected.min(rules.len().saturating_sub(1));
    table(canvas, lines, &RULES, (rules.len(), Some(selected)), |at| {
        cells(rules[at])
    });
    canvas.rule(area, &title(canvas.theme, report), label);
}

fn title(theme: Theme, report: &ValidateReport) -> Vec<StyledText> {
    let valid = format!(
        " {} valid of {} rows",
        count(report.valid, 13),
        count(report.rows, 13)
    );
    let mut title = vec![
        ("Rules".to_owned(), TextStyle::Strong),
        (valid, TextStyle::Plain),
    ];
    if report.invalid > 0 {
        let share = share(report.invalid, report.rows);
        let invalid = format!(
            "{}{} invalid, {share}",
            theme.dot(),
            count(report.invalid, 13)
        );
        title.push((invalid, TextStyle::Warn));
    }
    title
}

fn cells(rule: &RuleReport) -> Vec<Cell> {
    let text_style = if rule.broken == 0 {
        TextStyle::Faint
    } else {
        TextStyle::Warn
    };
    let column = match rule.column.as_str() {
        "" => "(record)",
        column => column,
    };
    vec![
        Cell::Text((column.to_owned(), TextStyle::Strong)),
        Cell::Text((rule.rule.clone(), TextStyle::Accent)),
        Cell::plain(rule.expected.clone()),
        Cell::Count(rule.broken, text_style),
    ]
}
