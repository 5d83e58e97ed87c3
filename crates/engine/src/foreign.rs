//! A job out of one message of CSV that somebody sent who need not know of rowmill: its opening, its
//! only chunk and its seal. Whoever makes it from the same message makes the same job, so that a message
//! that is handed out again makes no other. Carrying and counting are for others.

use bytes::{Bytes, BytesMut};
use proto::v1::operation_spec::Kind;
use proto::v1::{Chunk, ExecSpec, Input, JobOpen, JobSeal, OperationSpec, ProfileSpec, Reject};
use proto::{Csv, Envelope, JobId, Lane, Payload};
use xxhash_rust::xxh3::xxh3_128;

use crate::Dialect;
use crate::chunk::{self, Packing};
use crate::sniff::{Given, Sniffed, sniff};
use crate::split::{Limits, SplitError, Splitter};

/// The largest body: what a worker takes for a chunk.
const MAX_BODY_BYTES: usize = 8 << 20;
/// So much is kept of one that is larger, for people to look at.
const KEPT_BYTES: usize = 1 << 20;
/// The longest name.
const NAME_CHARS: usize = 200;

/// Where a message came from, and when.
#[derive(Debug, Clone)]
pub struct Came {
    /// Its `message_id`. Empty: it has none.
    pub message_id: String,
    /// When it was made, as its sender says, milliseconds since 1970. 0: that is not said.
    pub made_unix_ms: u64,
    /// When it is looked at, which stands for the time that is not said.
    pub now_unix_ms: u64,
    /// The lane of the queue that it was in.
    pub lane: Option<Lane>,
}

/// A job of one chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct Lone {
    /// Its id.
    pub job: JobId,
    /// How it begins and ends.
    pub open: JobOpen,
    /// What is in it.
    pub chunk: Chunk,
    /// That there is no more.
    pub seal: JobSeal,
    /// Why nothing can be done with it, for a person. Absent: the chunk can be worked on.
    pub wrong: Option<String>,
}

/// Why a body cannot be worked on.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error("it has {0} bytes, and at most {MAX_BODY_BYTES} are taken in one message")]
    TooLarge(usize),
    #[error("its content encoding is {0:?}, and only text in UTF-8, not packed, is read")]
    Encoding(String),
    #[error("there are zero bytes in it, so it is not CSV in UTF-8")]
    Binary,
    #[error(transparent)]
    Split(#[from] SplitError),
}

impl Lone {
    /// The job that `csv` is. Looks at all of it: some 10 ms for the largest.
    pub fn new(csv: &Csv, came: &Came) -> Self {
        match Read::of(csv) {
            Ok(read) => Self::of(csv, came, read, None),
            Err(wrong) => Self::broken(csv, came, wrong.to_string()),
        }
    }

    /// The job that `csv` would be, if it could be worked on: for people to see, and why it cannot.
    pub fn broken(csv: &Csv, came: &Came, why: String) -> Self {
        let kept = match csv.body.len() {
            bytes if bytes > MAX_BODY_BYTES => csv.body.slice(..KEPT_BYTES),
            _ => csv.body.clone(),
        };
        let read = Read {
            body: kept,
            ..Read::default()
        };
        Self::of(csv, came, read, Some(why))
    }

