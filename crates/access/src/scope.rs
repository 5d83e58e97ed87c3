//! What a caller may do.

use std::fmt;
use std::str::FromStr;

use proto::v1;

/// What a token or a certificate allows. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Scope {
    /// To look at everything: jobs, rows, workers, dead chunks.
    Read,
    /// To change things, too: cancel, pause, replay, drop.
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
