//! Compares two profiles: the whole table, and which columns correspond. `column` compares two columns.

use std::collections::HashMap;

use proto::v1::{ColumnProfile, Estimate, GetJobResponse, Job, Profile};

use super::column;
use super::value::{Change, Value};
use crate::profile::profile_of;

/// All differences, by weight, then in the order of the columns.
pub fn changes(before: &GetJobResponse, after: &GetJobResponse) -> Vec<Change> {
    let nothing = Profile::default();
    let profiles = (
        profile_of(before.report.as_ref()).unwrap_or(&nothing),
        profile_of(after.report.as_ref()).unwrap_or(&nothing),
    );
    let mut changes = whole(before, after, profiles);
    changes.extend(columns(&profiles.0.columns, &profiles.1.columns));
    changes.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    changes
}

fn whole(
    before: &GetJobResponse,
    after: &GetJobResponse,
    profiles: (&Profile, &Profile),
) -> Vec<Change> {
    let rejects =
        |response: &GetJobResponse| response.job.as_ref().map_or(0, |job: &Job| job.rejects);
    let duplicates = |profile: &Profile| {
        let estimate = profile.duplicate_rows.as_ref();
        estimate.map(|Estimate { count, .. }| *count)
    };
    let (rows, rows_after) = (profiles.0.rows, profiles.1.rows);
    let all = rows.max(rows_after).max(1) as f64;
    let counts = [
        ("rows", Some(rows), Some(rows_after)),
        ("bad records", Some(rejects(before)), Some(rejects(after))),
        (
            "duplicate rows",
            duplicates(profiles.0),
            duplicates(profiles.1),
        ),
    ];
    let changed = counts
        .into_iter()
        .filter(|(_, before, after)| before != after);
    changed
        .map(|(what, before, after)| Change {
            column: None,
            what,
            weight: match (before, after) {
                (Some(before), Some(after)) => (before.abs_diff(after) as f64 / all).min(1.0),
                _ => 0.0,
            },
            before: Value::count(before),
            after: Value::count(after),
        })
        .collect()
}

fn columns(before: &[ColumnProfile], after: &[ColumnProfile]) -> Vec<Change> {
    let (names, names_after) = (identities(before), identities(after));
    let place: HashMap<_, _> = names.iter().zip(0..).collect();
    let place_after: HashMap<_, _> = names_after.iter().zip(0..).collect();
    let mut changes = Vec::new();
    for (name, column) in names.iter().zip(before) {
        match place_after.get(name) {
            Some(&at) => changes.extend(column::changes(column, &after[at])),
            None => changes.push(gone_or_new(column, true)),
        }
    }
    let new = names_after
        .iter()
        .zip(after)
        .filter(|(name, _)| !place.contains_key(name));
    changes.extend(new.map(|(_, column)| gone_or_new(column, false)));
    changes.extend(moved((&names, &place), (&names_after, &place_after)));
    changes
}

/// A column's name, and the number of earlier columns with the same name.
type Identity<'a> = (&'a str, usize);

fn identities<'c>(columns: &'c [ColumnProfile]) -> Vec<Identity<'c>> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let identity = |column: &'c ColumnProfile| {
        let earlier = seen.entry(column.name.as_str()).or_default();
        *earlier += 1;
        (column.name.as_str(), *earlier - 1)
    };
    columns.iter().map(identity).collect()
}

fn gone_or_new(column: &ColumnProfile, is_gone: bool) -> Change {
    let kind = Value::Text(proto::type_name(column.r#type()).to_owned());
    let (before, after) = if is_gone {
        (kind, Value::Nothing)
    } else {
        (Value::Nothing, kind)
    };
    Change {
        column: Some(column.name.clone()),
        what: if is_gone {
            "column removed"
        } else {
            "column added"
        },
        before,
        after,
        weight: 1.0,
    }
}

/// Columns whose position among the common columns changed: a reader by position gets another column.
fn moved(
    (names, place): (&[Identity<'_>], &HashMap<&Identity<'_>, usize>),
    (names_after, place_after): (&[Identity<'_>], &HashMap<&Identity<'_>, usize>),
) -> Vec<Change> {
    let kept = names.iter().filter(|name| place_after.contains_key(name));
    let kept_after = names_after.iter().filter(|name| place.contains_key(name));
    let differ = kept.zip(kept_after).filter(|(name, other)| name != other);
    differ
        .filter_map(|(name, _)| {
            Some(Change {
                column: Some(name.0.to_owned()),
                what: "position",
                before: Value::Count(*place.get(name)? as u64 + 1),
                after: Value::Count(*place_after.get(name)? as u64 + 1),
                weight: 0.5,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
