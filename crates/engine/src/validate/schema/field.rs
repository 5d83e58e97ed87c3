//! One field of a schema: its type, the texts for missing values, and its constraints.

use serde_json::{Map, Value as Json};

use super::constraints::Constraints;
use super::properties::{Properties, strings};
use crate::validate::schema::{SchemaError, wrong};
use crate::validate::value::field_type::{FieldType, PointFormat, TextFormat};
use crate::validate::value::number;
use crate::validate::value::strftime::StrftimePattern;
use crate::validate::value::temporal::{self, TemporalPart};

/// The schema of one column.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value_type: FieldType,
    /// Texts that stand for a missing value.
    pub(crate) missing: Vec<String>,
    pub(crate) constraints: Constraints,
}

/// Properties that are checked or change how cells are read, with the types that have them.
const PROPERTIES: [(&str, &[&str]); 10] = [
    (
        "format",
        &[
            "string",
            "number",
            "integer",
            "boolean",
            "date",
            "time",
            "datetime",
            "year",
            "yearmonth",
            "duration",
            "object",
            "array",
            "list",
            "geopoint",
            "geojson",
            "any",
        ],
    ),
    ("groupChar", &["integer", "number"]),
    ("bareNumber", &["integer", "number"]),
    ("decimalChar", &["number"]),
    ("trueValues", &["boolean"]),
    ("falseValues", &["boolean"]),
    ("delimiter", &["list"]),
    ("itemType", &["list"]),
    ("categories", &[]),
    ("categoriesOrdered", &[]),
];

/// Properties of every field.
const OF_EVERY_FIELD: [&str; 5] = ["name", "type", "constraints", "missingValues", "title"];

impl Field {
    /// Reads the field with index `at`; `missing` is the default of the schema, and a pattern may take `pattern_bytes`
    /// of memory.
    pub(crate) fn read(
        at: usize,
        json: &Json,
        missing: &[String],
        pattern_bytes: usize,
    ) -> Result<Self, SchemaError> {
        let Json::Object(map) = json else {
            return Err(wrong(&format!("field {}", at + 1), "an object is expected"));
        };
        let name = map.get("name").and_then(Json::as_str);
        let Some(name) = name else {
            return Err(wrong(&format!("field {}", at + 1), "it has no name"));
        };
        let place = format!("field {:?}", name.chars().take(100).collect::<String>());
        let properties = Properties::new(place.clone(), map);
        let type_name = properties.text("type")?.unwrap_or("any");
        refuse_unknown(&properties, type_name)?;
        let field_type = field_type(&properties, type_name)?;
        let missing = missing_values(&properties)?.unwrap_or_else(|| missing.to_vec());
        let nothing = Map::new();
        let constraints = match properties.get("constraints") {
            None => &nothing,
            Some(Json::Object(map)) => map,
            Some(_) => return Err(properties.wrong("constraints", "an object is expected")),
        };
        let constraints = Properties::new(format!("{place}, constraints"), constraints);
        let constraints = Constraints::read(&constraints, &field_type, pattern_bytes)?;
        Ok(Self {
            name: name.to_owned(),
            value_type: field_type,
            missing,
            constraints,
        })
    }
}

/// The texts for missing values: an array of texts, or of objects with a `value` and a `label`.
pub(crate) fn missing_values(
    properties: &Properties<'_>,
) -> Result<Option<Vec<String>>, SchemaError> {
    let Some(json) = properties.get("missingValues") else {
        return Ok(None);
    };
    let text = |json: &Json| {
        json.get("value")
            .unwrap_or(json)
            .as_str()
            .map(str::to_owned)
    };
    let values = json
        .as_array()
        .and_then(|values| values.iter().map(text).collect());
    let Some(values) = values else {
        return Err(properties.wrong("missingValues", "an array of texts is expected"));
    };
    Ok(Some(values))
}

/// Refuses unknown properties that would be a check; descriptive properties are ignored.
fn refuse_unknown(properties: &Properties<'_>, type_name: &str) -> Result<(), SchemaError> {
    let of_types = PROPERTIES.map(|(name, _)| name);
    let known: Vec<&str> = of_types
        .into_iter()
        .chain(OF_EVERY_FIELD)
        .chain(Constraints::NAMES)
        .collect();
    properties.refuse_near(&known)?;
    for name in properties.names_of_all() {
        if Constraints::NAMES.contains(&name) {
            return Err(properties.wrong(name, "it belongs in \"constraints\""));
        }
        let of = PROPERTIES.iter().find(|(known, _)| *known == name);
        if of.is_some_and(|(_, types)| !types.contains(&type_name))
            && properties.get(name).is_some()
        {
            let hint = if name.starts_with("categories") {
                "; say enum"
            } else {
                ""
            };
            return Err(properties.wrong(
                name,
                &format!("it is not supported for the type {type_name:?}{hint}"),
            ));
        }
    }
    Ok(())
}

