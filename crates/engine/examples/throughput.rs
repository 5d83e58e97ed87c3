//! `cargo run --release -p rowmill-engine --example throughput -- FILE [PART [CHUNK]]`: measures the throughput of each
//! part of the engine for a file in memory, on one core, next to other tools with the same bytes. On Linux it measures
//! processor time, so that the load of the machine does not matter.

use std::collections::VecDeque;
use std::hint::black_box;
use std::io::{ErrorKind, Write};
use std::sync::LazyLock;
use std::time::Instant;

use engine::operation::{self, Merged};
use engine::{Dialect, Limits, Piece, Splitter, records::Records};
use prost::Message;
use proto::v1::chunk_result::Partial;
use proto::v1::operation_spec::Kind;
use proto::v1::{Chunk, OperationSpec, ProfileSpec};

/// The number of measurements of each part, in turns; the best counts.
const ROUNDS: usize = 5;

/// The baseline.
const PEER: &str = "csv-core, bare pass";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match run(&mut std::io::stdout().lock()) {
        Err(error) if is_closed_pipe(error.as_ref()) => Ok(()), // the reader has closed the pipe
        result => result,
    }
}

fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

fn run(out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: throughput FILE [PART [CHUNK]]")?;
    let wanted = std::env::args().nth(2).unwrap_or_default();
    let input = std::fs::read(path)?;
    let target_bytes = match std::env::args().nth(3) {
        Some(bytes) => bytes.parse()?,
        None => Limits::default().target_bytes,
    };
    let (columns, pieces) = split(&input, target_bytes)?;
    let chunks = chunks(&columns, pieces);
    let basic = ProfileSpec {
        no_distinct: true,
        no_quantiles: true,
        no_top: true,
        no_checks: true,
        exact: false,
    };
    let sketches = ProfileSpec {
        no_distinct: false,
        no_quantiles: false,
        ..basic
    };
    let all = ProfileSpec::default();
    let plain = Dialect::default();
    let commented = Dialect {
        comment: Some(b'#'),
        ..plain
    };
    let escaped = Dialect {
        escape: Some(b'\\'),
        ..plain
    };
    let parts: [(&str, &dyn Fn() -> u64); 15] = [
        (PEER, &|| csv_core_pass(&input)),
        ("csv's ByteRecord", &|| byte_records(&input)),
        ("memchr newline count", &|| {
            memchr::memchr_iter(b'\n', &input).count() as u64
        }),
        ("splitter, filled in place", &|| rows_in_flight(&input)),
        ("splitter, filled by push", &|| rows_by_push(&input, plain)),
        ("  with comments", &|| rows_by_push(&input, commented)),
        ("  with escapes", &|| rows_by_push(&input, escaped)),
        ("records and fields", &|| fields(&chunks, plain)),
        ("  with comments", &|| fields(&chunks, commented)),
        ("  with escapes", &|| fields(&chunks, escaped)),
        ("UTF-8 check by std", &|| {
            chunks
                .iter()
                .map(|chunk| u64::from(std::str::from_utf8(&chunk.body).is_ok()))
                .sum()
        }),
        ("UTF-8 check by simdutf8", &|| {
            let is_text = |body: &[u8]| simdutf8::basic::from_utf8(body).is_ok();
            chunks
                .iter()
                .map(|chunk| u64::from(is_text(&chunk.body)))
                .sum()
        }),
        ("observe, basic", &|| observe(&chunks, basic)),
        ("observe, distinct, quantiles", &|| {
            observe(&chunks, sketches)
        }),
        ("observe, all", &|| observe(&chunks, all)),
    ];
    let mut best = [f64::INFINITY; 15];
    let mut said = [0; 15];
    for _ in 0..ROUNDS {
        for (at, (name, part)) in parts.iter().enumerate() {
            if *name == PEER || name.contains(&wanted) {
                let start = clock();
                said[at] = black_box(part());
                best[at] = best[at].min(clock() - start);
            }
        }
    }
    writeln!(out, "{:<36} {:>10} {:>14}", "", "GB/s", "x csv-core")?;
    for (at, (name, _)) in parts.iter().enumerate().filter(|(at, _)| said[*at] > 0) {
        let rate = input.len() as f64 / best[at] / 1e9;
        let ratio = best[0] / best[at];
        writeln!(
            out,
            "{name:<36} {rate:>10.3} {ratio:>14.2}   ({})",
            said[at]
        )?;
    }
    sizes(out, &chunks[chunks.len() / 2], &columns)?;
    merges(out, &chunks)
}

/// Processor time of this thread in seconds, or wall-clock time.
fn clock() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|told| told.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| START.elapsed().as_secs_f64(), |ns| ns / 1e9)
}

/// Prints the size of a chunk's partial, by column.
fn sizes(
    out: &mut impl Write,
    chunk: &Chunk,
    columns: &[String],
) -> Result<(), Box<dyn std::error::Error>> {
    let Partial::Profile(partial) = operation::observe(chunk)?.partial else {
        return Ok(());
    };
    writeln!(
        out,
        "\na chunk of {} bytes: {} bytes of partial",
        chunk.body.len(),
        partial.encoded_len()
    )?;
    for (name, column) in columns.iter().zip(&partial.columns) {
        writeln!(out, "{name:<28} {:>8} bytes", column.encoded_len())?;
    }
    Ok(())
}

