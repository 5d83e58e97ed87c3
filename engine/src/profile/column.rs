//! The statistics of one column: what a worker adds cell by cell, and what the master merges.

use proto::v1::{ColumnPartial, KindCounts};

use super::PartialError;
use super::decimal::Decimals;
use super::float::Floats;
use super::kind::{self, KINDS, Kind};
use super::number::{self, Value};
use super::text::{self, Extremes, Lengths};

/// All that is known of a column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// The kind of the last cell with bytes: most likely that of the next, so it is tried first.
    last: Kind,
    pub(super) empty: u64,
    kinds: [u64; KINDS],
    /// By scale, in the order of their first number.
    decimals: Vec<Decimals>,
    /// The one that the last number went to.
    last_decimals: usize,
    pub(super) floats: Floats,
    pub(super) extremes: Extremes,
    pub(super) lengths: Lengths,
}

impl Column {
    pub(super) fn new() -> Self {
        Self {
            last: Kind::Integer,
            empty: 0,
            kinds: [0; KINDS],
            decimals: Vec::new(),
            last_decimals: 0,
            floats: Floats::new(),
            extremes: Extremes::default(),
            lengths: Lengths::new(),
        }
    }

    /// Adds a cell.
    #[inline(always)]
    pub(super) fn add(&mut self, cell: &[u8]) {
        if cell.is_empty() {
            self.empty += 1;
            return;
        }
        let start = text::start(cell);
        self.lengths.add(cell.len());
        self.extremes.add(cell, start);
        if !self.add_as_last(cell, start) {
            self.add_as_found(cell);
        }
    }

    /// Adds a cell of the kind that the last one had, where that is cheap to see.
    #[inline(always)]
    fn add_as_last(&mut self, cell: &[u8], start: u64) -> bool {
        let is_last = match self.last {
            Kind::Integer | Kind::Decimal => {
                let Some((kind, mantissa, scale)) = number::short(cell) else {
                    return false;
                };
                self.decimals_of(scale).add(mantissa);
                self.last = kind;
                true
            }
            Kind::Text => kind::is_plain_text(cell, start),
            kind => kind::fits(kind, cell),
        };
        self.kinds[self.last as usize] += u64::from(is_last);
        is_last
    }

    #[inline(never)]
    fn add_as_found(&mut self, cell: &[u8]) {
        self.last = match number::parse(cell) {
            Some((kind, value)) => {
                self.add_number(value);
                kind
            }
            None => kind::of_text(cell),
        };
        self.kinds[self.last as usize] += 1;
    }

    fn add_number(&mut self, value: Value) {
        match value {
            Value::Decimal { mantissa, scale } => self.decimals_of(scale).add(mantissa),
            Value::Float(number) => self.floats.add(number),
            Value::Infinite => {}
        }
    }

    #[inline(always)]
    fn decimals_of(&mut self, scale: u8) -> &mut Decimals {
        let at = self.last_decimals;
        if self.decimals.get(at).is_none_or(|sums| sums.scale != scale) {
            self.find_decimals(scale);
        }
        &mut self.decimals[self.last_decimals]
    }

    fn find_decimals(&mut self, scale: u8) {
        let found = self.decimals.iter().position(|sums| sums.scale == scale);
        self.last_decimals = found.unwrap_or(self.decimals.len());
        if found.is_none() {
            self.decimals.push(Decimals::new(scale));
        }
    }

    /// Adds what `other` has seen.
    ///
    /// # Errors
    ///
    /// When a count or a sum overflows.
    pub(super) fn merge(&mut self, other: &Self) -> Result<(), PartialError> {
        let overflow = PartialError::Overflow;
        self.empty = self.empty.checked_add(other.empty).ok_or(overflow)?;
        for (kind, count) in self.kinds.iter_mut().zip(other.kinds) {
            *kind = kind.checked_add(count).ok_or(overflow)?;
        }
        for sums in &other.decimals {
            let own = self.decimals_of(sums.scale);
            *own = own.merged(sums).ok_or(overflow)?;
        }
        self.floats = self.floats.merged(&other.floats).ok_or(overflow)?;
        self.extremes.merge(&other.extremes);
        self.lengths = self.lengths.merged(&other.lengths).ok_or(overflow)?;
        Ok(())
    }

