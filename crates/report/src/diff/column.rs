//! The changes of one column. Every statistic that differs is a change; its weight is its importance.

use proto::v1::{ColumnProfile, Estimate, Order, Quantile, Uniqueness};

use super::value::{Change, Value, beyond_chance, chance};
use super::{spread, top};
use crate::column_counts::ColumnCounts;
use crate::result_text::{self, non_empty};

/// Another type breaks readers of the column.
const TYPE_WEIGHT: f64 = 0.95;
/// A lost key breaks readers as well.
const KEY_LOST_WEIGHT: f64 = 0.8;
/// A new warning.
const NEW_WARNING_WEIGHT: f64 = 0.5;
/// A change that follows from others, or occurs with every file.
const SMALL_WEIGHT: f64 = 0.005;

/// All differences, in the order of the statistics of a profile.
pub(super) fn changes(before: &ColumnProfile, after: &ColumnProfile) -> Vec<Change> {
    let mut column_changes = ColumnChanges {
        column: &before.name,
        changes: Vec::new(),
    };
    kind(&mut column_changes, before, after);
    counts(&mut column_changes, before, after);
    warnings(&mut column_changes, before, after);
    numbers(&mut column_changes, before, after);
    texts(&mut column_changes, before, after);
    let mut changes = column_changes.changes;
    changes.extend(spread::change(before, after));
    changes.extend(top::changes(before, after));
    changes
}

/// Collects the changes of one column.
struct ColumnChanges<'c> {
    column: &'c str,
    changes: Vec<Change>,
}

impl ColumnChanges<'_> {
    /// Adds a change if the values differ.
    fn add(&mut self, what: &'static str, before: Value, after: Value, weight: f64) {
        if before != after {
            self.changes.push(Change {
                column: Some(self.column.to_owned()),
                what,
                before,
                after,
                weight: weight.clamp(0.0, 1.0),
            });
        }
    }
}