/// Prints the time that the master needs per chunk, and the size of a merged partial.
fn merges(out: &mut impl Write, chunks: &[Chunk]) -> Result<(), Box<dyn std::error::Error>> {
    let mut partials = Vec::new();
    for chunk in chunks.iter().take(100) {
        partials.push(operation::observe(chunk)?.partial);
    }
    let start = clock();
    let mut merged: Option<Merged> = None;
    for partial in &partials {
        let more = Merged::try_from(partial)?;
        match &mut merged {
            Some(merged) => merged.merge(&more)?,
            None => merged = Some(more),
        }
    }
    let each = (clock() - start) * 1e6 / partials.len() as f64;
    let Some(Partial::Profile(whole)) = merged.map(|merged| merged.partial()) else {
        return Ok(());
    };
    writeln!(
        out,
        "\nmerging: {each:.0} us a chunk; {} merged: {} bytes",
        partials.len(),
        whole.encoded_len()
    )?;
    Ok(())
}

fn split(
    input: &[u8],
    target_bytes: usize,
) -> Result<(Vec<String>, Vec<Piece>), engine::SplitError> {
    let limits = Limits {
        target_bytes,
        ..Limits::default()
    };
    let mut splitter = Splitter::new(Dialect::default(), limits);
    let mut pieces = Vec::new();
    let mut rest = input;
    while !rest.is_empty() {
        rest = fill(&mut splitter, rest);
        while let Some(piece) = splitter.next_piece()? {
            pieces.push(piece);
        }
    }
    splitter.finish();
    while let Some(piece) = splitter.next_piece()? {
        pieces.push(piece);
    }
    Ok((splitter.header().unwrap_or_default().to_vec(), pieces))
}

/// The splitter with every piece dropped at once: its buffer is reused all the time, so that this is little more than a
/// copy of the input and the scan.
fn rows_by_push(input: &[u8], dialect: Dialect) -> u64 {
    let mut splitter = Splitter::new(dialect, Limits::default());
    let mut rows = 0;
    for slice in input.chunks(1 << 20) {
        splitter.push(slice);
        while let Ok(Some(piece)) = splitter.next_piece() {
            rows += piece.rows;
        }
    }
    splitter.finish();
    while let Ok(Some(piece)) = splitter.next_piece() {
        rows += piece.rows;
    }
    rows
}

/// The splitter as a publisher uses it, with eight pieces in flight.
fn rows_in_flight(input: &[u8]) -> u64 {
    let mut splitter = Splitter::new(Dialect::default(), Limits::default());
    let mut on_their_way = VecDeque::new();
    let (mut rest, mut rows, mut is_finished) = (input, 0, false);
    loop {
        while let Ok(Some(piece)) = splitter.next_piece() {
            rows += piece.rows;
            on_their_way.push_back(piece);
            if on_their_way.len() > 8 {
                on_their_way.pop_front();
            }
        }
        if is_finished {
            return rows;
        }
        is_finished = rest.is_empty();
        if is_finished {
            splitter.finish();
        } else {
            rest = fill(&mut splitter, rest);
        }
    }
}

/// The rest behind the piece.
fn fill<'i>(splitter: &mut Splitter, rest: &'i [u8]) -> &'i [u8] {
    let space = splitter.space();
    let (now, later) = rest.split_at(rest.len().min(space.len()));
    space[..now.len()].copy_from_slice(now);
    splitter.filled(now.len());
    later
}

fn csv_core_pass(input: &[u8]) -> u64 {
    let mut reader = csv_core::Reader::new();
    let (mut output, mut ends) = (vec![0; 1 << 16], vec![0; 256]);
    let (mut rest, mut rows) = (input, 0);
    loop {
        let (result, read, _, _) = reader.read_record(rest, &mut output, &mut ends);
        rest = &rest[read..];
        match result {
            csv_core::ReadRecordResult::Record => rows += 1,
            csv_core::ReadRecordResult::End => return rows,
            _ => {}
        }
    }
}

fn byte_records(input: &[u8]) -> u64 {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(input);
    let mut record = csv::ByteRecord::new();
    let mut rows = 0;
    while matches!(reader.read_byte_record(&mut record), Ok(true)) {
        rows += 1;
    }
    rows
}

fn chunks(columns: &[String], pieces: Vec<Piece>) -> Vec<Chunk> {
    let operation = OperationSpec {
        kind: Some(Kind::Profile(ProfileSpec::default())),
        ..OperationSpec::default()
    };
    let chunk = |(seq, piece): (usize, Piece)| Chunk {
        seq: seq as u64,
        ..piece.into_chunk(&operation, &Dialect::default(), columns)
    };
    pieces.into_iter().enumerate().map(chunk).collect()
}

fn fields(chunks: &[Chunk], dialect: Dialect) -> u64 {
    let mut fields = 0;
    for chunk in chunks {
        let mut records = Records::new(&dialect, &chunk.body);
        while let Some(record) = records.read() {
            fields += record.len() as u64;
        }
    }
    fields
}

fn observe(chunks: &[Chunk], spec: ProfileSpec) -> u64 {
    let rows = |chunk: &Chunk| {
        let mut chunk = chunk.clone();
        chunk.operation = Some(OperationSpec {
            kind: Some(Kind::Profile(spec)),
            ..OperationSpec::default()
        });
        operation::observe(&chunk).map_or(0, |observed| observed.rows)
    };
    chunks.iter().map(rows).sum()
}
