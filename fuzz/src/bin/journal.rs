//! Journals of publishes, as a crash, a full disk or another program may have left them. The checksums are computed
//! here, because the fuzzer would never find a valid one.

#![no_main]

use std::cell::OnceCell;
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use publisher::{Remainder, ResumedPublish, JournalDir};

const JOB: &str = "01a218ac-f13a-7177-8607-7abcd0cb26d8";

thread_local! {
    static DIRECTORY: OnceCell<PathBuf> = const { OnceCell::new() };
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = Vec::new();
    // Records are separated by zero bytes; one that begins with 255 is torn.
    for record in data.split(|&byte| byte == 0) {
        let (is_torn, record) = match record.split_first() {
            Some((255, rest)) => (true, rest),
            _ => (false, record),
        };
        let hash = engine::chunk::hash(record) ^ u64::from(is_torn);
        bytes.extend((record.len() as u32).to_le_bytes());
        bytes.extend(hash.to_le_bytes());
        bytes.extend(record);
    }
    DIRECTORY.with(|directory| {
        let directory = directory.get_or_init(|| {
            let own = format!("rowmill-fuzz-{}", std::process::id());
            let directory = std::env::temp_dir().join(own);
            std::fs::create_dir_all(&directory).expect("the directory is created");
            directory
        });
        std::fs::write(directory.join(JOB), &bytes).expect("the file is written");
        let journal_dir = JournalDir::new(directory.clone());
        // The publish is resumed or refused.
        drop(ResumedPublish::find(journal_dir, JOB, Remainder::Pending));
    });
});
