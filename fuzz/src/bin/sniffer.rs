//! The sniffer: it finds a valid dialect for any input, and does not change what the user gave.

#![no_main]

use engine::sniff::{DialectOverrides, sniff};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((dialect, text)) = fuzz::dialect(data) else {
        return;
    };
    let sniffed = sniff(text, false, &DialectOverrides::default());
    assert_eq!(sniffed.dialect.check(), Ok(()));
    for found in &sniffed.traits {
        assert!((0.0..=1.0).contains(&found.confidence), "{found:?}");
    }
    let sniffed = sniff(text, true, &DialectOverrides::from(&dialect));
    assert_eq!(sniffed.dialect, dialect);
    assert!(sniffed.traits.is_empty());
});
