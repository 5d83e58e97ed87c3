//! Copies a job's rows from the master to where they are wanted. A master that goes away is waited
//! for, and the stream goes on behind what was written: no byte twice, none lost.

use access::Client;
use bytes::Bytes;
use cli::{Exit, Failure, OrExit};
use proto::v1::output_part::Part;
use proto::v1::{OutputEnd, OutputHead, OutputPart, OutputRows, ReadOutputRequest};
use tonic::{Code, Status};

use super::Sink;
use crate::follow::{AWAY, Patience, is_passing, reconnect};
use crate::server::{Unheard, refused};

/// Which rows, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) job_id: &'a str,
    /// As they are committed, not in input order.
    pub(crate) unordered: bool,
    /// To the job's end.
    pub(crate) follow: bool,
    pub(crate) patience: Patience,
}

/// What was written so far.
#[derive(Debug, Default)]
struct Written {
    has_head: bool,
    /// Behind the last part; empty before the first.
    token: String,
}

/// Writes the job's rows to `sink`, under their header; calls `settled` for each chunk of which
/// nothing more will come, be it written or dead. `connect` gives a client, anew whenever the master
/// went away. Gives what the master said at the end.
pub(crate) async fn copy<F>(
    connect: impl Fn() -> F,
    wanted: Wanted<'_>,
    sink: &mut Sink,
    mut settled: impl FnMut(u64),
) -> Result<OutputEnd, Failure>
where
    F: Future<Output = Result<Client, Failure>>,
{
    let mut client = connect().await?;
    let mut written = Written::default();
    let mut unheard = Unheard::default();
    loop {
        match read(&mut client, wanted, &mut written, sink, &mut settled).await {
            Ok(end) => return Ok(end),
            Err(Stop::Lost(status)) if status.code() == Code::NotFound => {
                unheard.wait().await;
            }
            Err(Stop::Lost(status)) => {
                cli::stderr_line!(
                    "rowmill: the rows wait for the master: {}",
                    status.message()
                );
                tokio::time::sleep(AWAY).await;
                client = reconnect(&connect, wanted.patience, |_| {}).await?;
            }
            Err(Stop::Failed(failure)) => return Err(failure),
        }
    }
}

/// Why a stream ended before its end.
enum Stop {
    /// It can be gone on with.
    Lost(Status),
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// One stream, from where the last one stopped.
async fn read(
    client: &mut Client,
    wanted: Wanted<'_>,
    written: &mut Written,
    sink: &mut Sink,
    settled: &mut impl FnMut(u64),
) -> Result<OutputEnd, Stop> {
    let request = ReadOutputRequest {
        job_id: wanted.job_id.to_owned(),
        unordered: wanted.unordered,
        follow: wanted.follow,
        token: written.token.clone(),
    };
    let ended = |status: Status| {
        if is_passing(&status, wanted.patience, wanted.job_id) {
            Stop::Lost(status)
        } else {
            Stop::Failed(refused(&status))
        }
    };
    let stream = client.read_output(request).await;
    let mut stream = stream.map_err(ended)?.into_inner();
    loop {
        match stream.message().await.map_err(ended)? {
            Some(OutputPart { part: Some(part) }) => match part {
                Part::Head(head) => written.head(&head, sink).await?,
                Part::Rows(rows) => written.rows(rows, sink, settled).await?,
                Part::End(end) => return Ok(end),
            },
            Some(OutputPart { part: None }) => {}
            // A stream says when it is over.
            None => return Err(Stop::Lost(Status::unavailable("the stream ended"))),
        }
    }
}

impl Written {
    /// A stream from the start has the header, also if one before it had it and nothing else.
    async fn head(&mut self, head: &OutputHead, sink: &mut Sink) -> Result<(), Failure> {
        if !self.has_head && !head.columns.is_empty() {
            sink.write(record(&head.columns)?).await?;
        }
        self.has_head = true;
        Ok(())
    }

    async fn rows(
        &mut self,
        rows: OutputRows,
        sink: &mut Sink,
        settled: &mut impl FnMut(u64),
    ) -> Result<(), Failure> {
        if !rows.body.is_empty() {
            sink.write(rows.body).await?;
        }
        self.token = rows.token;
        if rows.is_last {
            settled(rows.seq);
        }
        Ok(())
    }
}

/// One record of CSV, written as the rows are.
fn record(cells: &[String]) -> Result<Bytes, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).or_exit(Exit::Defect)?;
    let bytes = writer.into_inner().or_exit(Exit::Defect)?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_quoted_where_it_needs_to_be() {
        let cells = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        let header = record(&cells(&["a", "b,c", "d\"e", ""])).unwrap();
        assert_eq!(header, "a,\"b,c\",\"d\"\"e\",\n");
        assert_eq!(record(&cells(&[""])).unwrap(), "\"\"\n");
    }
}
