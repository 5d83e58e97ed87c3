//! The statistics of one column that are always collected. Distinct values are in `values`.

use fearless_simd::Simd;
use proto::v1::{ColumnPartial, KindCounts};

use super::text_stats::{CellRanges, Extremes, Lengths};
use crate::cells::address;
use crate::cells::big_decimal::BigDecimal;
use crate::cells::format;
use crate::cells::kind::{self, CellKind, KINDS};
use crate::cells::long_decimal::LongDecimal;
use crate::cells::number::{self, ExactNumber};
use crate::partial::PartialError;
use crate::profile::column_batch::CellSlice;
use crate::profile::sketch::big_sums::BigSums;
use crate::profile::sketch::decimal_sums::{DecimalSums, SmallSums};
use crate::profile::sketch::long_sums::LongSums;
use crate::profile::sketch::quantiles::DenseBuckets;

/// Counts, kinds, sums and extremes of a column's cells.
#[derive(Debug, Clone)]
pub(crate) struct BasicStats {
    /// The kind of the last cell: most likely that of the next, so it is tried first.
    last: CellKind,
    pub(crate) empty: u64,
    kinds: [u64; KINDS],
    /// One per scale, in the order of their first number.
    decimals: Vec<DecimalSums>,
    /// The index of the sums that the last number went to.
    last_decimals: usize,
    /// Sums of the numbers that are too long for `decimals`, while cells are added. `None` in merged state.
    long: Option<Box<LongSums>>,
    /// Sums of the numbers that are too long for `long`; in merged state, for `decimals`. `None` if there are none.
    pub(crate) big: Option<Box<BigSums>>,
    /// The number of numbers that are too long for any sum.
    pub(crate) out_of_range: u64,
    pub(crate) extremes: Extremes,
    pub(crate) lengths: Lengths,
    pub(crate) leading_zeros: u64,
    pub(crate) surrounding_space: u64,
}

impl BasicStats {
    pub(crate) fn new() -> Self {
        Self {
            last: CellKind::Integer,
            empty: 0,
            kinds: [0; KINDS],
            decimals: Vec::new(),
            last_decimals: 0,
            long: None,
            big: None,
            out_of_range: 0,
            extremes: Extremes::default(),
            lengths: Lengths::new(),
            leading_zeros: 0,
            surrounding_space: 0,
        }
    }

    /// Adds a cell that is not empty, `times` times. Its value also goes to `buckets`.
    #[inline(always)]
    pub(crate) fn add(
        &mut self,
        cell: &[u8],
        prefix: u64,
        times: u64,
        buckets: Option<&mut DenseBuckets>,
    ) {
        self.lengths.add(cell, prefix, times);
        self.extremes.add(cell, prefix);
        match self.last {
            CellKind::Integer | CellKind::Decimal => {
                if let Some((kind, mantissa, scale)) = number::parse_fast(cell, cell.len(), prefix)
                {
                    self.decimal_sums(scale).add(mantissa, times);
                    if let Some(buckets) = buckets {
                        buckets.add(number::to_f64(mantissa, scale), times);
                    }
                    self.last = kind;
                    self.kinds[kind as usize] += times;
                    self.count_leading_zero(cell, prefix, times);
                    return;
                }
            }
            CellKind::Text => {
                if kind::is_plain_text(cell, prefix) {
                    self.kinds[CellKind::Text as usize] += times;
                    self.count_surrounding_space(cell, prefix, times);
                    return;
                }
            }
            kind => {
                if kind::fits(kind, cell) {
                    self.kinds[kind as usize] += times;
                    return;
                }
            }
        }
        self.add_any_kind(cell, prefix, times, buckets);
    }

    /// Adds cells that are not empty, with one loop for each kind.
    #[inline(always)]
    pub(crate) fn add_all<S: Simd>(
        &mut self,
        simd: S,
        cells: CellSlice<'_, '_>,
        mut buckets: Option<&mut DenseBuckets>,
    ) {
        let range = CellRanges::new(cells);
        let least = self.extremes.add_all(cells, &range);
        self.lengths.add_all(cells, &range, least);
        let mut rest = cells;
        while let (Some(span), Some(&prefix)) = (rest.cells.first(), rest.prefixes.first()) {
            let fitting = match self.last {
                CellKind::Integer | CellKind::Decimal => {
                    let numbers = self.add_numbers(rest, buckets.as_deref_mut());
                    numbers + self.add_longs(rest.from(numbers), buckets.as_deref_mut())
                }
                CellKind::Text => self.add_texts(simd, rest),
                kind => self.add_shapes(simd, kind, rest),
            };
            rest = rest.from(fitting);
            if fitting == 0 {
                self.add_any_kind(span.cell(), prefix, 1, buckets.as_deref_mut());
                rest = rest.from(1);
            }
        }
    }

