//! Rows as JSON: one line per record, an object with the header's names as keys. Every value is a
//! string, as in the CSV.

use cli::Filter;
use csv_core::{ReadRecordResult, Reader};

/// Growth step of a buffer, in bytes and in cells.
const ROOM: usize = 4096;

/// Converts CSV, fed in pieces cut anywhere, to lines of JSON.
#[derive(Debug)]
pub(super) struct JsonLines {
    reader: Reader,
    /// The cells of the current record, concatenated, and the end of each.
    cells: Vec<u8>,
    ends: Vec<usize>,
    filled: usize,
    ended: usize,
    names: Option<Vec<String>>,
}

impl Default for JsonLines {
    fn default() -> Self {
        Self {
            reader: Reader::new(),
            cells: vec![0; ROOM],
            ends: vec![0; ROOM],
            filled: 0,
            ended: 0,
            names: None,
        }
    }
}

impl Filter for JsonLines {
    /// Appends a line for each record that ends in `bytes` to `out`.
    fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let read = self.read(bytes, out);
            bytes = &bytes[read..];
        }
    }

    /// Appends the last record if it has no end of line.
    fn finish(&mut self, out: &mut Vec<u8>) {
        // For the reader, empty input is the end of the input.
        self.read(&[], out);
    }
}

impl JsonLines {
    /// Makes one step of the reader, and returns the number of bytes read.
    fn read(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let (result, read, filled, ended) = self.reader.read_record(
            bytes,
            &mut self.cells[self.filled..],
            &mut self.ends[self.ended..],
        );
        self.filled += filled;
        self.ended += ended;
        match result {
            ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            ReadRecordResult::OutputFull => self.cells.resize(self.cells.len() + ROOM, 0),
            ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() + ROOM, 0),
            ReadRecordResult::Record => {
                self.record(out);
                (self.filled, self.ended) = (0, 0);
            }
        }
        read
    }

    fn record(&mut self, out: &mut Vec<u8>) {
        let mut start = 0;
        let cells = self.ends[..self.ended].iter().map(|&end| {
            let cell = String::from_utf8_lossy(&self.cells[start..end]).into_owned();
            start = end;
            cell
        });
        let Some(names) = &self.names else {
            self.names = Some(distinct(cells));
            return;
        };
        out.push(b'{');
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match names.get(at) {
                Some(name) => push(out, name),
                None => push(out, &format!("column_{}", at + 1)),
            }
            out.push(b':');
            push(out, &cell);
        }
        out.extend_from_slice(b"}\n");
    }
}

fn push(out: &mut Vec<u8>, text: &str) {
    // Writing into memory cannot fail.
    let written = report::json::write(out, text);
    debug_assert!(written.is_ok());
}

/// Makes names unique as keys of an object by appending numbers to repeated ones.
fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut taken: Vec<String> = Vec::new();
    for name in names {
        let again = |number: usize| format!("{name}_{number}");
        let free = (2..=taken.len() + 2)
            .map(again)
            .find(|name| !taken.contains(name));
        let is_taken = taken.contains(&name);
        taken.push(free.filter(|_| is_taken).unwrap_or(name));
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_objects_wherever_the_pieces_are_cut() {
        let csv = "id,na\"me,id,\n1,\"a,\"\"b\"\"\nc\",x,\n2,\u{fc},y,,z".as_bytes();
        let expected = "{\"id\":\"1\",\"na\\\"me\":\"a,\\\"b\\\"\\nc\",\"id_2\":\"x\",\"\":\"\"}\n\
                        {\"id\":\"2\",\"na\\\"me\":\"\u{fc}\",\"id_2\":\"y\",\"\":\"\",\"column_5\":\"z\"}\n";
        for cut in 0..=csv.len() {
            let (mut lines, mut out) = (JsonLines::default(), Vec::new());
            lines.feed(&csv[..cut], &mut out);
            lines.feed(&csv[cut..], &mut out);
            lines.finish(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{cut}");
        }
    }

    #[test]
    fn a_cell_may_be_longer_than_any_room() {
        let long = "x".repeat(3 * ROOM);
        let (mut lines, mut out) = (JsonLines::default(), Vec::new());
        lines.feed(format!("a\n{long}\n").as_bytes(), &mut out);
        lines.finish(&mut out);
        assert_eq!(out, format!("{{\"a\":\"{long}\"}}\n").as_bytes());
    }
}
