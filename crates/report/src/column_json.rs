//! Writes a column's profile as JSON and reads it back. Numbers are raw: no grouping, no rounding.

use proto::v1::{Bin, ColumnProfile, ColumnType, Estimate, Order, Quantile, TopValue, Uniqueness};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::column_counts::ColumnCounts;

/// One column. A field is absent if it was not computed or does not apply to the column.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ColumnJson {
    name: String,
    r#type: String,
    fit: f64,
    count: u64,
    empty: u64,
    #[serde(default)]
    distinct: Option<EstimateJson>,
    #[serde(default)]
    unique: Option<String>,
    #[serde(default)]
    order: Option<String>,
    min: Option<Scalar>,
    max: Option<Scalar>,
    sum: Option<Scalar>,
    mean: Option<Scalar>,
    stddev: Option<f64>,
    #[serde(default)]
    skewness: Option<f64>,
    #[serde(default)]
    quantiles: Vec<QuantileJson>,
    #[serde(default)]
    quantile_error: f64,
    #[serde(default)]
    histogram: Vec<BinJson>,
    #[serde(default)]
    top: Vec<TopJson>,
    #[serde(default)]
    top_rest: Option<u64>,
    length_min: Option<u64>,
    length_max: Option<u64>,
    length_mean: Option<f64>,
    #[serde(default)]
    shortest: Option<String>,
    #[serde(default)]
    longest: Option<String>,
    #[serde(flatten)]
    counts: ColumnCounts,
}

/// A count, and its relative standard error.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EstimateJson {
    count: u64,
    error: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct QuantileJson {
    rank: f64,
    value: Scalar,
}

#[derive(Debug, Serialize, Deserialize)]
struct BinJson {
    from: f64,
    to: f64,
    count: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct TopJson {
    value: String,
    count: u64,
    over: u64,
}

/// A number with all its digits, or text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Scalar(Box<RawValue>);

impl Scalar {
    /// A number if the column is numeric and JSON can represent it, else text.
    fn new(text: &str, is_number: bool) -> Option<Self> {
        let number = is_number.then(|| RawValue::from_string(text.to_owned()).ok());
        let quoted = || serde_json::value::to_raw_value(text).ok();
        number.flatten().or_else(quoted).map(Self)
    }

    /// A number with all its digits, also if `f64` cannot represent them.
    fn number(decimal: Option<&str>, double: f64) -> Option<Self> {
        match decimal {
            Some(decimal) => Self::new(decimal, true),
            None => serde_json::value::to_raw_value(&double).ok().map(Self),
        }
    }

    /// The nearest `f64`, if it is a number.
    fn double(&self) -> Option<f64> {
        self.0.get().parse().ok()
    }

    fn text(&self) -> String {
        let raw = self.0.get();
        serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned())
    }
}

impl From<&ColumnProfile> for ColumnJson {
    fn from(column: &ColumnProfile) -> Self {
        let kind = column.r#type();
        let is_number = matches!(kind, ColumnType::Integer | ColumnType::Decimal);
        let scalar =
            |text: &Option<String>| text.as_ref().and_then(|text| Scalar::new(text, is_number));
        Self {
            name: column.name.clone(),
            r#type: proto::type_name(kind).to_owned(),
            fit: column.fit,
            count: column.count,
            empty: column.empty,
            distinct: column.distinct.map(EstimateJson::from),
            unique: proto::uniqueness_name(column.unique()).map(str::to_owned),
            order: proto::order_name(column.order()).map(str::to_owned),
            min: scalar(&column.min),
            max: scalar(&column.max),
            sum: scalar(&column.sum),
            mean: mean(column),
            stddev: column.stddev,
            skewness: column.skewness,
            quantiles: column.quantiles.iter().filter_map(quantile_json).collect(),
            quantile_error: column.quantile_error,
            histogram: column.histogram.iter().map(BinJson::from).collect(),
            top: column.top.iter().map(TopJson::from).collect(),
            top_rest: column.top_rest,
            length_min: column.length_min,
            length_max: column.length_max,
            length_mean: column.length_mean,
            shortest: column.shortest.clone(),
            longest: column.longest.clone(),
            counts: column.into(),
        }
    }
}