    /// Adds the numbers at the start of `cells`, and counts them.
    #[inline(always)]
    fn add_numbers(
        &mut self,
        cells: CellSlice<'_, '_>,
        mut buckets: Option<&mut DenseBuckets>,
    ) -> usize {
        let scale = self
            .decimals
            .get(self.last_decimals)
            .map_or(0, |sums| sums.scale);
        let (mut small, mut integers, mut numbers) = (SmallSums::new(), 0, 0);
        for (span, &prefix) in cells.cells.iter().zip(cells.prefixes) {
            let Some((kind, mantissa, own)) = number::parse_fast(span.tail(), span.len(), prefix)
            else {
                break;
            };
            if own != scale || !small.add(mantissa) {
                self.decimal_sums(own).add(mantissa, 1);
            }
            if let Some(buckets) = &mut buckets {
                buckets.add(number::to_f64(mantissa, own), 1);
            }
            self.count_leading_zero(span.cell(), prefix, 1);
            integers += u64::from(kind == CellKind::Integer);
            self.last = kind;
            numbers += 1;
        }
        if small.count > 0 {
            self.decimal_sums(scale).add_small(&small);
        }
        self.kinds[CellKind::Integer as usize] += integers;
        self.kinds[CellKind::Decimal as usize] += numbers as u64 - integers;
        numbers
    }

    /// Adds the long numbers at the start of `cells`, and counts them.
    fn add_longs(
        &mut self,
        cells: CellSlice<'_, '_>,
        mut buckets: Option<&mut DenseBuckets>,
    ) -> usize {
        let mut numbers = 0;
        for (span, &prefix) in cells.cells.iter().zip(cells.prefixes) {
            let Some((kind, number)) = LongDecimal::read(span.cell()) else {
                break;
            };
            if let Some(buckets) = &mut buckets {
                buckets.add(ExactNumber::Long(number).to_f64(span.cell()), 1);
            }
            self.add_long(number, 1);
            self.count_leading_zero(span.cell(), prefix, 1);
            self.kinds[kind as usize] += 1;
            self.last = kind;
            numbers += 1;
        }
        numbers
    }

    /// Adds the plain texts at the start of `cells`, and counts them.
    #[inline(always)]
    fn add_texts<S: Simd>(&mut self, simd: S, cells: CellSlice<'_, '_>) -> usize {
        let mut texts = 0;
        for (span, &prefix) in cells.cells.iter().zip(cells.prefixes) {
            if !kind::is_plain_text_in_tail(simd, span.tail(), span.len(), prefix) {
                break;
            }
            self.count_surrounding_space(span.cell(), prefix, 1);
            texts += 1;
        }
        self.kinds[CellKind::Text as usize] += texts as u64;
        texts
    }

    /// Adds the cells of this kind at the start of `cells`, and counts them.
    #[inline(always)]
    fn add_shapes<S: Simd>(&mut self, simd: S, kind: CellKind, cells: CellSlice<'_, '_>) -> usize {
        // A macro, because a closure would be compiled for the baseline, not for the caller's vector unit.
        macro_rules! count_while {
            ($span:ident => $fits:expr) => {{
                let mut fitting = 0;
                for $span in cells.cells {
                    if !$fits {
                        break;
                    }
                    fitting += 1;
                }
                fitting
            }};
        }
        let fitting = match kind {
            CellKind::Date => {
                count_while!(span => format::is_date_in_tail(span.tail(), span.len()))
            }
            CellKind::DateTime => {
                count_while!(span => format::is_datetime_in_tail(span.tail(), span.len()))
            }
            CellKind::Uuid => count_while!(span => format::is_uuid(span.cell())),
            CellKind::Email => {
                count_while!(span => address::is_email_in_tail(simd, span.tail(), span.len()))
            }
            kind => count_while!(span => kind::fits(kind, span.cell())),
        };
        self.kinds[kind as usize] += fitting as u64;
        fitting
    }

    #[inline(never)]
    fn add_any_kind(
        &mut self,
        cell: &[u8],
        prefix: u64,
        times: u64,
        buckets: Option<&mut DenseBuckets>,
    ) {
        self.last = match number::parse(cell) {
            Some((kind, value)) => {
                if let (Some(buckets), false) =
                    (buckets, matches!(value, ExactNumber::OutOfRange(_)))
                {
                    buckets.add(value.to_f64(cell), times);
                }
                self.add_number(value, times);
                self.count_leading_zero(cell, prefix, times);
                kind
            }
            None => kind::text_kind(cell),
        };
        if self.last == CellKind::Text {
            self.count_surrounding_space(cell, prefix, times);
        }
        self.kinds[self.last as usize] += times;
    }

