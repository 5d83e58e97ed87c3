//! The report of `validate`: one line per rule.

use ::report::result_text::share;
use ::report::sorted_rules;
use cli::format::count;
use proto::v1::{Job, RuleReport, ValidateReport};
use ratatui::layout::Rect;

use super::Panel;
use crate::layout::cut_top;
use crate::model::Model;
use crate::records::{Records, titled};
use crate::theme::{TextStyle, Theme};
use crate::view::canvas::{Canvas, StyledText};
use crate::view::table::{Cell, Column, table};

const RULES: [Column; 4] = [
    Column::text("COLUMN", 12, 32, 0),
    Column::text("RULE", 10, 18, 0),
    Column::text("EXPECTED", 12, 60, 1),
    Column::figure("BROKEN", 8, 13, 0),
];

impl Panel for ValidateReport {
    /// All rules, most violations first.
    fn draw(
        &self,
        model: &Model,
        canvas: &mut Canvas,
        area: Rect,
        (_, label): (&Job, &[StyledText]),
    ) {
        let rules = sorted_rules(self);
        let (_, lines) = cut_top(area, 1);
        let selected = model.column.min(rules.len().saturating_sub(1));
        table(canvas, lines, &RULES, (rules.len(), Some(selected)), |at| {
            cells(rules[at])
        });
        canvas.rule(area, &title(canvas.theme, self), label);
    }

    fn records(&self) -> Option<Records> {
        let record = |rule: &RuleReport| {
            vec![
                rule.column.clone(),
                rule.rule.clone(),
                rule.expected.clone(),
                rule.broken.to_string(),
            ]
        };
        let titles = ["column", "rule", "expected", "broken"];
        Some(titled(&titles, self.rules.iter().map(record)))
    }
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