impl From<ColumnJson> for ColumnProfile {
    /// A type or order that this version does not know becomes `Unspecified`.
    fn from(json: ColumnJson) -> Self {
        let kind = proto::type_named(&json.r#type).unwrap_or(ColumnType::Unspecified);
        let unique = json.unique.as_deref().and_then(proto::uniqueness_named);
        let order = json.order.as_deref().and_then(proto::order_named);
        let text = |scalar: Option<Scalar>| scalar.map(|scalar| scalar.text());
        let mut column = Self {
            name: json.name,
            r#type: kind.into(),
            fit: json.fit,
            count: json.count,
            empty: json.empty,
            min: text(json.min),
            max: text(json.max),
            sum: text(json.sum),
            mean: json
                .mean
                .as_ref()
                .and_then(Scalar::double)
                .filter(|mean| mean.is_finite()),
            mean_decimal: json.mean.as_ref().and_then(mean_decimal),
            stddev: json.stddev,
            length_min: json.length_min,
            length_max: json.length_max,
            length_mean: json.length_mean,
            distinct: json.distinct.map(Estimate::from),
            skewness: json.skewness,
            quantiles: json
                .quantiles
                .iter()
                .filter_map(|told| quantile(told, json.quantile_error))
                .collect(),
            quantile_error: json.quantile_error,
            histogram: json.histogram.into_iter().map(Bin::from).collect(),
            top: json.top.into_iter().map(TopValue::from).collect(),
            top_rest: json.top_rest,
            order: order.unwrap_or(Order::Unspecified).into(),
            unique: unique.unwrap_or(Uniqueness::Unspecified).into(),
            shortest: json.shortest,
            longest: json.longest,
            ..Self::default()
        };
        json.counts.write_to(&mut column);
        column
    }
}

fn mean(column: &ColumnProfile) -> Option<Scalar> {
    let decimal = column.mean_decimal.as_deref();
    let double = column.mean.or(decimal.map(|_| f64::INFINITY))?;
    Scalar::number(decimal, double)
}

/// The exact decimal of a mean, if it differs from the `f64`.
fn mean_decimal(mean: &Scalar) -> Option<String> {
    let double = serde_json::to_string(&mean.double()?).ok()?;
    let text = mean.text();
    (text != double).then_some(text)
}

fn quantile_json(quantile: &Quantile) -> Option<QuantileJson> {
    let decimal = Some(&quantile.decimal[..]).filter(|decimal| !decimal.is_empty());
    Some(QuantileJson {
        rank: quantile.rank,
        value: Scalar::number(decimal, quantile.value)?,
    })
}

/// The quantile with all its digits if it is exact or an integer, else as the nearest `f64`.
fn quantile(json: &QuantileJson, error: f64) -> Option<Quantile> {
    let text = json.value.text();
    let is_whole = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-');
    Some(Quantile {
        rank: json.rank,
        value: json.value.double()?,
        decimal: if is_whole || error <= 0.0 {
            text
        } else {
            String::new()
        },
    })
}

/// The same fields in the JSON and the message.
macro_rules! alike {
    ($json:ident, $wire:ty, $($field:ident),+) => {
        impl From<&$wire> for $json {
            fn from(wire: &$wire) -> Self {
                Self { $($field: wire.$field.clone()),+ }
            }
        }
        impl From<$json> for $wire {
            fn from(json: $json) -> Self {
                Self { $($field: json.$field),+ }
            }
        }
    };
}

alike!(BinJson, Bin, from, to, count);
alike!(TopJson, TopValue, value, count, over);

impl From<Estimate> for EstimateJson {
    fn from(Estimate { count, error }: Estimate) -> Self {
        Self { count, error }
    }
}

impl From<EstimateJson> for Estimate {
    fn from(EstimateJson { count, error }: EstimateJson) -> Self {
        Self { count, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn every_column_comes_back_as_it_was() {
        for column in sample::profile().columns {
            let written = serde_json::to_string(&ColumnJson::from(&column)).unwrap();
            let read: ColumnJson = serde_json::from_str(&written).unwrap();
            assert_eq!(ColumnProfile::from(read), column, "{written}");
        }
    }

    #[test]
    fn a_number_keeps_every_digit_and_text_stays_text() {
        let digits = "123456789012345678901234567890.123456789";
        let number = serde_json::to_string(&Scalar::new(digits, true)).unwrap();
        assert_eq!(number, digits);
        let code = serde_json::to_string(&Scalar::new("007", false)).unwrap();
        assert_eq!(code, "\"007\"");
        let odd = serde_json::to_string(&Scalar::new("+7", true)).unwrap();
        assert_eq!(odd, "\"+7\"");
        let read: Scalar = serde_json::from_str(digits).unwrap();
        assert_eq!(read.text(), digits);
    }
}
