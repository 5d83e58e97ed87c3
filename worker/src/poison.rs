//! Chunks that misbehave on purpose, so that tests can try with real processes what no operation
//! ever does when all is well. Only debug builds have it: in a release build nothing is looked up.
//!
//! `ROWMILL_POISON=abort:3,hang:7` makes the chunk with seq 3 of every job abort its process and
//! the one with seq 7 never end; `memory` takes memory until there is no more, or 1 GiB of it, and
//! then ends the process as the system would.

/// Misbehaves where the environment says so for the chunk `seq`.
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
