//! The constraints of one field, compiled: what a bound is worth, and patterns.

use std::collections::HashSet;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value as Json;

use super::properties::Properties;
use crate::validate::schema::SchemaError;
use crate::validate::value::Bound;
use crate::validate::value::kind::Kind;

/// The most memory that one pattern takes, compiled and again while it looks.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// The most that all patterns of a schema take together.
const ALL_PATTERNS_BYTES: usize = 256 << 20;
/// At most so many bytes of an enum are told to people.
const TOLD_BYTES: usize = 200;

/// What the values of a field must keep.
#[derive(Debug, Clone, Default)]
pub(crate) struct Constraints {
    pub(crate) is_required: bool,
    pub(crate) is_unique: bool,
    pub(crate) one_of: Option<OneOf>,
    /// With the text that people know it by.
    pub(crate) pattern: Option<(Regex, String)>,
    pub(crate) bounds: Vec<(Limit, Bound, String)>,
    pub(crate) min_length: Option<usize>,
    pub(crate) max_length: Option<usize>,
}

/// The values that there may be.
#[derive(Debug, Clone)]
pub(crate) struct OneOf {
    /// Each in canonical bytes.
    pub(crate) values: Arc<HashSet<Box<[u8]>>>,
    pub(crate) told: String,
}

/// Which side of a bound is allowed.
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
    /// All that there are.
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

    /// Reads them; a pattern may take `pattern_bytes` of memory.
    pub(crate) fn read(
        properties: &Properties<'_>,
        kind: &Kind,
        pattern_bytes: usize,
    ) -> Result<Self, SchemaError> {
        for name in properties.names_of_all() {
            if !Self::NAMES.contains(&name) || name == "jsonSchema" {
                return Err(properties.wrong(name, "this constraint is not known here"));
            }
        }
        let length = |name| match properties.count(name)? {
            Some(_) if !kind.has_length() => Err(not_of(properties, name, kind)),
            length => Ok(length),
        };
        let this = Self {
            is_required: properties.flag("required")?.unwrap_or(false),
            is_unique: properties.flag("unique")?.unwrap_or(false),
            one_of: one_of(properties, kind)?,
            pattern: pattern(properties, pattern_bytes)?,
            bounds: bounds(properties, kind)?,
            min_length: length("minLength")?,
            max_length: length("maxLength")?,
        };
        Ok(this)
    }
}

fn not_of(properties: &Properties<'_>, name: &str, kind: &Kind) -> SchemaError {
    properties.wrong(
        name,
        &format!("it is not known of the type {:?}", kind.expected()),
    )
}

/// The text of a value in a schema, as a cell would have it.
fn text(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(is_true) => Some(is_true.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Appends a schema's value in canonical bytes: a number of JSON has a point, whatever the field has.
fn read_value<T>(
    json: &Json,
    kind: &Kind,
    then: impl Fn(crate::validate::value::Value<'_>) -> T,
) -> Option<T> {
    let text = text(json)?;
    let plain = match (json, kind) {
        (Json::Number(_), Kind::Number(style)) => Some(Kind::Number(
            crate::validate::value::number::Style::new(style.is_integer),
        )),
        (Json::Bool(is_true), Kind::Boolean { .. }) => {
            return Some(then(crate::validate::value::Value::Boolean(*is_true)));
        }
        _ => None,
    };
    let value = plain.as_ref().unwrap_or(kind).read(text.as_bytes())?;
    Some(then(value))
}

fn one_of(properties: &Properties<'_>, kind: &Kind) -> Result<Option<OneOf>, SchemaError> {
    let Some(json) = properties.get("enum") else {
        return Ok(None);
    };
    let Some(values) = json.as_array().filter(|values| !values.is_empty()) else {
        return Err(properties.wrong("enum", "an array of values is expected"));
    };
    if !kind.has_values() {
        return Err(not_of(properties, "enum", kind));
    }
    let mut set = HashSet::new();
    let mut told = String::new();
    for json in values {
        let canonical = read_value(json, kind, |value| {
            let mut bytes = Vec::new();
            value.canonical(&mut bytes);
            bytes
        });
        let Some(canonical) = canonical else {
            let reason = format!("{json} is no value of the type {:?}", kind.expected());
            return Err(properties.wrong("enum", &reason));
        };
        set.insert(canonical.into_boxed_slice());
        if told.len() < TOLD_BYTES {
            told += if told.is_empty() { "" } else { ", " };
            told += &text(json).unwrap_or_default();
        }
    }
    if told.len() > TOLD_BYTES {
        told.truncate(told.floor_char_boundary(TOLD_BYTES));
        told.push('…');
    }
    Ok(Some(OneOf {
        values: Arc::new(set),
        told,
    }))
}

/// The most memory that each of so many patterns takes.
pub(crate) fn pattern_bytes(patterns: usize) -> usize {
    MAX_PATTERN_BYTES.min(ALL_PATTERNS_BYTES / patterns.max(1))
}

/// A pattern is of the whole cell, as in XML Schema.
fn pattern(
    properties: &Properties<'_>,
    most_bytes: usize,
) -> Result<Option<(Regex, String)>, SchemaError> {
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
    Ok(Some((whole, text.to_owned())))
}

fn bounds(
    properties: &Properties<'_>,
    kind: &Kind,
) -> Result<Vec<(Limit, Bound, String)>, SchemaError> {
    let mut bounds = Vec::new();
    for limit in Limit::ALL {
        let Some(json) = properties.get(limit.name()) else {
            continue;
        };
        if !kind.has_order() {
            return Err(not_of(properties, limit.name(), kind));
        }
        let bound = read_value(json, kind, |value| Bound::of(&value)).flatten();
        let Some(bound) = bound else {
            let reason = format!("{json} is no value of the type {:?}", kind.expected());
            return Err(properties.wrong(limit.name(), &reason));
        };
        bounds.push((limit, bound, text(json).unwrap_or_default()));
    }
    Ok(bounds)
}
