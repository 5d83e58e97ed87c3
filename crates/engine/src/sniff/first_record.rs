//! Detects a first record that is not part of the table: there may be a title above the header, and some headers lack a
//! name. It is only reported.

use super::header;
use super::{DialectOverrides, SAMPLE_ROWS};
use crate::Dialect;
use crate::records::Records;
use crate::records::line_ends;

/// The share of records that must have the same number of fields.
const MIN_SHARE: f64 = 0.8;

/// A first record whose number of fields differs from that of most records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstRecordMismatch {
    /// Its number of fields.
    pub first_fields: usize,
    /// The number of fields of most records.
    pub fields: usize,
    /// The number of lines before the first record with that number.
    pub lines: u64,
    /// Whether that record names the columns.
    pub is_header: bool,
}

/// The mismatch of the first record of `text`, if there is one.
pub(super) fn decide(text: &[u8], dialect: &Dialect) -> Option<FirstRecordMismatch> {
    let mut records = Records::new(dialect, text);
    let mut seen = Vec::new();
    while seen.len() < SAMPLE_ROWS
        && let Some(record) = records.read()
    {
        seen.push((record.len(), record.start()));
    }
    let &(first_fields, _) = seen.first()?;
    // Behind a title there is only the table, so a late record is typical.
    let &(fields, _) = seen.get(seen.len() * 3 / 4)?;
    let at = seen.iter().position(|&(len, _)| len == fields)?;
    let behind = &seen[at..];
    let alike = behind.iter().filter(|&&(len, _)| len == fields).count();
    if fields < 2 || first_fields == fields || alike < 2 || share(alike, behind.len()) < MIN_SHARE {
        return None;
    }
    // A title is shorter than its table.
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
    fn titles_above_a_header_are_detected() {
        let text = "Report, of May\n\nMade by hand\nid,name,price\n1,x,2.5\n2,y,3.5\n3,z,1.0\n";
        let found = mismatch(text).unwrap();
        assert_eq!((found.first_fields, found.fields, found.lines), (2, 3, 3));
        assert!(found.is_header);
    }

    #[test]
    fn a_header_that_lacks_a_name_is_detected() {
        let found = mismatch("name,price\n1,x,2.5\n2,y,3.5\n3,z,1.0\n").unwrap();
        assert_eq!((found.first_fields, found.fields, found.lines), (2, 3, 1));
        assert!(!found.is_header);
    }

    #[test]
    fn tables_and_plain_texts_have_no_mismatch() {
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
