//! The remarks below a table of columns.

use std::io::{self, Write};

use cli::format;
use cli::text::{self, Charset};
use proto::v1::Profile;

use crate::result_text;

/// Maximum number of columns with remarks; JSON has the values behind all of them.
const MAX_COLUMNS: usize = 20;
/// Longer names are cut, to leave room for the remarks.
const NAME_WIDTH: usize = 24;
/// Minimum width of the remarks, however narrow the terminal is.
const MIN_TEXT_WIDTH: usize = 20;
/// Space between a name and its remarks.
const GAP: usize = 2;

/// Writes one line per remark, after its column's name, at most `width` wide. Writes nothing if there are
/// no remarks.
pub(super) fn write(
    out: &mut impl Write,
    profile: &Profile,
    width: usize,
    charset: Charset,
) -> io::Result<()> {
    let columns = profile.columns.iter().map(|column| {
        let name = text::brief(&column.name, NAME_WIDTH, charset).into_owned();
        (name, result_text::remarks(column))
    });
    let worth: Vec<_> = columns.filter(|(_, remarks)| !remarks.is_empty()).collect();
    if worth.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nworth a look")?;
    let shown = &worth[..worth.len().min(MAX_COLUMNS)];
    let indent = shown
        .iter()
        .map(|(name, _)| text::width(name))
        .max()
        .unwrap_or(0);
    let room = width.saturating_sub(2 * GAP + indent).max(MIN_TEXT_WIDTH);
    for (name, remarks) in shown {
        let lines = remarks
            .iter()
            .flat_map(|remark| text::wrapped(remark, room));
        for (at, line) in lines.enumerate() {
            let name = if at == 0 { name } else { "" };
            writeln!(out, "  {}  {line}", text::pad(name, indent, charset))?;
        }
    }
    match worth.len() - shown.len() {
        0 => Ok(()),
        more => writeln!(out, "  and {} more", format::plural(more as u64, "column")),
    }
}
