//! The sniffer: whatever it is given, a dialect that can be used comes of it, and what was said is kept.

#![no_main]

use engine::sniff::{DialectOverrides, sniff};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((said, text)) = fuzz::dialect(data) else {
        return;
    };
    let free = sniff(text, false, &DialectOverrides::default());
    assert_eq!(free.dialect.check(), Ok(()));
    for found in &free.traits {
        assert!((0.0..=1.0).contains(&found.confidence), "{found:?}");
    }
    let given = DialectOverrides {
        delimiter: Some(said.delimiter),
        quote: Some(said.quote),
        escape: Some(said.escape),
        double_quote: Some(said.double_quote),
        has_header: Some(said.has_header),
        comment: Some(said.comment),
    };
    let bound = sniff(text, true, &given);
    assert_eq!(bound.dialect, said);
    assert!(bound.traits.is_empty());
});
