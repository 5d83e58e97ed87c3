//! The flag that makes CSV safe for spreadsheets; `report` implements the filter.

use cli::Filters;
use report::Formulas;

/// Whether CSV must be safe for spreadsheets.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct SpreadsheetArgs {
    /// Put an apostrophe in front of cells of CSV that a spreadsheet would take for a formula: cells that
    /// begin with =, +, -, @, a tab or a line end and are not numbers
    #[arg(long)]
    pub(crate) safe_spreadsheet: bool,
}

impl SpreadsheetArgs {
    /// The filter `formulas` if the flag is set, else no filter.
    pub(crate) fn filters(self, formulas: Formulas) -> Filters {
        if self.safe_spreadsheet {
            Filters::default().then(formulas)
        } else {
            Filters::default()
        }
    }
}
