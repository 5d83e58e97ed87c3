//! The view of the latest rows: frozen or live, the first column shown, and the column widths. Within a
//! job a column only grows, so that the layout does not jump while rows arrive.

use std::collections::BTreeSet;

use cli::text::width;
use proto::v1::LatestRows;

/// Maximum width of a column.
const MAX_WIDTH: u16 = 36;

/// Layout of a column while its job is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ColumnLayout {
    pub(crate) width: u16,
    /// Whether any cell was not a number: numbers are aligned right, text left.
    pub(crate) text: bool,
}

/// The view of the latest rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowsView {
    frozen: Option<LatestRows>,
    /// Number of rows that the view is scrolled back from the newest.
    pub(crate) back: usize,
    /// The first column shown.
    pub(crate) column: usize,
    /// Shows the rows of the selected job only, instead of the job that progressed last.
    pub(crate) only_selected: bool,
    job_id: String,
    layouts: Vec<ColumnLayout>,
    /// Columns hidden by the user.
    hidden: BTreeSet<usize>,
}

impl RowsView {
    /// The rows shown while the view is frozen.
    pub(crate) fn frozen(&self) -> Option<&LatestRows> {
        self.frozen.as_ref()
    }

    pub(crate) fn layout(&self, column: usize) -> ColumnLayout {
        self.layouts.get(column).copied().unwrap_or_default()
    }

    /// Freezes `latest`, unless rows are frozen already.
    pub(crate) fn freeze(&mut self, latest: Option<&LatestRows>) {
        if self.frozen.is_none() {
            self.frozen = latest.cloned();
        }
    }

    /// Resumes showing live rows.
    pub(crate) fn release(&mut self, latest: Option<&LatestRows>) {
        self.frozen = None;
        self.back = 0;
        if let Some(latest) = latest {
            self.fit_columns(latest);
        }
    }

    /// Widens the columns to fit `latest`, unless rows are frozen.
    pub(crate) fn fit_columns(&mut self, latest: &LatestRows) {
        if self.frozen.is_some() {
            return;
        }
        if self.job_id != latest.job_id {
            self.job_id.clone_from(&latest.job_id);
            self.layouts.clear();
            self.hidden.clear();
            self.column = 0;
        }
        self.layouts
            .resize(latest.columns.len(), ColumnLayout::default());
        for (layout, name) in self.layouts.iter_mut().zip(&latest.columns) {
            layout.fit(name);
        }
        for row in &latest.rows {
            for (layout, cell) in self.layouts.iter_mut().zip(&row.cells) {
                layout.fit(cell);
                layout.text |= !cell.is_empty() && cell.parse::<f64>().is_err();
            }
        }
    }

    /// Scrolls `by` rows up (down if negative), at most `max_back` rows from the newest.
    pub(crate) fn up(&mut self, by: isize, max_back: usize) {
        self.back = self.back.saturating_add_signed(by).min(max_back);
    }

    /// Scrolls `by` visible columns to the right.
    pub(crate) fn right(&mut self, by: isize, columns: usize) {
        let shown: Vec<usize> = self.shown(0, columns).collect();
        let at = shown.partition_point(|&column| column < self.column);
        let to = at
            .saturating_add_signed(by)
            .min(shown.len().saturating_sub(1));
        self.column = shown.get(to).copied().unwrap_or(0);
    }

    /// The indexes of the visible columns from `first` on.
    pub(crate) fn shown(&self, first: usize, columns: usize) -> impl Iterator<Item = usize> {
        (first..columns).filter(|column| !self.hidden.contains(column))
    }

    /// Number of hidden columns.
    pub(crate) fn hidden(&self) -> usize {
        self.hidden.len()
    }

    /// Hides the first visible column, unless it is the only one.
    pub(crate) fn hide_first(&mut self) {
        let columns = self.layouts.len();
        if self.shown(0, columns).count() < 2 {
            return;
        }
        let first = self.shown(self.column, columns).next();
        self.hidden.extend(first);
        let next = self.shown(self.column, columns).next();
        let last = self.shown(0, columns).last();
        self.column = next.or(last).unwrap_or(0);
    }

    pub(crate) fn show_all(&mut self) {
        self.hidden.clear();
    }
}

impl ColumnLayout {
    fn fit(&mut self, text: &str) {
        self.width = self
            .width
            .max(width(text).min(MAX_WIDTH.into()) as u16)
            .max(1);
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::SampleRow;

    use super::*;

    fn rows(job_id: &str, cells: &[&str]) -> LatestRows {
        LatestRows {
            job_id: job_id.into(),
            columns: vec!["n".into(), "name".into()],
            rows: vec![SampleRow {
                record: 1,
                cells: cells.iter().map(ToString::to_string).collect(),
            }],
            ..LatestRows::default()
        }
    }

    #[test]
    fn columns_grow_and_never_shrink_within_a_job() {
        let mut rows_view = RowsView::default();
        rows_view.fit_columns(&rows("a", &["12345", "Bo"]));
        rows_view.fit_columns(&rows("a", &["1", ""]));
        assert_eq!(
            rows_view.layout(0),
            ColumnLayout {
                width: 5,
                text: false
            }
        );
        assert_eq!(
            rows_view.layout(1),
            ColumnLayout {
                width: 4,
                text: true
            }
        );
        rows_view.fit_columns(&rows("b", &["1", "x"]));
        assert_eq!(rows_view.layout(0).width, 1);
    }

    #[test]
    fn held_rows_stay_until_released() {
        let (old, new) = (rows("a", &["1", "old"]), rows("a", &["2", "longer name"]));
        let mut rows_view = RowsView::default();
        rows_view.fit_columns(&old);
        rows_view.freeze(Some(&old));
        rows_view.fit_columns(&new);
        assert_eq!(rows_view.frozen(), Some(&old));
        assert_eq!(rows_view.layout(1).width, 4);
        rows_view.release(Some(&new));
        assert_eq!((rows_view.frozen(), rows_view.layout(1).width), (None, 11));
    }
}
