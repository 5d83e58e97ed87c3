//! Generates the dialects to try, and chooses one.

use memchr::{memchr, memmem};
use proto::v1;

use super::candidate::Candidate;
use super::{DialectOverrides, finding, name};
use crate::Dialect;

/// Usual and unusual delimiters. The first is the default.
const USUAL: [u8; 4] = *b",;\t|";
const UNUSUAL: [u8; 4] = *b"^~: ";

const QUOTES: [Option<u8>; 3] = [Some(b'"'), Some(b'\''), None];
const ESCAPE: u8 = b'\\';

/// Thresholds for the share of quoted fields among those that start with a quote: below `HALF`, the quote is not one;
/// from `MOSTLY` on, an unusual quote is one.
const HALF: f64 = 0.5;
const MOSTLY: f64 = 0.9;

/// The confidence of a default without evidence for or against it.
const UNDECIDED: f64 = 0.5;
/// The confidence if the text is not a table in any dialect.
const NO_TABLE: f64 = 0.1;

/// The chosen dialect, except for header and comments.
#[derive(Debug)]
pub(super) struct DialectChoice {
    pub(super) dialect: Dialect,
    /// The statistics of the text in that dialect.
    pub(super) candidate: Candidate,
    delimiter: f64,
    quote: f64,
    escape: f64,
}

impl DialectChoice {
    pub(super) fn new(text: &[u8], overrides: &DialectOverrides) -> Self {
        let candidates: Vec<Candidate> = dialects(text, overrides)
            .into_iter()
            .map(|dialect| Candidate::new(text, dialect))
            .collect();
        let candidates = plausible_quotes(&candidates);
        let is_overridden = overrides.delimiter.is_some();
        let is_unusual = |candidate: &Candidate| UNUSUAL.contains(&candidate.dialect.delimiter);
        let usual = candidates
            .iter()
            .filter(|&candidate| is_overridden || !is_unusual(candidate));
        let usual = best(usual.filter(|candidate| is_overridden || is_table(candidate)));
        let line = one_column(&candidates, text, overrides);
        let unusual = candidates.iter().filter(|&candidate| is_unusual(candidate));
        let unusual = best(unusual.filter(|candidate| is_clear_table(candidate, line.as_ref())));
        let chosen = match (usual, unusual) {
            (Some(usual), Some(unusual)) if unusual.score() > usual.score() => Some(unusual),
            (usual, unusual) => usual.or(unusual),
        };
        let Some(chosen) = chosen else {
            return Self::fallback(text, overrides);
        };
        Self {
            dialect: chosen.dialect,
            delimiter: delimiter_confidence(chosen, &candidates),
            quote: quote_confidence(chosen, &candidates),
            escape: escape_confidence(chosen, &candidates),
            candidate: chosen.clone(),
        }
    }

    /// The default dialect, if the text is not a table in any.
    fn fallback(text: &[u8], overrides: &DialectOverrides) -> Self {
        let dialect = with_overrides(Dialect::default(), overrides);
        Self {
            dialect,
            candidate: Candidate::new(text, dialect),
            delimiter: NO_TABLE,
            quote: NO_TABLE,
            escape: NO_TABLE,
        }
    }

    /// The detected properties, for users.
    pub(super) fn traits(&self, overrides: &DialectOverrides) -> Vec<v1::Sniffed> {
        let mut traits = Vec::new();
        if overrides.delimiter.is_none() {
            let value = name(Some(self.dialect.delimiter));
            traits.push(finding("delimiter", value, self.delimiter));
        }
        if overrides.quote.is_none() {
            traits.push(finding("quote", name(self.dialect.quote), self.quote));
        }
        if overrides.escape.is_none() {
            traits.push(finding("escape", name(self.dialect.escape), self.escape));
        }
        traits
    }
}

/// `dialect` with the overrides applied.
fn with_overrides(dialect: Dialect, overrides: &DialectOverrides) -> Dialect {
    Dialect {
        delimiter: overrides.delimiter.unwrap_or(dialect.delimiter),
        quote: overrides.quote.unwrap_or(dialect.quote),
        escape: overrides.escape.unwrap_or(dialect.escape),
        double_quote: overrides.double_quote.unwrap_or(dialect.double_quote),
        has_header: overrides.has_header.unwrap_or(dialect.has_header),
        comment: overrides.comment.unwrap_or(dialect.comment),
        ..dialect
    }
}

/// The dialects to try, whose bytes occur in the text. Of equal ones, the first is chosen.
fn dialects(text: &[u8], overrides: &DialectOverrides) -> Vec<Dialect> {
    let is_there = |byte: u8| memchr(byte, text).is_some();
    let delimiters = USUAL.into_iter().chain(UNUSUAL).filter(|&delimiter| {
        delimiter == USUAL[0] || overrides.delimiter.is_some() || is_there(delimiter)
    });
    let mut dialects = Vec::new();
    for delimiter in delimiters {
        for (quote, escape) in quotings(text) {
            let dialect = Dialect {
                delimiter,
                quote,
                escape,
                ..Dialect::default()
            };
            let dialect = with_overrides(dialect, overrides);
            if dialect.check().is_ok() && !dialects.contains(&dialect) {
                dialects.push(dialect);
            }
        }
    }
    dialects
}

