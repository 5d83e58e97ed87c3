//! Changes of the most frequent values. A value outside the most frequent ones of the other side may still
//! occur there, up to the bound that `rest` gives.

use std::collections::HashMap;

use proto::v1::{ColumnProfile, TopValue};

use super::value::{Change, Value, beyond_chance, chance};
use crate::result_text::non_empty;

/// All values whose share differs, or that are frequent on one side only.
pub(super) fn changes(before: &ColumnProfile, after: &ColumnProfile) -> Vec<Change> {
    // If one side has no frequent values computed, they cannot be compared.
    let is_known = |column: &ColumnProfile| !column.top.is_empty() || non_empty(column) == 0;
    if !is_known(before) || !is_known(after) {
        return Vec::new();
    }
    let (shares, shares_after) = (shares(before), shares(after));
    let doubt = chance(non_empty(before), non_empty(after));
    let mut changes = Vec::new();
    for (value, &share) in in_order(&before.top, &shares) {
        let change = match shares_after.get(value) {
            Some(&later) => moved(value, (share, later), doubt),
            None => Some(lost(value, share, rest(after), doubt)),
        };
        changes.extend(change);
    }
    for (value, &share) in in_order(&after.top, &shares_after) {
        if !shares.contains_key(value) {
            changes.push(gained(value, share, rest(before), doubt));
        }
    }
    let named = |change| Change {
        column: Some(before.name.clone()),
        ..change
    };
    changes.into_iter().map(named).collect()
}

fn shares(column: &ColumnProfile) -> HashMap<&str, f64> {
    let all = non_empty(column).max(1) as f64;
    let share = |top: &'_ TopValue| top.count as f64 / all;
    column
        .top
        .iter()
        .map(|top| (top.value.as_str(), share(top)))
        .collect()
}

/// The maximum share of a value outside `top`. `None` if there is no such value.
fn rest(column: &ColumnProfile) -> Option<f64> {
    column
        .top_rest
        .map(|rest| rest as f64 / non_empty(column).max(1) as f64)
}

fn in_order<'c>(
    top: &'c [TopValue],
    shares: &'c HashMap<&str, f64>,
) -> impl Iterator<Item = (&'c str, &'c f64)> {
    top.iter()
        .filter_map(|top| Some((top.value.as_str(), shares.get(top.value.as_str())?)))
}

fn moved(value: &str, (before, after): (f64, f64), doubt: f64) -> Option<Change> {
    (before.to_bits() != after.to_bits()).then(|| Change {
        column: None,
        what: "share of value",
        before: Value::Frequent(value.to_owned(), before),
        after: Value::Frequent(value.to_owned(), after),
        weight: beyond_chance(before, after, doubt),
    })
}

/// A value is certainly gone only if the other side has no values besides its most frequent ones.
fn lost(value: &str, share: f64, rest: Option<f64>, doubt: f64) -> Change {
    Change {
        column: None,
        what: if rest.is_none() {
            "value lost"
        } else {
            "value no longer frequent"
        },
        before: Value::Frequent(value.to_owned(), share),
        after: Value::Nothing,
        weight: beyond_chance(share, share.min(rest.unwrap_or(0.0)), doubt),
    }
}

fn gained(value: &str, share: f64, rest: Option<f64>, doubt: f64) -> Change {
    Change {
        column: None,
        what: if rest.is_none() {
            "value new"
        } else {
            "value newly frequent"
        },
        before: Value::Nothing,
        after: Value::Frequent(value.to_owned(), share),
        weight: beyond_chance(share, share.min(rest.unwrap_or(0.0)), doubt),
    }
}
