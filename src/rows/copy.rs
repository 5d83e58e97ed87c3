//! Copies a job's rows from the master to a `RowsWriter`. If the connection is lost, it reconnects and
//! resumes the stream after the last part written: no byte is written twice, none is lost.

use access::Client;
use bytes::Bytes;
use cli::{Exit, Failure, OrExit};
use proto::v1::output_part::Part;
use proto::v1::{OutputEnd, OutputHead, OutputPart, OutputRows, ReadOutputRequest};
use tonic::{Code, Status};

use super::RowsWriter;
use crate::follow::{RECONNECT_INTERVAL, WaitPolicy, is_temporary, reconnect};
use crate::query::{NewJobBackoff, request_failure};

/// The rows to copy, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CopyOptions<'a> {
    pub(crate) job_id: &'a str,
    /// In the order of commits, not in input order.
    pub(crate) unordered: bool,
    /// Until the job is finished.
    pub(crate) follow: bool,
    pub(crate) wait_policy: WaitPolicy,
}

/// Position in the stream of rows.
#[derive(Debug, Default)]
struct CopyState {
    has_head: bool,
    /// Resume token after the last part written; empty before the first.
    token: String,
}

/// Writes the job's header and rows to `rows_writer`; calls `chunk_done` for each chunk whose rows are
/// all written or that is dead. `connect` is called again whenever the connection is lost. Returns the
/// end message of the stream.
pub(crate) async fn copy<F>(
    connect: impl Fn() -> F,
    options: CopyOptions<'_>,
    rows_writer: &mut RowsWriter,
    mut chunk_done: impl FnMut(u64),
) -> Result<OutputEnd, Failure>
where
    F: Future<Output = Result<Client, Failure>>,
{
    let mut client = connect().await?;
    let mut copy_state = CopyState::default();
    let mut new_job_backoff = NewJobBackoff::default();
    loop {
        match read(
            &mut client,
            options,
            &mut copy_state,
            rows_writer,
            &mut chunk_done,
        )
        .await
        {
            Ok(end) => return Ok(end),
            Err(ReadError::Interrupted(status)) if status.code() == Code::NotFound => {
                new_job_backoff.wait().await;
            }
            Err(ReadError::Interrupted(status)) => {
                cli::stderr_line!(
                    "rowmill: the rows wait for the master: {}",
                    status.message()
                );
                tokio::time::sleep(RECONNECT_INTERVAL).await;
                client = reconnect(&connect, options.wait_policy, |_| {}).await?;
            }
            Err(ReadError::Failed(failure)) => return Err(failure),
        }
    }
}

/// Why a stream ended early.
enum ReadError {
    /// The stream can be resumed.
    Interrupted(Status),
    Failed(Failure),
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Reads one stream, from the position of `copy_state`.
async fn read(
    client: &mut Client,
    options: CopyOptions<'_>,
    copy_state: &mut CopyState,
    rows_writer: &mut RowsWriter,
    chunk_done: &mut impl FnMut(u64),
) -> Result<OutputEnd, ReadError> {
    let request = ReadOutputRequest {
        job_id: options.job_id.to_owned(),
        unordered: options.unordered,
        follow: options.follow,
        token: copy_state.token.clone(),
    };
    let ended = |status: Status| {
        if is_temporary(&status, options.wait_policy, options.job_id) {
            ReadError::Interrupted(status)
        } else {
            ReadError::Failed(request_failure(&status))
        }
    };
    let stream = client.read_output(request).await;
    let mut stream = stream.map_err(ended)?.into_inner();
    loop {
        match stream.message().await.map_err(ended)? {
            Some(OutputPart { part: Some(part) }) => match part {
                Part::Head(head) => copy_state.head(&head, rows_writer).await?,
                Part::Rows(rows) => copy_state.rows(rows, rows_writer, chunk_done).await?,
                Part::End(end) => return Ok(end),
            },
            Some(OutputPart { part: None }) => {}
            // A complete stream has an end message.
            None => {
                return Err(ReadError::Interrupted(Status::unavailable(
                    "the stream ended",
                )));
            }
        }
    }
}

impl CopyState {
    /// Writes the header once: a stream restarted from the beginning sends it again.
    async fn head(
        &mut self,
        head: &OutputHead,
        rows_writer: &mut RowsWriter,
    ) -> Result<(), Failure> {
        if !self.has_head && !head.columns.is_empty() {
            rows_writer.write(record(&head.columns)?).await?;
        }
        self.has_head = true;
        Ok(())
    }

    async fn rows(
        &mut self,
        rows: OutputRows,
        rows_writer: &mut RowsWriter,
        chunk_done: &mut impl FnMut(u64),
    ) -> Result<(), Failure> {
        if !rows.body.is_empty() {
            rows_writer.write(rows.body).await?;
        }
        self.token = rows.token;
        if rows.is_last {
            chunk_done(rows.seq);
        }
        Ok(())
    }
}

/// One record as CSV, in the dialect of the rows.
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
