//! A bearer token: 256 random bits.

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::hex;

/// Identifies the text, for users and for secret scanners.
const PREFIX: &str = "rowmill_";
const BYTES: usize = 32;

/// A token. Only [`secret`](Self::secret) reveals it.
#[derive(Clone)]
pub struct Token(String);

/// Why a text is not a token. The error never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The text has another format.
    #[error(
        "not a token (rowmill_ and 64 hexadecimal digits are expected; `rowmill token new` makes one)"
    )]
    NotAToken,
    /// The system has no random bytes.
    #[error("the system provides no random bytes")]
    NoRandom,
}

impl Token {
    /// Generates a token.
    ///
    /// # Errors
    ///
    /// If the system has no random bytes.
    pub fn generate() -> Result<Self, TokenError> {
        let mut bytes = [0; BYTES];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| TokenError::NoRandom)?;
        Ok(Self(format!("{PREFIX}{}", hex::encode(&bytes))))
    }

    /// The token's text.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// The SHA-256 that the master stores, which does not reveal the token. A slow hash, as for passwords, would add
    /// nothing to 256 random bits.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let digest = digest(&SHA256, self.0.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        bytes
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let digits = text.strip_prefix(PREFIX).ok_or(TokenError::NotAToken)?;
        let bytes: [u8; BYTES] = hex::decode(digits).ok_or(TokenError::NotAToken)?;
        Ok(Self(format!("{PREFIX}{}", hex::encode(&bytes))))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_are_parsed() {
        let (one, other) = (Token::generate().unwrap(), Token::generate().unwrap());
        assert_ne!(one.secret(), other.secret());
        let read: Token = one.secret().parse().unwrap();
        assert_eq!(read.digest(), one.digest());
        assert!(!format!("{one:?}").contains(&one.secret()[8..]));
    }

    #[test]
    fn an_invalid_token_is_refused_without_its_text() {
        for text in ["", "s3cret", "rowmill_", "rowmill_s3cret", "Rowmill_00"] {
            let error = text.parse::<Token>().unwrap_err();
            assert_eq!(error, TokenError::NotAToken);
            assert!(!error.to_string().contains("s3cret"));
        }
    }
}
