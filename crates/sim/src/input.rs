//! Small, irregular CSV: quotes, line ends within fields, ragged rows, empty lines, and bytes that are not UTF-8.

use engine::Dialect;
use engine::split::Limits;

use proto::v1::{OperationSpec, ProfileSpec};
use random::Random;

use crate::command::exec;

/// The input of one job.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) bytes: Vec<u8>,
    pub(crate) dialect: Dialect,
    pub(crate) limits: Limits,
    /// The job's operation.
    pub(crate) operation: OperationSpec,
}

/// Larger than any record: the splitter's own tests cover records over the cap, and the oracle has no cap.
const CAP_BYTES: usize = 1 << 20;
/// Approximate number of chunks of one job.
const CHUNKS: usize = 40;

impl Input {
    pub(crate) fn generate(random: &mut Random) -> Self {
        let dialect = Dialect {
            delimiter: *pick(random, b",;\t|"),
            has_header: !random.one_in(4),
            ..Dialect::default()
        };
        let bytes = Writer::new(random, dialect.delimiter).write();
        let least = bytes.len() / CHUNKS + 1;
        let target_bytes = least + random.index(200);
        let operation = if random.one_in(3) { exec() } else { profile() };
        Self {
            operation,
            bytes,
            dialect,
            limits: Limits {
                target_bytes,
                cap_bytes: CAP_BYTES,
            },
        }
    }
}

struct Writer<'r> {
    random: &'r mut Random,
    bytes: Vec<u8>,
    delimiter: u8,
    line_end: &'static [u8],
    columns: u64,
}

impl<'r> Writer<'r> {
    fn new(random: &'r mut Random, delimiter: u8) -> Self {
        let line_ends: [&[u8]; 4] = [b"\n", b"\n", b"\r\n", b"\r"];
        let line_end = line_ends[random.index(4)];
        let columns = random.between(1, 5);
        Self {
            random,
            bytes: Vec::new(),
            delimiter,
            line_end,
            columns,
        }
    }

    fn write(mut self) -> Vec<u8> {
        for column in 0..self.columns {
            self.delimit(column);
            self.bytes.extend(format!("c{column}").bytes());
        }
        let rows = self.random.below(60);
        for _ in 0..rows {
            self.bytes.extend(self.line_end);
            self.row();
        }
        match self.random.below(8) {
            0 => self.bytes.extend(b"\"never closed"),
            1 | 2 => {}
            _ => self.bytes.extend(self.line_end),
        }
        self.bytes
    }

    fn row(&mut self) {
        let fields = match self.random.below(12) {
            0 => return, // an empty line
            1 => self.random.between(1, self.columns + 2),
            _ => self.columns,
        };
        for field in 0..fields {
            self.delimit(field);
            self.cell();
        }
    }

    fn delimit(&mut self, field: u64) {
        if field > 0 {
            self.bytes.push(self.delimiter);
        }
    }

    fn cell(&mut self) {
        match self.random.below(14) {
            0 => {}
            1..=4 => {
                let number = self.random.next_u64() as i64 >> self.random.between(40, 62);
                self.bytes.extend(number.to_string().bytes());
            }
            5 | 6 => {
                let number = self.random.next_u64() as i32;
                self.bytes
                    .extend(format!("{}", f64::from(number) / 1000.0).bytes());
            }
            7 => self.bytes.extend(b"\"a\"\"b\""),
            8 => {
                self.bytes.extend(b"\"two");
                self.bytes.extend(self.line_end);
                self.bytes.extend([b' ', self.delimiter]);
                self.bytes.extend(b"lines\"");
            }
            9 => self.bytes.extend(b"stray\"quote"),
            10 => {
                let byte = self.random.below(256) as u8;
                self.bytes.extend([b'x', byte, b'y']);
            }
            11 => self.bytes.extend(b"2024-02-30"),
            12 => self.bytes.extend("né \u{202e}é".bytes()),
            _ => {
                let word = self.random.below(20);
                self.bytes.extend(format!("word{word}").bytes());
            }
        }
    }
}

fn pick<'t, T>(random: &mut Random, from: &'t [T]) -> &'t T {
    &from[random.index(from.len())]
}

/// The operation of most simulated jobs.
pub(crate) fn profile() -> OperationSpec {
    OperationSpec {
        kind: Some(ProfileSpec::default().into()),
        ..OperationSpec::default()
    }
}