    /// How many cells are of `kind`.
    pub(super) fn kind(&self, kind: Kind) -> u64 {
        self.kinds[kind as usize]
    }

    /// Cells with bytes.
    pub(super) fn filled(&self) -> u64 {
        self.kinds.iter().sum() // no more than cells
    }

    /// All cells; `None` where they are more than can be counted.
    pub(super) fn cells(&self) -> Option<u64> {
        let mut counts = self.kinds.iter();
        counts.try_fold(self.empty, |sum, &count| sum.checked_add(count))
    }

    /// The decimals by scale, least scale first.
    pub(super) fn decimals(&self) -> Vec<&Decimals> {
        let mut decimals: Vec<_> = self.decimals.iter().collect();
        decimals.sort_by_key(|sums| sums.scale);
        decimals
    }
}

impl From<&Column> for ColumnPartial {
    fn from(column: &Column) -> Self {
        let is_filled = column.filled() > 0;
        Self {
            empty: column.empty,
            kinds: is_filled.then(|| counts(column)),
            decimals: column.decimals().into_iter().map(Into::into).collect(),
            floats: (column.floats.count > 0).then(|| (&column.floats).into()),
            text_min: column.extremes.min(),
            text_max: column.extremes.max(),
            length_min: if is_filled { column.lengths.min } else { 0 },
            length_max: column.lengths.max,
            length_sum: column.lengths.sum,
        }
    }
}

fn counts(column: &Column) -> KindCounts {
    KindCounts {
        integer: column.kind(Kind::Integer),
        decimal: column.kind(Kind::Decimal),
        boolean: column.kind(Kind::Boolean),
        date: column.kind(Kind::Date),
        datetime: column.kind(Kind::DateTime),
        time: column.kind(Kind::Time),
        uuid: column.kind(Kind::Uuid),
        email: column.kind(Kind::Email),
        url: column.kind(Kind::Url),
        text: column.kind(Kind::Text),
    }
}

impl TryFrom<&ColumnPartial> for Column {
    type Error = PartialError;

    fn try_from(wire: &ColumnPartial) -> Result<Self, PartialError> {
        let mut column = Self::new();
        column.empty = wire.empty;
        if let Some(counts) = &wire.kinds {
            column.kinds = kinds(counts);
        }
        for sums in &wire.decimals {
            let sums = Decimals::try_from(sums)?;
            if column.decimals.iter().any(|own| own.scale == sums.scale) {
                return Err(PartialError::Malformed("a scale twice"));
            }
            column.decimals.push(sums);
        }
        if let Some(floats) = &wire.floats {
            column.floats = floats.try_into()?;
        }
        match (&wire.text_min, &wire.text_max) {
            (Some(min), Some(max)) if !min.is_empty() && min <= max => {
                column.extremes = Extremes::of(min, max);
            }
            (None, None) => return Ok(column),
            _ => return Err(PartialError::Malformed("no least and greatest cell")),
        }
        column.lengths = Lengths {
            min: wire.length_min,
            max: wire.length_max,
            sum: wire.length_sum,
        };
        Ok(column)
    }
}

fn kinds(counts: &KindCounts) -> [u64; KINDS] {
    let mut kinds = [0; KINDS];
    for (kind, count) in [
        (Kind::Integer, counts.integer),
        (Kind::Decimal, counts.decimal),
        (Kind::Boolean, counts.boolean),
        (Kind::Date, counts.date),
        (Kind::DateTime, counts.datetime),
        (Kind::Time, counts.time),
        (Kind::Uuid, counts.uuid),
        (Kind::Email, counts.email),
        (Kind::Url, counts.url),
        (Kind::Text, counts.text),
    ] {
        kinds[kind as usize] = count;
    }
    kinds
}