    /// Counts a number that consists of digits only and starts with a zero before another digit.
    #[inline(always)]
    fn count_leading_zero(&mut self, cell: &[u8], prefix: u64, times: u64) {
        let is_long_zero = prefix >> 48 & 0xfff0 == 0x3030 && cell.len() > 1; // "00" to "0?"
        if is_long_zero && cell.iter().all(u8::is_ascii_digit) {
            self.leading_zeros += times;
        }
    }

    /// Counts a text with a space at an end. No other kind has one.
    #[inline(always)]
    fn count_surrounding_space(&mut self, cell: &[u8], prefix: u64, times: u64) {
        let is_space = |byte: u8| byte == b' ' || byte == b'\t';
        let ends_so = cell.last().is_some_and(|&byte| is_space(byte));
        self.surrounding_space += times * u64::from(is_space((prefix >> 56) as u8) | ends_so);
    }

    fn add_number(&mut self, value: ExactNumber, times: u64) {
        match value {
            ExactNumber::Decimal { mantissa, scale } => {
                self.decimal_sums(scale).add(mantissa, times);
            }
            ExactNumber::Long(number) => self.add_long(number, times),
            ExactNumber::Big(number) => self.add_big(&number, times),
            ExactNumber::OutOfRange(_) => self.out_of_range += times,
        }
    }

    #[inline(always)]
    fn add_long(&mut self, number: LongDecimal, times: u64) {
        let is_added = match &mut self.long {
            Some(sums) => sums.add(number, times),
            None => false,
        };
        if !is_added {
            self.add_other_scale(number, times);
        }
    }

    /// Adds a number that does not fit the scale of the long sums.
    #[cold]
    fn add_other_scale(&mut self, number: LongDecimal, times: u64) {
        if self
            .long
            .as_ref()
            .is_some_and(|sums| number.scale <= sums.scale)
        {
            self.add_big(&number.into(), times);
            return;
        }
        // It has more digits behind the point than all before it.
        self.finish_long_sums();
        let mut sums = LongSums::new(number.scale);
        sums.add(number, times);
        self.long = Some(Box::new(sums));
    }

    /// Moves the long sums to `big`, where they are merged.
    pub(crate) fn finish_long_sums(&mut self) {
        let Some(sums) = self.long.take() else {
            return;
        };
        let sums = BigSums::from(sums.as_ref());
        match &mut self.big {
            Some(big) => big.merge(&sums),
            big @ None => *big = Some(Box::new(sums)),
        }
    }

    fn add_big(&mut self, number: &BigDecimal, times: u64) {
        match &mut self.big {
            Some(sums) => sums.add(number, times),
            big @ None => *big = Some(Box::new(BigSums::from_number(number, times))),
        }
    }

    #[inline(always)]
    fn decimal_sums(&mut self, scale: u8) -> &mut DecimalSums {
        let at = self.last_decimals;
        if self.decimals.get(at).is_none_or(|sums| sums.scale != scale) {
            self.find_decimal_sums(scale);
        }
        &mut self.decimals[self.last_decimals]
    }

    fn find_decimal_sums(&mut self, scale: u8) {
        let found = self.decimals.iter().position(|sums| sums.scale == scale);
        self.last_decimals = found.unwrap_or(self.decimals.len());
        if found.is_none() {
            self.decimals.push(DecimalSums::new(scale));
        }
    }

    /// Merges the statistics of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.empty = self.empty.saturating_add(other.empty);
        for (kind, count) in self.kinds.iter_mut().zip(other.kinds) {
            *kind = kind.saturating_add(count);
        }
        for sums in &other.decimals {
            self.decimal_sums(sums.scale).merge(sums);
        }
        match (&mut self.big, &other.big) {
            (_, None) => {}
            (Some(own), Some(other)) => own.merge(other),
            (own @ None, other) => own.clone_from(other),
        }
        self.out_of_range = self.out_of_range.saturating_add(other.out_of_range);
        self.extremes.merge(&other.extremes);
        self.lengths.merge(&other.lengths);
        self.leading_zeros = self.leading_zeros.saturating_add(other.leading_zeros);
        let spaces = self
            .surrounding_space
            .saturating_add(other.surrounding_space);
        self.surrounding_space = spaces;
    }

    /// The number of cells of `kind`.
    pub(crate) fn kind(&self, kind: CellKind) -> u64 {
        self.kinds[kind as usize]
    }

    /// The number of cells that are not empty.
    pub(crate) fn filled(&self) -> u64 {
        self.kinds.iter().copied().fold(0, u64::saturating_add)
    }

    /// The number of cells. `None` if it overflows.
    pub(crate) fn cells(&self) -> Option<u64> {
        let mut counts = self.kinds.iter();
        counts.try_fold(self.empty, |sum, &count| sum.checked_add(count))
    }

    /// The sums of decimals, by ascending scale.
    pub(crate) fn decimals(&self) -> Vec<&DecimalSums> {
        let mut decimals: Vec<_> = self.decimals.iter().collect();
        decimals.sort_by_key(|sums| sums.scale);
        decimals
    }
}

