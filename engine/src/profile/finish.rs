//! From a merged partial to what people read.
//!
//! A column has the type that most of its cells with bytes fit, if at least 95 % do, else it is text.
//! Integers fit decimal, and dates fit datetime; of types that fit equally well, the narrower is
//! taken. Least, greatest, sum, mean and stddev of a number column are those of its numbers alone.

use proto::v1::{ColumnProfile, ColumnType, Profile, ProfilePartial};

use super::PartialError;
use super::column::Column;
use super::kind::Kind;
use super::moments::Moments;
use crate::columns;

/// The share of cells that must fit a type.
const FIT: f64 = 0.95;

/// The profile of the columns called `names`.
///
/// # Errors
///
/// When the partial is not what workers make, or is not of these columns.
pub fn finish(partial: &ProfilePartial, names: &[String]) -> Result<Profile, PartialError> {
    let is_nothing = partial.columns.is_empty() && partial.rows == 0;
    let seen = if is_nothing {
        vec![Column::new(); names.len()]
    } else {
        super::columns(partial)?
    };
    if seen.len() != names.len() {
        return Err(PartialError::Columns {
            found: seen.len(),
            expected: names.len(),
        });
    }
    let names = columns::shown(names);
    let profiled = names.iter().zip(&seen);
    Ok(Profile {
        rows: partial.rows,
        columns: profiled
            .map(|(name, column)| profile(name, column))
            .collect(),
        ..Profile::default()
    })
}

fn profile(name: &str, column: &Column) -> ColumnProfile {
    let filled = column.filled();
    let (kind, fit) = infer(column);
    let is_number = matches!(kind, ColumnType::Integer | ColumnType::Decimal);
    let moments = is_number.then(|| Moments::of(column));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    ColumnProfile {
        name: name.to_owned(),
        r#type: kind.into(),
        fit,
        count: filled.saturating_add(column.empty),
        empty: column.empty,
        min: match &moments {
            Some(moments) => moments.min(),
            None => column.extremes.min().map(text),
        },
        max: match &moments {
            Some(moments) => moments.max(),
            None => column.extremes.max().map(text),
        },
        sum: moments.as_ref().and_then(Moments::sum),
        mean: moments.as_ref().and_then(Moments::mean),
        stddev: moments.as_ref().and_then(Moments::stddev),
        length_min: (filled > 0).then_some(column.lengths.min),
        length_max: (filled > 0).then_some(column.lengths.max),
        length_mean: (filled > 0).then(|| column.lengths.sum as f64 / filled as f64),
        ..ColumnProfile::default()
    }
}

/// The type of a column, and the share of its cells with bytes that fit.
fn infer(column: &Column) -> (ColumnType, f64) {
    let filled = column.filled();
    if filled == 0 {
        return (ColumnType::Empty, 1.0);
    }
    let count = |kind| column.kind(kind);
    // Narrower types first: of equals, the first is taken.
    let types = [
        (ColumnType::Integer, count(Kind::Integer)),
        (
            ColumnType::Decimal,
            count(Kind::Integer).saturating_add(count(Kind::Decimal)),
        ),
        (ColumnType::Boolean, count(Kind::Boolean)),
        (ColumnType::Date, count(Kind::Date)),
        (
            ColumnType::Datetime,
            count(Kind::Date).saturating_add(count(Kind::DateTime)),
        ),
        (ColumnType::Time, count(Kind::Time)),
        (ColumnType::Uuid, count(Kind::Uuid)),
        (ColumnType::Email, count(Kind::Email)),
        (ColumnType::Url, count(Kind::Url)),
    ];
    let mut best = types[0];
    for other in types {
        if other.1 > best.1 {
            best = other;
        }
    }
    let fit = best.1 as f64 / filled as f64;
    if fit >= FIT {
        (best.0, fit)
    } else {
        (ColumnType::Text, 1.0)
    }
}
