//! The unique keys of a schema.

use proto::v1::ValidateSpec;

use crate::validate::schema::{Schema, SchemaError};

/// A rule that no two rows have equal values in some columns.
#[derive(Debug, Clone)]
pub(crate) struct UniqueKey {
    /// Its index among the rules.
    pub(crate) rule: usize,
    /// Indexes of columns in the rule set.
    pub(crate) columns: Vec<usize>,
}

/// The unique keys of a schema: the name of each constraint, and the indexes of its fields.
pub(crate) fn unique_keys_of(schema: &Schema) -> Vec<(&'static str, Vec<usize>)> {
    let fields = schema.fields.iter().enumerate();
    let unique = fields.filter(|(_, field)| field.constraints.is_unique);
    let unique = unique.map(|(at, _)| ("unique", vec![at]));
    // That each name belongs to one field was checked when the schema was read.
    let index = |name: &String| schema.fields.iter().position(|field| field.name == *name);
    let indexes = |names: &Vec<String>| names.iter().filter_map(index).collect();
    let primary = Some(&schema.primary_key).filter(|key| !key.is_empty());
    let primary = primary.map(|key| ("primaryKey", indexes(key)));
    let others = schema.unique_keys.iter();
    let others = others.map(|key| ("uniqueKeys", indexes(key)));
    unique.chain(primary).chain(others).collect()
}

/// Whether the schema has unique keys, which can only be checked over all chunks.
///
/// # Errors
///
/// When it cannot be read.
pub fn has_keys(spec: &ValidateSpec) -> Result<bool, SchemaError> {
    Schema::read(&spec.schema).map(|schema| !unique_keys_of(&schema).is_empty())
}