impl BasicStats {
    /// A partial with these statistics and no others.
    pub(crate) fn to_wire(&self) -> ColumnPartial {
        let is_filled = self.filled() > 0;
        ColumnPartial {
            empty: self.empty,
            kinds: is_filled.then(|| counts(self)),
            decimals: self.decimals().into_iter().map(Into::into).collect(),
            big: self.big.as_deref().map(Into::into),
            out_of_range: self.out_of_range,
            text_min: self.extremes.min(),
            text_max: self.extremes.max(),
            length_min: if is_filled { self.lengths.min } else { 0 },
            length_max: self.lengths.max,
            length_sum: self.lengths.sum,
            shortest: self.lengths.shortest().unwrap_or_default(),
            longest: self.lengths.longest().unwrap_or_default(),
            leading_zeros: self.leading_zeros,
            surrounding_space: self.surrounding_space,
            ..ColumnPartial::default()
        }
    }
}

fn counts(column: &BasicStats) -> KindCounts {
    KindCounts {
        integer: column.kind(CellKind::Integer),
        decimal: column.kind(CellKind::Decimal),
        boolean: column.kind(CellKind::Boolean),
        date: column.kind(CellKind::Date),
        datetime: column.kind(CellKind::DateTime),
        time: column.kind(CellKind::Time),
        uuid: column.kind(CellKind::Uuid),
        email: column.kind(CellKind::Email),
        url: column.kind(CellKind::Url),
        text: column.kind(CellKind::Text),
    }
}

impl TryFrom<&ColumnPartial> for BasicStats {
    type Error = PartialError;

    fn try_from(wire: &ColumnPartial) -> Result<Self, PartialError> {
        let mut column = Self::new();
        column.empty = wire.empty;
        column.leading_zeros = wire.leading_zeros;
        column.surrounding_space = wire.surrounding_space;
        if let Some(counts) = &wire.kinds {
            column.kinds = kinds(counts);
        }
        for sums in &wire.decimals {
            let sums = DecimalSums::try_from(sums)?;
            if column.decimals.iter().any(|own| own.scale == sums.scale) {
                return Err(PartialError::Malformed("a scale twice"));
            }
            column.decimals.push(sums);
        }
        column.big = big(wire)?.map(Box::new);
        column.out_of_range = wire.out_of_range;
        match (&wire.text_min, &wire.text_max) {
            (Some(min), Some(max)) if !min.is_empty() && min <= max => {
                column.extremes = Extremes::from_parts(min, max);
            }
            (None, None) => return Ok(column),
            _ => return Err(PartialError::Malformed("no least and greatest cell")),
        }
        let lengths = [wire.length_min, wire.length_max, wire.length_sum];
        column.lengths = Lengths::from_parts(lengths, &wire.shortest, &wire.longest);
        Ok(column)
    }
}

fn big(wire: &ColumnPartial) -> Result<Option<BigSums>, PartialError> {
    let big = wire.big.as_ref().map(BigSums::try_from).transpose()?;
    let doubles = wire.floats.as_ref().map(BigSums::try_from).transpose()?;
    Ok(match (big, doubles) {
        (Some(mut sums), Some(doubles)) => {
            sums.merge(&doubles);
            Some(sums)
        }
        (sums, doubles) => sums.or(doubles),
    })
}

fn kinds(counts: &KindCounts) -> [u64; KINDS] {
    let mut kinds = [0; KINDS];
    for (kind, count) in [
        (CellKind::Integer, counts.integer),
        (CellKind::Decimal, counts.decimal),
        (CellKind::Boolean, counts.boolean),
        (CellKind::Date, counts.date),
        (CellKind::DateTime, counts.datetime),
        (CellKind::Time, counts.time),
        (CellKind::Uuid, counts.uuid),
        (CellKind::Email, counts.email),
        (CellKind::Url, counts.url),
        (CellKind::Text, counts.text),
    ] {
        kinds[kind as usize] = count;
    }
    kinds
}
