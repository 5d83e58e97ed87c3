//! Messages from the broker, as workers and the master read them: each is processed or refused, within the limits on
//! memory and time.

#![no_main]

use std::io::Cursor;

use bytes::Bytes;
use engine::csv_message::{MessageInfo, SingleChunkJob};
use engine::operation::{Merged, observe};
use engine::output::Unpacker;
use engine::{chunk, output};
use libfuzzer_sys::fuzz_target;
use proto::v1::{Chunk, ChunkResult, Output};
use proto::{Csv, Payload};

const TYPES: [&str; 7] = [
    "rowmill.v1.Chunk",
    "rowmill.v1.ChunkResult",
    "rowmill.v1.JobOpen",
    "rowmill.v1.JobSeal",
    "rowmill.v1.DeadChunk",
    "rowmill.v1.Heartbeat",
    "rowmill.v1.Control",
];

fuzz_target!(|data: &[u8]| {
    let Some((&kind, bytes)) = data.split_first() else {
        return;
    };
    let bytes = Bytes::copy_from_slice(bytes);
    let Some(kind) = TYPES.get(usize::from(kind) % (TYPES.len() + 1)) else {
        return process_csv_message(bytes);
    };
    let Ok(payload) = Payload::decode(kind, bytes) else {
        return;
    };
    // A decoded message can be encoded again.
    assert_eq!(
        Payload::decode(kind, payload.encode().into()).ok(),
        Some(payload.clone())
    );
    match payload {
        Payload::Chunk(chunk) => process(&chunk),
        Payload::Result(result) => merge(&result),
        Payload::Dead(dead) => dead.chunk.iter().for_each(process),
        _ => {}
    }
});

fn process(chunk: &Chunk) {
    if let Ok(chunk) = chunk::unpack(chunk) {
        drop(observe(&chunk));
    }
}

fn merge(result: &ChunkResult) {
    if let Some(output) = &result.output {
        drop(output::unpack(output, result.seq));
        read_spilled(output, result.seq);
    }
    let Some(Ok(merged)) = result.partial.as_ref().map(Merged::try_from) else {
        return;
    };
    let mut twice = merged.clone();
    if twice.merge(&merged).is_ok() {
        // A merged state can be stored and read again.
        assert!(Merged::try_from(&twice.partial()).is_ok());
    }
}

/// Reads the output in pieces, as from a spill file.
fn read_spilled(output: &Output, seq: u64) {
    let length = output.body.len() as u64;
    let Ok(mut rows) = Unpacker::new(output, Cursor::new(&output.body), length, seq) else {
        return;
    };
    while !rows.is_over() && rows.next(4096).is_ok() {}
}

fn process_csv_message(body: Bytes) {
    let csv = Csv {
        body,
        ..Csv::default()
    };
    let info = MessageInfo {
        message_id: "fuzz".to_owned(),
        made_unix_ms: 1,
        now_unix_ms: 1,
        lane: None,
    };
    let single = SingleChunkJob::new(&csv, &info);
    if single.error.is_none() {
        process(&single.chunk);
    }
}
