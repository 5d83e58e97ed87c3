//! Which dialects are tried, and which of them is taken.

use memchr::{memchr, memmem};
use proto::v1;

use super::reading::Reading;
use super::{Given, name, told};
use crate::Dialect;

/// Delimiters that are often meant as such, and those that seldom are. The first is what is taken
/// where nothing else stands out.
const USUAL: [u8; 4] = *b",;\t|";
const SELDOM: [u8; 4] = *b"^~: ";

const QUOTES: [Option<u8>; 3] = [Some(b'"'), Some(b'\''), None];
const ESCAPE: u8 = b'\\';

/// Of the fields that start with a quote, the share that are quoted: fewer, and it is none; so many, and
/// an unusual one is.
const HALF: f64 = 0.5;
const MOSTLY: f64 = 0.9;

/// How sure one is of what is taken because nothing speaks for or against it.
const UNDECIDED: f64 = 0.5;
/// And where nothing looks like a table.
const LOST: f64 = 0.1;

/// The dialect that was taken, header and comments aside.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) dialect: Dialect,
    /// Of the text in that dialect.
    pub(super) reading: Reading,
    delimiter: f64,
    quote: f64,
    escape: f64,
}

impl Choice {
    pub(super) fn make(text: &[u8], given: &Given) -> Self {
        let readings: Vec<Reading> = dialects(text, given)
            .into_iter()
            .map(|dialect| Reading::of(text, dialect))
            .collect();
        let readings = sound_quotes(&readings);
        let is_said = given.delimiter.is_some();
        let is_seldom = |reading: &Reading| SELDOM.contains(&reading.dialect.delimiter);
        let usual = readings
            .iter()
            .filter(|&reading| is_said || !is_seldom(reading));
        let usual = best(usual.filter(|reading| is_said || is_table(reading)));
        let line = one_column(&readings, text, given);
        let seldom = readings.iter().filter(|&reading| is_seldom(reading));
        let seldom = best(seldom.filter(|reading| is_surely_table(reading, line.as_ref())));
        let taken = match (usual, seldom) {
            (Some(usual), Some(seldom)) if seldom.score() > usual.score() => Some(seldom),
            (usual, seldom) => usual.or(seldom),
        };
        let Some(taken) = taken else {
            return Self::fallback(text, given);
        };
        Self {
            dialect: taken.dialect,
            delimiter: delimiter_confidence(taken, &readings),
            quote: quote_confidence(taken, &readings),
            escape: escape_confidence(taken, &readings),
            reading: taken.clone(),
        }
    }

    /// Nothing looks like a table: what most files are.
    fn fallback(text: &[u8], given: &Given) -> Self {
        let dialect = with_given(Dialect::default(), given);
        Self {
            dialect,
            reading: Reading::of(text, dialect),
            delimiter: LOST,
            quote: LOST,
            escape: LOST,
        }
    }

    /// What was not given, for people.
    pub(super) fn traits(&self, given: &Given) -> Vec<v1::Sniffed> {
        let mut traits = Vec::new();
        if given.delimiter.is_none() {
            let value = name(Some(self.dialect.delimiter));
            traits.push(told("delimiter", value, self.delimiter));
        }
        if given.quote.is_none() {
            traits.push(told("quote", name(self.dialect.quote), self.quote));
        }
        if given.escape.is_none() {
            traits.push(told("escape", name(self.dialect.escape), self.escape));
        }
        traits
    }
}

/// `dialect` with what was given in its place.
fn with_given(dialect: Dialect, given: &Given) -> Dialect {
    Dialect {
        delimiter: given.delimiter.unwrap_or(dialect.delimiter),
        quote: given.quote.unwrap_or(dialect.quote),
        escape: given.escape.unwrap_or(dialect.escape),
        double_quote: given.double_quote.unwrap_or(dialect.double_quote),
        has_header: given.has_header.unwrap_or(dialect.has_header),
        comment: given.comment.unwrap_or(dialect.comment),
        ..dialect
    }
}

/// Those that could matter: of bytes that are there at all. Of equal ones, the first is to be taken.
fn dialects(text: &[u8], given: &Given) -> Vec<Dialect> {
    let is_there = |byte: u8| memchr(byte, text).is_some();
    let delimiters = USUAL.into_iter().chain(SELDOM).filter(|&delimiter| {
        delimiter == USUAL[0] || given.delimiter.is_some() || is_there(delimiter)
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
            let dialect = with_given(dialect, given);
            if dialect.check().is_ok() && !dialects.contains(&dialect) {
                dialects.push(dialect);
            }
        }
    }
    dialects
}