fn kind(column_changes: &mut ColumnChanges<'_>, before: &ColumnProfile, after: &ColumnProfile) {
    let name = |column: &ColumnProfile| Value::Text(proto::type_name(column.r#type()).to_owned());
    column_changes.add("type", name(before), name(after), TYPE_WEIGHT);
    if before.r#type == after.r#type {
        let weight = (before.fit - after.fit).abs();
        let fit = |column: &ColumnProfile| Value::Share(column.fit);
        column_changes.add("share that fits the type", fit(before), fit(after), weight);
    }
    let unique = |column: &ColumnProfile| Value::text(proto::uniqueness_name(column.unique()));
    let weight = match (before.unique(), after.unique()) {
        (Uniqueness::Yes | Uniqueness::Likely, Uniqueness::No) => KEY_LOST_WEIGHT,
        _ => SMALL_WEIGHT,
    };
    column_changes.add("could be a key", unique(before), unique(after), weight);
    let order = |column: &ColumnProfile| Value::text(proto::order_name(column.order()));
    let weight = if after.order() == Order::None {
        0.3
    } else {
        SMALL_WEIGHT
    };
    column_changes.add("order", order(before), order(after), weight);
}

fn counts(column_changes: &mut ColumnChanges<'_>, before: &ColumnProfile, after: &ColumnProfile) {
    let share = |column: &ColumnProfile| column.empty as f64 / column.count.max(1) as f64;
    let (empty, empty_after) = (share(before), share(after));
    let weight = match (before.empty, after.empty) {
        // Readers of the column may not handle empty cells.
        (0, 1..) => NEW_WARNING_WEIGHT.min(0.1 + empty_after),
        _ => beyond_chance(empty, empty_after, chance(before.count, after.count)),
    };
    column_changes.add(
        "empty",
        Value::Share(empty),
        Value::Share(empty_after),
        weight,
    );
    let distinct = |column: &ColumnProfile| column.distinct.map(|Estimate { count, .. }| count);
    let weight = match (before.distinct, after.distinct) {
        (Some(some), Some(others)) => {
            let share =
                |column, Estimate { count, .. }| count as f64 / non_empty(column).max(1) as f64;
            grown(some, others).min(
                (share(before, some) - share(after, others))
                    .abs()
                    .max(SMALL_WEIGHT),
            )
        }
        _ => SMALL_WEIGHT,
    };
    let (before, after) = (distinct(before), distinct(after));
    column_changes.add(
        "distinct",
        Value::count(before),
        Value::count(after),
        weight,
    );
}

/// How much a count of distinct values changed, beyond two standard errors of each estimate. (In a column of nearly
/// only distinct values, the change of their share of the cells tells more; the caller takes the lesser of both.)
fn grown(before: Estimate, after: Estimate) -> f64 {
    let most = before.count.max(after.count).max(1) as f64;
    let change = before.count.abs_diff(after.count) as f64 / most;
    let doubt = 2.0 * (before.error + after.error);
    // Half weight: added rows usually bring new values.
    ((change - doubt) / 2.0).max(SMALL_WEIGHT)
}

fn warnings(column_changes: &mut ColumnChanges<'_>, before: &ColumnProfile, after: &ColumnProfile) {
    let counts = ColumnCounts::from(before).labelled();
    let others = ColumnCounts::from(after).labelled();
    let all = non_empty(before).max(non_empty(after)).max(1) as f64;
    for ((label, before), (_, after)) in counts.into_iter().zip(others) {
        // A count that only one side has is not comparable.
        let (Some(before), Some(after)) = (before, after) else {
            continue;
        };
        let weight = match before {
            0 => NEW_WARNING_WEIGHT,
            _ => before.abs_diff(after) as f64 / all,
        };
        column_changes.add(label, Value::Count(before), Value::Count(after), weight);
    }
}

fn numbers(column_changes: &mut ColumnChanges<'_>, before: &ColumnProfile, after: &ColumnProfile) {
    let deviation = before.stddev.or(after.stddev).unwrap_or(0.0);
    let doubt = 2.0 * chance(non_empty(before), non_empty(after));
    let shift = |a: &Value, b: &Value| match a.distance(b) {
        // A shift by two standard deviations is as much as can matter; less than two standard errors
        // may be chance.
        Some(distance) if deviation > 0.0 => (distance / deviation - doubt) / 2.0,
        Some(_) => f64::from(u8::from(a != b)),
        None => SMALL_WEIGHT,
    };
    let mean = |column: &ColumnProfile| match &column.mean_decimal {
        Some(decimal) => Value::Decimal(decimal.clone()),
        None => Value::number(column.mean),
    };
    let pairs = [
        ("mean", mean(before), mean(after)),
        (
            "stddev",
            Value::number(before.stddev),
            Value::number(after.stddev),
        ),
    ];
    for (what, a, b) in pairs {
        let weight = shift(&a, &b);
        column_changes.add(what, a, b, weight);
    }
    let (skewness, skewness_after) = (before.skewness, after.skewness);
    column_changes.add(
        "skewness",
        Value::number(skewness),
        Value::number(skewness_after),
        SMALL_WEIGHT,
    );
    let sum = |column: &ColumnProfile| column.sum.clone().map_or(Value::Nothing, Value::Decimal);
    column_changes.add("sum", sum(before), sum(after), SMALL_WEIGHT);
    let quartiles = [
        ("first quartile", 0.25),
        ("median", 0.5),
        ("third quartile", 0.75),
    ];
    for (what, rank) in quartiles {
        // Changes of the tails are part of `spread`.
        let (Some(quantile), Some(other)) = (
            result_text::quantile(before, rank),
            result_text::quantile(after, rank),
        ) else {
            continue;
        };
        let largest = quantile.value.abs().max(other.value.abs());
        let doubt = before.quantile_error.max(after.quantile_error) * largest;
        let (a, b) = (value(quantile), value(other));
        let is_sure = a.distance(&b).is_none_or(|distance| distance > 2.0 * doubt);
        let weight = if is_sure { shift(&a, &b) } else { 0.0 };
        column_changes.add(what, a, b, weight);
    }
}

/// The number with all its digits, if they are known.
fn value(quantile: &Quantile) -> Value {
    match &quantile.decimal[..] {
        "" => Value::Number(quantile.value),
        decimal => Value::Decimal(decimal.to_owned()),
    }
}

fn texts(column_changes: &mut ColumnChanges<'_>, before: &ColumnProfile, after: &ColumnProfile) {
    let both_numbers = result_text::is_number(before) && result_text::is_number(after);
    let extreme = |text: &Option<String>| match text {
        Some(text) if both_numbers => Value::Decimal(text.clone()),
        text => Value::text(text.as_deref()),
    };
    let (min, min_after) = (extreme(&before.min), extreme(&after.min));
    let (max, max_after) = (extreme(&before.max), extreme(&after.max));
    let range = min.distance(&max);
    let beyond = |a: &Value, b: &Value| match (a.distance(b), range) {
        // Half weight: an outlier may be a single row.
        (Some(distance), Some(range)) if range > 0.0 => (distance / range / 2.0).min(0.5),
        _ => 0.1,
    };
    let (low, high) = (beyond(&min, &min_after), beyond(&max, &max_after));
    column_changes.add("min", min, min_after, low);
    column_changes.add("max", max, max_after, high);
    let lengths = [
        ("shortest, bytes", before.length_min, after.length_min),
        ("longest, bytes", before.length_max, after.length_max),
    ];
    for (what, a, b) in lengths {
        let weight = if both_numbers { SMALL_WEIGHT } else { 0.1 };
        column_changes.add(what, Value::count(a), Value::count(b), weight);
    }
    let length = |column: &ColumnProfile| Value::number(column.length_mean);
    column_changes.add(
        "mean length, bytes",
        length(before),
        length(after),
        SMALL_WEIGHT,
    );
}
