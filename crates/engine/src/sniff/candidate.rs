//! Scores a text parsed in one dialect: how uniform its records are, and how many of its cells belong to a known class.

use std::collections::BTreeMap;

use super::SAMPLE_ROWS;
use super::cell_class::CellClass;
use super::quote_scanner::{QuoteScanner, Quoting};
use crate::Dialect;
use crate::records::Records;

/// A dialect with the statistics of the text parsed in it.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) dialect: Dialect,
    pub(super) rows: usize,
    /// The number of records by number of fields.
    widths: BTreeMap<usize, usize>,
    cells: usize,
    /// Cells of a known class, and cells that are values.
    known: usize,
    values: usize,
    /// Fields enclosed in quotes, and fields that start with a quote but are not.
    whole: usize,
    broken: usize,
}

impl Candidate {
    pub(super) fn new(text: &[u8], dialect: Dialect) -> Self {
        let mut candidate = Self {
            dialect,
            rows: 0,
            widths: BTreeMap::new(),
            cells: 0,
            known: 0,
            values: 0,
            whole: 0,
            broken: 0,
        };
        let quote_scanner = QuoteScanner::new(&dialect);
        let mut quoting = Vec::new();
        let mut records = Records::new(&dialect, text);
        while candidate.rows < SAMPLE_ROWS
            && let Some(record) = records.read()
        {
            candidate.rows += 1;
            *candidate.widths.entry(record.len()).or_default() += 1;
            candidate.cells += record.len();
            quote_scanner.scan(&text[record.start()..record.end()], &mut quoting);
            for (cell, &quoting) in record.iter().zip(&quoting) {
                let class = CellClass::new(cell);
                candidate.add(class, quoting);
            }
        }
        candidate
    }

    fn add(&mut self, class: CellClass, quoting: Quoting) {
        let is_known = match quoting {
            Quoting::Bare => class != CellClass::Other,
            Quoting::Whole => true,
            Quoting::Broken => false,
        };
        self.known += usize::from(is_known);
        self.values += usize::from(class.is_value());
        self.whole += usize::from(quoting == Quoting::Whole);
        self.broken += usize::from(quoting == Quoting::Broken);
    }

    /// The share of fields enclosed in quotes among those that start with one. `None` if there are none.
    pub(super) fn quoted_share(&self) -> Option<f64> {
        let seen = self.whole + self.broken;
        (seen > 0).then(|| self.whole as f64 / seen as f64)
    }

    /// The consistency of van den Burg et al. 2019: the pattern score (their equation 2) times the type
    /// score (their equation 4). A record's pattern is its number of fields here.
    pub(super) fn score(&self) -> f64 {
        self.pattern_score() * self.type_score()
    }

    fn pattern_score(&self) -> f64 {
        /// The value of a record of one field, in the paper.
        const ALPHA: f64 = 1e-3;
        let of = |(&width, &count): (&usize, &usize)| {
            count as f64 * (width as f64 - 1.0).max(ALPHA) / width as f64
        };
        let sum: f64 = self.widths.iter().map(of).sum();
        sum / self.widths.len().max(1) as f64
    }

    /// The share of cells of a known class.
    pub(super) fn type_score(&self) -> f64 {
        /// The lower bound, in the paper.
        const BETA: f64 = 1e-10;
        (self.known as f64 / self.cells.max(1) as f64).max(BETA)
    }

    /// The share of cells that are values.
    pub(super) fn value_share(&self) -> f64 {
        self.values as f64 / self.cells.max(1) as f64
    }

    /// The most frequent number of fields; of equals, the greatest.
    pub(super) fn width(&self) -> usize {
        let most = self.widths.iter().max_by_key(|&(_, count)| count);
        most.map_or(0, |(&width, _)| width)
    }

    /// The share of records with the most frequent number of fields.
    pub(super) fn agreement(&self) -> f64 {
        let most = self.widths.values().max().copied().unwrap_or_default();
        most as f64 / self.rows.max(1) as f64
    }
}
