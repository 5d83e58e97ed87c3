//! The flag by which CSV is made safe for spreadsheets; what that is, is for `cli`.

use cli::{Filters, Formulas};

/// Whether CSV is for a spreadsheet.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct SpreadsheetArgs {
    /// Put an apostrophe in front of cells of CSV that a spreadsheet would take for a formula: those that
    /// begin with =, +, -, @, a tab or a line end, and are no number
    #[arg(long)]
    pub(crate) safe_spreadsheet: bool,
}

impl SpreadsheetArgs {
    /// What guards CSV that `formulas` can read, where that is wanted.
    pub(crate) fn filters(self, formulas: Formulas) -> Filters {
        if self.safe_spreadsheet {
            Filters::default().then(formulas)
        } else {
            Filters::default()
        }
    }
}
