//! Scans how the fields of a record are quoted, to tell real quotes from other characters.

use crate::Dialect;
use crate::split::state_machine::{ParserState, StateMachine};

/// How a field is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// Not at all.
    Bare,
    /// The quotes enclose the whole field.
    Whole,
    /// It starts with a quote, but bytes follow the closing quote, or there is none.
    Broken,
}

/// Scans records of one dialect.
#[derive(Debug)]
pub(super) struct QuoteScanner {
    machine: StateMachine,
}

impl QuoteScanner {
    pub(super) fn new(dialect: &Dialect) -> Self {
        Self {
            machine: StateMachine::new(dialect),
        }
    }

    /// Scans each field of `record`.
    pub(super) fn scan(&self, record: &[u8], fields: &mut Vec<Quoting>) {
        fields.clear();
        let mut state = ParserState::RecordStart;
        let mut field = Quoting::Bare;
        for &byte in record {
            let before = state;
            state = self.machine.step(before, byte);
            field = match (before, state) {
                (
                    ParserState::Quoted | ParserState::Escaped | ParserState::QuoteInQuoted,
                    ParserState::InField,
                ) => Quoting::Broken,
                (_, ParserState::Quoted) => Quoting::Whole,
                _ => field,
            };
            if state == ParserState::FieldStart || state.is_start() {
                fields.push(field);
                field = Quoting::Bare;
            }
        }
        if !state.is_start() {
            let is_open = matches!(state, ParserState::Quoted | ParserState::Escaped);
            fields.push(if is_open { Quoting::Broken } else { field });
        }
    }
}
