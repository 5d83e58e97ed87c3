//! The types of fields with their formats: whether a cell has the type, and its value.

use memchr::memmem;
use serde_json::Value as Json;

use super::number::{self, Number};
use super::temporal::{self, TemporalPart};
use crate::cells::{is_email, is_url, is_uuid};
use crate::validate::value::Value;

/// A type and its format.
#[derive(Debug, Clone)]
pub(crate) enum FieldType {
    Any,
    Text(TextFormat),
    Number(number::NumberFormat),
    Boolean {
        yes: Vec<String>,
        no: Vec<String>,
    },
    Temporal(TemporalPart, temporal::Format),
    Year,
    YearMonth,
    Duration,
    Object,
    Array,
    GeoPoint(PointFormat),
    GeoJson {
        is_topology: bool,
    },
    List {
        delimiter: String,
        item: Box<FieldType>,
    },
}

/// The format of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextFormat {
    Any,
    Email,
    Uri,
    Uuid,
    Binary,
}

/// The format of a longitude and a latitude.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PointFormat {
    Pair,
    Array,
    Object,
}

impl FieldType {
    /// The value of the cell. `None` if it does not have this type.
    #[inline]
    pub(crate) fn read<'c>(&self, cell: &'c [u8]) -> Option<Value<'c>> {
        let is_fitting = match self {
            Self::Any => true,
            Self::Number(style) => return Number::read(cell, style).map(Value::Number),
            Self::Boolean { yes, no } => return boolean(cell, yes, no),
            Self::Temporal(part, style) => {
                return temporal::read(cell, *part, style).map(Value::Temporal);
            }
            Self::Year => return year(cell).map(Value::Number),
            Self::YearMonth => return temporal::year_month(cell).map(Value::Temporal),
            Self::Text(format) => format.fits(cell),
            Self::Duration => temporal::is_duration(cell),
            Self::Object => json(cell).is_some_and(|json| json.is_object()),
            Self::Array => json(cell).is_some_and(|json| json.is_array()),
            Self::GeoPoint(format) => format.fits(cell),
            Self::GeoJson { is_topology } => is_geo_json(cell, *is_topology),
            Self::List { delimiter, item } => {
                items(cell, delimiter).all(|cell| item.read(cell).is_some())
            }
        };
        is_fitting.then_some(Value::Text(cell))
    }

    /// The length of a cell: of text in characters, of other types in elements.
    pub(crate) fn length(&self, cell: &[u8]) -> usize {
        match self {
            Self::Object | Self::Array => match json(cell) {
                Some(Json::Object(object)) => object.len(),
                Some(Json::Array(array)) => array.len(),
                _ => 0,
            },
            Self::List { delimiter, .. } => items(cell, delimiter).count(),
            _ => characters(cell),
        }
    }

    pub(crate) fn has_length(&self) -> bool {
        matches!(
            self,
            Self::Any | Self::Text(_) | Self::Object | Self::Array | Self::List { .. }
        )
    }

    /// Whether values can be ordered.
    pub(crate) fn has_order(&self) -> bool {
        matches!(
            self,
            Self::Number(_) | Self::Temporal(..) | Self::Year | Self::YearMonth
        )
    }

    /// Whether equal values are recognized even if they are written differently.
    pub(crate) fn has_values(&self) -> bool {
        !matches!(
            self,
            Self::Object
                | Self::Array
                | Self::GeoPoint(_)
                | Self::GeoJson { .. }
                | Self::List { .. }
        )
    }

    /// The name for users: `integer`, `date %d.%m.%Y`.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Any => "any".to_owned(),
            Self::Text(format) => match format {
                TextFormat::Any => "string".to_owned(),
                TextFormat::Email => "email".to_owned(),
                TextFormat::Uri => "uri".to_owned(),
                TextFormat::Uuid => "uuid".to_owned(),
                TextFormat::Binary => "base64".to_owned(),
            },
            Self::Number(style) if style.is_integer => "integer".to_owned(),
            Self::Number(_) => "number".to_owned(),
            Self::Boolean { .. } => "boolean".to_owned(),
            Self::Temporal(part, style) => {
                let part = match part {
                    TemporalPart::Date => "date",
                    TemporalPart::Time => "time",
                    TemporalPart::DateTime => "datetime",
                };
                match style {
                    temporal::Format::Strftime(pattern) => format!("{part} {}", pattern.format()),
                    temporal::Format::Iso | temporal::Format::Any => part.to_owned(),
                }
            }
            Self::Year => "year".to_owned(),
            Self::YearMonth => "yearmonth".to_owned(),
            Self::Duration => "duration".to_owned(),
            Self::Object => "object".to_owned(),
            Self::Array => "array".to_owned(),
            Self::GeoPoint(_) => "geopoint".to_owned(),
            Self::GeoJson { is_topology: false } => "geojson".to_owned(),
            Self::GeoJson { is_topology: true } => "topojson".to_owned(),
            Self::List { item, .. } => format!("list of {}", item.expected()),
        }
    }
}

