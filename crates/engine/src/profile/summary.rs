//! Computes the profile that users see from the merged state. The type of a column is inferred in `infer`.
//!
//! In a number column the extremes, moments, quantiles and order are those of its numbers; other cells do not count.

use proto::v1::{ColumnProfile, ColumnType, Estimate, Order, Profile, TopValue, Uniqueness};

use super::groups::Groups;
use super::state::ProfileState;
use crate::cells::kind::CellKind;
use crate::columns;
use crate::partial::PartialError;
use crate::profile::column::ColumnState;
use crate::profile::column::basic_stats::BasicStats;
use crate::profile::column::distribution::{Distribution, NumberFacts};
use crate::profile::column::infer::infer;
use crate::profile::column::moments::Moments;
use crate::profile::column::text_stats::KEPT_BYTES;
use crate::profile::column::values::{DistinctSketch, Values};
use crate::profile::sketch::heavy_hitters;
use crate::profile::sketch::hyperloglog;
use crate::profile::sketch::value_table::ValueTable;

/// The number of most frequent values in a profile.
const TOP: usize = 10;

impl ProfileState {
    /// The profile of columns with these names.
    ///
    /// # Errors
    ///
    /// When the state has another number of columns.
    pub fn finish(&self, names: &[String]) -> Result<Profile, PartialError> {
        let nothing = Groups::from_bits(0);
        let taken = self.taken.unwrap_or(nothing);
        let none = ColumnState::new(nothing);
        let columns: Vec<_> = if self.taken.is_none() {
            names.iter().map(|_| &none).collect()
        } else {
            self.columns.iter().collect()
        };
        if columns.len() != names.len() {
            return Err(PartialError::Columns {
                found: columns.len(),
                expected: names.len(),
            });
        }
        let names = columns::display_names(names);
        let summary = |(name, column): (&String, &&ColumnState)| {
            ColumnSummary::new(column, taken).profile(name)
        };
        Ok(Profile {
            rows: self.rows,
            columns: names.iter().zip(&columns).map(summary).collect(),
            duplicate_rows: self.records.as_ref().map(|records| {
                let (count, error) = records.duplicates(self.rows);
                Estimate { count, error }
            }),
        })
    }
}

/// The inputs of one column's profile.
struct ColumnSummary<'c> {
    column: &'c ColumnState,
    basics: &'c BasicStats,
    taken: Groups,
    kind: ColumnType,
    fit: f64,
    /// `None` if it is not a number column.
    moments: Option<Moments>,
}

impl<'c> ColumnSummary<'c> {
    fn new(column: &'c ColumnState, taken: Groups) -> Self {
        let (kind, fit) = infer(&column.basics);
        let is_number = matches!(kind, ColumnType::Integer | ColumnType::Decimal);
        Self {
            column,
            basics: &column.basics,
            taken,
            kind,
            fit,
            moments: is_number.then(|| Moments::new(&column.basics)),
        }
    }

    fn profile(&self, name: &str) -> ColumnProfile {
        let profile = ColumnProfile {
            name: name.to_owned(),
            r#type: self.kind.into(),
            fit: self.fit,
            count: self.basics.filled().saturating_add(self.basics.empty),
            empty: self.basics.empty,
            ..ColumnProfile::default()
        };
        let profile = self.with_extremes(profile);
        let profile = self.with_moments(profile);
        let profile = self.with_values(profile);
        self.with_distribution(self.with_checks(profile))
    }

    fn with_extremes(&self, profile: ColumnProfile) -> ColumnProfile {
        let filled = self.basics.filled();
        let (extremes, lengths) = (&self.basics.extremes, &self.basics.lengths);
        let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (min, max) = match &self.moments {
            Some(moments) => (moments.min(), moments.max()),
            None => (extremes.min().map(lossy), extremes.max().map(lossy)),
        };
        let shape = |cell: Option<Vec<u8>>| {
            let cell = cell.filter(|_| self.taken.has(Groups::SHAPE))?;
            Some(text(&cell))
        };
        ColumnProfile {
            min,
            max,
            length_min: (filled > 0).then_some(lengths.min),
            length_max: (filled > 0).then_some(lengths.max),
            length_mean: (filled > 0).then(|| lengths.sum as f64 / filled as f64),
            shortest: shape(lengths.shortest()),
            longest: shape(lengths.longest()),
            ..profile
        }
    }

