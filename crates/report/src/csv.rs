//! A profile as CSV: one record per column, one field per statistic, numbers raw. JSON also has the
//! histogram and all frequent values.

use std::io::{self, Write};

use proto::v1::{ColumnProfile, Profile};

use crate::column_counts::ColumnCounts;
use crate::result_text;

/// The ranks of the quantiles that have a field.
const RANKS: [(&str, f64); 7] = [
    ("q01", 0.01),
    ("q05", 0.05),
    ("q25", 0.25),
    ("q50", 0.5),
    ("q75", 0.75),
    ("q95", 0.95),
    ("q99", 0.99),
];

/// Writes a header, and a record for each column.
pub(super) fn write(out: &mut impl Write, profile: &Profile) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    // All columns have the same fields.
    csv.write_record(
        fields(&ColumnProfile::default())
            .iter()
            .map(|(name, _)| name),
    )?;
    for column in &profile.columns {
        csv.write_record(fields(column).iter().map(|(_, value)| value))?;
    }
    csv.flush()
}

/// Name and value of every field; a missing value is empty.
fn fields(column: &ColumnProfile) -> Vec<(&'static str, String)> {
    let mut fields = basics(column);
    let counts = ColumnCounts::from(column).fields();
    fields.extend(counts.into_iter().map(|(name, count)| (name, text(count))));
    fields.extend(numbers(column));
    fields.extend(texts(column));
    fields
}

fn basics(column: &ColumnProfile) -> Vec<(&'static str, String)> {
    let distinct = column.distinct.as_ref();
    vec![
        ("name", column.name.clone()),
        ("type", proto::type_name(column.r#type()).to_owned()),
        ("fit", column.fit.to_string()),
        ("count", column.count.to_string()),
        ("empty", column.empty.to_string()),
        ("distinct", text(distinct.map(|distinct| distinct.count))),
        (
            "distinct_error",
            text(distinct.map(|distinct| distinct.error)),
        ),
        ("unique", text(proto::uniqueness_name(column.unique()))),
        ("order", text(proto::order_name(column.order()))),
    ]
}

fn numbers(column: &ColumnProfile) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("min", text(column.min.as_ref())),
        ("max", text(column.max.as_ref())),
        ("sum", text(column.sum.as_ref())),
        ("mean", digits(column.mean_decimal.as_deref(), column.mean)),
        ("stddev", text(column.stddev)),
        ("skewness", text(column.skewness)),
    ];
    let quantile = |(name, rank)| {
        let quantile = result_text::quantile(column, rank);
        let decimal = quantile.map(|quantile| &quantile.decimal[..]);
        let decimal = decimal.filter(|decimal| !decimal.is_empty());
        (
            name,
            digits(decimal, quantile.map(|quantile| quantile.value)),
        )
    };
    fields.extend(RANKS.map(quantile));
    let error = (!column.quantiles.is_empty()).then_some(column.quantile_error);
    fields.push(("quantile_error", text(error)));
    fields
}

fn texts(column: &ColumnProfile) -> Vec<(&'static str, String)> {
    let top = column.top.first();
    vec![
        ("length_min", text(column.length_min)),
        ("length_max", text(column.length_max)),
        ("length_mean", text(column.length_mean)),
        ("shortest", text(column.shortest.as_ref())),
        ("longest", text(column.longest.as_ref())),
        ("top", text(top.map(|top| &top.value))),
        ("top_count", text(top.map(|top| top.count))),
        ("top_over", text(top.map(|top| top.over))),
    ]
}

/// A number with all its digits, also if `f64` cannot represent them.
fn digits(decimal: Option<&str>, double: Option<f64>) -> String {
    decimal.map_or_else(|| text(double), str::to_owned)
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn any_reader_of_csv_reads_what_was_meant() {
        let profile = sample::profile();
        let mut out = Vec::new();
        write(&mut out, &profile).unwrap();
        let mut reader = csv::Reader::from_reader(out.as_slice());
        let header = reader.headers().unwrap().clone();
        let at = |name: &str| header.iter().position(|field| field == name).unwrap();
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), profile.columns.len());
        for (record, column) in records.iter().zip(&profile.columns) {
            assert_eq!(record[at("name")], column.name);
            assert_eq!(record[at("max")], column.max.clone().unwrap_or_default());
            assert_eq!(record[at("mean")].parse().ok(), column.mean);
            let median = result_text::quantile(column, 0.5).map(|median| median.value);
            assert_eq!(record[at("q50")].parse().ok(), median);
            let distinct = column.distinct.map(|distinct| distinct.count);
            assert_eq!(record[at("distinct")].parse().ok(), distinct);
        }
    }
}
