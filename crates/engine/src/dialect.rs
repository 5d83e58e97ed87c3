//! The dialect of CSV: the bytes that split input into records and fields, as a checked domain type. `sniff` detects a
//! dialect.

use std::fmt;

/// The dialect of a job's input. It is valid if it was made by `TryFrom` or passed [`check`](Dialect::check).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The byte between fields.
    pub delimiter: u8,
    /// The byte around fields; it counts only at the start of a field. `None` if there is no quoting.
    pub quote: Option<u8>,
    /// Makes the next byte within quotes literal. `None` if no byte does.
    pub escape: Option<u8>,
    /// Whether a quote doubled within quotes is a literal quote.
    pub double_quote: bool,
    /// Whether the first record names the columns.
    pub has_header: bool,
    /// Lines that start with it are comments, up to the next line feed. `None` if there are no comments.
    pub comment: Option<u8>,
    /// The treatment of records with fewer fields than there are columns.
    pub ragged: Ragged,
}

/// The treatment of records with fewer fields than there are columns. A record with more is always rejected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ragged {
    /// The record is rejected.
    #[default]
    Reject,
    /// The record is good, and the missing cells are empty.
    Pad,
}

impl Default for Dialect {
    /// RFC 4180 with a header: comma, `"`, doubled.
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: Some(b'"'),
            escape: None,
            double_quote: true,
            has_header: true,
            comment: None,
            ragged: Ragged::Reject,
        }
    }
}

/// Why a dialect cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialectError {
    /// No delimiter was given.
    #[error("the dialect has no delimiter")]
    NoDelimiter,
    /// A value that should be one byte is larger.
    #[error("the dialect's {role} is {value}, which is no byte")]
    NotAByte {
        /// Which of the dialect's bytes.
        role: Role,
        /// The value.
        value: u32,
    },
    /// A byte is a line end.
    #[error("the dialect's {role} cannot be a line end")]
    LineEnd {
        /// Which of the dialect's bytes.
        role: Role,
    },
    /// Two of the bytes are the same.
    #[error("the dialect's {first} and {second} are both {:?}", char::from(*byte))]
    Same {
        /// One of the two.
        first: Role,
        /// The other.
        second: Role,
        /// The byte.
        byte: u8,
    },
    /// The treatment of ragged records is unknown: the publisher is newer.
    #[error("the dialect treats ragged records in a way that this version does not know: {0}")]
    Ragged(i32),
}

/// The role of a byte in a dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // named as the fields of `Dialect`, which say it
pub enum Role {
    Delimiter,
    Quote,
    Escape,
    Comment,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delimiter => "delimiter",
            Self::Quote => "quote",
            Self::Escape => "escape",
            Self::Comment => "comment prefix",
        })
    }
}

impl Dialect {
    /// Checks that no byte is a line end and no two are the same.
    ///
    /// # Errors
    ///
    /// The first error found.
    pub fn check(&self) -> Result<(), DialectError> {
        let bytes = [
            (Role::Delimiter, Some(self.delimiter)),
            (Role::Quote, self.quote),
            (Role::Escape, self.escape),
            (Role::Comment, self.comment),
        ];
        for (at, &(role, byte)) in bytes.iter().enumerate() {
            let Some(byte) = byte else { continue };
            if byte == b'\r' || byte == b'\n' {
                return Err(DialectError::LineEnd { role });
            }
            if let Some(&(first, _)) = bytes[..at].iter().find(|(_, other)| *other == Some(byte)) {
                return Err(DialectError::Same {
                    first,
                    second: role,
                    byte,
                });
            }
        }
        Ok(())
    }
}

impl TryFrom<&proto::v1::Dialect> for Dialect {
    type Error = DialectError;

    fn try_from(wire: &proto::v1::Dialect) -> Result<Self, DialectError> {
        if wire.delimiter == 0 {
            return Err(DialectError::NoDelimiter);
        }
        let optional = |role, value: Option<u32>| value.map(|value| byte(role, value)).transpose();
        let dialect = Self {
            delimiter: byte(Role::Delimiter, wire.delimiter)?,
            quote: optional(Role::Quote, wire.quote)?,
            escape: optional(Role::Escape, wire.escape)?,
            double_quote: wire.double_quote,
            has_header: wire.has_header,
            comment: optional(Role::Comment, wire.comment)?,
            ragged: ragged(wire.ragged)?,
        };
        dialect.check()?;
        Ok(dialect)
    }
}

fn byte(role: Role, value: u32) -> Result<u8, DialectError> {
    u8::try_from(value).map_err(|_| DialectError::NotAByte { role, value })
}

fn ragged(value: i32) -> Result<Ragged, DialectError> {
    use proto::v1::Ragged as Wire;

    match Wire::try_from(value) {
        Ok(Wire::Unspecified) => Ok(Ragged::Reject),
        Ok(Wire::Pad) => Ok(Ragged::Pad),
        Err(_) => Err(DialectError::Ragged(value)),
    }
}

impl From<Ragged> for proto::v1::Ragged {
    fn from(ragged: Ragged) -> Self {
        match ragged {
            Ragged::Reject => Self::Unspecified,
            Ragged::Pad => Self::Pad,
        }
    }
}

impl From<&Dialect> for proto::v1::Dialect {
    fn from(dialect: &Dialect) -> Self {
        Self {
            delimiter: dialect.delimiter.into(),
            quote: dialect.quote.map(u32::from),
            escape: dialect.escape.map(u32::from),
            double_quote: dialect.double_quote,
            has_header: dialect.has_header,
            comment: dialect.comment.map(u32::from),
            ragged: proto::v1::Ragged::from(dialect.ragged).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_survives_the_wire() {
        let dialect = Dialect {
            delimiter: b';',
            quote: Some(b'\''),
            escape: Some(b'\\'),
            double_quote: false,
            has_header: false,
            comment: Some(b'#'),
            ragged: Ragged::Pad,
        };
        let wire = proto::v1::Dialect::from(&dialect);
        assert_eq!(Dialect::try_from(&wire), Ok(dialect));
    }

    #[test]
    fn an_ambiguous_dialect_is_refused_with_a_reason() {
        let wire = |delimiter, quote| proto::v1::Dialect {
            delimiter,
            quote,
            ..(&Dialect::default()).into()
        };
        let refused = |delimiter, quote| {
            Dialect::try_from(&wire(delimiter, quote))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(refused(0, None), "the dialect has no delimiter");
        assert_eq!(
            refused(300, None),
            "the dialect's delimiter is 300, which is no byte"
        );
        assert_eq!(
            refused(10, None),
            "the dialect's delimiter cannot be a line end"
        );
        assert_eq!(
            refused(44, Some(44)),
            "the dialect's delimiter and quote are both ','"
        );
    }
}
