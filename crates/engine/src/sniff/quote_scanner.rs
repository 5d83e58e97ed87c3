//! How the quotes of a record's fields open and close: whether what is taken for quotes are some.

use crate::Dialect;
use crate::split::state_machine::{ParserState, StateMachine};

/// How a field is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// Not at all.
    Bare,
    /// From its first byte to its last.
    Whole,
    /// It starts with a quote, but something stands behind the one that closes, or none does.
    Broken,
}

/// Looks at records of one dialect.
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

    /// That of each field of `record`, one after the other.
    pub(super) fn of(&self, record: &[u8], fields: &mut Vec<Quoting>) {
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
