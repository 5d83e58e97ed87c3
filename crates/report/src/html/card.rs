//! The details of one column: its numbers on the left, its charts on the right.

use cli::text::Charset;
use maud::{Markup, html};
use proto::v1::ColumnProfile;

use super::chart::{histogram, top_values};
use super::shown;
use crate::{number, result_text};

/// The card of the column with index `at`.
pub(super) fn card(at: usize, column: &ColumnProfile) -> Markup {
    html! {
        section.card id={ "column-" (at) } {
            h2 { (shown(&column.name)) small { (result_text::type_text(column)) } }
            @for warning in result_text::warnings(column) { p.note { (warning) } }
            div.halves {
                table.facts {
                    @for (what, value) in facts(column) {
                        @if !value.is_empty() { tr { td { (what) } td { (shown(&value)) } } }
                    }
                }
                div { (histogram(column)) (top_values(column)) }
            }
        }
    }
}

/// Longer numbers are rounded; JSON has all digits.
const DECIMAL_WIDTH: usize = 200;

fn facts(column: &ColumnProfile) -> Vec<(&'static str, String)> {
    let number = |number: Option<f64>| number.map(number::text).unwrap_or_default();
    let decimal = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or_default();
        number::decimal_text(text, DECIMAL_WIDTH).into_owned()
    };
    let distinct = column.distinct.as_ref();
    let distinct = distinct.map(|distinct| result_text::estimate(distinct, Charset::Utf8));
    let mut facts = vec![
        ("empty", result_text::empty_text(column)),
        ("distinct", distinct.unwrap_or_default()),
        (
            "could be a key",
            name(proto::uniqueness_name(column.unique())),
        ),
        ("order", name(proto::order_name(column.order()))),
        ("least", decimal(&column.min)),
        ("greatest", decimal(&column.max)),
        ("sum", decimal(&column.sum)),
        (
            "mean",
            result_text::mean_text(column, number::text).unwrap_or_default(),
        ),
        ("standard deviation", number(column.stddev)),
        ("skewness", number(column.skewness)),
    ];
    facts.extend(quantiles(column));
    facts.extend([
        ("length in bytes", result_text::length_text(column)),
        ("mean length", number(column.length_mean)),
        ("shortest", column.shortest.clone().unwrap_or_default()),
        ("longest", column.longest.clone().unwrap_or_default()),
    ]);
    facts
}

fn name(name: Option<&str>) -> String {
    name.unwrap_or_default().to_owned()
}

fn quantiles(column: &ColumnProfile) -> Vec<(&'static str, String)> {
    const RANKS: [(&str, f64); 7] = [
        ("1 %", 0.01),
        ("5 %", 0.05),
        ("25 %", 0.25),
        ("median", 0.5),
        ("75 %", 0.75),
        ("95 %", 0.95),
        ("99 %", 0.99),
    ];
    let known = RANKS.into_iter().filter_map(|(label, rank)| {
        let shape = (DECIMAL_WIDTH, number::text as fn(f64) -> String);
        let text = result_text::quantile_text(column, rank, shape, Charset::Utf8)?;
        Some((label, text))
    });
    let mut facts: Vec<_> = known.collect();
    if column.quantile_error > 0.0 && !facts.is_empty() {
        let error = result_text::error_text(column.quantile_error, Charset::Utf8);
        facts.push(("quantiles are exact to", error));
    }
    facts
}
