//! Whether a column is sorted: how each cell compares with the one before it, within a chunk and, as
//! chunks join their neighbours, across them. Longer cells are compared by their first 256 bytes.

use std::cmp::Ordering;

use proto::v1::{Order, OrderNumber, OrderPartial, OrderRun};

use super::text::KEPT_BYTES;
use crate::cells::big_decimal::BigDecimal;
use crate::cells::number::{self, Value};
use crate::partial::PartialError;
use crate::profile::lanes::Slice;

/// How neighbours were seen to compare: a bit each, and all of them where no order is left, since from
/// then on nobody looks any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Seen(u8);

impl Seen {
    const GREATER: u8 = 1;
    const EQUAL: u8 = 2;
    const LESS: u8 = 4;
    const ALL: u8 = Self::GREATER | Self::EQUAL | Self::LESS;

    /// Notes that `next` stands to the one before it like that.
    #[inline(always)]
    fn note(&mut self, next: Ordering) {
        self.add(Self(match next {
            Ordering::Greater => Self::GREATER,
            Ordering::Equal => Self::EQUAL,
            Ordering::Less => Self::LESS,
        }));
    }

    /// Notes what others have seen.
    #[inline(always)]
    fn add(&mut self, others: Self) {
        self.0 |= others.0;
        if !self.is_alive() {
            self.0 = Self::ALL;
        }
    }

    /// Whether some order is left.
    #[inline(always)]
    fn is_alive(self) -> bool {
        self.0 & (Self::GREATER | Self::LESS) != Self::GREATER | Self::LESS
    }

    fn order(self) -> Order {
        match (self.0 & Self::GREATER > 0, self.0 & Self::LESS > 0) {
            (true, true) => Order::None,
            (false, false) => Order::Constant,
            (true, false) if self.0 & Self::EQUAL > 0 => Order::Ascending,
            (true, false) => Order::StrictlyAscending,
            (false, true) if self.0 & Self::EQUAL > 0 => Order::Descending,
            (false, true) => Order::StrictlyDescending,
        }
    }
}

/// What is known of a column's order, of any set of chunks.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Sorting {
    bytes: Seen,
    numbers: Seen,
    /// Neither overlapping nor adjacent, in their order. Ends that no order needs are left out.
    runs: Vec<Run>,
}

/// Chunks without a gap between them.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    first_seq: u64,
    last_seq: u64,
    /// The first and the last.
    bytes: Option<(Vec<u8>, Vec<u8>)>,
    numbers: Option<(Value, Value)>,
}

/// Joins what comes behind to the ends of a run, noting how the two compare where they meet.
fn join<T: Clone>(
    ends: &mut Option<(T, T)>,
    behind: Option<&(T, T)>,
    seen: &mut Seen,
    compare: impl Fn(&T, &T) -> Ordering,
) {
    match (ends, behind) {
        (_, None) => {}
        (Some((_, last)), Some((next, behind))) => {
            seen.note(compare(next, last));
            *last = behind.clone();
        }
        (ends @ None, Some(behind)) => *ends = Some(behind.clone()),
    }
}

