//! How the latest rows are looked at: held still or live, from which column on, and how wide each
//! column is. A column only ever grows, so that nothing jumps while rows fly by.

use std::collections::BTreeSet;

use proto::v1::LatestRows;

use crate::text::width;

/// No column is wider than this.
const WIDEST: u16 = 36;

/// What is remembered of one column while its job is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) width: u16,
    /// Some cell was not a number: numbers stand on the right, text on the left.
    pub(crate) text: bool,
}

/// The view of the latest rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sheet {
    held: Option<LatestRows>,
    /// Rows that the view stands above the newest.
    pub(crate) back: usize,
    /// The first column shown.
    pub(crate) column: usize,
    /// Shows the rows of the chosen job only, not of whatever moved last.
    pub(crate) only_picked: bool,
    job_id: String,
    shapes: Vec<Shape>,
    /// Columns that are left out.
    hidden: BTreeSet<usize>,
}

impl Sheet {
    /// The rows held while paused.
    pub(crate) fn held(&self) -> Option<&LatestRows> {
        self.held.as_ref()
    }

    pub(crate) fn shape(&self, column: usize) -> Shape {
        self.shapes.get(column).copied().unwrap_or_default()
    }

    /// Holds `latest` still.
    pub(crate) fn hold(&mut self, latest: Option<&LatestRows>) {
        if self.held.is_none() {
            self.held = latest.cloned();
        }
    }

    /// Lets rows flow again.
    pub(crate) fn release(&mut self, latest: Option<&LatestRows>) {
        self.held = None;
        self.back = 0;
        if let Some(latest) = latest {
            self.observe(latest);
        }
    }

    /// Widens the columns for `latest`, unless other rows are held.
    pub(crate) fn observe(&mut self, latest: &LatestRows) {
        if self.held.is_some() {
            return;
        }
        if self.job_id != latest.job_id {
            self.job_id.clone_from(&latest.job_id);
            self.shapes.clear();
            self.hidden.clear();
            self.column = 0;
        }
        self.shapes.resize(latest.columns.len(), Shape::default());
        for (shape, name) in self.shapes.iter_mut().zip(&latest.columns) {
            shape.fit(name);
        }
        for row in &latest.rows {
            for (shape, cell) in self.shapes.iter_mut().zip(&row.cells) {
                shape.fit(cell);
                shape.text |= !cell.is_empty() && cell.parse::<f64>().is_err();
            }
        }
    }

    /// Moves `by` rows up (down where negative), `most` rows from the newest at most.
    pub(crate) fn up(&mut self, by: isize, most: usize) {
        self.back = self.back.saturating_add_signed(by).min(most);
    }

    /// Moves `by` of the columns that are shown to the right.
    pub(crate) fn right(&mut self, by: isize, columns: usize) {
        let shown: Vec<usize> = self.shown(0, columns).collect();
        let at = shown.partition_point(|&column| column < self.column);
        let to = at
            .saturating_add_signed(by)
            .min(shown.len().saturating_sub(1));
        self.column = shown.get(to).copied().unwrap_or(0);
    }

    /// The columns from `first` on that are not left out.
    pub(crate) fn shown(&self, first: usize, columns: usize) -> impl Iterator<Item = usize> {
        (first..columns).filter(|column| !self.hidden.contains(column))
    }

    /// How many columns are left out.
    pub(crate) fn hidden(&self) -> usize {
        self.hidden.len()
    }

    /// Leaves out the first column that is shown, unless it is the only one.
    pub(crate) fn hide_first(&mut self) {
        let columns = self.shapes.len();
        if self.shown(0, columns).count() < 2 {
            return;
        }
        let first = self.shown(self.column, columns).next();
        self.hidden.extend(first);
        let next = self.shown(self.column, columns).next();
        let last = self.shown(0, columns).last();
        self.column = next.or(last).unwrap_or(0);
    }

    /// Shows all columns.
    pub(crate) fn unhide(&mut self) {
        self.hidden.clear();
    }
}

impl Shape {
    fn fit(&mut self, text: &str) {
        self.width = self.width.max(width(text).min(WIDEST.into()) as u16).max(1);
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
        let mut sheet = Sheet::default();
        sheet.observe(&rows("a", &["12345", "Bo"]));
        sheet.observe(&rows("a", &["1", ""]));
        assert_eq!(
            sheet.shape(0),
            Shape {
                width: 5,
                text: false
            }
        );
        assert_eq!(
            sheet.shape(1),
            Shape {
                width: 4,
                text: true
            }
        );
        sheet.observe(&rows("b", &["1", "x"]));
        assert_eq!(sheet.shape(0).width, 1);
    }

    #[test]
    fn held_rows_stay_until_released() {
        let (old, new) = (rows("a", &["1", "old"]), rows("a", &["2", "longer name"]));
        let mut sheet = Sheet::default();
        sheet.observe(&old);
        sheet.hold(Some(&old));
        sheet.observe(&new);
        assert_eq!(sheet.held(), Some(&old));
        assert_eq!(sheet.shape(1).width, 4);
        sheet.release(Some(&new));
        assert_eq!((sheet.held(), sheet.shape(1).width), (None, 11));
    }
}
