//! Below a table: what is worth a look in its columns, in plain words.

use std::io::{self, Write};

use proto::v1::Profile;
use tui::text::{self, Charset};
use tui::{format, result_text};

/// Remarks on so many columns; JSON has what they are made of.
const MOST_COLUMNS: usize = 20;
/// A name is cut here, so that there is room for words.
const NAME_WIDTH: usize = 24;
/// Words get so much, however narrow the terminal is.
const WORDS_WIDTH: usize = 20;
/// Between a name and the words about it.
const GAP: usize = 2;

/// Writes a line for each remark, behind its column's name, at most `width` wide. Nothing where there
/// is nothing to say.
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
    let shown = &worth[..worth.len().min(MOST_COLUMNS)];
    let indent = shown
        .iter()
        .map(|(name, _)| text::width(name))
        .max()
        .unwrap_or(0);
    let room = width.saturating_sub(2 * GAP + indent).max(WORDS_WIDTH);
    for (name, remarks) in shown {
        let lines = remarks.iter().flat_map(|remark| wrapped(remark, room));
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

/// Plain words in lines of at most `room` characters, where no word is longer.
fn wrapped(words: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
