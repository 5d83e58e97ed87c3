//! The report of `exec`.

use cli::format::{bytes, grouped};
use proto::v1::{ExecReport, Job};
use ratatui::layout::Rect;

use super::Panel;
use crate::layout::cut_top;
use crate::model::Model;
use crate::theme::TextStyle;
use crate::view::canvas::{Canvas, StyledText};
use crate::view::fields::{Field, fields};

impl Panel for ExecReport {
    fn draw(
        &self,
        _model: &Model,
        canvas: &mut Canvas,
        area: Rect,
        (job, label): (&Job, &[StyledText]),
    ) {
        let title = [
            ("Command".to_owned(), TextStyle::Strong),
            (format!(" {}", self.command), TextStyle::Plain),
        ];
        canvas.rule(area, &title, label);
        let columns = if self.columns.is_empty() {
            canvas.theme.sign("–", "-").to_owned()
        } else {
            self.columns.join(", ")
        };
        let list: Vec<Field> = vec![
            ("rows in", grouped(self.rows_in), TextStyle::Plain),
            ("rows out", grouped(self.rows_out), TextStyle::Strong),
            ("kept", bytes(job.output_bytes), TextStyle::Plain),
            ("columns", columns, TextStyle::Plain),
        ];
        fields(canvas, cut_top(area, 1).1, &list);
    }
}
