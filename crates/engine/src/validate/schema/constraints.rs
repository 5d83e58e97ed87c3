//! The compiled constraints of one field.

use std::collections::HashSet;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value as Json;

use super::properties::Properties;
use crate::validate::schema::SchemaError;
use crate::validate::value::Bound;
use crate::validate::value::field_type::FieldType;

/// The maximum memory of one pattern, for the compiled pattern and again for matching.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// The maximum memory of all patterns of a schema.
const ALL_PATTERNS_BYTES: usize = 256 << 20;
/// The maximum number of bytes of an enum in messages.
const MAX_TEXT_BYTES: usize = 200;

/// The constraints of a field.
#[derive(Debug, Clone, Default)]
pub(crate) struct Constraints {
    pub(crate) is_required: bool,
    pub(crate) is_unique: bool,
    /// All others, in the order in which their rules are listed.
    pub(crate) list: Vec<Constraint>,
}

/// A constraint on the value of one cell, with its text in the schema.
#[derive(Debug, Clone)]
pub(crate) enum Constraint {
    Enum(AllowedValues),
    Pattern(Regex, String),
    Bound(Limit, Bound, String),
    MinLength(usize),
    MaxLength(usize),
}

impl Constraint {
    /// The name of the property in the schema.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Enum(_) => "enum",
            Self::Pattern(..) => "pattern",
            Self::Bound(limit, ..) => limit.name(),
            Self::MinLength(_) => "minLength",
            Self::MaxLength(_) => "maxLength",
        }
    }

    /// The value of the property, for users.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Enum(allowed) => allowed.text.clone(),
            Self::Pattern(_, text) | Self::Bound(_, _, text) => text.clone(),
            Self::MinLength(length) | Self::MaxLength(length) => length.to_string(),
        }
    }
}

/// The values of an enum.
#[derive(Debug, Clone)]
pub(crate) struct AllowedValues {
    /// In canonical form.
    pub(crate) values: Arc<HashSet<Box<[u8]>>>,
    pub(crate) text: String,
}

/// The side of a bound that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Minimum,
    Maximum,
    ExclusiveMinimum,
    ExclusiveMaximum,
}

impl Limit {
    const ALL: [Self; 4] = [
        Self::Minimum,
        Self::Maximum,
        Self::ExclusiveMinimum,
        Self::ExclusiveMaximum,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::ExclusiveMinimum => "exclusiveMinimum",
            Self::ExclusiveMaximum => "exclusiveMaximum",
        }
    }
}

impl Constraints {
    /// The names of all constraints.
    pub(crate) const NAMES: [&'static str; 11] = [
        "required",
        "unique",
        "enum",
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "jsonSchema",
    ];

    /// Reads the constraints; a pattern may take `pattern_bytes` of memory.
    pub(crate) fn read(
        properties: &Properties<'_>,
        field_type: &FieldType,
        pattern_bytes: usize,
    ) -> Result<Self, SchemaError> {
        for name in properties.names_of_all() {
            if !Self::NAMES.contains(&name) || name == "jsonSchema" {
                return Err(properties.wrong(name, "this constraint is not supported"));
            }
        }
        let length = |name| match properties.count(name)? {
            Some(_) if !field_type.has_length() => Err(not_of(properties, name, field_type)),
            length => Ok(length),
        };
        let mut list = Vec::new();
        list.extend(allowed(properties, field_type)?.map(Constraint::Enum));
        list.extend(pattern(properties, pattern_bytes)?);
        list.extend(bounds(properties, field_type)?);
        list.extend(length("minLength")?.map(Constraint::MinLength));
        list.extend(length("maxLength")?.map(Constraint::MaxLength));
        Ok(Self {
            is_required: properties.flag("required")?.unwrap_or(false),
            is_unique: properties.flag("unique")?.unwrap_or(false),
            list,
        })
    }
}

fn not_of(properties: &Properties<'_>, name: &str, field_type: &FieldType) -> SchemaError {
    properties.wrong(
        name,
        &format!(
            "it is not supported for the type {:?}",
            field_type.expected()
        ),
    )
}