impl Sorting {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.bytes.add(other.bytes);
        self.numbers.add(other.numbers);
        if !self.is_alive() {
            self.runs.clear();
            return;
        }
        self.runs.extend_from_slice(&other.runs);
        self.runs.sort_by_key(|run| (run.first_seq, run.last_seq));
        self.join_runs(|run, next| run.last_seq.checked_add(1) == Some(next.first_seq));
        self.forget();
    }

    /// Joins neighbours that meet.
    fn join_runs(&mut self, meet: impl Fn(&Run, &Run) -> bool) {
        let mut joined: Vec<Run> = Vec::with_capacity(self.runs.len());
        for run in self.runs.drain(..) {
            match joined.last_mut().filter(|last| meet(last, &run)) {
                Some(last) => {
                    last.last_seq = run.last_seq;
                    join(
                        &mut last.bytes,
                        run.bytes.as_ref(),
                        &mut self.bytes,
                        Ord::cmp,
                    );
                    join(
                        &mut last.numbers,
                        run.numbers.as_ref(),
                        &mut self.numbers,
                        number::compare,
                    );
                }
                None => joined.push(run),
            }
        }
        self.runs = joined;
    }

    fn is_alive(&self) -> bool {
        self.bytes.is_alive() || self.numbers.is_alive()
    }

    /// Leaves out what no order needs any more.
    fn forget(&mut self) {
        if !self.is_alive() {
            self.runs.clear();
        }
        for run in &mut self.runs {
            run.bytes.take_if(|_| !self.bytes.is_alive());
            run.numbers.take_if(|_| !self.numbers.is_alive());
        }
    }

    /// The order of all cells with bytes: chunks that are missing between two are passed over.
    pub(crate) fn by_bytes(&self) -> Order {
        self.joined().bytes.order()
    }

    /// The order of all numbers.
    pub(crate) fn by_numbers(&self) -> Order {
        self.joined().numbers.order()
    }

    fn joined(&self) -> Self {
        let mut joined = self.clone();
        joined.join_runs(|_, _| true);
        joined
    }
}

/// A chunk's cells as they come.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    seq: u64,
    bytes: Seen,
    numbers: Seen,
    first: Option<Vec<u8>>,
    last: Vec<u8>,
    last_start: u64,
    ends: Option<(Value, Value)>,
    /// Whether some order is left.
    pub(crate) is_alive: bool,
}

impl Watch {
    pub(crate) fn new(seq: u64) -> Self {
        Self {
            seq,
            bytes: Seen::default(),
            numbers: Seen::default(),
            first: None,
            last: Vec::new(),
            last_start: 0,
            ends: None,
            is_alive: true,
        }
    }

    /// Adds cells with bytes, until no order is left.
    #[inline(always)]
    pub(crate) fn add_all(&mut self, cells: Slice<'_, '_>) {
        if !self.is_alive {
            return;
        }
        if self.bytes.is_alive() {
            for (span, &start) in cells.cells.iter().zip(cells.starts) {
                self.add_bytes(span.cell(), start);
                if !self.bytes.is_alive() {
                    break;
                }
            }
        }
        // A loop without branches over one list: most columns have no numbers.
        let numbers = cells
            .starts
            .iter()
            .map(|&start| u32::from(starts_a_number(start)));
        if self.numbers.is_alive() && numbers.sum::<u32>() > 0 {
            self.add_numbers(cells);
        }
        self.is_alive = self.bytes.is_alive() || self.numbers.is_alive();
    }

    #[inline(never)]
    fn add_numbers(&mut self, cells: Slice<'_, '_>) {
        for (span, &start) in cells.cells.iter().zip(cells.starts) {
            if !self.numbers.is_alive() {
                return;
            }
            if starts_a_number(start) {
                self.add_if_number(span.cell());
            }
        }
    }

    /// Adds a cell with bytes, and its start.
    pub(crate) fn add(&mut self, cell: &[u8], start: u64) {
        if self.bytes.is_alive() {
            self.add_bytes(cell, start);
        }
        if self.numbers.is_alive() && starts_a_number(start) {
            self.add_if_number(cell);
        }
        self.is_alive = self.bytes.is_alive() || self.numbers.is_alive();
    }

    fn add_if_number(&mut self, cell: &[u8]) {
        // Every number ends like this, and most of what is none does not.
        if matches!(cell.last(), Some(b'0'..=b'9' | b'.'))
            && let Some((_, value)) = number::parse(cell)
        {
            self.add_number(value);
        }
    }

    fn add_bytes(&mut self, cell: &[u8], start: u64) {
        let cell = &cell[..cell.len().min(KEPT_BYTES)];
        if self.first.is_none() {
            self.first = Some(cell.to_vec());
        } else {
            let starts = start.cmp(&self.last_start);
            self.bytes.note(starts.then_with(|| cell.cmp(&self.last)));
        }
        self.last_start = start;
        self.last.clear();
        self.last.extend_from_slice(cell);
    }