    fn of(csv: &Csv, came: &Came, read: Read, wrong: Option<String>) -> Self {
        let job = id(csv, came);
        let job_id = job.to_string();
        let lane = came.lane.map_or_else(String::new, |lane| lane.to_string());
        let opened_unix_ms = match came.made_unix_ms {
            0 => came.now_unix_ms,
            made => made.min(came.now_unix_ms),
        };
        let name = name(csv, &came.message_id);
        let operation = operation(csv);
        let seal = JobSeal {
            job_id: job_id.clone(),
            chunks: 1,
            rows: read.rows,
            rejects: read.rejects.len() as u64,
            bytes: csv.body.len() as u64,
            sealed_unix_ms: opened_unix_ms,
            ..JobSeal::default()
        };
        let mut chunk = Chunk {
            job_id: job_id.clone(),
            // What is wrong stays wrong: without an operation it is never replayed.
            operation: wrong.is_none().then(|| operation.clone()),
            dialect: Some((&read.dialect).into()),
            columns: read.columns.clone(),
            first_line: read.first_line,
            first_byte: read.first_byte,
            body: read.body,
            rows: read.rows,
            rejects: read.rejects,
            lane: lane.clone(),
            ..Chunk::default()
        };
        chunk::pack(&mut chunk, Packing::Hash);
        let open = JobOpen {
            job_id,
            input: Some(Input {
                files: vec![name.clone()],
                files_total: 1,
                encoding: "UTF-8".into(),
                sniffed: read.sniffed,
                ..Input::default()
            }),
            name,
            operation: Some(operation),
            dialect: Some((&read.dialect).into()),
            columns: read.columns,
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
            wrong,
        }
    }

    /// The messages that the master is to have before anything comes of the chunk, in their order. They
    /// have the ids that a publisher of this job would give them.
    pub fn frame(&self) -> [Envelope; 2] {
        let Self {
            job, open, seal, ..
        } = self;
        [
            Envelope::new(format!("{job}.open"), job, Payload::Open(open.clone())),
            Envelope::new(format!("{job}.seal"), job, Payload::Seal(seal.clone())),
        ]
    }
}

