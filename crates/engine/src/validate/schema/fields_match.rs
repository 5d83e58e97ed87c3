//! Matches the fields of a schema with the columns of a job, by index or by name, according to `fieldsMatch`.

use std::collections::HashMap;

use crate::validate::schema::{FieldsMatch, Schema, SchemaError};

/// The maximum number of names in an error.
const MAX_LISTED_NAMES: usize = 10;

impl Schema {
    /// The column of each field; `None` if the data lacks it. `is_named`: the data itself names its columns.
    pub(crate) fn match_columns(
        &self,
        columns: &[String],
        is_named: bool,
    ) -> Result<Vec<Option<usize>>, SchemaError> {
        if self.matching == FieldsMatch::Exact {
            self.check_order(columns, is_named)?;
            return Ok((0..columns.len()).map(Some).collect());
        }
        let mut places = HashMap::new();
        for (at, column) in columns.iter().enumerate() {
            if places.insert(column.as_str(), at).is_some() {
                return Err(SchemaError::Columns(format!(
                    "two columns are called {column:?}, and fields are matched by name"
                )));
            }
        }
        let matched: Vec<_> = self
            .fields
            .iter()
            .map(|field| places.get(field.name.as_str()).copied())
            .collect();
        self.check(columns, &matched)?;
        Ok(matched)
    }

    fn check_order(&self, columns: &[String], is_named: bool) -> Result<(), SchemaError> {
        let (fields, found) = (self.fields.len(), columns.len());
        let names = self.fields.iter().map(|field| &field.name);
        if is_named {
            let mut pairs = names.clone().zip(columns).enumerate();
            if let Some((at, (field, column))) = pairs.find(|(_, (field, column))| field != column)
            {
                let is_shuffled =
                    fields == found && names.clone().all(|name| columns.contains(name));
                let hint = if is_shuffled {
                    "; the columns are the same in another order, which \"fieldsMatch\": \"equal\" allows"
                } else {
                    ""
                };
                return Err(SchemaError::Columns(format!(
                    "column {} is called {column:?} where the schema has {field:?}{hint}",
                    at + 1
                )));
            }
        }
        if fields == found {
            return Ok(());
        }
        let more: Vec<&String> = if fields > found {
            names.skip(found).collect()
        } else {
            columns.iter().skip(fields).collect()
        };
        let side = if fields > found {
            "only the schema has"
        } else {
            "only the data has"
        };
        Err(SchemaError::Columns(format!(
            "{found} columns where the schema has {fields}: {side} {}",
            list(more.into_iter())
        )))
    }

    /// Checks that all required columns exist, and no columns that are not allowed.
    fn check(&self, columns: &[String], matched: &[Option<usize>]) -> Result<(), SchemaError> {
        let missing = || {
            self.fields
                .iter()
                .zip(matched)
                .filter(|(_, column)| column.is_none())
                .map(|(field, _)| field)
        };
        let unknown = || {
            columns
                .iter()
                .filter(|column| !self.fields.iter().any(|field| field.name == **column))
        };
        let may_miss = matches!(self.matching, FieldsMatch::Superset | FieldsMatch::Partial);
        let may_have_more = matches!(self.matching, FieldsMatch::Subset | FieldsMatch::Partial);
        if !may_miss && missing().next().is_some() {
            let names = list(missing().map(|field| &field.name));
            return Err(SchemaError::Columns(format!("it has no column {names}")));
        }
        if !may_have_more && unknown().next().is_some() {
            let names = list(unknown());
            return Err(SchemaError::Columns(format!(
                "no field of the schema is called {names}"
            )));
        }
        if matched.iter().all(Option::is_none) {
            return Err(SchemaError::Columns(
                "no column has a field in the schema".to_owned(),
            ));
        }
        let keys: Vec<&String> = self
            .unique_keys
            .iter()
            .flatten()
            .chain(&self.primary_key)
            .collect();
        let needed =
            missing().find(|field| field.constraints.is_required || keys.contains(&&field.name));
        match needed {
            Some(field) => Err(SchemaError::Columns(format!(
                "it has no column {:?}, which is required or part of a key",
                field.name
            ))),
            None => Ok(()),
        }
    }
}

fn list<'n>(names: impl Iterator<Item = &'n String>) -> String {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    let more = names.len().saturating_sub(MAX_LISTED_NAMES);
    let listed = names[..names.len() - more].join(", ");
    if more > 0 {
        format!("{listed} and {more} more")
    } else {
        listed
    }
}
