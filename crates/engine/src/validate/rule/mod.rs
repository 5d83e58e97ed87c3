//! A schema that has met the columns of a job: which rules there are, and which of them a record
//! breaks. A record that breaks none costs no allocation.

mod cache;
pub(crate) mod key;

pub(crate) use cache::rules;

use std::collections::HashSet;

use proto::v1::Violation;

use crate::records::Record;
use crate::validate::rule::key::{UniqueKey, unique_keys_of};
use crate::validate::schema::{AllowedValues, Constraints, Limit};
use crate::validate::schema::{Schema, SchemaError};
use crate::validate::value::Value;
use crate::validate::value::field_type::FieldType;

/// So many rules that a record breaks are told, and so much of a cell.
const MAX_VIOLATIONS: usize = 100;
const VALUE_BYTES: usize = 256;
/// So much of a cell stands in a sentence.
const EXCERPT_CHARACTERS: usize = 40;

/// What every record of a job is held against.
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
    /// What the schema says there, for a person.
    pub expected: String,
    /// The column's place.
    at: usize,
}

/// The rules of one column, as places among all rules.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) at: usize,
    pub(crate) field_type: FieldType,
    missing: Vec<Box<[u8]>>,
    /// That of its type; the others follow in the order of [`Column::rules`].
    first_rule: usize,
    constraints: Constraints,
}

/// Room for what is found in one record.
#[derive(Debug, Default)]
pub(crate) struct BrokenRules {
    /// RowPositions of the rules that it breaks, in the schema's order.
    pub(crate) rules: Vec<usize>,
    bytes: Vec<u8>,
}

impl RuleSet {
    /// What `schema` means for columns called so; `is_named`: in a header of the data.
    ///
    /// # Errors
    ///
    /// When the two do not fit.
    pub fn new(schema: &Schema, columns: &[String], is_named: bool) -> Result<Self, SchemaError> {
        let matched = schema.match_columns(columns, is_named)?;
        let shown = crate::columns::display_names(columns);
        let keyed: HashSet<&String> = schema.primary_key.iter().collect();
        let mut set = Self {
            rules: Vec::new(),
            columns: Vec::new(),
            keys: Vec::new(),
        };
        let mut places = Vec::new();
        for (field, at) in schema.fields.iter().zip(matched) {
            let Some(at) = at else {
                places.push(None);
                continue;
            };
            places.push(Some(set.columns.len()));
            let mut constraints = field.constraints.clone();
            constraints.is_required |= keyed.contains(&field.name);
            let missing = field
                .missing
                .iter()
                .map(|text| text.as_bytes().into())
                .collect();
            let first_rule = set.rules.len();
            let column = Column {
                at,
                field_type: field.field_type.clone(),
                missing,
                first_rule,
                constraints,
            };
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
                let lacks = || {
                    let field = &schema.fields[field].name;
                    let said = format!("{name} is of {field:?}, which is no column of it");
                    SchemaError::Columns(said)
                };
                places[field].ok_or_else(lacks)
            });
            let columns = columns.collect::<Result<_, _>>()?;
            set.add_key(name, columns, &shown);
        }
        Ok(set)
    }

    /// How many rules only all chunks together keep or break.
    pub fn key_rules(&self) -> usize {
        self.keys.len()
    }

    /// Adds the rule that no two rows have the same values in these of its columns.
    fn add_key(&mut self, name: &'static str, places: Vec<usize>, shown: &[String]) {
        let names = places
            .iter()
            .map(|&place| shown[self.columns[place].at].as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        // A key of one column is that column's; one of several is of the record.
        let (column, expected) = match places[..] {
            [_] => (names, "no value twice".to_owned()),
            _ => (String::new(), format!("no {names} twice")),
        };
        let at = places.first().map_or(0, |&place| self.columns[place].at);
        self.keys.push(UniqueKey {
            rule: self.rules.len(),
            columns: places,
        });
        self.rules.push(Rule {
            column,
            name,
            expected,
            at,
        });
    }

    /// What is said of a record of which a key came before.
    pub(crate) fn describe_duplicate(
        &self,
        key: &UniqueKey,
        record: &Record<'_>,
    ) -> (String, Violation) {
        let rule = &self.rules[key.rule];
        let cells = key.columns.iter().map(|&column| {
            let cell = record.get(self.columns[column].at).unwrap_or_default();
            crate::records::record_sample::excerpt(cell, VALUE_BYTES)
        });
        let value = cells.collect::<Vec<_>>().join(", ");
        let said = excerpt(&value);
        let message = match rule.column.as_str() {
            "" => format!("{said:?} came before ({})", rule.expected),
            column => format!("{column}: {said:?} came before"),
        };
        let violation = Violation {
            column: rule.column.clone(),
            rule: rule.name.to_owned(),
            expected: rule.expected.clone(),
            value,
        };
        (message, violation)
    }

    /// Every rule, in the schema's order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Looks which rules the record breaks.
    #[inline]
    pub(crate) fn check(&self, record: &Record<'_>, broken: &mut BrokenRules) {
        broken.rules.clear();
        for column in &self.columns {
            column.check(record.get(column.at).unwrap_or_default(), broken);
        }
    }

    /// What is said of a record that breaks these rules: to people, and one by one.
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
            let value = crate::records::record_sample::excerpt(cell, VALUE_BYTES);
            messages.push(rule.message(&value));
            violations.push(Violation {
                column: rule.column.clone(),
                rule: rule.name.to_owned(),
                expected: rule.expected.clone(),
                value,
            });
        }
        (messages.join("; "), violations)
    }
}

