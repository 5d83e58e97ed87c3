//! Proposes a schema for a table from its profile, with no more constraints than the profile proves.

use proto::v1::{ColumnProfile, ColumnType, Order, Profile, Uniqueness};
use serde_json::{Map, Number, Value as Json, json};

/// The minimum number of rows of a column for an enum.
const TELLING_ROWS: u64 = 100;
/// The minimum average count of a value for an enum.
const REPEATS: u64 = 10;
/// The number of digits that every JSON parser keeps.
const EXACT_DIGITS: usize = 15;

/// A JSON Table Schema that all rows of the profile comply with; `columns` are the cells of the header. With `bounds`
/// it also limits values to their observed range.
pub fn propose(profile: &Profile, columns: &[String], bounds: bool) -> Json {
    let fields = profile.columns.iter().enumerate().map(|(at, column)| {
        // The profile has distinct names; the data has the original ones.
        let name = columns.get(at).unwrap_or(&column.name);
        field(column, name, bounds)
    });
    json!({ "fields": fields.collect::<Vec<_>>() })
}

fn field(column: &ColumnProfile, name: &str, bounds: bool) -> Json {
    let mut field = Map::new();
    field.insert("name".into(), name.into());
    let kind = kind(column, &mut field);
    field.insert("type".into(), kind.into());
    let mut constraints = Map::new();
    if column.empty == 0 && column.count > 0 {
        constraints.insert("required".into(), true.into());
    }
    if is_unique(column, kind) {
        constraints.insert("unique".into(), true.into());
    }
    if let Some(values) = few_values(column).filter(|_| kind == "string") {
        constraints.insert("enum".into(), values.into());
    }
    if bounds {
        set_bounds(column, kind, &mut constraints);
    }
    if !constraints.is_empty() {
        field.insert("constraints".into(), constraints.into());
    }
    field.into()
}

/// The type that all cells fit. Adds the other properties that it needs to `field`.
fn kind(column: &ColumnProfile, field: &mut Map<String, Json>) -> &'static str {
    let is_whole = column.fit >= 1.0 && column.count > column.empty;
    match column.r#type() {
        ColumnType::Integer if is_whole => "integer",
        ColumnType::Decimal if is_whole => "number",
        ColumnType::Boolean if is_whole => boolean(column, field).unwrap_or("string"),
        ColumnType::Date if is_whole => "date",
        ColumnType::Datetime if is_whole => {
            field.insert("format".into(), "any".into());
            "datetime"
        }
        ColumnType::Uuid if is_whole => {
            field.insert("format".into(), "uuid".into());
            "string"
        }
        _ => "string",
    }
}

/// The true and false values among the cells.
fn boolean(column: &ColumnProfile, field: &mut Map<String, Json>) -> Option<&'static str> {
    let (mut yes, mut no) = (Vec::new(), Vec::new());
    for value in few_or_any_values(column)? {
        match value.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => yes.push(value),
            "false" | "f" | "no" | "n" | "0" => no.push(value),
            _ => return None,
        }
    }
    if yes.is_empty() || no.is_empty() {
        return None;
    }
    field.insert("trueValues".into(), yes.into());
    field.insert("falseValues".into(), no.into());
    Some("boolean")
}

/// Whether no two cells have the same value. A profile compares bytes, a schema values: for text that is the same, and
/// strictly sorted numbers differ.
fn is_unique(column: &ColumnProfile, kind: &str) -> bool {
    let is_strict = matches!(
        column.order(),
        Order::StrictlyAscending | Order::StrictlyDescending
    );
    let is_same = kind == "string" || (kind == "integer" && is_strict);
    column.unique() == Uniqueness::Yes && column.count > 1 && is_same
}

/// All values, if they are few for the number of rows.
fn few_values(column: &ColumnProfile) -> Option<Vec<String>> {
    let filled = column.count.saturating_sub(column.empty);
    let values = few_or_any_values(column)?;
    let are_few = filled >= TELLING_ROWS && values.len() as u64 * REPEATS <= filled;
    are_few.then_some(values)
}

/// All values, if the profile has them complete.
fn few_or_any_values(column: &ColumnProfile) -> Option<Vec<String>> {
    let counted: u64 = column.top.iter().map(|top| top.count).sum();
    let is_all = counted == column.count.saturating_sub(column.empty)
        && column.top.iter().all(|top| top.over == 0);
    let values = column.top.iter().map(|top| top.value.clone());
    // A value that was truncated, or was not UTF-8, differs from the cell.
    let is_whole = |value: &String| value.len() < 200 && !value.contains('\u{fffd}');
    let mut values: Vec<String> = values.collect();
    values.sort();
    (is_all && !values.is_empty() && values.iter().all(is_whole)).then_some(values)
}

fn set_bounds(column: &ColumnProfile, kind: &str, constraints: &mut Map<String, Json>) {
    match kind {
        "integer" | "number" => {
            for (name, text) in [("minimum", &column.min), ("maximum", &column.max)] {
                if let Some(number) = text.as_deref().and_then(number) {
                    constraints.insert(name.into(), number);
                }
            }
        }
        // A character has at least one byte.
        "string" if !constraints.contains_key("enum") => {
            if let Some(most) = column.length_max {
                constraints.insert("maxLength".into(), most.into());
            }
        }
        _ => {}
    }
}

