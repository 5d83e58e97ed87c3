//! The messages of an attacker: every kind of message with sizes, numbers and ids that no valid message has, and
//! messages of no kind, each sent to its own queue or to another. A seed reproduces all of them.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use proto::v1::chunk_result::Partial;
use proto::v1::operation_spec::Kind;
use proto::v1::{
    Chunk, ChunkInHand, ChunkResult, ColumnPartial, DeadChunk, Dialect, ExecArgument, ExecPartial,
    ExecSpec, Heartbeat, Input, JobOpen, JobSeal, KindCounts, OperationSpec, Output,
    ProfilePartial, ProfileSpec, Rate, Reject, RowKeys, SampleRow, Sniffed, ValidatePartial,
    ValidateSpec, Violation,
};
use proto::{JobId, Payload};

use random::Random;

/// The exchanges that a role may publish to, by the last part of their names.
pub(crate) const OF_PUBLISHER: [&str; 2] = ["tasks", "results"];
pub(crate) const OF_WORKER: [&str; 4] = ["tasks", "results", "dead", "telemetry"];

/// One message in this many is large.
const LARGE_ONE_IN: u64 = 150;
/// The size of a large text or list.
const LARGE_BYTES: u64 = 6 << 20;

/// A message as AMQP carries it.
pub(crate) struct Forged {
    /// The queue of its kind.
    pub(crate) belongs_to: &'static str,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Vec<u8>,
}

/// Generates messages.
pub(crate) struct Forger {
    random: Random,
    /// Invented jobs.
    jobs: Vec<String>,
    /// A sealed job of another user; some messages refer to it and do not fit it.
    honest: Option<String>,
    made: u64,
    /// Whether the message being generated has a large part.
    is_large: bool,
}

