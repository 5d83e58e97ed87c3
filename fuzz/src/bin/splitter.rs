//! Compares the splitter with the csv crate, for any chunk size and any size of the parts it is given.

#![no_main]

#[path = "../../../crates/engine/tests/support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((dialect, data)) = fuzz::dialect(data) else {
        return;
    };
    let Some((&[target, feed], input)) = data.split_first_chunk() else {
        return;
    };
    let (target, feed) = (1 + usize::from(target), 1 + usize::from(feed));
    support::check(dialect, target, input, feed);
});
