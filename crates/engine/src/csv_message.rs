//! Makes a job of one CSV message from a sender that does not know rowmill: its opening, its only chunk and its seal.
//! The same message always gives the same job, so that a redelivered message gives no second one.

use bytes::{Bytes, BytesMut};
use proto::v1::{Chunk, Input, JobOpen, JobSeal};
use proto::{Csv, Envelope, JobId, Lane, Payload};
use xxhash_rust::xxh3::xxh3_128;

use crate::Dialect;
use crate::chunk::{self, Packing};
use crate::operation;
use crate::sniff::{DialectOverrides, Sniffed, sniff};
use crate::split::{Limits, Piece, SplitError, Splitter};

/// The maximum size of a body: that of a chunk.
const MAX_BODY_BYTES: usize = 8 << 20;
/// The number of bytes that are kept of a larger one, to show to users.
const EXCERPT_BYTES: usize = 1 << 20;
/// The maximum length of a name.
const NAME_CHARS: usize = 200;

/// The origin and the time of a message.
#[derive(Debug, Clone)]
pub struct MessageInfo {
    /// Its `message_id`; empty if it has none.
    pub message_id: String,
    /// Its timestamp in milliseconds since 1970; 0 if it has none.
    pub made_unix_ms: u64,
    /// The current time, used if there is no timestamp.
    pub now_unix_ms: u64,
    /// The lane of the queue that it was in.
    pub lane: Option<Lane>,
}

/// A job of one chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct SingleChunkJob {
    /// Its id.
    pub job: JobId,
    /// Its opening.
    pub open: JobOpen,
    /// Its chunk.
    pub chunk: Chunk,
    /// Its seal.
    pub seal: JobSeal,
    /// Why the chunk cannot be processed, for users. `None` if it can.
    pub error: Option<String>,
}

/// Why a body cannot be processed.
#[derive(Debug, thiserror::Error)]
enum BodyError {
    #[error("it has {0} bytes, and at most {MAX_BODY_BYTES} are allowed in one message")]
    TooLarge(usize),
    #[error("its content encoding is {0:?}, and only uncompressed text in UTF-8 is read")]
    Encoding(String),
    #[error("there are zero bytes in it, so it is not CSV in UTF-8")]
    Binary,
    #[error(transparent)]
    Split(#[from] SplitError),
}

impl SingleChunkJob {
    /// The job of `csv`. It reads the whole body: some 10 ms for the largest.
    pub fn new(csv: &Csv, info: &MessageInfo) -> Self {
        match ParsedBody::parse(csv) {
            Ok(parsed) => Self::build(csv, info, parsed, None),
            Err(error) => Self::broken(csv, info, error.to_string()),
        }
    }

    /// The job of a message that cannot be processed, with the reason, to show to users.
    pub fn broken(csv: &Csv, info: &MessageInfo, why: String) -> Self {
        let kept = match csv.body.len() {
            bytes if bytes > MAX_BODY_BYTES => csv.body.slice(..EXCERPT_BYTES),
            _ => csv.body.clone(),
        };
        let parsed = ParsedBody {
            piece: Piece {
                body: kept,
                ..Piece::default()
            },
            ..ParsedBody::default()
        };
        Self::build(csv, info, parsed, Some(why))
    }

    fn build(csv: &Csv, info: &MessageInfo, parsed: ParsedBody, error: Option<String>) -> Self {
        let job = id(csv, info);
        let job_id = job.to_string();
        let lane = info.lane.map_or_else(String::new, |lane| lane.to_string());
        let opened_unix_ms = match info.made_unix_ms {
            0 => info.now_unix_ms,
            made => made.min(info.now_unix_ms),
        };
        let name = name(csv, &info.message_id);
        let operation = operation::requested_by(csv);
        let seal = JobSeal {
            job_id: job_id.clone(),
            chunks: 1,
            rows: parsed.piece.rows,
            rejects: parsed.piece.rejects.len() as u64,
            bytes: csv.body.len() as u64,
            sealed_unix_ms: opened_unix_ms,
            ..JobSeal::default()
        };
        let mut chunk = Chunk {
            job_id: job_id.clone(),
            // The error is permanent: without an operation the chunk is never replayed.
            operation: error.is_none().then(|| operation.clone()),
            lane: lane.clone(),
            ..parsed
                .piece
                .into_chunk(&operation, &parsed.dialect, &parsed.columns)
        };
        chunk::pack(&mut chunk, Packing::Hash);
        let open = JobOpen {
            job_id,
            input: Some(Input {
                files: vec![name.clone()],
                files_total: 1,
                encoding: "UTF-8".into(),
                sniffed: parsed.sniffed,
                ..Input::default()
            }),
            name,
            operation: Some(operation),
            dialect: Some((&parsed.dialect).into()),
            columns: parsed.columns,
            source_bytes: Some(csv.body.len() as u64),
            opened_unix_ms,
            publisher: sender(csv),
            lane,
        };
        Self {
            job,
            open,
            chunk,
            seal,
            error,
        }
    }

