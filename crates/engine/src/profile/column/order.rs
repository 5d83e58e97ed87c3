//! Whether a column is sorted: how each cell compares with the one before it, within a chunk and, when adjacent chunks
//! are merged, across them. Long cells are compared by their first 256 bytes.

use std::cmp::Ordering;

use proto::v1::{Order, OrderNumber, OrderPartial, OrderRun};

use super::text_stats::KEPT_BYTES;
use crate::cells::big_decimal::BigDecimal;
use crate::cells::number::{self, ExactNumber};
use crate::partial::PartialError;
use crate::profile::column_batch::CellSlice;

/// The set of results of comparing neighbours, one bit each. All bits are set as soon as no order is possible, because
/// from then on nothing is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Comparisons(u8);

impl Comparisons {
    const GREATER: u8 = 1;
    const EQUAL: u8 = 2;
    const LESS: u8 = 4;
    const ALL: u8 = Self::GREATER | Self::EQUAL | Self::LESS;

    /// Adds the result of comparing a cell with the one before it.
    #[inline(always)]
    fn insert(&mut self, next: Ordering) {
        self.union(Self(match next {
            Ordering::Greater => Self::GREATER,
            Ordering::Equal => Self::EQUAL,
            Ordering::Less => Self::LESS,
        }));
    }

    /// Adds all results in `others`.
    #[inline(always)]
    fn union(&mut self, others: Self) {
        self.0 |= others.0;
        if !self.is_monotonic() {
            self.0 = Self::ALL;
        }
    }

    /// Whether an order is still possible.
    #[inline(always)]
    fn is_monotonic(self) -> bool {
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

/// The order of a column, for any set of chunks.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ColumnOrder {
    bytes: Comparisons,
    numbers: Comparisons,
    /// Sorted, neither overlapping nor adjacent. Ends that no order needs are dropped.
    runs: Vec<ChunkRun>,
}

/// Consecutive chunks.
#[derive(Debug, Clone, PartialEq)]
struct ChunkRun {
    first_seq: u64,
    last_seq: u64,
    /// The first and the last cell.
    bytes: Option<(Vec<u8>, Vec<u8>)>,
    numbers: Option<(ExactNumber, ExactNumber)>,
}

/// Appends the ends of the next run and adds the result of comparing both where they meet.
fn join<T: Clone>(
    ends: &mut Option<(T, T)>,
    behind: Option<&(T, T)>,
    seen: &mut Comparisons,
    compare: impl Fn(&T, &T) -> Ordering,
) {
    match (ends, behind) {
        (_, None) => {}
        (Some((_, last)), Some((next, behind))) => {
            seen.insert(compare(next, last));
            *last = behind.clone();
        }
        (ends @ None, Some(behind)) => *ends = Some(behind.clone()),
    }
}

impl ColumnOrder {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.bytes.union(other.bytes);
        self.numbers.union(other.numbers);
        if !self.is_monotonic() {
            self.runs.clear();
            return;
        }
        self.runs.extend_from_slice(&other.runs);
        self.runs.sort_by_key(|run| (run.first_seq, run.last_seq));
        self.join_runs(|run, next| run.last_seq.checked_add(1) == Some(next.first_seq));
        self.drop_unneeded_ends();
    }