/// The number, if JSON parsers keep all of its digits; a profile rounds longer ones.
fn number(text: &str) -> Option<Json> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte));
    let is_short = text.bytes().filter(u8::is_ascii_digit).count() <= EXACT_DIGITS;
    let number = text.parse::<Number>().ok();
    number.filter(|_| is_plain && is_short).map(Json::Number)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use proto::v1::operation_spec::Kind;
    use proto::v1::{Chunk, OperationSpec, ProfileSpec, ValidateSpec, report};

    use super::*;
    use crate::Dialect;
    use crate::operation::{Merged, observe};
    use crate::validate::{SeenKeys, has_keys};

    /// Cells that are hard to classify.
    const CELLS: [&[&str]; 9] = [
        &[
            "1",
            "2",
            "+3",
            "-0",
            "007",
            "0",
            "9999999999999999999999",
            "12",
        ],
        &["1.5", ".5", "5.", "1e3", "-2.25E-7", "3", "0.10", "+1.0"],
        &["true", "false", "TRUE", "no", "yes", "t", "0", "1", "Y"],
        &[
            "2024-02-29",
            "2023-12-01",
            "1999-01-01",
            "2024-2-3",
            "20240101",
        ],
        &[
            "2024-02-29T12:00:00Z",
            "2024-02-29 12:00:00",
            "2024-02-29T12:00:00.5+01:00",
            "2024-02-29T12:00",
        ],
        &["12:00:00", "23:59", "00:00:00.123", "7:05"],
        &[
            "123e4567-e89b-12d3-a456-426614174000",
            "123E4567-E89B-12D3-A456-426614174001",
        ],
        &[
            "a@b.de",
            "x.y+z@example.org",
            "https://example.org/a?b=c",
            "ftp://x",
            "mailto:a@b.de",
        ],
        &[
            "",
            " ",
            "ä",
            "a,b",
            "two\nlines",
            "\u{feff}x",
            "None",
            "NaN",
            "inf",
            "-INF",
        ],
    ];

    fn cells() -> impl Strategy<Value = String> {
        let known = (0..CELLS.len(), 0..16usize);
        let known = known.prop_map(|(kind, at)| CELLS[kind][at % CELLS[kind].len()].to_owned());
        prop_oneof![9 => known, 1 => "[ -~]{0,6}"]
    }

    /// Columns of one kind each, with some other cells in between; and long columns of few values.
    fn table() -> impl Strategy<Value = Vec<Vec<String>>> {
        let column = (0..CELLS.len(), 0..16usize, 1..9usize);
        let columns = prop::collection::vec(column, 1..5);
        (columns, 1..160usize, prop::collection::vec(cells(), 0..3)).prop_map(
            |(columns, rows, odd)| {
                let cell = |row: usize, (kind, from, step): (usize, usize, usize)| {
                    let of = CELLS[kind];
                    of[(from + row * step) % of.len()].to_owned()
                };
                let mut table: Vec<Vec<String>> = (0..rows)
                    .map(|row| columns.iter().map(|&column| cell(row, column)).collect())
                    .collect();
                for (at, odd) in odd.into_iter().enumerate() {
                    let (row, column) = (at * 7 % rows, at % columns.len());
                    table[row][column] = odd;
                }
                // A key, as text and as a number.
                for (row, cells) in table.iter_mut().enumerate() {
                    cells.push(format!("k{row}"));
                    cells.push(row.to_string());
                }
                table
            },
        )
    }

    fn chunk(table: &[Vec<String>], columns: &[String], kind: Kind) -> Chunk {
        let mut body = String::new();
        for row in table {
            let cells = row
                .iter()
                .map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
            body += &cells.collect::<Vec<_>>().join(",");
            body.push('\n');
        }
        Chunk {
            operation: Some(OperationSpec {
                kind: Some(kind),
                no_rows: true,
            }),
            dialect: Some((&Dialect::default()).into()),
            columns: columns.to_vec(),
            rows: table.len() as u64,
            body: Bytes::from(body),
            first_line: 2,
            ..Chunk::default()
        }
    }

    fn finished(chunk: &Chunk) -> report::Kind {
        let observed = observe(chunk).unwrap();
        let merged = Merged::try_from(&observed.partial).unwrap();
        let operation = chunk.operation.as_ref().unwrap();
        if let Some(keys) = &observed.keys {
            let duplicates = SeenKeys::default().find_duplicates(keys).unwrap();
            assert_eq!(duplicates.left_out, [0; 0], "a key comes twice");
        }
        let report = merged.finish(operation, &chunk.columns).unwrap();
        report.kind.unwrap()
    }

    proptest! {
        #[test]
        fn a_table_is_valid_in_the_schema_proposed_from_its_profile(
            table in table(),
            is_exact in any::<bool>(),
            bounds in any::<bool>(),
        ) {
            let columns: Vec<String> = (0..table[0].len())
                // Names may be empty or equal.
                .map(|at| ["a", "", "b c", "a"].get(at).map_or_else(|| at.to_string(), ToString::to_string))
                .collect();
            let spec = ProfileSpec { exact: is_exact, ..ProfileSpec::default() };
            let report::Kind::Profile(profile) = finished(&chunk(&table, &columns, Kind::Profile(spec))) else {
                panic!("no profile");
            };
            let schema = propose(&profile, &columns, bounds).to_string();
            let spec = ValidateSpec { schema: Bytes::from(schema.clone()) };
            prop_assert!(has_keys(&spec).is_ok(), "{schema}");
            let report::Kind::Validate(report) = finished(&chunk(&table, &columns, Kind::Validate(spec))) else {
                panic!("no report");
            };
            let broken: Vec<_> = report.rules.iter().filter(|rule| rule.broken > 0).collect();
            prop_assert!(broken.is_empty(), "{broken:?} of {schema}");
        }
    }
}
