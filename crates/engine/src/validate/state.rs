//! The mergeable state of `validate`: the number of valid records, and how often each rule was broken.

use proto::v1::{ChunkResult, RuleReport, ValidatePartial, ValidateReport};

use crate::operation::Mergeable;
use crate::partial::PartialError;
use crate::result::{ResultError, at_most, same};
use crate::validate::rule::RuleSet;

/// The state over any set of a job's chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValidateState {
    pub(super) rows: u64,
    pub(super) valid: u64,
    /// Valid records whose unique keys occur in an earlier chunk.
    pub(super) duplicates: u64,
    /// For each rule, how often it was broken. Empty for no chunks.
    pub(super) broken: Vec<u64>,
}

impl ValidateState {
    /// The number of records of one chunk that break a rule.
    ///
    /// # Errors
    ///
    /// If its counts contradict each other.
    fn invalid(&self) -> Result<u64, PartialError> {
        let invalid = self.rows.checked_sub(self.valid);
        let invalid = invalid.ok_or(PartialError::Malformed(
            "more rows are valid than there are",
        ))?;
        if self.duplicates > 0 {
            return Err(PartialError::Malformed(
                "it counts repeated keys, which one chunk cannot know",
            ));
        }
        let broken = self.broken.iter().copied();
        if broken.clone().any(|broken| broken > invalid) {
            return Err(PartialError::Malformed(
                "a rule is broken by more rows than are invalid",
            ));
        }
        if broken.fold(0, u64::saturating_add) < invalid {
            return Err(PartialError::Malformed(
                "rows are invalid that break no rule",
            ));
        }
        Ok(invalid)
    }

    /// Checks that the state is empty or of this number of rules.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub(super) fn check_rules(&self, rules: usize) -> Result<(), PartialError> {
        let is_nothing = self.broken.is_empty() && self.rows == 0;
        if is_nothing || self.broken.len() == rules {
            return Ok(());
        }
        Err(PartialError::Malformed(
            "it has other rules than the schema",
        ))
    }

    /// The report, whose rules are those of the set.
    ///
    /// # Errors
    ///
    /// If the state is of other rules.
    pub(super) fn finish(&self, rules: &RuleSet) -> Result<ValidateReport, PartialError> {
        self.check_rules(rules.rules().len())?;
        let broken = self.broken.iter().copied().chain(std::iter::repeat(0));
        let rules = rules
            .rules()
            .iter()
            .zip(broken)
            .map(|(rule, broken)| RuleReport {
                column: rule.column.clone(),
                rule: rule.name.to_owned(),
                expected: rule.expected.clone(),
                broken,
            });
        let valid = self.valid.saturating_sub(self.duplicates);
        Ok(ValidateReport {
            rows: self.rows,
            valid,
            invalid: self.rows.saturating_sub(valid),
            rules: rules.collect(),
        })
    }
}

impl Mergeable for ValidateState {
    type Partial = ValidatePartial;

    fn from_partial(partial: &ValidatePartial) -> Result<Self, PartialError> {
        Ok(Self {
            rows: partial.rows,
            valid: partial.valid,
            broken: partial.broken.clone(),
            duplicates: partial.again,
        })
    }

    fn partial(&self) -> ValidatePartial {
        ValidatePartial {
            rows: self.rows,
            valid: self.valid,
            broken: self.broken.clone(),
            again: self.duplicates,
        }
    }

    fn merge(&mut self, other: &Self) -> Result<(), PartialError> {
        self.check(other)?;
        self.broken
            .resize(self.broken.len().max(other.broken.len()), 0);
        self.rows = self.rows.saturating_add(other.rows);
        self.valid = self.valid.saturating_add(other.valid);
        self.duplicates = self.duplicates.saturating_add(other.duplicates);
        for (own, other) in self.broken.iter_mut().zip(&other.broken) {
            *own = own.saturating_add(*other);
        }
        Ok(())
    }

    fn check(&self, other: &Self) -> Result<(), PartialError> {
        let is_same = self.broken.len() == other.broken.len();
        if is_same || self.broken.is_empty() || other.broken.is_empty() {
            return Ok(());
        }
        Err(PartialError::Malformed(
            "it has other rules than the results before it",
        ))
    }

    fn check_counts(&self, result: &ChunkResult) -> Result<u64, ResultError> {
        let rows = ("rows", result.rows);
        same(rows, ("valid in its partial", self.valid))?;
        let invalid = ("invalid rows in its partial", self.invalid()?);
        at_most(invalid, ("bad records counted", result.rejected))?;
        Ok(result.rows)
    }
}