    /// Joins neighbouring runs that meet.
    fn join_runs(&mut self, meet: impl Fn(&ChunkRun, &ChunkRun) -> bool) {
        let mut joined: Vec<ChunkRun> = Vec::with_capacity(self.runs.len());
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

    fn is_monotonic(&self) -> bool {
        self.bytes.is_monotonic() || self.numbers.is_monotonic()
    }

    /// Drops ends that no order needs any more.
    fn drop_unneeded_ends(&mut self) {
        if !self.is_monotonic() {
            self.runs.clear();
        }
        for run in &mut self.runs {
            run.bytes.take_if(|_| !self.bytes.is_monotonic());
            run.numbers.take_if(|_| !self.numbers.is_monotonic());
        }
    }

    /// The order of all cells that are not empty. Missing chunks are skipped.
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

/// Tracks the order of the cells of one chunk.
#[derive(Debug, Clone)]
pub(crate) struct OrderTracker {
    seq: u64,
    bytes: Comparisons,
    numbers: Comparisons,
    first: Option<Vec<u8>>,
    last: Vec<u8>,
    last_prefix: u64,
    ends: Option<(ExactNumber, ExactNumber)>,
}

impl OrderTracker {
    pub(crate) fn new(seq: u64) -> Self {
        Self {
            seq,
            bytes: Comparisons::default(),
            numbers: Comparisons::default(),
            first: None,
            last: Vec::new(),
            last_prefix: 0,
            ends: None,
        }
    }

    /// Adds cells that are not empty, until no order is possible.
    #[inline(always)]
    pub(crate) fn add_all(&mut self, cells: CellSlice<'_, '_>) {
        if self.bytes.is_monotonic() {
            for (span, &prefix) in cells.cells.iter().zip(cells.prefixes) {
                self.add_bytes(span.cell(), prefix);
                if !self.bytes.is_monotonic() {
                    break;
                }
            }
        }
        // A loop without branches over one list, because most columns have no numbers.
        let numbers = cells
            .prefixes
            .iter()
            .map(|&prefix| u32::from(may_be_number(prefix)));
        if self.numbers.is_monotonic() && numbers.sum::<u32>() > 0 {
            self.add_numbers(cells);
        }
    }

    #[inline(never)]
    fn add_numbers(&mut self, cells: CellSlice<'_, '_>) {
        for (span, &prefix) in cells.cells.iter().zip(cells.prefixes) {
            if !self.numbers.is_monotonic() {
                return;
            }
            if may_be_number(prefix) {
                self.add_if_number(span.cell());
            }
        }
    }

    /// Adds a cell that is not empty, with its prefix.
    pub(crate) fn add(&mut self, cell: &[u8], prefix: u64) {
        if self.bytes.is_monotonic() {
            self.add_bytes(cell, prefix);
        }
        if self.numbers.is_monotonic() && may_be_number(prefix) {
            self.add_if_number(cell);
        }
    }

    fn add_if_number(&mut self, cell: &[u8]) {
        // Every number ends like this; most other texts do not.
        if matches!(cell.last(), Some(b'0'..=b'9' | b'.'))
            && let Some((_, value)) = number::parse(cell)
        {
            self.add_number(value);
        }
    }

    fn add_bytes(&mut self, cell: &[u8], prefix: u64) {
        let cell = &cell[..cell.len().min(KEPT_BYTES)];
        if self.first.is_none() {
            self.first = Some(cell.to_vec());
        } else {
            let prefixes = prefix.cmp(&self.last_prefix);
            self.bytes
                .insert(prefixes.then_with(|| cell.cmp(&self.last)));
        }
        self.last_prefix = prefix;
        self.last.clear();
        self.last.extend_from_slice(cell);
    }

    fn add_number(&mut self, value: ExactNumber) {
        match &mut self.ends {
            None => self.ends = Some((value.clone(), value)),
            Some((_, last)) => {
                self.numbers.insert(number::compare(&value, last));
                *last = value;
            }
        }
    }

    pub(crate) fn finish(self) -> ColumnOrder {
        let mut order = ColumnOrder {
            bytes: self.bytes,
            numbers: self.numbers,
            runs: vec![ChunkRun {
                first_seq: self.seq,
                last_seq: self.seq,
                bytes: self.first.map(|first| (first, self.last)),
                numbers: self.ends,
            }],
        };
        order.drop_unneeded_ends();
        order
    }
}

/// Whether a cell with this prefix can be a number.
#[inline(always)]
fn may_be_number(prefix: u64) -> bool {
    matches!((prefix >> 56) as u8, b'0'..=b'9' | b'.' | b'-' | b'+')
}

impl From<&ColumnOrder> for OrderPartial {
    fn from(order: &ColumnOrder) -> Self {
        Self {
            bytes_seen: order.bytes.0.into(),
            numbers_seen: order.numbers.0.into(),
            runs: order.runs.iter().map(Into::into).collect(),
        }
    }
}

impl From<&ChunkRun> for OrderRun {
    fn from(run: &ChunkRun) -> Self {
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

impl From<&ExactNumber> for OrderNumber {
    fn from(value: &ExactNumber) -> Self {
        match value {
            ExactNumber::Decimal { mantissa, scale } => Self {
                mantissa: *mantissa,
                scale: (*scale).into(),
                ..Self::default()
            },
            ExactNumber::Long(number) => Self {
                big: Some((&BigDecimal::from(*number)).into()),
                ..Self::default()
            },
            ExactNumber::Big(number) | ExactNumber::OutOfRange(number) => Self {
                big: Some(number.as_ref().into()),
                ..Self::default()
            },
        }
    }
}

const MALFORMED: PartialError = PartialError::Malformed("an invalid order");

impl TryFrom<&OrderPartial> for ColumnOrder {
    type Error = PartialError;

    fn try_from(wire: &OrderPartial) -> Result<Self, PartialError> {
        let seen = |bits: u32| {
            let bits = u8::try_from(bits)
                .ok()
                .filter(|&bits| bits <= Comparisons::ALL)?;
            let mut seen = Comparisons::default();
            seen.union(Comparisons(bits));
            Some(seen)
        };
        let mut order = Self {
            bytes: seen(wire.bytes_seen).ok_or(MALFORMED)?,
            numbers: seen(wire.numbers_seen).ok_or(MALFORMED)?,
            runs: wire.runs.iter().map(run).collect::<Result<_, _>>()?,
        };
        order.drop_unneeded_ends();
        Ok(order)
    }
}

fn run(wire: &OrderRun) -> Result<ChunkRun, PartialError> {
    let ends = (&wire.first_number, &wire.last_number);
    let numbers = match ends {
        (Some(first), Some(last)) => Some((value(first)?, value(last)?)),
        (None, None) => None,
        _ => return Err(MALFORMED),
    };
    if wire.first_seq > wire.last_seq || wire.first.is_some() != wire.last.is_some() {
        return Err(MALFORMED);
    }
    Ok(ChunkRun {
        first_seq: wire.first_seq,
        last_seq: wire.last_seq,
        bytes: wire.first.clone().zip(wire.last.clone()),
        numbers,
    })
}

fn value(wire: &OrderNumber) -> Result<ExactNumber, PartialError> {
    let big = |number| ExactNumber::Big(Box::new(number));
    match (&wire.big, wire.float) {
        (Some(number), _) => number.try_into().map(big),
        (None, Some(number)) => number::from_f64(number).map(big).ok_or(MALFORMED),
        (None, None) => number::checked_decimal(wire.mantissa, wire.scale).ok_or(MALFORMED),
    }
}
