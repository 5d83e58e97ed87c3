//! Changes of every kind to the sample profile.

use cli::text::Charset;
use proto::v1::{ColumnType, Estimate, Order, TopValue, Uniqueness, report};

use super::*;
use crate::sample;

/// The changes that `edit` makes to the sample profile.
fn after(edit: impl FnOnce(&mut Profile)) -> Vec<Change> {
    let before = sample::response();
    let mut after = before.clone();
    edit(profile(&mut after));
    changes(&before, &after)
}

fn profile(response: &mut GetJobResponse) -> &mut Profile {
    match response
        .report
        .as_mut()
        .and_then(|report| report.kind.as_mut())
    {
        Some(report::Kind::Profile(profile)) => profile,
        other => panic!("not a profile: {other:?}"),
    }
}

fn named<'p>(profile: &'p mut Profile, name: &str) -> &'p mut ColumnProfile {
    let mut columns = profile.columns.iter_mut();
    columns.find(|column| column.name == name).unwrap()
}

fn said(changes: &[Change]) -> Vec<(Option<&str>, &'static str)> {
    changes
        .iter()
        .map(|change| (change.column.as_deref(), change.what))
        .collect()
}

#[test]
fn a_count_that_only_one_side_has_is_not_compared() {
    let changes = after(|profile| named(profile, "country").surrounding_space = None);
    assert_eq!(said(&changes), []);
}

#[test]
fn a_profile_does_not_differ_from_itself() {
    assert_eq!(after(|_| {}), []);
}

#[test]
fn columns_come_and_go() {
    let changes = after(|profile| {
        let mut new = profile.columns.remove(1);
        new.name = "price".into();
        profile.columns.push(new);
    });
    assert_eq!(
        said(&changes),
        [
            (Some("unit_price"), "column removed"),
            (Some("price"), "column added")
        ]
    );
}

#[test]
fn columns_that_changed_places_are_named_and_those_behind_a_removed_one_are_not() {
    let changes = after(|profile| profile.columns.swap(2, 3));
    assert_eq!(
        said(&changes),
        [(Some("country"), "position"), (Some("zip"), "position")]
    );
    assert_eq!(after(|profile| drop(profile.columns.remove(0))).len(), 1);
}

#[test]
fn columns_of_one_name_are_told_apart_by_their_order() {
    let mut before = sample::response();
    let columns = &mut profile(&mut before).columns;
    let twin = columns[0].clone();
    columns.push(twin);
    let mut after = before.clone();
    profile(&mut after).columns[8].empty += 1;
    let changes = changes(&before, &after);
    assert_eq!(said(&changes), [(Some("order_id"), "empty")]);
}

#[test]
fn another_type_outweighs_another_mean() {
    let changes = after(|profile| {
        named(profile, "quantity").mean = Some(2.1);
        named(profile, "zip").r#type = ColumnType::Text.into();
    });
    assert_eq!(
        said(&changes),
        [(Some("zip"), "type"), (Some("quantity"), "mean")]
    );
}

#[test]
fn an_estimate_within_its_error_weighs_little() {
    let weight = |count| {
        let distinct = Some(Estimate {
            count,
            error: 0.0081,
        });
        after(|profile| named(profile, "unit_price").distinct = distinct)[0].weight
    };
    assert!(weight(1_030_000) < 0.01);
    assert!(weight(500_000) > 0.2);
}

#[test]
fn values_are_lost_for_certain_only_where_all_are_known() {
    let changes = after(|profile| {
        let country = named(profile, "country");
        country.top[1] = TopValue {
            value: "FR".into(),
            count: 250_000,
            over: 0,
        };
        named(profile, "unit_price").top.remove(1);
    });
    assert_eq!(
        said(&changes),
        [
            (Some("country"), "value lost"),
            (Some("country"), "value new"),
            (Some("unit_price"), "value no longer frequent"),
        ]
    );
}

#[test]
fn what_one_side_was_not_asked_for_is_no_loss_of_values() {
    let changes = after(|profile| named(profile, "country").top.clear());
    assert_eq!(changes, []);
}

#[test]
fn a_table_of_many_changes() {
    let changes = after(|profile| {
        profile.rows = 1_000_000;
        profile.duplicate_rows = None;
        let zip = named(profile, "zip");
        zip.empty = 400_000;
        zip.max = Some("123456".into());
        zip.histogram.reverse();
        zip.histogram[0].count = 2_000_000;
        let id = named(profile, "order_id");
        id.unique = Uniqueness::No.into();
        id.order = Order::None.into();
        id.sum = Some("1".into());
        let country = named(profile, "country");
        country.top[0].count = 300_000;
        country.surrounding_space = Some(0);
        named(profile, "ordered_at").leading_zeros = Some(2);
        profile.columns.remove(5);
    });
    let mut out = Vec::new();
    super::super::write::table(&mut out, &changes, false, 100, Charset::Utf8).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}
