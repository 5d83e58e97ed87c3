//! Reads a JSON Table Schema (Frictionless, version 1 or 2): its fields and the rules for whole records. A check that
//! is not supported is an error and never ignored.

mod constraints;
mod error;
mod field;
mod fields_match;
mod properties;
pub(crate) mod propose;

use serde_json::{Map, Value as Json};

use constraints::pattern_bytes;
pub(crate) use constraints::{AllowedValues, Constraint, Limit};
use error::wrong;
pub use error::{MAX_SCHEMA_BYTES, SchemaError};
pub(crate) use field::Field;
use field::missing_values;
use properties::{Properties, strings};

/// The maximum number of fields, and of unique keys.
const MAX_FIELDS: usize = 16_384;
const MAX_KEYS: usize = 64;

/// A schema, before it is compiled for the columns of a job.
#[derive(Debug, Clone)]
pub struct Schema {
    pub(crate) fields: Vec<Field>,
    pub(crate) matching: FieldsMatch,
    pub(crate) primary_key: Vec<String>,
    pub(crate) unique_keys: Vec<Vec<String>>,
}

/// The columns that the data may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldsMatch {
    /// The fields, in their order.
    Exact,
    /// The fields, in any order.
    Equal,
    /// The fields, and possibly others.
    Subset,
    /// Only fields, but not necessarily all.
    Superset,
    /// At least one of the fields.
    Partial,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    ///
    /// When it is not a schema, or uses a feature that is not supported.
    pub fn read(json: &[u8]) -> Result<Self, SchemaError> {
        if json.len() > MAX_SCHEMA_BYTES {
            return Err(SchemaError::Long { bytes: json.len() });
        }
        // Some editors put a byte order mark first.
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        let json: Json =
            serde_json::from_slice(json).map_err(|error| SchemaError::Json(error.to_string()))?;
        let Json::Object(map) = &json else {
            return Err(wrong("the schema", "it is not a JSON object"));
        };
        Self::from_object(map)
    }

    fn from_object(map: &Map<String, Json>) -> Result<Self, SchemaError> {
        let properties = Properties::new("the schema".to_owned(), map);
        properties.refuse_near(&[
            "fields",
            "missingValues",
            "primaryKey",
            "uniqueKeys",
            "foreignKeys",
            "fieldsMatch",
        ])?;
        if properties
            .get("foreignKeys")
            .is_some_and(|keys| keys != &Json::Array(Vec::new()))
        {
            return Err(properties.wrong(
                "foreignKeys",
                "other tables are not read, so foreignKeys cannot be checked; \
                leave them out",
            ));
        }
        let missing = missing_values(&properties)?.unwrap_or_else(|| vec![String::new()]);
        let Some(Json::Array(fields)) = properties.get("fields") else {
            return Err(properties.wrong("fields", "an array of fields is expected"));
        };
        if fields.is_empty() || fields.len() > MAX_FIELDS {
            let reason = format!(
                "1 to {MAX_FIELDS} fields are expected, and there are {}",
                fields.len()
            );
            return Err(properties.wrong("fields", &reason));
        }
        let has_pattern = |field: &&Json| field.pointer("/constraints/pattern").is_some();
        let pattern_bytes = pattern_bytes(fields.iter().filter(has_pattern).count());
        let fields = fields.iter().enumerate();
        let schema = Self {
            fields: fields
                .map(|(at, field)| Field::read(at, field, &missing, pattern_bytes))
                .collect::<Result<_, _>>()?,
            matching: matching(&properties)?,
            primary_key: properties.names("primaryKey")?.unwrap_or_default(),
            unique_keys: unique_keys(&properties)?,
        };
        schema.check_names()?;
        Ok(schema)
    }

    /// Checks that names are distinct, and keys consist of fields.
    fn check_names(&self) -> Result<(), SchemaError> {
        let mut names = std::collections::HashSet::new();
        for field in &self.fields {
            if !names.insert(field.name.as_str()) && self.matching != FieldsMatch::Exact {
                return Err(wrong(
                    "the schema",
                    &format!("two fields are called {:?}", field.name),
                ));
            }
        }
        let keys = self.unique_keys.iter().flatten().chain(&self.primary_key);
        for name in keys {
            let is_its = |field: &&Field| field.name == *name;
            let what = match self.fields.iter().filter(is_its).count() {
                0 => "no field",
                1 => continue,
                _ => "several fields",
            };
            let reason = format!("a key names {name:?}, which is {what}");
            return Err(wrong("the schema", &reason));
        }
        Ok(())
    }
}

/// A text, or an array of one text, as in an erroneous edition of version 2.0.
fn matching(properties: &Properties<'_>) -> Result<FieldsMatch, SchemaError> {
    let Some(json) = properties.get("fieldsMatch") else {
        return Ok(FieldsMatch::Exact);
    };
    let json = match json.as_array().map(Vec::as_slice) {
        Some([json]) => json,
        _ => json,
    };
    Ok(match json.as_str() {
        Some("exact") => FieldsMatch::Exact,
        Some("equal") => FieldsMatch::Equal,
        Some("subset") => FieldsMatch::Subset,
        Some("superset") => FieldsMatch::Superset,
        Some("partial") => FieldsMatch::Partial,
        _ => {
            let reason = "exact, equal, subset, superset or partial is expected";
            return Err(properties.wrong("fieldsMatch", reason));
        }
    })
}

fn unique_keys(properties: &Properties<'_>) -> Result<Vec<Vec<String>>, SchemaError> {
    let Some(json) = properties.get("uniqueKeys") else {
        return Ok(Vec::new());
    };
    let keys: Option<Vec<_>> = json
        .as_array()
        .and_then(|keys| keys.iter().map(strings).collect());
    match keys {
        Some(keys) if keys.len() <= MAX_KEYS && keys.iter().all(|key| !key.is_empty()) => Ok(keys),
        _ => {
            let reason = format!("at most {MAX_KEYS} arrays of names of fields are expected");
            Err(properties.wrong("uniqueKeys", &reason))
        }
    }
}