    /// The messages that the master needs before the chunk's result, in order, with the ids that a publisher of this
    /// job would use.
    pub fn open_and_seal(&self) -> [Envelope; 2] {
        let Self {
            job, open, seal, ..
        } = self;
        [
            Envelope::new(format!("{job}.open"), job, Payload::Open(open.clone())),
            Envelope::new(format!("{job}.seal"), job, Payload::Seal(seal.clone())),
        ]
    }
}

/// The id of the job: the hash of the body and the message's id, or the body and the timestamp if there is no id. The
/// body is always included, so that a sender that uses one id for two messages loses neither.
fn id(csv: &Csv, info: &MessageInfo) -> JobId {
    let mut words = Vec::from(xxh3_128(&csv.body).to_be_bytes());
    if info.message_id.is_empty() {
        words.extend(info.made_unix_ms.to_be_bytes());
    } else {
        words.extend(info.message_id.as_bytes());
    }
    JobId::of_message(&words)
}

fn name(csv: &Csv, message_id: &str) -> String {
    let named = [csv.name.as_str(), message_id, "amqp"];
    let name = named.into_iter().find(|name| !name.is_empty());
    name.unwrap_or_default().chars().take(NAME_CHARS).collect()
}

fn sender(csv: &Csv) -> String {
    match csv.sender.as_str() {
        "" => "amqp".to_owned(),
        sender => sender.chars().take(NAME_CHARS).collect(),
    }
}

/// The content of a body.
#[derive(Debug, Default)]
struct ParsedBody {
    dialect: Dialect,
    columns: Vec<String>,
    /// All records.
    piece: Piece,
    sniffed: Vec<proto::v1::Sniffed>,
}

impl ParsedBody {
    fn parse(csv: &Csv) -> Result<Self, BodyError> {
        check(csv)?;
        let Sniffed {
            dialect, traits, ..
        } = sniff(&csv.body, true, &DialectOverrides::default());
        // One piece, whatever its content.
        let limits = Limits {
            target_bytes: MAX_BODY_BYTES,
            cap_bytes: MAX_BODY_BYTES,
        };
        let mut splitter = Splitter::new(dialect, limits);
        splitter.push(&csv.body);
        splitter.finish();
        let mut parsed = Self {
            dialect,
            sniffed: traits,
            ..Self::default()
        };
        let mut bodies = Vec::new();
        while let Some(piece) = splitter.next_piece()? {
            if bodies.is_empty() {
                let whole = &mut parsed.piece;
                (whole.first_line, whole.first_byte) = (piece.first_line, piece.first_byte);
            }
            parsed.piece.rows += piece.rows;
            parsed.piece.rejects.extend(piece.rejects);
            bodies.push(piece.body);
        }
        parsed.piece.body = joined(bodies);
        parsed.columns = splitter.header().unwrap_or_default().to_vec();
        Ok(parsed)
    }
}

fn check(csv: &Csv) -> Result<(), BodyError> {
    let (bytes, encoding) = (csv.body.len(), &csv.content_encoding);
    // Celery and others put the charset here.
    let usual = ["", "identity", "utf-8", "utf8", "us-ascii"];
    if !usual
        .iter()
        .any(|usual| encoding.eq_ignore_ascii_case(usual))
    {
        let encoding = encoding.chars().take(64).collect();
        return Err(BodyError::Encoding(encoding));
    }
    if bytes > MAX_BODY_BYTES {
        return Err(BodyError::TooLarge(bytes));
    }
    if memchr::memchr(0, &csv.body).is_some() {
        return Err(BodyError::Binary);
    }
    Ok(())
}

/// There are several pieces if a record without an end was between them. Lines are counted from the first piece, so the
/// line numbers behind such a record are too low.
fn joined(mut bodies: Vec<Bytes>) -> Bytes {
    bodies.retain(|body| !body.is_empty());
    if bodies.len() < 2 {
        return bodies.pop().unwrap_or_default();
    }
    let mut whole = BytesMut::new();
    for body in bodies {
        whole.extend_from_slice(&body);
    }
    whole.freeze()
}

#[cfg(test)]
mod tests {
    use proto::v1::operation_spec::Kind;

    use super::*;
    use crate::operation::observe;

