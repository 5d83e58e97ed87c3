//! Whether the first record is a part of the table at all: titles often stand above a header, and some
//! headers have fewer names than there are fields. It is told, and nothing is made of it.

use super::header;
use super::{DialectOverrides, SAMPLE_ROWS};
use crate::Dialect;
use crate::records::Records;
use crate::records::line_ends;

/// So large a share of the records must have the same number of fields.
const MOST: f64 = 0.8;

/// A first record that has another number of fields than most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstRecordMismatch {
    /// How many fields it has.
    pub first_fields: usize,
    /// How many most records have.
    pub fields: usize,
    /// Lines of the text before the first record that has as many.
    pub lines: u64,
    /// Whether that record names the columns.
    pub is_header: bool,
}

/// What speaks against the first record of `text`. `None`: nothing does.
pub(super) fn decide(text: &[u8], dialect: &Dialect) -> Option<FirstRecordMismatch> {
    let mut records = Records::new(dialect, text);
    let mut seen = Vec::new();
    while seen.len() < SAMPLE_ROWS
        && let Some(record) = records.read()
    {
        seen.push((record.len(), record.start()));
    }
    let &(first_fields, _) = seen.first()?;
    // Behind what stands above the table all is table, so its last record is as most are.
    let &(fields, _) = seen.get(seen.len() * 3 / 4)?;
    let at = seen.iter().position(|&(len, _)| len == fields)?;
    let behind = &seen[at..];
    let alike = behind.iter().filter(|&&(len, _)| len == fields).count();
    if fields < 2 || first_fields == fields || alike < 2 || share(alike, behind.len()) < MOST {
        return None;
    }
    // What stands above is less than what it stands above.
    if at >= behind.len() {
        return None;
    }
    let (above, table) = text.split_at(seen[at].1);
    Some(FirstRecordMismatch {
        first_fields,
        fields,
        lines: line_ends(above),
        is_header: header::decide(table, dialect, &DialectOverrides::default()).found,
    })
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatch(text: &str) -> Option<FirstRecordMismatch> {
        decide(text.as_bytes(), &Dialect::default())
    }

    #[test]
    fn titles_above_a_header_are_seen() {
        let text = "Report, of May\n\nMade by hand\nid,name,price\n1,x,2.5\n2,y,3.5\n3,z,1.0\n";
        let found = mismatch(text).unwrap();
        assert_eq!((found.first_fields, found.fields, found.lines), (2, 3, 3));
        assert!(found.is_header);
    }

    #[test]
    fn a_header_that_lacks_a_name_is_seen() {
        let found = mismatch("name,price\n1,x,2.5\n2,y,3.5\n3,z,1.0\n").unwrap();
        assert_eq!((found.first_fields, found.fields, found.lines), (2, 3, 1));
        assert!(!found.is_header);
    }

    #[test]
    fn tables_and_texts_are_left_alone() {
        for text in [
            "",
            "a,b\n",
            "a,b\n1,2,3\n",
            "a,b\n1,2\n1,2,3\n1,2\n",
            "a\nb\nc,d\n",
            "It was, in short,\na period; so far,\nlike ours, that\nsome said so\n",
        ] {
            assert_eq!(mismatch(text), None, "{text}");
        }
    }
}
