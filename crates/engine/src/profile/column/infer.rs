//! Infers the type of a column: the type of most of its cells, if at least 95 % fit it, else text. Integers fit
//! decimal, and dates fit datetime; of types that fit equally well, the narrower is chosen.

use proto::v1::ColumnType;

use super::basic_stats::BasicStats;
use crate::cells::kind::CellKind;

/// The share of cells that must fit a type.
const FIT: f64 = 0.95;

/// The type of a column, and the share of its non-empty cells that fit.
pub(crate) fn infer(column: &BasicStats) -> (ColumnType, f64) {
    let filled = column.filled();
    if filled == 0 {
        return (ColumnType::Empty, 1.0);
    }
    let count = |kind| column.kind(kind);
    // Narrower types first: of equals, the first is chosen.
    let types = [
        (ColumnType::Integer, count(CellKind::Integer)),
        (
            ColumnType::Decimal,
            count(CellKind::Integer).saturating_add(count(CellKind::Decimal)),
        ),
        (ColumnType::Boolean, count(CellKind::Boolean)),
        (ColumnType::Date, count(CellKind::Date)),
        (
            ColumnType::Datetime,
            count(CellKind::Date).saturating_add(count(CellKind::DateTime)),
        ),
        (ColumnType::Time, count(CellKind::Time)),
        (ColumnType::Uuid, count(CellKind::Uuid)),
        (ColumnType::Email, count(CellKind::Email)),
        (ColumnType::Url, count(CellKind::Url)),
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
