//! Lanes: named groups of workers. The crate `broker` maps a lane to its queue.

use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes.
const MAX_BYTES: usize = 32;

/// The name of a lane: 1 to 32 of `a` to `z`, `0` to `9`, `_` and `-`. Small enough to be `Copy`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// Padded with zeros, which no name contains.
    name: [u8; MAX_BYTES],
}

/// A text that is not the name of a lane.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a lane (1 to {MAX_BYTES} of a-z, 0-9, _ and - are expected)")]
pub struct LaneError {
    text: String,
}

impl Lane {
    /// The name.
    pub fn as_str(&self) -> &str {
        let end = self.name.iter().position(|byte| *byte == 0);
        let name = &self.name[..end.unwrap_or(MAX_BYTES)];
        // Every byte of a name is ASCII.
        str::from_utf8(name).unwrap_or_default()
    }

    /// Parses the lane of a message. `None` if it is empty: then the message is for workers without a lane.
    ///
    /// # Errors
    ///
    /// If it is neither empty nor a lane.
    pub fn named(text: &str) -> Result<Option<Self>, LaneError> {
        match text {
            "" => Ok(None),
            text => text.parse().map(Some),
        }
    }
}

impl FromStr for Lane {
    type Err = LaneError;

    fn from_str(text: &str) -> Result<Self, LaneError> {
        let is_part = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > MAX_BYTES || !bytes.iter().copied().all(is_part) {
            let text = text.chars().take(64).collect();
            return Err(LaneError { text });
        }
        let mut name = [0; MAX_BYTES];
        name[..bytes.len()].copy_from_slice(bytes);
        Ok(Self { name })
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lane({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_as_it_was_and_what_is_none_is_refused() {
        let longest = "a".repeat(MAX_BYTES);
        for name in ["gpu", "0", "a_b-c", &longest] {
            assert_eq!(name.parse::<Lane>().unwrap().to_string(), name);
        }
        let too_long = "a".repeat(MAX_BYTES + 1);
        for text in ["", "GPU", "a b", "a.b", "é", "a\0", &too_long] {
            assert!(text.parse::<Lane>().is_err(), "{text:?}");
        }
        assert_eq!(Lane::named(""), Ok(None));
        assert!(Lane::named("#").is_err());
    }
}
