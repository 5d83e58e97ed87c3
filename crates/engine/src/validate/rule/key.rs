//! The unique keys of a schema.

use proto::v1::ValidateSpec;

use crate::validate::schema::{Schema, SchemaError};

/// A rule that says that no two rows have the same values there.
#[derive(Debug, Clone)]
pub(crate) struct UniqueKey {
    /// Its place among the rules.
    pub(crate) rule: usize,
    /// RowPositions among the plan's columns.
    pub(crate) columns: Vec<usize>,
}

/// A constraint as the schema has it: what it is called, and the places of its fields.
pub(crate) fn unique_keys_of(schema: &Schema) -> Vec<(&'static str, Vec<usize>)> {
    let fields = schema.fields.iter().enumerate();
    let unique = fields.filter(|(_, field)| field.constraints.is_unique);
    let unique = unique.map(|(at, _)| ("unique", vec![at]));
    // That each name is one field's was checked when the schema was read.
    let index = |name: &String| schema.fields.iter().position(|field| field.name == *name);
    let indexes = |names: &Vec<String>| names.iter().filter_map(index).collect();
    let primary = Some(&schema.primary_key).filter(|key| !key.is_empty());
    let primary = primary.map(|key| ("primaryKey", indexes(key)));
    let others = schema.unique_keys.iter();
    let others = others.map(|key| ("uniqueKeys", indexes(key)));
    unique.chain(primary).chain(others).collect()
}

/// Whether the schema has rules that only all chunks together keep or break.
///
/// # Errors
///
/// When it cannot be read.
pub fn has_keys(spec: &ValidateSpec) -> Result<bool, SchemaError> {
    Schema::read(&spec.schema).map(|schema| !unique_keys_of(&schema).is_empty())
}
