//! A publish that sends nothing and prints what it would send.

use std::io::Write;

use cli::text::{Charset, brief, for_message};
use cli::{Exit, Failure, OrExit, OrUnwritable, ProgressMeter, ProgressSample, STDOUT};
use engine::operation::{Observed, observe, reject_repeated};
use engine::split::Limits;
use engine::validate::{SchemaError, SeenKeys};
use input::{
    EVENT_QUEUE, EndOfInput, InputEvent, InputHead, InputPiece, InputSpec, PieceSizes, ReadTask,
    Totals, write_preview,
};
use proto::JobId;
use proto::v1::{OperationSpec, Reject};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::error::{PublishError, failure};
use crate::job::Job;

/// Number of rejects shown, and columns of each.
const MAX_REJECTS_SHOWN: usize = 5;
const RAW_COLUMNS: usize = 100;

/// The state of a dry run.
struct DryRun {
    job: Job,
    head: Option<InputHead>,
    bytes: u64,
    good: u64,
    rejected: u64,
    replaced: u64,
    rejects: Vec<Reject>,
    /// The unique keys so far.
    seen: SeenKeys,
    /// The schema does not match the columns.
    schema_error: Option<SchemaError>,
}

/// Reads all of the input as a publish does, and checks each chunk as a worker does.
pub(crate) async fn dry_run(
    input_spec: InputSpec,
    operation: OperationSpec,
    limits: Limits,
    is_quiet: bool,
    shutdown: CancellationToken,
) -> Result<Exit, Failure> {
    let reading = ReadTask {
        input_spec,
        limits,
        sizes: PieceSizes::default(),
        spool: None,
        end_of_input: EndOfInput::Complete,
        resumed: None,
    };
    let (sender, mut events) = mpsc::channel(EVENT_QUEUE);
    let reading = spawn_blocking(move || reading.run(&sender));
    let checking = spawn_blocking(move || {
        let mut run_state = DryRun::new(operation);
        let mut meter = ProgressMeter::new(is_quiet);
        while let Some(next) = events.blocking_recv() {
            run_state.handle(next);
            meter.show(&run_state.meter_reading());
        }
        meter.clear();
        run_state
    });
    let run_state = tokio::select! {
        run_state = checking => run_state.or_exit(Exit::Defect)?,
        () = shutdown.cancelled() => return Err(Failure::message(Exit::Cancelled, "interrupted")),
    };
    let read = reading.await.or_exit(Exit::Defect)?;
    read.map_err(|error| failure(PublishError::Input(error)))?;
    if let Some(error) = run_state.schema_error {
        return Err(failure(PublishError::Schema(error)));
    }
    let mut out = std::io::stdout().lock();
    run_state.write(&mut out).or_unwritable(STDOUT)?;
    Ok(Exit::Ok)
}

impl DryRun {
    fn new(operation: OperationSpec) -> Self {
        Self {
            job: Job::new(JobId::new(), operation),
            head: None,
            bytes: 0,
            good: 0,
            rejected: 0,
            replaced: 0,
            rejects: Vec::new(),
            seen: SeenKeys::default(),
            schema_error: None,
        }
    }

    fn handle(&mut self, events: InputEvent) {
        match events {
            InputEvent::Head(head) => {
                self.job.dialect = head.description.dialect;
                self.job.columns.clone_from(&head.columns);
                self.schema_error = self.job.check_schema().err();
                self.head = Some(*head);
            }
            InputEvent::Piece(piece) => self.piece(piece),
            InputEvent::End(Totals { replaced, .. }) => self.replaced += replaced,
            InputEvent::SpoolEnd(_) | InputEvent::Resized(_) => {}
        }
    }

    fn piece(&mut self, events: InputPiece) {
        self.bytes += events.piece.body.len() as u64;
        let chunk = self.job.chunk(events.piece, &events.file);
        // The publisher builds only chunks that a worker can process.
        if let Ok(mut observed) = observe(&chunk) {
            self.reject_repeated_keys(&mut observed);
            self.good += observed.rows;
            self.rejected += observed.rejected;
            self.replaced += observed.replaced;
            let room = MAX_REJECTS_SHOWN - self.rejects.len();
            self.rejects.extend(observed.rejects.into_iter().take(room));
        }
    }

    /// Rejects rows with a repeated key, as the master does.
    fn reject_repeated_keys(&mut self, observed: &mut Observed) {
        let (Some(keys), Some(rows)) = (&observed.keys, &observed.output) else {
            return;
        };
        let settled = self.seen.find_duplicates(keys);
        let rejected = settled.and_then(|settled| {
            let again = settled.left_out.len() as u64;
            let operation = Some(&self.job.operation);
            let (_, rejects) = reject_repeated(operation, &settled, &self.job.columns, keys, rows)?;
            Ok((again, rejects))
        });
        // The keys and rows come from this process, so they can be read.
        if let Ok((again, rejects)) = rejected {
            observed.rows -= again;
            observed.rejected += again;
            observed.rejects.extend(rejects);
            observed.rejects.sort_by_key(|reject| reject.record);
        }
    }

    fn meter_reading(&self) -> ProgressSample {
        let description = self.head.as_ref().map(|head| &head.description);
        ProgressSample {
            rows: self.good,
            bytes: self.bytes,
            total_bytes: description.and_then(|description| description.source_bytes),
            ..ProgressSample::default()
        }
    }

    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        if let Some(head) = &self.head {
            write_preview(out, &head.description, &head.columns)?;
        }
        writeln!(out, "chunks        {}", self.job.chunks)?;
        writeln!(out, "rows          {}", self.good)?;
        writeln!(out, "bad records   {}", self.rejected)?;
        if self.replaced > 0 {
            writeln!(out, "malformed     {}, read as U+FFFD", self.replaced)?;
        }
        for Reject {
            line,
            reason,
            raw,
            file,
            ..
        } in &self.rejects
        {
            let place = match &file[..] {
                "" => format!("line {line}"),
                file => format!("{}, line {line}", for_message(file)),
            };
            let text = String::from_utf8_lossy(raw);
            let text = brief(&text, RAW_COLUMNS, Charset::Utf8);
            writeln!(out, "  {place}: {}: {text}", for_message(reason))?;
        }
        let more = self.rejected.saturating_sub(self.rejects.len() as u64);
        if more > 0 {
            writeln!(out, "  and {more} more")?;
        }
        out.flush()
    }
}
