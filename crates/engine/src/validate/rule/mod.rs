//! A schema compiled for the columns of a job: its rules, and which of them a record breaks. A valid record costs no
//! allocation.

mod cache;
mod column;
pub(crate) mod key;

use std::collections::HashSet;

use proto::v1::Violation;

pub(crate) use cache::rules;
pub(crate) use column::{BrokenRules, Column};
use key::{UniqueKey, unique_keys_of};

use crate::columns;
use crate::records::{Record, record_sample};
use crate::validate::schema::{Schema, SchemaError};

/// The maximum number of violations that are reported of a record, and of bytes of a cell.
const MAX_VIOLATIONS: usize = 100;
const VALUE_BYTES: usize = 256;
/// The maximum number of characters of a cell in a message.
const EXCERPT_CHARACTERS: usize = 40;

/// The rules for the records of a job.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    pub(crate) columns: Vec<Column>,
    pub(crate) keys: Vec<UniqueKey>,
}

/// One rule of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The column's name.
    pub column: String,
    /// `type`, `required`, `enum`, `pattern`, `minimum`, …
    pub name: &'static str,
    /// The value in the schema, for users.
    pub expected: String,
    /// The index of the column.
    at: usize,
}

impl RuleSet {
    /// Compiles `schema` for these columns; `is_named`: the names are from a header in the data.
    ///
    /// # Errors
    ///
    /// When the schema does not fit the columns.
    pub fn new(schema: &Schema, columns: &[String], is_named: bool) -> Result<Self, SchemaError> {
        let matched = schema.match_columns(columns, is_named)?;
        let shown = columns::display_names(columns);
        let keyed: HashSet<&String> = schema.primary_key.iter().collect();
        let mut set = Self {
            rules: Vec::new(),
            columns: Vec::new(),
            keys: Vec::new(),
        };
        let mut indexes = Vec::new();
        for (field, at) in schema.fields.iter().zip(matched) {
            let Some(at) = at else {
                indexes.push(None);
                continue;
            };
            indexes.push(Some(set.columns.len()));
            let is_key = keyed.contains(&field.name);
            let column = Column::new(field, at, set.rules.len(), is_key);
            let rules = column.rules().into_iter();
            set.rules.extend(rules.map(|(name, expected)| Rule {
                column: shown[at].clone(),
                name,
                expected,
                at,
            }));
            set.columns.push(column);
        }
        for (name, fields) in unique_keys_of(schema) {
            let columns = fields.into_iter().map(|field| {
                let missing = || {
                    let field = &schema.fields[field].name;
                    let reason = format!("{name} is of {field:?}, which is no column of it");
                    SchemaError::Columns(reason)
                };
                indexes[field].ok_or_else(missing)
            });
            let columns = columns.collect::<Result<_, _>>()?;
            set.add_key(name, columns, &shown);
        }
        Ok(set)
    }

    /// The number of unique keys, which can only be checked over all chunks.
    pub fn key_rules(&self) -> usize {
        self.keys.len()
    }

    /// Adds the rule that no two rows have equal values in these columns.
    fn add_key(&mut self, name: &'static str, key_columns: Vec<usize>, shown: &[String]) {
        let names = key_columns
            .iter()
            .map(|&column| shown[self.columns[column].at].as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        // A key of one column belongs to the column, a key of several columns to the record.
        let (column, expected) = match key_columns[..] {
            [_] => (names, "no value twice".to_owned()),
            _ => (String::new(), format!("no {names} twice")),
        };
        let at = key_columns
            .first()
            .map_or(0, |&column| self.columns[column].at);
        self.keys.push(UniqueKey {
            rule: self.rules.len(),
            columns: key_columns,
        });
        self.rules.push(Rule {
            column,
            name,
            expected,
            at,
        });
    }

    /// The message and the violation for a record that repeats a key.
    pub(crate) fn describe_duplicate(
        &self,
        key: &UniqueKey,
        record: &Record<'_>,
    ) -> (String, Violation) {
        let rule = &self.rules[key.rule];
        let cells = key.columns.iter().map(|&column| {
            let cell = record.get(self.columns[column].at).unwrap_or_default();
            record_sample::excerpt(cell, VALUE_BYTES)
        });
        let value = cells.collect::<Vec<_>>().join(", ");
        let shown = excerpt(&value);
        let message = match rule.column.as_str() {
            "" => format!("{shown:?} came before ({})", rule.expected),
            column => format!("{column}: {shown:?} came before"),
        };
        (message, rule.violation(value))
    }

    /// All rules, in the order of the schema.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Finds the rules that the record breaks.
    #[inline]
    pub(crate) fn check(&self, record: &Record<'_>, broken: &mut BrokenRules) {
        broken.rules.clear();
        for column in &self.columns {
            column.check(record.get(column.at).unwrap_or_default(), broken);
        }
    }

    /// The message and the violations for a record that breaks these rules.
    pub(crate) fn describe(
        &self,
        record: &Record<'_>,
        broken: &[usize],
    ) -> (String, Vec<Violation>) {
        let broken = broken
            .iter()
            .take(MAX_VIOLATIONS)
            .filter_map(|&at| self.rules.get(at));
        let mut messages = Vec::new();
        let mut violations = Vec::new();
        for rule in broken {
            let cell = record.get(rule.at).unwrap_or_default();
            let value = record_sample::excerpt(cell, VALUE_BYTES);
            messages.push(rule.message(&value));
            violations.push(rule.violation(value));
        }
        (messages.join("; "), violations)
    }
}

impl Rule {
    fn violation(&self, value: String) -> Violation {
        Violation {
            column: self.column.clone(),
            rule: self.name.to_owned(),
            expected: self.expected.clone(),
            value,
        }
    }

    /// `quantity: "x" is not an integer`.
    fn message(&self, value: &str) -> String {
        let shown = excerpt(value);
        let expected = &self.expected;
        let article = if expected.starts_with(['a', 'e', 'i', 'o']) {
            "an"
        } else {
            "a"
        };
        let what = match self.name {
            "required" => return format!("{}: it is missing", self.column),
            "type" => format!("is not {article} {expected}"),
            "enum" => format!("is none of {expected}"),
            "pattern" => format!("does not match {expected}"),
            "minimum" => format!("is less than {expected}"),
            "maximum" => format!("is greater than {expected}"),
            "exclusiveMinimum" => format!("is not greater than {expected}"),
            "exclusiveMaximum" => format!("is not less than {expected}"),
            "minLength" => format!("is shorter than {expected}"),
            "maxLength" => format!("is longer than {expected}"),
            other => format!("breaks {other} {expected}"),
        };
        format!("{}: {shown:?} {what}", self.column)
    }
}

/// The start of a value, for a message.
fn excerpt(value: &str) -> String {
    let mut shown: String = value.chars().take(EXCERPT_CHARACTERS).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}