    fn with_moments(&self, profile: ColumnProfile) -> ColumnProfile {
        let Some(moments) = &self.moments else {
            return profile;
        };
        let has_cubes = self.taken.has(Groups::SHAPE);
        ColumnProfile {
            sum: moments.sum(),
            mean: moments.mean(),
            mean_decimal: moments.mean_decimal(),
            out_of_range: Some(self.basics.out_of_range),
            stddev: moments.stddev(),
            skewness: has_cubes.then(|| moments.skewness()).flatten(),
            ..profile
        }
    }

    fn with_values(&self, mut profile: ColumnProfile) -> ColumnProfile {
        if self.taken.has(Groups::DISTINCT) {
            profile.distinct = Some(self.distinct());
            profile.set_unique(self.uniqueness());
        }
        if self.taken.has(Groups::TOP) {
            (profile.top, profile.top_rest) = self.top();
        }
        profile
    }

    fn distinct(&self) -> Estimate {
        let exact = |count| Estimate { count, error: 0.0 };
        match &self.column.values {
            Values::ValueTable(table) => exact(table.entries().len() as u64),
            _ if self.is_strict() => exact(self.basics.filled()),
            Values::Sketches(sketches) => match &sketches.distinct {
                Some(distinct) => self.estimated(distinct),
                None => exact(0),
            },
            Values::NotCollected => exact(0),
        }
    }

    fn estimated(&self, distinct: &DistinctSketch) -> Estimate {
        let estimate = || distinct.registers.estimate().round() as u64;
        let (count, error) = match distinct.sample.exact_distinct() {
            Some(count) => (count, 0.0),
            None => (estimate(), hyperloglog::ERROR),
        };
        Estimate {
            count: count.min(self.basics.filled()),
            error,
        }
    }

    fn uniqueness(&self) -> Uniqueness {
        let repeats = |table: &ValueTable| table.entries().iter().any(|entry| entry.count > 1);
        match &self.column.values {
            _ if self.basics.cells() == Some(0) => Uniqueness::Unspecified,
            _ if self.basics.empty > 0 => Uniqueness::No,
            Values::ValueTable(table) if repeats(table) => Uniqueness::No,
            Values::ValueTable(_) => Uniqueness::Yes,
            _ if self.is_strict() => Uniqueness::Yes,
            Values::Sketches(sketches) => match &sketches.distinct {
                Some(distinct) if distinct.sample.has_duplicates() => Uniqueness::No,
                // Values with different hashes differ.
                Some(distinct) if distinct.sample.exact_distinct().is_some() => Uniqueness::Yes,
                _ => Uniqueness::Likely,
            },
            Values::NotCollected => Uniqueness::Unspecified,
        }
    }

    /// Whether the order proves that no two cells are equal.
    fn is_strict(&self) -> bool {
        let is_strict = matches!(
            self.order(),
            Order::StrictlyAscending | Order::StrictlyDescending
        );
        // Cells that are not numbers are not part of the order of numbers.
        let compared = match &self.moments {
            Some(moments) => moments.count().saturating_add(self.basics.out_of_range),
            None => self.basics.filled(),
        };
        is_strict && compared == self.basics.filled()
    }

    fn order(&self) -> Order {
        let Some(order) = &self.column.order else {
            return Order::Unspecified;
        };
        match &self.moments {
            _ if self.basics.filled() == 0 => Order::Unspecified,
            // Values that were equal as far as they were compared may differ behind it.
            Some(_) if self.basics.out_of_range > 0 => strict(order.by_numbers()),
            Some(_) => order.by_numbers(),
            None if self.basics.lengths.max > KEPT_BYTES as u64 => strict(order.by_bytes()),
            None => order.by_bytes(),
        }
    }

