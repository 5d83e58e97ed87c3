//! Journals of publishes, as a crash, a full disk or another program may have left them. The checksum is
//! made right, for the fuzzer would never find it.

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
    // Records end with a zero byte, which is not of them; one that begins with 255 is torn.
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
            std::fs::create_dir_all(&directory).expect("a directory for one file");
            directory
        });
        std::fs::write(directory.join(JOB), &bytes).expect("a file of some KB");
        let shelf = JournalDir::new(directory.clone());
        // Whatever stands there, it is gone on with or refused.
        drop(ResumedPublish::find(shelf, JOB, Remainder::Pending));
    });
});
