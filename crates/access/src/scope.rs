//! The scope of a caller.

use std::fmt;
use std::str::FromStr;

use proto::v1;

/// The scope of a token or a certificate. Each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Scope {
    /// Read everything: jobs, rows, workers, dead chunks.
    Read,
    /// Make changes, too: cancel, pause, replay, drop.
    Admin,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Admin => "admin",
        })
    }
}

impl FromStr for Scope {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "read" => Ok(Self::Read),
            "admin" => Ok(Self::Admin),
            _ => Err(()),
        }
    }
}

impl From<Scope> for v1::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Admin => Self::Admin,
        }
    }
}