impl Forger {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            jobs: (0..100).map(|_| JobId::new().to_string()).collect(),
            honest: None,
            made: 0,
            is_large: false,
        }
    }

    pub(crate) fn aim_at(&mut self, honest: &str) {
        self.honest = Some(honest.to_owned());
    }

    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    pub(crate) fn message(&mut self) -> Forged {
        self.made += 1;
        self.is_large = self.made.is_multiple_of(LARGE_ONE_IN);
        loop {
            let message = self.any();
            // Within `max_message_size` of docs/security.md.
            if message.body.len() < 16 << 20 {
                return message;
            }
        }
    }

    fn any(&mut self) -> Forged {
        if self.honest.is_some() && self.random.between(0, 9) == 0 {
            return self.misfit();
        }
        match self.random.between(0, 99) {
            0..20 => self.typed("results", Self::open),
            20..30 => self.typed("results", Self::seal),
            30..62 => self.typed("results", Self::result),
            62..74 => self.typed("dead", Self::dead),
            74..86 => self.typed("telemetry", Self::heartbeat),
            86..88 => self.typed("tasks", |forger| Payload::Chunk(forger.chunk())),
            88..90 => self.csv(),
            _ => self.garbage(),
        }
    }

    fn typed(&mut self, belongs_to: &'static str, make: fn(&mut Self) -> Payload) -> Forged {
        let payload = make(self);
        let properties = self
            .properties()
            .with_content_type("application/x-protobuf".into())
            .with_type(payload.type_name().into());
        Forged {
            belongs_to,
            properties,
            body: payload.encode(),
        }
    }

    /// A message for the honest job that cannot be valid: for a chunk that the job does not have, without a result,
    /// of another operation, with other columns, or with contradictory counts.
    fn misfit(&mut self) -> Forged {
        let job_id = self.honest.clone().unwrap_or_default();
        if self.random.between(0, 3) == 0 {
            return self.typed("dead", |forger| {
                let chunk = Chunk {
                    job_id: forger.honest.clone().unwrap_or_default(),
                    seq: forger.random.between(1_000, 1 << 40),
                    ..Chunk::default()
                };
                Payload::Dead(DeadChunk {
                    chunk: Some(chunk),
                    ..DeadChunk::default()
                })
            });
        }
        let result = ChunkResult {
            job_id,
            seq: self.random.between(0, 60),
            attempt: 1,
            ..ChunkResult::default()
        };
        let profile = |columns, rows| {
            Some(Partial::Profile(ProfilePartial {
                rows,
                columns: vec![ColumnPartial::default(); columns],
                ..ProfilePartial::default()
            }))
        };
        let result = match self.random.between(0, 4) {
            0 => ChunkResult {
                seq: self.random.between(1_000, 1 << 40),
                partial: profile(10, 0),
                ..result
            },
            1 => result,
            2 => ChunkResult {
                partial: Some(Partial::Exec(ExecPartial::default())),
                ..result
            },
            3 => ChunkResult {
                rows: 5,
                partial: profile(11, 5),
                ..result
            },
            _ => ChunkResult {
                rows: 7,
                partial: profile(10, 5),
                ..result
            },
        };
        let payload = Payload::Result(result);
        Forged {
            belongs_to: "results",
            properties: self.properties().with_type(payload.type_name().into()),
            body: payload.encode(),
        }
    }

    fn properties(&mut self) -> BasicProperties {
        let mut headers = FieldTable::default();
        for name in ["rowmill-made-ms", "rowmill-attempts", "x-delivery-count"] {
            headers.insert(name.into(), AMQPValue::LongLongInt(self.number() as i64));
        }
        let id: String = self.job().chars().take(80).collect();
        BasicProperties::default()
            .with_message_id(JobId::new().to_string().into())
            .with_correlation_id(id.into())
            .with_timestamp(self.number())
            .with_delivery_mode(2)
            .with_headers(headers)
    }

    /// CSV of another client, or a message that claims to be CSV.
    fn csv(&mut self) -> Forged {
        let properties = self.properties();
        let mut headers = properties.headers().clone().unwrap_or_default();
        for name in ["rowmill-name", "rowmill-exec"] {
            let text = self.text();
            let end = text.floor_char_boundary(60_000);
            headers.insert(name.into(), AMQPValue::LongString(text[..end].into()));
        }
        let bodies: [&[u8]; 4] = [b"a,b\n1,2\n", b"", b"\0\0\0", b"\"never closed,\n1,2\n"];
        Forged {
            belongs_to: "tasks",
            properties: properties
                .with_headers(headers)
                .with_content_type("text/csv".into()),
            body: self.random.pick(&bodies).to_vec(),
        }
    }

    /// A message of no kind, a broken one, or one of another kind than its type says.
    fn garbage(&mut self) -> Forged {
        let properties = self.properties();
        let kinds = [
            "rowmill.v1.JobOpen",
            "rowmill.v1.ChunkResult",
            "rowmill.v1.Chunk",
            "rowmill.v1.DeadChunk",
            "rowmill.v1.Unknown",
            "\u{202e}\u{1b}[2J",
            "celery",
        ];
        let properties = match self.random.between(0, 2) {
            0 => properties,
            1 => properties.with_content_type("application/json".into()),
            _ => properties.with_type(self.random.pick(&kinds).into()),
        };
        let body = match self.random.between(0, 3) {
            0 => Payload::Chunk(self.chunk()).encode(),
            // Empty messages within a message: two bytes each, and more in memory.
            1 => [0x62, 0].repeat(self.size() as usize),
            2 => self.text().into_bytes(),
            _ => (0..self.random.between(0, 300))
                .map(|_| self.random.next_u64() as u8)
                .collect(),
        };
        Forged {
            belongs_to: self.random.pick(&OF_WORKER),
            properties,
            body,
        }
    }

    fn open(&mut self) -> Payload {
        let columns = self.count(3);
        Payload::Open(JobOpen {
            job_id: self.job(),
            name: self.text(),
            operation: self.operation(),
            dialect: self.dialect(),
            columns: (0..columns).map(|_| self.word()).collect(),
            source_bytes: self.maybe(Self::number),
            opened_unix_ms: self.number(),
            publisher: self.text(),
            input: self.maybe(Self::input),
            lane: self.lane(),
        })
    }

    fn input(&mut self) -> Input {
        let files = self.random.between(0, 5);
        Input {
            files: (0..files).map(|_| self.text()).collect(),
            files_total: self.number(),
            encoding: self.text(),
            compression: self.text(),
            sniffed: vec![Sniffed {
                what: self.text(),
                value: self.text(),
                confidence: self.real(),
            }],
            headers: Vec::new(),
        }
    }

    fn seal(&mut self) -> Payload {
        Payload::Seal(JobSeal {
            job_id: self.job(),
            chunks: self.number(),
            rows: self.number(),
            rejects: self.number(),
            bytes: self.number(),
            sealed_unix_ms: self.number(),
            replaced: self.number(),
            stopped: if self.random.between(0, 3) == 0 {
                self.text()
            } else {
                String::new()
            },
        })
    }

    fn result(&mut self) -> Payload {
        let (rejects, samples) = (self.random.between(0, 3), self.random.between(0, 60));
        let rejects = (0..rejects).map(|_| self.reject()).collect();
        let sample = (0..samples).map(|_| self.sample()).collect();
        Payload::Result(ChunkResult {
            job_id: self.job(),
            seq: self.number(),
            first_line: self.number(),
            worker_id: self.text(),
            attempt: self.number() as u32,
            rows: self.number(),
            rejected: self.number(),
            bytes: self.number(),
            compute_us: self.number(),
            partial: self.maybe(Self::partial),
            rejects,
            sample,
            replaced: self.number(),
            output: self.maybe(Self::output),
            keys: self.maybe(Self::keys),
        })
    }

    fn partial(&mut self) -> Partial {
        match self.random.between(0, 2) {
            0 => Partial::Profile(ProfilePartial {
                rows: self.number(),
                columns: vec![self.column(); self.columns()],
                taken: self.number() as u32,
                records: None,
            }),
            1 => Partial::Exec(ExecPartial {
                columns: (0..self.count(3)).map(|_| self.word()).collect(),
                chunks: self.number(),
                rows_in: self.number(),
                rows_out: self.number(),
            }),
            _ => Partial::Validate(ValidatePartial {
                rows: self.number(),
                valid: self.number(),
                broken: (0..self.count(4)).map(|_| self.number()).collect(),
                again: self.number(),
            }),
        }
    }

    fn columns(&mut self) -> usize {
        let most = if self.is_large_part(1) { 200_000 } else { 12 };
        self.random.between(0, most) as usize
    }

    fn column(&mut self) -> ColumnPartial {
        let kinds = KindCounts {
            integer: self.number(),
            text: self.number(),
            ..KindCounts::default()
        };
        ColumnPartial {
            empty: self.number(),
            kinds: self.maybe(|_| kinds),
            length_min: self.number(),
            length_max: self.number(),
            length_sum: self.number(),
            text_min: self.maybe(|forger| forger.word().into_bytes()),
            ..ColumnPartial::default()
        }
    }

    fn reject(&mut self) -> Reject {
        let violations = self.random.between(0, 3);
        let violation = |forger: &mut Self| Violation {
            column: forger.word(),
            rule: forger.word(),
            expected: forger.word(),
            value: forger.text(),
        };
        Reject {
            record: self.number(),
            line: self.number(),
            byte: self.number(),
            reason: self.text(),
            raw: self.text().into_bytes(),
            file: self.word(),
            violations: (0..violations).map(|_| violation(self)).collect(),
        }
    }

    fn sample(&mut self) -> SampleRow {
        let cells = self.random.between(0, 70);
        SampleRow {
            record: self.number(),
            cells: (0..cells).map(|_| self.word()).collect(),
        }
    }

    fn output(&mut self) -> Output {
        Output {
            body: self.text().into_bytes().into(),
            compression: self.random.pick(&[0, 1, 7]),
            body_bytes: self.number(),
            body_hash: self.maybe(Self::number),
            rows: self.number(),
        }
    }

    /// Not 16 bytes per row.
    fn keys(&mut self) -> RowKeys {
        let keys = self.count(2);
        RowKeys {
            hashes: (0..keys).map(|_| self.word().into_bytes()).collect(),
            places: self.word().into_bytes(),
            file: self.text(),
        }
    }

    fn dead(&mut self) -> Payload {
        Payload::Dead(DeadChunk {
            chunk: self.maybe(Self::chunk),
            reason: self.text(),
            worker_id: self.text(),
            attempts: self.number() as u32,
            parked: self.random.between(0, 9) == 0,
            stderr: self.text(),
        })
    }

    fn chunk(&mut self) -> Chunk {
        let rejects = self.random.between(0, 2);
        Chunk {
            job_id: self.job(),
            seq: self.number(),
            operation: self.operation(),
            dialect: self.dialect(),
            columns: (0..self.count(2)).map(|_| self.word()).collect(),
            first_record: self.number(),
            first_line: self.number(),
            first_byte: self.number(),
            body: self.text().into_bytes().into(),
            body_hash: self.maybe(Self::number),
            rows: self.number(),
            rejects: (0..rejects).map(|_| self.reject()).collect(),
            file: self.word(),
            compression: self.random.pick(&[0, 1, 7]),
            body_bytes: self.number(),
            lane: self.lane(),
            signature: self.word().into_bytes().into(),
        }
    }

    fn heartbeat(&mut self) -> Payload {
        let in_hand = self.count(5);
        let in_hand = (0..in_hand).map(|_| ChunkInHand {
            job_id: self.job(),
            seq: self.number(),
            running_ms: self.number(),
        });
        let in_hand = in_hand.collect();
        let commands = self.count(2);
        Payload::Heartbeat(Heartbeat {
            worker_id: self.job(),
            host: self.text(),
            pid: self.number() as u32,
            version: self.text(),
            started_unix_ms: self.number(),
            sent_unix_ms: self.number(),
            threads: self.number() as u32,
            state: self.random.pick(&[0, 1, 2, 3, 4, 99, -1]),
            chunks: self.number(),
            rows: self.number(),
            bytes: self.number(),
            retries: self.number(),
            failures: self.number(),
            in_hand,
            lane: self.lane(),
            commands: (0..commands).map(|_| self.word()).collect(),
            cpu: self.maybe(Self::real),
            memory_bytes: self.maybe(Self::number),
            unsettled: self.maybe(Self::number),
        })
    }

    fn operation(&mut self) -> Option<OperationSpec> {
        let kind = match self.random.between(0, 4) {
            0 => return None,
            1 => None,
            2 => Some(Kind::Profile(ProfileSpec::default())),
            3 => Some(Kind::Exec(ExecSpec {
                command: self.word(),
                arguments: vec![ExecArgument {
                    name: self.word(),
                    value: self.text(),
                }],
                mode: self.random.pick(&[0, 1, 2, 9]),
                rate: self.maybe(|forger| Rate {
                    per_second: forger.real(),
                    unit: 1,
                }),
            })),
            _ => Some(Kind::Validate(ValidateSpec {
                schema: self.text().into_bytes().into(),
            })),
        };
        Some(OperationSpec {
            kind,
            no_rows: self.random.between(0, 1) == 0,
        })
    }

    fn dialect(&mut self) -> Option<Dialect> {
        self.maybe(|forger| Dialect {
            delimiter: forger.number() as u32,
            quote: forger.maybe(|forger| forger.number() as u32),
            ragged: forger.random.pick(&[0, 1, 9]),
            has_header: true,
            ..Dialect::default()
        })
    }

    fn job(&mut self) -> String {
        match self.random.between(0, 19) {
            0 => String::new(),
            1 => "not-an-id".to_owned(),
            2 => self.text(),
            3..6 => JobId::new().to_string(),
            _ => self.jobs[self.random.between(0, 99) as usize].clone(),
        }
    }

    fn lane(&mut self) -> String {
        match self.random.between(0, 9) {
            0 => self.word(),
            1 => format!("lane{}", self.random.between(0, 2000)),
            _ => String::new(),
        }
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.random.between(0, 3) > 0).then(|| make(self))
    }

    /// Numbers at the limits of an integer, a column of SQLite or a count, and usual ones.
    fn number(&mut self) -> u64 {
        let edges = [
            0,
            1,
            2,
            255,
            u64::from(u32::MAX),
            1 << 53,
            (1 << 63) - 1,
            1 << 63,
            u64::MAX,
        ];
        match self.random.between(0, 2) {
            0 => self.random.pick(&edges),
            _ => self.random.between(0, 40),
        }
    }

    fn real(&mut self) -> f64 {
        let edges = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e-300, 1e300];
        self.random.pick(&edges)
    }

    /// Whether the part being generated is the large one of a large message.
    fn is_large_part(&mut self, one_in: u64) -> bool {
        let is_large = self.is_large && self.random.between(1, one_in) == 1;
        self.is_large &= !is_large;
        is_large
    }

    /// A small count, or a large one.
    fn count(&mut self, few: u64) -> u64 {
        let most = if self.is_large_part(2) { 40_000 } else { few };
        self.random.between(0, most)
    }

    fn size(&mut self) -> u64 {
        let most = if self.is_large_part(1) {
            LARGE_BYTES / 2
        } else {
            300
        };
        self.random.between(0, most)
    }

    fn word(&mut self) -> String {
        let words = [
            "a",
            "",
            "id",
            "\u{202e}\u{1b}]0;x\u{7}",
            "…é",
            "\u{0}",
            "=1+1",
        ];
        self.random.pick(&words).to_owned()
    }

    fn text(&mut self) -> String {
        let bytes = match self.random.between(0, 9) {
            _ if self.is_large_part(10) => LARGE_BYTES,
            0 => 5_000,
            _ => self.random.between(0, 100),
        };
        let unit = self
            .random
            .pick(&["x", "é", "\u{1b}[2J", "\u{202e}ab", "\n", "1,2\n"]);
        unit.repeat(bytes as usize / unit.len())
    }
}