    fn info() -> MessageInfo {
        MessageInfo {
            message_id: "m-1".into(),
            made_unix_ms: 5000,
            now_unix_ms: 9000,
            lane: None,
        }
    }

    fn csv(body: impl Into<Bytes>) -> Csv {
        Csv {
            body: body.into(),
            ..Csv::default()
        }
    }

    fn single(body: impl Into<Bytes>) -> SingleChunkJob {
        SingleChunkJob::new(&csv(body), &info())
    }

    #[test]
    fn a_message_is_a_job_that_can_be_processed() {
        let single = single("\u{feff}a;b\n1;2\n3;4\n");
        assert_eq!(single.error, None);
        assert_eq!(single.chunk.columns, ["a", "b"]);
        assert_eq!(
            (single.chunk.rows, single.seal.rows, single.seal.chunks),
            (2, 2, 1)
        );
        assert_eq!(
            (&single.open.name[..], &single.open.publisher[..]),
            ("m-1", "amqp")
        );
        assert_eq!(single.open.opened_unix_ms, 5000);
        let chunk = chunk::unpack(&single.chunk).unwrap();
        assert_eq!(observe(&chunk).unwrap().rows, 2);
        let [open, seal] = single.open_and_seal();
        let names = |message: &Envelope| message.message_id.rsplit('.').next().map(str::to_owned);
        assert_eq!(names(&open).as_deref(), Some("open"));
        assert_eq!(names(&seal).as_deref(), Some("seal"));
    }

    #[test]
    fn the_same_message_is_the_same_job_and_another_body_or_id_is_another() {
        let id = |body: &'static str, message_id: &str, made_unix_ms| {
            let info = MessageInfo {
                message_id: message_id.into(),
                made_unix_ms,
                ..info()
            };
            SingleChunkJob::new(&csv(body), &info).job
        };
        assert_eq!(id("a\n1\n", "m", 1), id("a\n1\n", "m", 2));
        assert_ne!(id("a\n1\n", "m", 1), id("a\n1\n", "n", 1));
        assert_ne!(id("a\n1\n", "m", 1), id("a\n2\n", "m", 1));
        assert_eq!(id("a\n1\n", "", 1), id("a\n1\n", "", 1));
        assert_ne!(id("a\n1\n", "", 1), id("a\n1\n", "", 2));
    }

    #[test]
    fn headers_name_it_and_ask_for_a_command() {
        let csv = Csv {
            name: "orders".into(),
            exec: "clean".into(),
            sender: "shop".into(),
            ..csv("a,b\n1,2\n")
        };
        let info = MessageInfo {
            lane: Some("gpu".parse().unwrap()),
            ..info()
        };
        let SingleChunkJob { open, chunk, .. } = SingleChunkJob::new(&csv, &info);
        assert_eq!((&open.name[..], &open.publisher[..]), ("orders", "shop"));
        assert_eq!((&open.lane[..], &chunk.lane[..]), ("gpu", "gpu"));
        let kind = chunk.operation.and_then(|operation| operation.kind);
        assert!(matches!(kind, Some(Kind::Exec(spec)) if spec.command == "clean"));
    }

    #[test]
    fn an_invalid_message_has_a_reason_and_can_never_be_run() {
        let packed = Csv {
            content_encoding: "gzip".into(),
            ..csv("a\n")
        };
        let large = csv(vec![b'x'; MAX_BODY_BYTES + 1]);
        for (csv, why) in [
            (csv(""), "the input is empty"),
            (csv("\n\n"), "the input is empty"),
            (csv("a,b\n1,\0\n"), "zero bytes"),
            (packed, "\"gzip\""),
            (large, "at most 8388608"),
        ] {
            let single = SingleChunkJob::new(&csv, &info());
            let error = single.error.unwrap();
            assert!(error.contains(why), "{error}");
            assert_eq!(single.chunk.operation, None);
            assert!(single.chunk.body.len() <= MAX_BODY_BYTES);
            assert_eq!(
                (single.seal.chunks, single.open.job_id),
                (1, single.job.to_string())
            );
        }
    }

    #[test]
    fn a_record_without_an_end_is_a_reject_and_the_others_are_read() {
        let good = "1,\"x, y\"\n".repeat(50);
        // No quote behind it closes it.
        let plain = "1,x\n".repeat(50);
        let single = single(format!("a,b\n{good}3,\"x\n{plain}"));
        assert_eq!(single.error, None);
        let chunk = chunk::unpack(&single.chunk).unwrap();
        let seen = observe(&chunk).unwrap();
        assert_eq!((seen.rows, seen.rejected), (100, 1));
        assert_eq!((single.seal.rows, single.seal.rejects), (100, 1));
    }
}