    /// The most frequent values, and an upper bound for the count of any other value.
    fn top(&self) -> (Vec<TopValue>, Option<u64>) {
        match &self.column.values {
            Values::NotCollected => (Vec::new(), None),
            Values::ValueTable(table) => top_of_table(table),
            Values::Sketches(sketches) => match &sketches.frequent {
                Some(frequent) => {
                    let (listed, rest) = frequent.top(TOP);
                    let value =
                        |(candidate, count, over): (&heavy_hitters::Candidate, u64, u64)| {
                            TopValue {
                                value: text(&candidate.cell),
                                count,
                                over,
                            }
                        };
                    (listed.into_iter().map(value).collect(), Some(rest))
                }
                None => (Vec::new(), None),
            },
        }
    }

    fn with_checks(&self, mut profile: ColumnProfile) -> ColumnProfile {
        if self.taken.has(Groups::CHECKS) {
            profile.leading_zeros = Some(self.basics.leading_zeros);
            profile.surrounding_space = Some(self.basics.surrounding_space);
            profile.set_order(self.order());
            if let Values::ValueTable(table) = &self.column.values {
                profile.mixed_case = Some(mixed_case(table));
            }
        }
        profile
    }

    fn with_distribution(&self, profile: ColumnProfile) -> ColumnProfile {
        let range = self.moments.as_ref().and_then(Moments::range);
        let Some(range) = range.filter(|_| self.taken.has(Groups::QUANTILES)) else {
            return profile;
        };
        let known = NumberFacts {
            range,
            is_integer: self.kind == ColumnType::Integer,
            are_integers: self.basics.kind(CellKind::Decimal) == 0,
        };
        let distribution = match &self.column.values {
            Values::ValueTable(table) => Distribution::from_table(table, known),
            Values::Sketches(sketches) => match &sketches.buckets {
                Some(buckets) => Distribution::from_sketch(buckets, known),
                None => return profile,
            },
            Values::NotCollected => return profile,
        };
        ColumnProfile {
            quantiles: distribution.quantiles,
            quantile_error: distribution.error,
            histogram: distribution.histogram,
            ..profile
        }
    }
}

/// The order if it is strict, else none.
fn strict(order: Order) -> Order {
    match order {
        Order::StrictlyAscending | Order::StrictlyDescending => order,
        _ => Order::None,
    }
}

fn top_of_table(table: &ValueTable) -> (Vec<TopValue>, Option<u64>) {
    let sorted = table.sorted(); // of equally frequent values the least comes first
    let mut entries: Vec<_> = sorted.into_iter().map(|(entry, _)| entry).collect();
    entries.sort_by_key(|entry| u64::MAX - entry.count);
    let rest = entries.get(TOP).map(|entry| entry.count);
    entries.truncate(TOP);
    let value = |entry| TopValue {
        value: text(table.cell(entry)),
        count: entry.count,
        over: 0,
    };
    (entries.into_iter().map(value).collect(), rest)
}

/// The number of values that differ from another value only in the case of ASCII letters.
fn mixed_case(table: &ValueTable) -> u64 {
    let cells = table.entries().iter().map(|entry| table.cell(entry));
    let mut lower: Vec<_> = cells.map(<[u8]>::to_ascii_lowercase).collect();
    lower.sort_unstable();
    let alike = lower.chunk_by(|a, b| a == b).map(<[_]>::len);
    alike.filter(|&alike| alike > 1).sum::<usize>() as u64
}

/// The start of a cell as text, cut between characters, with invalid UTF-8 replaced.
fn text(cell: &[u8]) -> String {
    let kept = &cell[..cell.len().min(KEPT_BYTES)];
    // A character that is cut at the end is not invalid.
    let kept = match std::str::from_utf8(kept) {
        Err(error) if kept.len() == KEPT_BYTES && error.error_len().is_none() => {
            &kept[..error.valid_up_to()]
        }
        _ => kept,
    };
    let mut text = String::from_utf8_lossy(kept).into_owned();
    text.truncate(text.floor_char_boundary(KEPT_BYTES));
    text
}
