//! Orders mixed with bad records, and the expected result: the profile from the engine's oracle, the rejects from the
//! generator of the bad records.

use access::Client;
use engine::Dialect;
use proto::v1::{GetJobResponse, ListRejectsRequest, Profile, Reject};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use random::Random;

/// The columns of orders.
const COLUMNS: usize = 10;

/// A CSV and its expected result.
pub(crate) struct Truth {
    pub(crate) csv: Vec<u8>,
    pub(crate) result: Outcome,
}

/// The part of a finished job that depends on the data and not on the run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) rows: u64,
    pub(crate) profile: Profile,
    pub(crate) rejects: Vec<Reject>,
}

impl Truth {
    /// Mixes bad records into `orders`, one after about every fiftieth record.
    pub(crate) fn new(orders: &str, random: &mut Random) -> Self {
        let (csv, rejects) = spoil(orders, random);
        let whole =
            engine::oracle::profile_in_one_piece(csv.as_slice(), &Dialect::default()).unwrap();
        assert_eq!(whole.rejected, rejects.len() as u64);
        let result = Outcome {
            rows: whole.rows,
            profile: cut_free(engine::profile::finish(&whole.partial, &whole.columns).unwrap()),
            rejects,
        };
        Self { csv, result }
    }
}

/// A profile without the most frequent values of columns that have too many distinct values to count each: their
/// candidates depend on the chunk boundaries.
pub(crate) fn cut_free(mut profile: Profile) -> Profile {
    for column in &mut profile.columns {
        if column
            .distinct
            .is_some_and(|distinct| distinct.error > 0.0 || distinct.count > 100)
        {
            column.top.clear();
            column.top_rest = None;
        }
    }
    profile
}

/// The orders mixed with bad records, and the rejects that the master must report for those.
fn spoil(orders: &str, random: &mut Random) -> (Vec<u8>, Vec<Reject>) {
    let (mut csv, mut rejects) = (Vec::new(), Vec::new());
    // The header is not a record.
    let (mut record, mut line) = (-1_i64, 1);
    for text in records(orders) {
        csv.extend_from_slice(text.as_bytes());
        line += lines(text);
        record += 1;
        if random.between(1, 50) > 1 {
            continue;
        }
        let (fields, bad) = bad_record(random);
        let plural = if fields == 1 { "" } else { "s" };
        rejects.push(Reject {
            record: record as u64,
            line,
            byte: csv.len() as u64,
            reason: format!("{fields} field{plural} where the header has {COLUMNS}"),
            raw: bad.clone().into_bytes(),
            ..Default::default()
        });
        csv.extend_from_slice(bad.as_bytes());
        csv.push(b'\n');
        line += lines(&bad) + 1;
        record += 1;
    }
    (csv, rejects)
}

/// The records of well-formed CSV, each with its line end.
fn records(csv: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    csv.split_inclusive(move |c| {
        quoted ^= c == '"';
        c == '\n' && !quoted
    })
}

fn lines(text: &str) -> u64 {
    text.bytes().filter(|&byte| byte == b'\n').count() as u64
}

/// A record with the wrong number of fields, and that number.
fn bad_record(random: &mut Random) -> (usize, String) {
    let fields = random.pick(&[1, 2, 9, 11, 30]);
    let number = random.next_u64() % 1_000_000;
    let mut cells = vec![format!("bad {number}")];
    cells.resize(fields, "\"two\nlines, and a comma\"".to_owned());
    (fields, cells.join(","))
}

impl Outcome {
    /// The outcome of a job as the master reports it, all pages.
    pub(crate) async fn read(
        client: &mut Client,
        job: &GetJobResponse,
    ) -> Result<Self, tonic::Status> {
        let summary = job.job.clone().unwrap_or_default();
        let mut rejects = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListRejectsRequest {
                job_id: summary.job_id.clone(),
                page_size: 100,
                page_token,
            };
            let page = client.list_rejects(request).await?.into_inner();
            rejects.extend(page.rejects);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        Ok(Self {
            rows: summary.rows,
            profile: cut_free(
                report::profile_of(job.report.as_ref())
                    .cloned()
                    .unwrap_or_default(),
            ),
            rejects,
        })
    }

    /// SHA-256 of the outcome as JSON with sorted keys and floats exact to the last bit.
    pub(crate) fn sha256(&self) -> String {
        format!("{:x}", Sha256::digest(self.json().to_string()))
    }

    fn json(&self) -> Value {
        let columns = self.profile.columns.iter().map(|column| {
            json!({
                "name": column.name, "type": column.r#type().as_str_name(), "fit": column.fit,
                "count": column.count, "empty": column.empty, "min": column.min,
                "max": column.max, "sum": column.sum, "mean": column.mean,
                "stddev": column.stddev, "length_min": column.length_min,
                "length_max": column.length_max, "length_mean": column.length_mean,
            })
        });
        let rejects = self.rejects.iter().map(|reject| {
            json!({
                "record": reject.record, "line": reject.line, "byte": reject.byte,
                "reason": reject.reason, "raw": String::from_utf8_lossy(&reject.raw),
            })
        });
        json!({
            "columns": columns.collect::<Vec<_>>(),
            "rejects": rejects.collect::<Vec<_>>(),
            "rows": self.rows,
        })
    }
}