impl Rule {
    /// `quantity: "x" is not an integer`.
    fn message(&self, value: &str) -> String {
        let said = excerpt(value);
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
        format!("{}: {said:?} {what}", self.column)
    }
}

/// The start of a value, as far as it fits in a sentence.
fn excerpt(value: &str) -> String {
    let mut said: String = value.chars().take(EXCERPT_CHARACTERS).collect();
    if said.len() < value.len() {
        said.push('…');
    }
    said
}

impl Column {
    /// Whether a cell stands for a missing value.
    #[inline]
    pub(crate) fn is_missing(&self, cell: &[u8]) -> bool {
        self.missing.iter().any(|missing| **missing == *cell)
    }

    /// Name of, and what is expected by, each of its rules, in the order in which `check` counts.
    fn rules(&self) -> Vec<(&'static str, String)> {
        let Constraints {
            is_required,
            allowed,
            pattern,
            bounds,
            min_length,
            max_length,
            ..
        } = &self.constraints;
        let mut rules = vec![("type", self.field_type.expected())];
        rules.extend(is_required.then(|| ("required", "a value".to_owned())));
        rules.extend(
            allowed
                .as_ref()
                .map(|allowed| ("enum", allowed.text.clone())),
        );
        rules.extend(pattern.as_ref().map(|(_, text)| ("pattern", text.clone())));
        rules.extend(
            bounds
                .iter()
                .map(|(limit, _, text)| (limit.name(), text.clone())),
        );
        rules.extend(min_length.map(|length| ("minLength", length.to_string())));
        rules.extend(max_length.map(|length| ("maxLength", length.to_string())));
        rules
    }

    #[inline]
    fn check(&self, cell: &[u8], broken: &mut BrokenRules) {
        let Constraints {
            is_required,
            allowed,
            pattern,
            bounds,
            min_length,
            max_length,
            ..
        } = &self.constraints;
        let mut next = self.first_rule + 1;
        let mut rule = || {
            next += 1;
            next - 1
        };
        if self.is_missing(cell) {
            if *is_required {
                broken.rules.push(rule());
            }
            return;
        }
        let Some(value) = self.field_type.read(cell) else {
            broken.rules.push(self.first_rule);
            return;
        };
        if *is_required {
            rule();
        }
        if let Some(allowed) = allowed {
            let at = rule();
            if !allowed.has(value, &mut broken.bytes) {
                broken.rules.push(at);
            }
        }
        if let Some((pattern, _)) = pattern {
            let at = rule();
            if !pattern.is_match(cell) {
                broken.rules.push(at);
            }
        }
        for (limit, bound, _) in bounds {
            let at = rule();
            if !limit.allows(value.compare(&bound.value())) {
                broken.rules.push(at);
            }
        }
        if min_length.is_none() && max_length.is_none() {
            return;
        }
        let length = self.field_type.length(cell);
        for (limit, is_broken) in [
            (min_length, min_length.is_some_and(|least| length < least)),
            (max_length, max_length.is_some_and(|most| length > most)),
        ] {
            if limit.is_some() {
                let at = rule();
                if is_broken {
                    broken.rules.push(at);
                }
            }
        }
    }
}

impl AllowedValues {
    fn has(&self, value: Value<'_>, bytes: &mut Vec<u8>) -> bool {
        bytes.clear();
        value.canonical(bytes);
        self.values.contains(bytes.as_slice())
    }
}

impl Limit {
    /// Of how a value compares with the bound; what does not compare is not within any.
    fn allows(self, ordering: Option<std::cmp::Ordering>) -> bool {
        ordering.is_some_and(|ordering| match self {
            Self::Minimum => ordering.is_ge(),
            Self::Maximum => ordering.is_le(),
            Self::ExclusiveMinimum => ordering.is_gt(),
            Self::ExclusiveMaximum => ordering.is_lt(),
        })
    }
}
