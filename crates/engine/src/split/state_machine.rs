//! The state machine that finds the ends of records byte by byte, exactly as csv-core 0.1.13 does. `scan` is the fast
//! path and must agree with it.

use crate::Dialect;

/// The position of the next byte in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParserState {
    /// After a line feed that ended a record, or at the very start.
    RecordStart,
    /// Like `RecordStart`, after a carriage return: a line feed belongs to the same line end.
    AfterCr,
    /// After a delimiter.
    FieldStart,
    /// In an unquoted field, where a quote has no meaning.
    InField,
    /// Within quotes.
    Quoted,
    /// After a quote within quotes: it closes them, unless a second one makes it literal.
    QuoteInQuoted,
    /// After an escape within quotes.
    Escaped,
    /// In a comment, which only a line feed ends.
    Comment,
}

impl ParserState {
    const ALL: [Self; 8] = [
        Self::RecordStart,
        Self::AfterCr,
        Self::FieldStart,
        Self::InField,
        Self::Quoted,
        Self::QuoteInQuoted,
        Self::Escaped,
        Self::Comment,
    ];

    /// Whether no byte of a record or comment was read.
    pub(crate) fn is_start(self) -> bool {
        matches!(self, Self::RecordStart | Self::AfterCr)
    }

    /// Whether the bytes so far are part of a record that a line end or the end of the input would complete.
    pub(crate) fn is_record(self) -> bool {
        !self.is_start() && self != Self::Comment
    }

    /// Whether a quote is open, so that a line end does not end the record.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Quoted | Self::Escaped)
    }
}

/// The transitions of one dialect.
#[derive(Debug, Clone)]
pub(crate) struct StateMachine {
    next: Box<[[ParserState; 256]; 8]>,
}

impl StateMachine {
    pub(crate) fn new(dialect: &Dialect) -> Self {
        let mut next = Box::new([[ParserState::InField; 256]; 8]);
        for state in ParserState::ALL {
            for byte in 0..=u8::MAX {
                next[state as usize][usize::from(byte)] = transition(dialect, state, byte);
            }
        }
        Self { next }
    }

    /// The state after `byte`.
    #[inline]
    pub(crate) fn step(&self, state: ParserState, byte: u8) -> ParserState {
        self.next[state as usize][usize::from(byte)]
    }
}

fn transition(dialect: &Dialect, state: ParserState, byte: u8) -> ParserState {
    let quoting = |wanted: Option<u8>| dialect.quote.is_some() && wanted == Some(byte);
    match state {
        ParserState::RecordStart | ParserState::AfterCr if dialect.comment == Some(byte) => {
            ParserState::Comment
        }
        ParserState::RecordStart | ParserState::AfterCr | ParserState::FieldStart
            if dialect.quote == Some(byte) =>
        {
            ParserState::Quoted
        }
        ParserState::QuoteInQuoted if dialect.double_quote && dialect.quote == Some(byte) => {
            ParserState::Quoted
        }
        ParserState::Quoted if dialect.quote == Some(byte) => ParserState::QuoteInQuoted,
        ParserState::Quoted if quoting(dialect.escape) => ParserState::Escaped,
        ParserState::Quoted | ParserState::Escaped => ParserState::Quoted,
        ParserState::Comment if byte == b'\n' => ParserState::RecordStart,
        ParserState::Comment => ParserState::Comment,
        _ => unquoted(dialect, byte),
    }
}

fn unquoted(dialect: &Dialect, byte: u8) -> ParserState {
    match byte {
        b'\n' => ParserState::RecordStart,
        b'\r' => ParserState::AfterCr,
        byte if byte == dialect.delimiter => ParserState::FieldStart,
        _ => ParserState::InField,
    }
}