impl TextFormat {
    fn fits(self, cell: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Email => is_email(cell),
            Self::Uri => is_uri(cell),
            Self::Uuid => is_uuid(cell),
            Self::Binary => is_base64(cell),
        }
    }
}

impl PointFormat {
    fn fits(self, cell: &[u8]) -> bool {
        match self {
            Self::Pair => pair(cell).is_some(),
            Self::Array => match json(cell) {
                Some(Json::Array(point)) => match &point[..] {
                    [longitude, latitude] => is_place(degrees(longitude), degrees(latitude)),
                    _ => false,
                },
                _ => false,
            },
            Self::Object => json(cell).is_some_and(|json| {
                json.as_object().is_some_and(|point| point.len() == 2)
                    && is_place(degrees(&json["lon"]), degrees(&json["lat"]))
            }),
        }
    }
}

fn boolean<'c>(cell: &'c [u8], yes: &[String], no: &[String]) -> Option<Value<'c>> {
    let is_in = |words: &[String]| words.iter().any(|word| word.as_bytes() == cell);
    if is_in(yes) {
        Some(Value::Boolean(true))
    } else {
        is_in(no).then_some(Value::Boolean(false))
    }
}

/// At least four digits, optionally with a minus.
fn year(cell: &[u8]) -> Option<Number<'_>> {
    let digits = cell.strip_prefix(b"-").unwrap_or(cell);
    let is_year = digits.len() >= 4 && digits.iter().all(u8::is_ascii_digit);
    is_year
        .then(|| Number::read(cell, &number::NumberFormat::new(true)))
        .flatten()
}

fn json(cell: &[u8]) -> Option<Json> {
    serde_json::from_slice(cell).ok()
}

fn pair(cell: &[u8]) -> Option<()> {
    let (longitude, latitude) = std::str::from_utf8(cell).ok()?.split_once(',')?;
    let degrees = |text: &str| Some(text.trim()).filter(|text| plain(text))?.parse().ok();
    is_place(degrees(longitude), degrees(latitude)).then_some(())
}

/// Whether it is a number in digits: `parse` would accept words too.
fn plain(text: &str) -> bool {
    Number::read(text.as_bytes(), &number::NumberFormat::new(false)).is_some()
        && !text.contains('N')
}

fn degrees(json: &Json) -> Option<f64> {
    match json {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => Some(text).filter(|text| plain(text))?.parse().ok(),
        _ => None,
    }
}

fn is_place(longitude: Option<f64>, latitude: Option<f64>) -> bool {
    let within = |degrees: Option<f64>, most| degrees.is_some_and(|degrees| degrees.abs() <= most);
    within(longitude, 180.0) && within(latitude, 90.0)
}

/// Checks only the `type`, not the content.
fn is_geo_json(cell: &[u8], is_topology: bool) -> bool {
    const TYPES: [&str; 9] = [
        "Point",
        "MultiPoint",
        "LineString",
        "MultiLineString",
        "Polygon",
        "MultiPolygon",
        "GeometryCollection",
        "Feature",
        "FeatureCollection",
    ];
    let Some(json) = json(cell) else {
        return false;
    };
    json.get("type").and_then(Json::as_str).is_some_and(|kind| {
        if is_topology {
            kind == "Topology"
        } else {
            TYPES.contains(&kind)
        }
    })
}

fn items<'c>(cell: &'c [u8], delimiter: &str) -> impl Iterator<Item = &'c [u8]> {
    let finder = memmem::Finder::new(delimiter).into_owned();
    let mut rest = Some(cell);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = finder.find(text) else {
            rest = None;
            return Some(text);
        };
        rest = Some(&text[at + finder.needle().len()..]);
        Some(&text[..at])
    })
}

