//! Settings of a test from the environment: the seed, which the test prints, and other numbers.

/// A number from the environment, or `default`.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|e| panic!("{name}={text}: {e}")),
        Err(_) => default,
    }
}

/// `ROWMILL_SEED`, or a new seed.
pub(crate) fn seed() -> u64 {
    setting(
        "ROWMILL_SEED",
        proto::unix_ms() ^ u64::from(std::process::id()) << 40,
    )
}