/// The quotes and escapes to try.
fn quotings(text: &[u8]) -> Vec<(Option<u8>, Option<u8>)> {
    let mut quotings = vec![(QUOTES[0], None)];
    for quote in QUOTES {
        let Some(byte) = quote.or(QUOTES[0]) else {
            continue;
        };
        if memchr(byte, text).is_none() {
            continue;
        }
        quotings.push((quote, None));
        if quote.is_some() && memmem::find(text, &[ESCAPE, byte]).is_some() {
            quotings.push((quote, Some(ESCAPE)));
        }
    }
    quotings
}

/// Removes candidates with unusual quotes unless the quotes themselves are evidence for them: the score cannot tell,
/// because a few bad records make records of lines, and lines are more uniform.
fn plausible_quotes(candidates: &[Candidate]) -> Vec<Candidate> {
    let is_plausible = |candidate: &&Candidate| {
        let Some(usual) = usual_quotes(candidates, candidate.dialect.delimiter) else {
            return true; // the quote is overridden
        };
        let share = usual.quoted_share();
        match candidate.dialect.quote {
            quote if quote == QUOTES[0] => true,
            Some(_) => {
                candidate.quoted_share() >= Some(MOSTLY) && share.is_none_or(|share| share < HALF)
            }
            None => share.is_some_and(|share| share < HALF),
        }
    };
    candidates.iter().filter(is_plausible).cloned().collect()
}

/// The candidate with this delimiter and the usual quote. `None` if the quote is overridden with another.
fn usual_quotes(candidates: &[Candidate], delimiter: u8) -> Option<&Candidate> {
    candidates.iter().find(|candidate| {
        candidate.dialect.delimiter == delimiter && candidate.dialect.quote == QUOTES[0]
    })
}

/// The candidate with the highest score; of equals, the first.
fn best<'r>(candidates: impl Iterator<Item = &'r Candidate>) -> Option<&'r Candidate> {
    candidates.fold(None, |best: Option<&Candidate>, candidate| match best {
        // A tiny difference is no reason to leave the default.
        Some(best) if candidate.score() <= best.score() * 1.000_001 => Some(best),
        _ => Some(candidate),
    })
}

/// Whether the text is a table in this dialect. A single line is weak evidence.
fn is_table(candidate: &Candidate) -> bool {
    let width = candidate.width();
    match candidate.rows {
        0 => false,
        1 if candidate.dialect.delimiter != USUAL[0] => width > 2 && candidate.type_score() >= 1.0,
        _ => width > 1 && candidate.agreement() >= 0.5 && candidate.type_score() >= 0.3,
    }
}

/// The candidate in which every line is one cell: a column of times is not a table of hours and minutes.
fn one_column(
    candidates: &[Candidate],
    text: &[u8],
    overrides: &DialectOverrides,
) -> Option<Candidate> {
    let unused = (0x01..0x20).find(|byte| memchr(*byte, text).is_none())?;
    let dialect = with_overrides(candidates.first()?.dialect, overrides);
    Some(Candidate::new(
        text,
        Dialect {
            delimiter: unused,
            quote: None,
            escape: None,
            ..dialect
        },
    ))
}

/// The evidence that an unusual delimiter needs.
fn is_clear_table(candidate: &Candidate, line: Option<&Candidate>) -> bool {
    let needs_width = match candidate.dialect.delimiter {
        b':' => 4,
        b' ' => 3,
        _ => 2,
    };
    let is_even =
        candidate.rows > 2 && candidate.agreement() >= 1.0 && candidate.width() >= needs_width;
    let are_values = line.is_some_and(|line| line.value_share() > 0.5);
    let is_valued = match candidate.dialect.delimiter {
        b' ' => candidate.value_share() >= 0.5,
        _ => true,
    };
    is_even && !are_values && is_valued && candidate.type_score() >= 0.9
}

fn delimiter_confidence(chosen: &Candidate, candidates: &[Candidate]) -> f64 {
    let others = candidates
        .iter()
        .filter(|candidate| candidate.dialect.delimiter != chosen.dialect.delimiter);
    let other = best(others).map_or(0.0, Candidate::score);
    let ahead = 1.0 - 0.5 * (other / chosen.score()).min(1.0);
    let rows = chosen.rows as f64 / (chosen.rows as f64 + 1.0);
    chosen.agreement() * chosen.type_score() * ahead * rows
}

/// The confidence in the quote, by the fields that start with the chosen quote, or with the usual one if none was
/// chosen.
fn quote_confidence(chosen: &Candidate, candidates: &[Candidate]) -> f64 {
    if chosen.dialect.quote.is_some() {
        return chosen.quoted_share().unwrap_or(UNDECIDED);
    }
    let passed_over = usual_quotes(candidates, chosen.dialect.delimiter);
    let share = passed_over.and_then(Candidate::quoted_share);
    share.map_or(UNDECIDED, |share| 1.0 - share)
}

fn escape_confidence(chosen: &Candidate, candidates: &[Candidate]) -> f64 {
    let others = candidates.iter().filter(|candidate| {
        let same = Dialect {
            escape: chosen.dialect.escape,
            ..candidate.dialect
        };
        same == chosen.dialect && candidate.dialect != chosen.dialect
    });
    match best(others) {
        None => 0.9, // none before a quote
        Some(other) => (1.0 - other.score() / chosen.score()).max(UNDECIDED),
    }
}