/// A URL, or another scheme like `urn:` or `mailto:` followed by at least one byte and no space.
fn is_uri(cell: &[u8]) -> bool {
    if is_url(cell) {
        return true;
    }
    let Some(colon) = memchr::memchr(b':', cell) else {
        return false;
    };
    let (scheme, rest) = (&cell[..colon], &cell[colon + 1..]);
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(is_part)
        && !rest.is_empty()
        && rest
            .iter()
            .all(|byte| byte.is_ascii_graphic() || *byte >= 0x80)
        && !rest.starts_with(b"//")
}

/// RFC 4648, section 4, with its padding.
fn is_base64(cell: &[u8]) -> bool {
    let body = cell
        .strip_suffix(b"==")
        .or_else(|| cell.strip_suffix(b"="))
        .unwrap_or(cell);
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    cell.len().is_multiple_of(4) && body.iter().all(is_part)
}

/// The number of characters. Each malformed sequence counts as one, as it is displayed.
fn characters(cell: &[u8]) -> usize {
    if cell.is_ascii() {
        return cell.len();
    }
    let chunks = cell.utf8_chunks();
    chunks
        .map(|chunk| chunk.valid().chars().count() + usize::from(!chunk.invalid().is_empty()))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(kind: &FieldType, good: &[&str], bad: &[&str]) {
        for cell in good {
            assert!(
                kind.read(cell.as_bytes()).is_some(),
                "{cell} is {}",
                kind.expected()
            );
        }
        for cell in bad {
            assert!(
                kind.read(cell.as_bytes()).is_none(),
                "{cell} is not {}",
                kind.expected()
            );
        }
    }

    #[test]
    fn text_has_formats() {
        all(
            &FieldType::Text(TextFormat::Uri),
            &["http://a.example/x", "urn:isbn:1", "mailto:a@b.example"],
            &["a", "http://", "a b:c", "http://a b", ":x"],
        );
        all(
            &FieldType::Text(TextFormat::Email),
            &["a.b@c.example"],
            &["a@b", "@c.example"],
        );
        all(
            &FieldType::Text(TextFormat::Binary),
            &["", "YQ==", "YWI=", "YWJj"],
            &["YQ=", "YQ", "Y===", "YW-j"],
        );
    }

    #[test]
    fn json_and_geopoints_are_checked() {
        all(
            &FieldType::Object,
            &["{}", "{\"a\":1}"],
            &["[]", "1", "{", ""],
        );
        all(&FieldType::Array, &["[]", "[1,{}]"], &["{}", "[1,"]);
        all(
            &FieldType::GeoPoint(PointFormat::Pair),
            &["90.5, 45.5", "-180,90"],
            &["181,0", "0,91", "1", "1,2,3", "a,b", "NaN,0"],
        );
        all(
            &FieldType::GeoPoint(PointFormat::Array),
            &["[90.5, 45.5]"],
            &["[1]", "[1,2,3]", "90,45", "[0,91]"],
        );
        all(
            &FieldType::GeoPoint(PointFormat::Object),
            &["{\"lon\":9,\"lat\":4}"],
            &["{\"lon\":9}", "{}", "{\"lon\":9,\"lat\":400}"],
        );
        all(
            &FieldType::GeoJson { is_topology: false },
            &["{\"type\":\"Point\"}"],
            &["{}", "{\"type\":\"Topology\"}", "[]"],
        );
        let deep = "[".repeat(100_000);
        all(&FieldType::Array, &[], &[&deep]);
    }

    #[test]
    fn lists_have_items() {
        let item = Box::new(FieldType::Number(number::NumberFormat::new(true)));
        let list = FieldType::List {
            delimiter: ";".to_owned(),
            item,
        };
        all(&list, &["1", "1;2;3"], &["", "1;;2", "1;a"]);
        assert_eq!(list.length(b"1;2;3"), 3);
        assert_eq!(FieldType::Object.length(b"{\"a\":1,\"b\":2}"), 2);
        assert_eq!(
            FieldType::Text(TextFormat::Any).length("né\u{1f600}".as_bytes()),
            3
        );
        assert_eq!(FieldType::Text(TextFormat::Any).length(b"a\xffb"), 3);
    }

    #[test]
    fn years_have_at_least_four_digits() {
        all(
            &FieldType::Year,
            &["2024", "0001", "-0044", "12024"],
            &["24", "2024.0", "+2024", ""],
        );
    }
}
