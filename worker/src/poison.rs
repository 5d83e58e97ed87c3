//! Failures that tests inject into real worker processes. Only debug builds have them: a release build does not read
//! the variable.
//!
//! `ROWMILL_POISON=abort:3,hang:7` makes the chunk with seq 3 of every job abort its process and the chunk with seq 7
//! hang; `memory` allocates until the limit, or 1 GiB, and then aborts as the system would.

/// Injects the failure that the environment asks for at the chunk `seq`.
#[cfg(debug_assertions)]
pub(crate) fn apply(seq: u64) {
    let Ok(orders) = std::env::var("ROWMILL_POISON") else {
        return;
    };
    for order in orders.split(',') {
        match order.split_once(':') {
            Some((how, which)) if which.parse() == Ok(seq) => misbehave(how),
            _ => {}
        }
    }
}

#[cfg(not(debug_assertions))]
pub(crate) fn apply(_seq: u64) {}

#[cfg(debug_assertions)]
fn misbehave(how: &str) {
    match how {
        "abort" => std::process::abort(),
        "hang" => loop {
            std::thread::park();
        },
        "memory" => {
            let taken: Vec<Vec<u8>> = (0..64).map(|_| vec![1; 16 << 20]).collect();
            tracing::error!(
                pieces = taken.len(),
                "nothing stopped a chunk that eats memory"
            );
            std::process::abort()
        }
        _ => {}
    }
}