/// Quotes and escapes that could matter.
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

/// Without those that read quotes in another way than usual, where the quotes themselves do not ask for
/// it: a few bad records make records of lines, and lines more alike, than a score can tell.
fn sound_quotes(readings: &[Reading]) -> Vec<Reading> {
    let is_sound = |reading: &&Reading| {
        let Some(usual) = usual_quotes(readings, reading.dialect.delimiter) else {
            return true; // the quote was given
        };
        let share = usual.quoted_share();
        match reading.dialect.quote {
            quote if quote == QUOTES[0] => true,
            Some(_) => {
                reading.quoted_share() >= Some(MOSTLY) && share.is_none_or(|share| share < HALF)
            }
            None => share.is_some_and(|share| share < HALF),
        }
    };
    readings.iter().filter(is_sound).cloned().collect()
}

/// The text in that delimiter and the usual quotes. `None`: the quote was given, and is another.
fn usual_quotes(readings: &[Reading], delimiter: u8) -> Option<&Reading> {
    readings.iter().find(|reading| {
        reading.dialect.delimiter == delimiter && reading.dialect.quote == QUOTES[0]
    })
}

/// The one of the highest score; of equals, the first.
fn best<'r>(readings: impl Iterator<Item = &'r Reading>) -> Option<&'r Reading> {
    readings.fold(None, |best: Option<&Reading>, reading| match best {
        // A hair's breadth is no reason to leave the usual.
        Some(best) if reading.score() <= best.score() * 1.000_001 => Some(best),
        _ => Some(reading),
    })
}

/// Whether the text is a table in this dialect. One line is thin evidence.
fn is_table(reading: &Reading) -> bool {
    let width = reading.width();
    match reading.rows {
        0 => false,
        1 if reading.dialect.delimiter != USUAL[0] => width > 2 && reading.type_score() >= 1.0,
        _ => width > 1 && reading.agreement() >= 0.5 && reading.type_score() >= 0.3,
    }
}

/// What the text is when every line is one cell: a column of times is no table of hours and minutes.
fn one_column(readings: &[Reading], text: &[u8], given: &Given) -> Option<Reading> {
    let unused = (0x01..0x20).find(|byte| memchr(*byte, text).is_none())?;
    let dialect = with_given(readings.first()?.dialect, given);
    Some(Reading::of(
        text,
        Dialect {
            delimiter: unused,
            quote: None,
            escape: None,
            ..dialect
        },
    ))
}

/// What a delimiter needs that is seldom meant as one.
fn is_surely_table(reading: &Reading, line: Option<&Reading>) -> bool {
    let needs_width = match reading.dialect.delimiter {
        b':' => 4,
        b' ' => 3,
        _ => 2,
    };
    let is_even = reading.rows > 2 && reading.agreement() >= 1.0 && reading.width() >= needs_width;
    let are_values = line.is_some_and(|line| line.value_share() > 0.5);
    let is_valued = match reading.dialect.delimiter {
        b' ' => reading.value_share() >= 0.5,
        _ => true,
    };
    is_even && !are_values && is_valued && reading.type_score() >= 0.9
}

fn delimiter_confidence(taken: &Reading, readings: &[Reading]) -> f64 {
    let others = readings
        .iter()
        .filter(|reading| reading.dialect.delimiter != taken.dialect.delimiter);
    let other = best(others).map_or(0.0, Reading::score);
    let ahead = 1.0 - 0.5 * (other / taken.score()).min(1.0);
    let rows = taken.rows as f64 / (taken.rows as f64 + 1.0);
    taken.agreement() * taken.type_score() * ahead * rows
}

/// What the fields say that start with a quote: of the kind that was taken, or that was passed over.
fn quote_confidence(taken: &Reading, readings: &[Reading]) -> f64 {
    if taken.dialect.quote.is_some() {
        return taken.quoted_share().unwrap_or(UNDECIDED);
    }
    let passed_over = usual_quotes(readings, taken.dialect.delimiter);
    let share = passed_over.and_then(Reading::quoted_share);
    share.map_or(UNDECIDED, |share| 1.0 - share)
}

fn escape_confidence(taken: &Reading, readings: &[Reading]) -> f64 {
    let others = readings.iter().filter(|reading| {
        let same = Dialect {
            escape: taken.dialect.escape,
            ..reading.dialect
        };
        same == taken.dialect && reading.dialect != taken.dialect
    });
    match best(others) {
        None => 0.9, // there is none in front of a quote
        Some(other) => (1.0 - other.score() / taken.score()).max(UNDECIDED),
    }
}
