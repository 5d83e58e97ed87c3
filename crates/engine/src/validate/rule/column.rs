//! The rules of one column.

use std::cmp::Ordering;

use crate::validate::schema::{AllowedValues, Constraint, Field, Limit};
use crate::validate::value::Value;
use crate::validate::value::field_type::FieldType;

/// The compiled rules of one column.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) at: usize,
    pub(crate) field_type: FieldType,
    missing: Vec<Box<[u8]>>,
    /// The index of the rule of its type. The others follow in the order of [`rules`](Self::rules).
    first_rule: usize,
    is_required: bool,
    constraints: Vec<Constraint>,
}

/// The rules that one record breaks.
#[derive(Debug, Default)]
pub(crate) struct BrokenRules {
    /// Indexes of the rules, in the order of the schema.
    pub(crate) rules: Vec<usize>,
    /// A buffer for canonical values.
    bytes: Vec<u8>,
}

impl Column {
    /// The rules of `field` for the column `at`; `first_rule` is the index of the rule of its type.
    pub(crate) fn new(field: &Field, at: usize, first_rule: usize, is_key: bool) -> Self {
        let missing = field.missing.iter();
        Self {
            at,
            field_type: field.value_type.clone(),
            missing: missing.map(|text| text.as_bytes().into()).collect(),
            first_rule,
            is_required: field.constraints.is_required || is_key,
            constraints: field.constraints.list.clone(),
        }
    }

    /// Whether a cell stands for a missing value.
    #[inline]
    pub(crate) fn is_missing(&self, cell: &[u8]) -> bool {
        self.missing.iter().any(|missing| **missing == *cell)
    }

    /// The name of each rule and the expected value, for users.
    pub(crate) fn rules(&self) -> Vec<(&'static str, String)> {
        let mut rules = vec![("type", self.field_type.expected())];
        rules.extend(self.is_required.then(|| ("required", "a value".to_owned())));
        let constraints = self.constraints.iter();
        rules.extend(constraints.map(|constraint| (constraint.name(), constraint.expected())));
        rules
    }

    /// Adds the rules that `cell` breaks.
    #[inline]
    pub(crate) fn check(&self, cell: &[u8], broken: &mut BrokenRules) {
        if self.is_missing(cell) {
            if self.is_required {
                broken.rules.push(self.first_rule + 1);
            }
            return;
        }
        let Some(value) = self.field_type.read(cell) else {
            broken.rules.push(self.first_rule);
            return;
        };
        let mut length = None;
        let mut length = || *length.get_or_insert_with(|| self.field_type.length(cell));
        let first_constraint = self.first_rule + 1 + usize::from(self.is_required);
        for (rule, constraint) in (first_constraint..).zip(&self.constraints) {
            let is_kept = match constraint {
                Constraint::Enum(allowed) => allowed.contains(value, &mut broken.bytes),
                Constraint::Pattern(pattern, _) => pattern.is_match(cell),
                Constraint::Bound(limit, bound, _) => limit.allows(value.compare(&bound.value())),
                Constraint::MinLength(min) => length() >= *min,
                Constraint::MaxLength(max) => length() <= *max,
            };
            if !is_kept {
                broken.rules.push(rule);
            }
        }
    }
}

impl AllowedValues {
    fn contains(&self, value: Value<'_>, bytes: &mut Vec<u8>) -> bool {
        bytes.clear();
        value.canonical(bytes);
        self.values.contains(bytes.as_slice())
    }
}

impl Limit {
    /// Whether a value that compares so with the bound is allowed. A value that cannot be compared is not.
    fn allows(self, ordering: Option<Ordering>) -> bool {
        ordering.is_some_and(|ordering| match self {
            Self::Minimum => ordering.is_ge(),
            Self::Maximum => ordering.is_le(),
            Self::ExclusiveMinimum => ordering.is_gt(),
            Self::ExclusiveMaximum => ordering.is_lt(),
        })
    }
}