    fn add_number(&mut self, value: Value) {
        match &mut self.ends {
            None => self.ends = Some((value.clone(), value)),
            Some((_, last)) => {
                self.numbers.note(number::compare(&value, last));
                *last = value;
            }
        }
    }

    pub(crate) fn sorting(self) -> Sorting {
        let mut sorting = Sorting {
            bytes: self.bytes,
            numbers: self.numbers,
            runs: vec![Run {
                first_seq: self.seq,
                last_seq: self.seq,
                bytes: self.first.map(|first| (first, self.last)),
                numbers: self.ends,
            }],
        };
        sorting.forget();
        sorting
    }
}

/// Whether a cell with this start may be a number.
#[inline(always)]
fn starts_a_number(start: u64) -> bool {
    matches!((start >> 56) as u8, b'0'..=b'9' | b'.' | b'-' | b'+')
}

impl From<&Sorting> for OrderPartial {
    fn from(sorting: &Sorting) -> Self {
        Self {
            bytes_seen: sorting.bytes.0.into(),
            numbers_seen: sorting.numbers.0.into(),
            runs: sorting.runs.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Run> for OrderRun {
    fn from(run: &Run) -> Self {
        let (first, last) = run.bytes.clone().unzip();
        let ends = run.numbers.as_ref();
        Self {
            first_seq: run.first_seq,
            last_seq: run.last_seq,
            first,
            last,
            first_number: ends.map(|(first, _)| first.into()),
            last_number: ends.map(|(_, last)| last.into()),
        }
    }
}

impl From<&Value> for OrderNumber {
    fn from(value: &Value) -> Self {
        match value {
            Value::Decimal { mantissa, scale } => Self {
                mantissa: *mantissa,
                scale: (*scale).into(),
                ..Self::default()
            },
            Value::Long(number) => Self {
                big: Some((&BigDecimal::from(*number)).into()),
                ..Self::default()
            },
            Value::Big(number) | Value::OutOfRange(number) => Self {
                big: Some(number.as_ref().into()),
                ..Self::default()
            },
        }
    }
}

const MALFORMED: PartialError = PartialError::Malformed("an order that is none");

impl TryFrom<&OrderPartial> for Sorting {
    type Error = PartialError;

    fn try_from(wire: &OrderPartial) -> Result<Self, PartialError> {
        let seen = |bits: u32| {
            let bits = u8::try_from(bits).ok().filter(|&bits| bits <= Seen::ALL)?;
            let mut seen = Seen::default();
            seen.add(Seen(bits));
            Some(seen)
        };
        let mut sorting = Self {
            bytes: seen(wire.bytes_seen).ok_or(MALFORMED)?,
            numbers: seen(wire.numbers_seen).ok_or(MALFORMED)?,
            runs: wire.runs.iter().map(run).collect::<Result<_, _>>()?,
        };
        sorting.forget();
        Ok(sorting)
    }
}

fn run(wire: &OrderRun) -> Result<Run, PartialError> {
    let ends = (&wire.first_number, &wire.last_number);
    let numbers = match ends {
        (Some(first), Some(last)) => Some((value(first)?, value(last)?)),
        (None, None) => None,
        _ => return Err(MALFORMED),
    };
    if wire.first_seq > wire.last_seq || wire.first.is_some() != wire.last.is_some() {
        return Err(MALFORMED);
    }
    Ok(Run {
        first_seq: wire.first_seq,
        last_seq: wire.last_seq,
        bytes: wire.first.clone().zip(wire.last.clone()),
        numbers,
    })
}

fn value(wire: &OrderNumber) -> Result<Value, PartialError> {
    let big = |number| Value::Big(Box::new(number));
    match (&wire.big, wire.float) {
        (Some(number), _) => number.try_into().map(big),
        (None, Some(number)) => number::of_double(number).map(big).ok_or(MALFORMED),
        (None, None) => number::decimal_of(wire.mantissa, wire.scale).ok_or(MALFORMED),
    }
}