/// The job's id: of the message's id and its body, or else of when it was made and its body. The body
/// is part of it in any case, so that a sender that gives two messages one id loses neither.
fn id(csv: &Csv, came: &Came) -> JobId {
    let mut words = Vec::from(xxh3_128(&csv.body).to_be_bytes());
    if came.message_id.is_empty() {
        words.extend(came.made_unix_ms.to_be_bytes());
    } else {
        words.extend(came.message_id.as_bytes());
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

fn operation(csv: &Csv) -> OperationSpec {
    let kind = match csv.exec.as_str() {
        "" => Kind::Profile(ProfileSpec::default()),
        command => Kind::Exec(ExecSpec {
            command: command.to_owned(),
            ..ExecSpec::default()
        }),
    };
    OperationSpec {
        kind: Some(kind),
        no_rows: false,
    }
}

/// What a body is.
#[derive(Debug, Default)]
struct Read {
    dialect: Dialect,
    columns: Vec<String>,
    body: Bytes,
    rows: u64,
    rejects: Vec<Reject>,
    first_line: u64,
    first_byte: u64,
    sniffed: Vec<proto::v1::Sniffed>,
}

impl Read {
    fn of(csv: &Csv) -> Result<Self, Wrong> {
        check(csv)?;
        let Sniffed {
            dialect, traits, ..
        } = sniff(&csv.body, true, &Given::default());
        // One piece, whatever is in it.
        let limits = Limits {
            target_bytes: MAX_BODY_BYTES,
            cap_bytes: MAX_BODY_BYTES,
        };
        let mut splitter = Splitter::new(dialect, limits);
        splitter.push(&csv.body);
        splitter.finish();
        let mut read = Self {
            dialect,
            sniffed: traits,
            ..Self::default()
        };
        let mut bodies = Vec::new();
        while let Some(piece) = splitter.next_piece()? {
            if bodies.is_empty() {
                (read.first_line, read.first_byte) = (piece.first_line, piece.first_byte);
            }
            read.rows += piece.rows;
            read.rejects.extend(piece.rejects);
            bodies.push(piece.body);
        }
        read.body = joined(bodies);
        read.columns = splitter.header().unwrap_or_default().to_vec();
        Ok(read)
    }
}

fn check(csv: &Csv) -> Result<(), Wrong> {
    let (bytes, encoding) = (csv.body.len(), &csv.content_encoding);
    // Celery and others say what charset it is here.
    let usual = ["", "identity", "utf-8", "utf8", "us-ascii"];
    if !usual
        .iter()
        .any(|usual| encoding.eq_ignore_ascii_case(usual))
    {
        let encoding = encoding.chars().take(64).collect();
        return Err(Wrong::Encoding(encoding));
    }
    if bytes > MAX_BODY_BYTES {
        return Err(Wrong::TooLarge(bytes));
    }
    if memchr::memchr(0, &csv.body).is_some() {
        return Err(Wrong::Binary);
    }
    Ok(())
}

/// There are several where a record without an end stood between them. Lines are counted from the
/// first, so that those behind it are said to be earlier than they are.
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
    use super::*;
    use crate::operation::observe;

    fn came() -> Came {
        Came {
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

    fn lone(body: impl Into<Bytes>) -> Lone {
        Lone::new(&csv(body), &came())
    }

    #[test]
    fn a_message_is_a_job_that_can_be_worked_on() {
        let lone = lone("\u{feff}a;b\n1;2\n3;4\n");
        assert_eq!(lone.wrong, None);
        assert_eq!(lone.chunk.columns, ["a", "b"]);
        assert_eq!(
            (lone.chunk.rows, lone.seal.rows, lone.seal.chunks),
            (2, 2, 1)
        );
        assert_eq!(
            (&lone.open.name[..], &lone.open.publisher[..]),
            ("m-1", "amqp")
        );
        assert_eq!(lone.open.opened_unix_ms, 5000);
        let chunk = chunk::unpack(&lone.chunk).unwrap();
        assert_eq!(observe(&chunk).unwrap().rows, 2);
        let [open, seal] = lone.frame();
        let names = |message: &Envelope| message.message_id.rsplit('.').next().map(str::to_owned);
        assert_eq!(names(&open).as_deref(), Some("open"));
        assert_eq!(names(&seal).as_deref(), Some("seal"));
    }

    #[test]
    fn the_same_message_is_the_same_job_and_another_body_or_id_is_another() {
        let id = |body: &'static str, message_id: &str, made_unix_ms| {
            let came = Came {
                message_id: message_id.into(),
                made_unix_ms,
                ..came()
            };
            Lone::new(&csv(body), &came).job
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
        let came = Came {
            lane: Some("gpu".parse().unwrap()),
            ..came()
        };
        let Lone { open, chunk, .. } = Lone::new(&csv, &came);
        assert_eq!((&open.name[..], &open.publisher[..]), ("orders", "shop"));
        assert_eq!((&open.lane[..], &chunk.lane[..]), ("gpu", "gpu"));
        let kind = chunk.operation.and_then(|operation| operation.kind);
        assert!(matches!(kind, Some(Kind::Exec(spec)) if spec.command == "clean"));
    }

    #[test]
    fn what_is_wrong_is_said_and_can_never_be_run() {
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
            let lone = Lone::new(&csv, &came());
            let wrong = lone.wrong.unwrap();
            assert!(wrong.contains(why), "{wrong}");
            assert_eq!(lone.chunk.operation, None);
            assert!(lone.chunk.body.len() <= MAX_BODY_BYTES);
            assert_eq!(
                (lone.seal.chunks, lone.open.job_id),
                (1, lone.job.to_string())
            );
        }
    }

    #[test]
    fn a_record_without_an_end_is_a_reject_and_the_others_are_read() {
        let good = "1,\"x, y\"\n".repeat(50);
        // No quote behind it closes it.
        let plain = "1,x\n".repeat(50);
        let lone = lone(format!("a,b\n{good}3,\"x\n{plain}"));
        assert_eq!(lone.wrong, None);
        let chunk = chunk::unpack(&lone.chunk).unwrap();
        let seen = observe(&chunk).unwrap();
        assert_eq!((seen.rows, seen.rejected), (100, 1));
        assert_eq!((lone.seal.rows, lone.seal.rejects), (100, 1));
    }
}
