//! Finds the rows with which a command fails, by running it on parts of a chunk. No I/O: the caller runs the command.

use std::ops::Range;

/// Runs that fail before it is asked whether the command ever succeeds, in addition to those that lead to one row.
const DOUBT_AFTER: u32 = 4;

/// A search over the rows of one chunk, with which the command has failed as a whole.
///
/// Parts are run from the first row to the last, so that the outputs of those that succeed are in input order.
#[derive(Debug)]
pub struct Bisection {
    /// Parts that are left, the first at the back.
    parts: Vec<Part>,
    runs_left: u32,
    /// Whether any run has succeeded: otherwise nothing shows that the rows are the cause.
    has_succeeded: bool,
    /// Runs that may fail before the command is run without rows.
    doubt_after: u32,
    culprits: Vec<u64>,
    is_given_up: bool,
}

#[derive(Debug, Clone)]
struct Part {
    rows: Range<u64>,
    /// The command fails with the part, as it did with a larger one whose other half is good.
    is_bad: bool,
    /// The other half is behind it.
    is_first_half: bool,
}

impl Bisection {
    /// A search over so many rows, with at most `max_runs` runs of the command.
    pub fn new(rows: u64, max_runs: u32) -> Self {
        let mut bisection = Self {
            parts: Vec::new(),
            runs_left: max_runs,
            has_succeeded: false,
            doubt_after: rows.max(1).ilog2() + DOUBT_AFTER,
            culprits: Vec::new(),
            is_given_up: rows == 0,
        };
        bisection.push_halves(0..rows);
        bisection
    }

    /// The rows to run the command on next; empty if it is to be run without rows. `None` if the search is over. Call
    /// [`report`](Self::report) for each.
    pub fn next_part(&mut self) -> Option<Range<u64>> {
        if self.is_given_up {
            return None;
        }
        let is_over = self.parts.is_empty();
        if is_over && self.has_succeeded {
            return None;
        }
        if self.runs_left == 0 {
            self.is_given_up = true;
            return None;
        }
        self.runs_left -= 1;
        if is_over || (!self.has_succeeded && self.doubt_after == 0) {
            return Some(0..0);
        }
        while let Some(part) = self
            .parts
            .pop_if(|part| part.is_bad && length(&part.rows) > 1)
        {
            self.push_halves(part.rows);
        }
        self.parts.last().map(|part| part.rows.clone())
    }

    /// The outcome of the last part.
    pub fn report(&mut self, part: &Range<u64>, succeeded: bool) {
        if part.is_empty() {
            self.has_succeeded |= succeeded;
            self.is_given_up |= !succeeded;
            return;
        }
        let is_first_half = self.parts.pop().is_some_and(|part| part.is_first_half);
        if succeeded {
            self.has_succeeded = true;
            // Together they failed, so the other half is bad.
            if let Some(other) = self.parts.last_mut().filter(|_| is_first_half) {
                other.is_bad = true;
            }
            return;
        }
        self.doubt_after = self.doubt_after.saturating_sub(1);
        if length(part) == 1 {
            self.culprits.push(part.start);
        } else {
            self.push_halves(part.clone());
        }
    }

    /// The rows with which the command fails, ascending. `None` if there is no such row, or the search was given up:
    /// the command fails without rows too, or the runs were not enough.
    pub fn culprits(self) -> Option<Vec<u64>> {
        (!self.is_given_up && self.has_succeeded).then_some(self.culprits)
    }

    fn push_halves(&mut self, rows: Range<u64>) {
        let middle = rows.start + length(&rows).div_ceil(2);
        for (half, is_first_half) in [(middle..rows.end, false), (rows.start..middle, true)] {
            if !half.is_empty() {
                self.parts.push(Part {
                    rows: half,
                    is_bad: false,
                    is_first_half,
                });
            }
        }
    }
}

fn length(rows: &Range<u64>) -> u64 {
    rows.end - rows.start
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Searches; also returns the parts that succeeded, and the number of runs.
    fn search(
        rows: u64,
        max_runs: u32,
        fails: impl Fn(&Range<u64>) -> bool,
    ) -> (Option<Vec<u64>>, Vec<Range<u64>>, u32) {
        let mut bisection = Bisection::new(rows, max_runs);
        let (mut good, mut runs) = (Vec::new(), 0);
        while let Some(part) = bisection.next_part() {
            runs += 1;
            let succeeded = !fails(&part);
            bisection.report(&part, succeeded);
            if succeeded && !part.is_empty() {
                good.push(part);
            }
        }
        (bisection.culprits(), good, runs)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_row_is_a_culprit_or_in_one_good_part(rows in 1_u64..300, bad in prop::collection::btree_set(0_u64..300, 1..6)) {
            let bad: BTreeSet<u64> = bad.into_iter().filter(|row| *row < rows).collect();
            prop_assume!(!bad.is_empty());
            let (culprits, good, runs) = search(rows, u32::MAX, |part| bad.range(part.clone()).next().is_some());
            prop_assert_eq!(culprits, Some(bad.iter().copied().collect()));
            let passed: Vec<u64> = good.into_iter().flatten().collect();
            let expected: Vec<u64> = (0..rows).filter(|row| !bad.contains(row)).collect();
            prop_assert_eq!(passed, expected, "in input order, each once");
            let levels = u64::from((rows - 1).max(1).ilog2() + 2);
            prop_assert!(u64::from(runs) <= 2 * levels * bad.len() as u64 + 1, "{} runs", runs);
        }

        #[test]
        fn a_command_that_always_fails_has_no_culprit(rows in 1_u64..100_000) {
            let (culprits, good, runs) = search(rows, u32::MAX, |_| true);
            prop_assert_eq!((culprits, good.len()), (None, 0));
            prop_assert!(runs <= rows.ilog2() + DOUBT_AFTER + 2);
        }

        #[test]
        fn it_stays_within_its_budget(rows in 1_u64..300, max_runs in 0_u32..40, modulus in 1_u64..9) {
            let fails = |part: &Range<u64>| part.clone().any(|row| row % modulus == 0);
            let (culprits, _, runs) = search(rows, max_runs, fails);
            prop_assert!(runs <= max_runs);
            let (unlimited, _, needed) = search(rows, u32::MAX, fails);
            prop_assert_eq!(culprits.is_some(), needed <= max_runs && unlimited.is_some());
        }
    }

    #[test]
    fn if_all_rows_are_bad_it_is_their_fault_only_if_the_command_succeeds_without_them() {
        let (culprits, _, runs) = search(3, 100, |part| !part.is_empty());
        assert_eq!((culprits, runs), (Some(vec![0, 1, 2]), 5));
        assert_eq!(search(1, 100, |part| !part.is_empty()).0, Some(vec![0]));
        assert_eq!(search(0, 100, |_| true).0, None);
    }

    #[test]
    fn rows_that_fail_only_together_are_all_good() {
        let (culprits, good, _) = search(10, 100, |part| length(part) > 4);
        assert_eq!(culprits, Some(Vec::new()));
        assert_eq!(good.into_iter().flatten().count(), 10);
    }
}