/// The text of a value in a schema, as in a cell.
fn text(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(is_true) => Some(is_true.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Reads a value of the schema and passes it to `then`: a JSON number has a point, whatever the format of the field.
fn read_value<T>(
    json: &Json,
    field_type: &FieldType,
    then: impl Fn(crate::validate::value::Value<'_>) -> T,
) -> Option<T> {
    let text = text(json)?;
    let plain = match (json, field_type) {
        (Json::Number(_), FieldType::Number(style)) => Some(FieldType::Number(
            crate::validate::value::number::NumberFormat::new(style.is_integer),
        )),
        (Json::Bool(is_true), FieldType::Boolean { .. }) => {
            return Some(then(crate::validate::value::Value::Boolean(*is_true)));
        }
        _ => None,
    };
    let value = plain.as_ref().unwrap_or(field_type).read(text.as_bytes())?;
    Some(then(value))
}

fn allowed(
    properties: &Properties<'_>,
    field_type: &FieldType,
) -> Result<Option<AllowedValues>, SchemaError> {
    let Some(json) = properties.get("enum") else {
        return Ok(None);
    };
    let Some(values) = json.as_array().filter(|values| !values.is_empty()) else {
        return Err(properties.wrong("enum", "an array of values is expected"));
    };
    if !field_type.has_values() {
        return Err(not_of(properties, "enum", field_type));
    }
    let mut set = HashSet::new();
    let mut shown = String::new();
    for json in values {
        let canonical = read_value(json, field_type, |value| {
            let mut bytes = Vec::new();
            value.canonical(&mut bytes);
            bytes
        });
        let Some(canonical) = canonical else {
            let reason = format!(
                "{json} is not a value of the type {:?}",
                field_type.expected()
            );
            return Err(properties.wrong("enum", &reason));
        };
        set.insert(canonical.into_boxed_slice());
        if shown.len() < MAX_TEXT_BYTES {
            shown += if shown.is_empty() { "" } else { ", " };
            shown += &text(json).unwrap_or_default();
        }
    }
    if shown.len() > MAX_TEXT_BYTES {
        shown.truncate(shown.floor_char_boundary(MAX_TEXT_BYTES));
        shown.push('…');
    }
    Ok(Some(AllowedValues {
        values: Arc::new(set),
        text: shown,
    }))
}

/// The maximum memory of each pattern.
pub(crate) fn pattern_bytes(patterns: usize) -> usize {
    MAX_PATTERN_BYTES.min(ALL_PATTERNS_BYTES / patterns.max(1))
}

/// A pattern has to match the whole cell, as in XML Schema.
fn pattern(
    properties: &Properties<'_>,
    most_bytes: usize,
) -> Result<Option<Constraint>, SchemaError> {
    let Some(text) = properties.text("pattern")? else {
        return Ok(None);
    };
    let compile = |pattern: &str| {
        let mut builder = RegexBuilder::new(pattern);
        builder.size_limit(most_bytes).dfa_size_limit(most_bytes);
        builder
            .build()
            .map_err(|error| properties.wrong("pattern", &error.to_string()))
    };
    // By itself first, so that it cannot close the group around it.
    compile(text)?;
    let whole = compile(&format!(r"\A(?:{text})\z"))?;
    Ok(Some(Constraint::Pattern(whole, text.to_owned())))
}

fn bounds(
    properties: &Properties<'_>,
    field_type: &FieldType,
) -> Result<Vec<Constraint>, SchemaError> {
    let mut bounds = Vec::new();
    for limit in Limit::ALL {
        let Some(json) = properties.get(limit.name()) else {
            continue;
        };
        if !field_type.has_order() {
            return Err(not_of(properties, limit.name(), field_type));
        }
        let bound = read_value(json, field_type, |value| Bound::new(&value)).flatten();
        let Some(bound) = bound else {
            let reason = format!(
                "{json} is not a value of the type {:?}",
                field_type.expected()
            );
            return Err(properties.wrong(limit.name(), &reason));
        };
        bounds.push(Constraint::Bound(
            limit,
            bound,
            text(json).unwrap_or_default(),
        ));
    }
    Ok(bounds)
}