fn field_type(properties: &Properties<'_>, name: &str) -> Result<FieldType, SchemaError> {
    let format = properties.text("format")?.unwrap_or("default");
    let default = |kind| match format {
        "default" => Ok(kind),
        _ => Err(no_format(properties, format)),
    };
    match name {
        "any" => default(FieldType::Any),
        "string" => text(properties, format),
        "integer" => default(FieldType::Number(number_format(properties, true)?)),
        "number" => default(FieldType::Number(number_format(properties, false)?)),
        "boolean" => default(boolean(properties)?),
        "date" => temporal(properties, TemporalPart::Date, format),
        "time" => temporal(properties, TemporalPart::Time, format),
        "datetime" => temporal(properties, TemporalPart::DateTime, format),
        "year" => default(FieldType::Year),
        "yearmonth" => default(FieldType::YearMonth),
        "duration" => default(FieldType::Duration),
        "object" => default(FieldType::Object),
        "array" => default(FieldType::Array),
        "list" => default(list(properties)?),
        "geopoint" => Ok(FieldType::GeoPoint(match format {
            "default" => PointFormat::Pair,
            "array" => PointFormat::Array,
            "object" => PointFormat::Object,
            _ => return Err(no_format(properties, format)),
        })),
        "geojson" => match format {
            "default" | "topojson" => Ok(FieldType::GeoJson {
                is_topology: format == "topojson",
            }),
            _ => Err(no_format(properties, format)),
        },
        _ => Err(properties.wrong("type", &format!("{name:?} is not a type of Table Schema"))),
    }
}

fn no_format(properties: &Properties<'_>, format: &str) -> SchemaError {
    properties.wrong(
        "format",
        &format!("{format:?} is not supported for this type"),
    )
}

fn text(properties: &Properties<'_>, format: &str) -> Result<FieldType, SchemaError> {
    Ok(FieldType::Text(match format {
        "default" => TextFormat::Any,
        "email" => TextFormat::Email,
        "uri" => TextFormat::Uri,
        "uuid" => TextFormat::Uuid,
        "binary" => TextFormat::Binary,
        _ => return Err(no_format(properties, format)),
    }))
}

fn number_format(
    properties: &Properties<'_>,
    is_integer: bool,
) -> Result<number::NumberFormat, SchemaError> {
    let mut number_format = number::NumberFormat::new(is_integer);
    for (name, place) in [
        ("groupChar", &mut number_format.group),
        ("decimalChar", &mut number_format.decimal),
    ] {
        let Some(text) = properties.text(name)? else {
            continue;
        };
        if !number::may_group(text) || (name == "decimalChar" && text.is_empty()) {
            return Err(properties.wrong(
                name,
                "one character is expected that is not part of a number",
            ));
        }
        *place = text.as_bytes().into();
    }
    if !is_integer && number::collide(&number_format.group, &number_format.decimal) {
        return Err(properties.wrong("groupChar", "it must differ from decimalChar"));
    }
    number_format.is_bare = properties.flag("bareNumber")?.unwrap_or(true);
    Ok(number_format)
}

fn boolean(properties: &Properties<'_>) -> Result<FieldType, SchemaError> {
    let cells = |name, default: [&str; 4]| match properties.get(name) {
        None => Ok(default.map(str::to_owned).to_vec()),
        Some(json) => {
            strings(json).ok_or_else(|| properties.wrong(name, "an array of texts is expected"))
        }
    };
    let yes = cells("trueValues", ["true", "True", "TRUE", "1"])?;
    let no = cells("falseValues", ["false", "False", "FALSE", "0"])?;
    if let Some(both) = yes.iter().find(|cell| no.contains(cell)) {
        return Err(properties.wrong("trueValues", &format!("{both:?} is in falseValues too")));
    }
    Ok(FieldType::Boolean { yes, no })
}

fn temporal(
    properties: &Properties<'_>,
    part: TemporalPart,
    format: &str,
) -> Result<FieldType, SchemaError> {
    let format = match format {
        "default" => temporal::Format::Iso,
        "any" => temporal::Format::Any,
        _ => {
            let format = format.strip_prefix("fmt:").unwrap_or(format); // as in drafts of version 1
            let pattern = StrftimePattern::new(format)
                .map_err(|reason| properties.wrong("format", &reason))?;
            temporal::Format::Strftime(pattern)
        }
    };
    Ok(FieldType::Temporal(part, format))
}

fn list(properties: &Properties<'_>) -> Result<FieldType, SchemaError> {
    let delimiter = properties.text("delimiter")?.unwrap_or(",");
    if delimiter.is_empty() {
        return Err(properties.wrong("delimiter", "a character is expected"));
    }
    let nothing = Map::new();
    let items = Properties::new("items".to_owned(), &nothing);
    let item = match properties.text("itemType")?.unwrap_or("string") {
        name @ ("string" | "integer" | "number" | "boolean" | "date" | "time" | "datetime") => {
            field_type(&items, name)?
        }
        other => {
            return Err(properties.wrong("itemType", &format!("{other:?} is not a type of items")));
        }
    };
    Ok(FieldType::List {
        delimiter: delimiter.to_owned(),
        item: Box::new(item),
    })
}
