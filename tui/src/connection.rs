//! The state of the connection to the master.

/// State of the connection to the master. Times are those of `Clock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Connection {
    /// The first attempt.
    Connecting {
        since_ms: u64,
    },
    Connected,
    Disconnected {
        since_ms: u64,
        retry_at_ms: u64,
        reason: String,
    },
    /// The master speaks another protocol version.
    VersionMismatch {
        mismatch: ProtocolMismatch,
        retry_at_ms: u64,
    },
}

/// How the mismatch of protocol versions was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProtocolMismatch {
    /// The master's snapshot names another version: `protocol 2 (rowmill 1.4.0)`.
    Version(String),
    /// The master refused the call with this message, which names both versions.
    Refusal(String),
}

impl std::fmt::Display for ProtocolMismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version(version) => {
                let ours = proto::PROTOCOL;
                write!(f, "it speaks {version}, and this dashboard protocol {ours}")
            }
            Self::Refusal(message) => f.write_str(message),
        }
    }
}
