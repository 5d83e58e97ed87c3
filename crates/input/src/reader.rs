//! Reads the files of one input in order, from each file's bytes to its pieces. It runs on a thread of its own, because
//! blocking reads can be neither awaited nor cancelled.

use engine::rearrange::ColumnMapping;
use engine::split::{Limits, Splitter};
use tokio::sync::mpsc;

use crate::description::InputHead;
use crate::error::InputError;
use crate::piece_size::SizeChange;
use crate::plan::InputPlan;
use crate::raw_input::RawInput;
use crate::read_task::{
    EndOfInput, InputEvent, InputPiece, InputPosition, ReadTask, ResumePoint, SpoolEnd, Totals,
};
use crate::spool::{Spool, SpoolFile};
use crate::strict::StrictCheck;
use crate::text_stream::TextStream;

/// Why reading stopped before the end.
pub(crate) enum StopReason {
    /// The receiver of the events is dropped.
    ReceiverClosed,
    Failed(InputError),
    /// At a bad record, with its description.
    BadRecord(String),
}

impl From<InputError> for StopReason {
    fn from(error: InputError) -> Self {
        Self::Failed(error)
    }
}

/// Reads the files in order.
pub(crate) struct InputReader<'a> {
    pub(crate) reading: ReadTask,
    plan: InputPlan,
    spool_file: Option<SpoolFile>,
    events: &'a mpsc::Sender<InputEvent>,
    /// The size of the last piece.
    target_bytes: usize,
    pub(crate) has_head: bool,
    /// The totals of all complete files, and of the current file up to its last piece.
    pub(crate) totals: Totals,
}

/// The current file.
struct FileReader {
    at: usize,
    stream: TextStream,
    splitter: Splitter,
    /// How its records are rearranged to the job's columns. `None` if they are the same.
    mapping: Option<ColumnMapping>,
    strict: StrictCheck,
    /// Records rejected while they were rearranged, which the splitter does not count.
    rejected: u64,
    /// Bytes in the files before it, and sequences replaced in them.
    bytes_before: u64,
    replaced: u64,
    /// Whether the header was read.
    has_header: bool,
}

impl ReadTask {
    /// Reads to the end, and sends `events`. Returns early, without an error, if the receiver is dropped. Returns the
    /// number of bytes read if the input is not complete.
    ///
    /// # Errors
    ///
    /// If the input cannot be read, spooled or split, or has a bad record and stops at it.
    pub fn run(mut self, events: &mpsc::Sender<InputEvent>) -> Result<Option<u64>, InputError> {
        let spool_file = self.spool.as_ref().map(Spool::file);
        let spool = self.spool.take().map(RawInput::Spool);
        let plan = InputPlan::new(&self.input_spec, spool, self.limits)?;
        let mut reader = InputReader::new(self, plan, spool_file.clone(), events);
        let stopped = match reader.run() {
            Ok(()) if reader.reading.end_of_input == EndOfInput::Pending => {
                return Ok(spool_file.map(|spool_file| spool_file.bytes()));
            }
            Ok(()) => None,
            Err(StopReason::ReceiverClosed) => return Ok(None),
            // The chunks sent so far are useless. Before the head is sent, there is no job to report this in.
            Err(StopReason::Failed(error @ InputError::Changed { .. })) if reader.has_head => {
                Some((error.to_string(), error))
            }
            Err(StopReason::Failed(error)) => return Err(error),
            Err(StopReason::BadRecord(reason)) => {
                Some((reason.clone(), InputError::Stopped(reason)))
            }
        };
        let (reason, error) = stopped.unzip();
        reader.totals.stopped = reason.unwrap_or_default();
        // If the receiver is dropped, the publish has ended with its own error.
        drop(events.blocking_send(InputEvent::End(reader.totals)));
        error.map_or(Ok(None), Err)
    }
}

impl<'a> InputReader<'a> {
    pub(crate) fn new(
        reading: ReadTask,
        plan: InputPlan,
        spool_file: Option<SpoolFile>,
        events: &'a mpsc::Sender<InputEvent>,
    ) -> Self {
        let (resumed, initial) = (reading.resumed.as_ref(), reading.limits.target_bytes);
        let totals = resumed.map_or_else(Totals::default, |ResumePoint { position, .. }| Totals {
            rows: position.rows(),
            rejects: position.place.rejected,
            bytes: position.bytes_before,
            replaced: position.replaced,
            stopped: String::new(),
        });
        Self {
            totals,
            target_bytes: resumed.map_or(initial, |ResumePoint { position, .. }| {
                reading
                    .sizes
                    .at(position.file, position.place.byte, initial)
            }),
            reading,
            plan,
            spool_file,
            events,
            has_head: false,
        }
    }

    /// Reads the remaining files.
    pub(crate) fn run(&mut self) -> Result<(), StopReason> {
        let resumed = self.reading.resumed.as_ref();
        let first = resumed.map_or(0, |resumed| resumed.position.file as usize);
        for at in first..self.plan.files.len() {
            let mut file = self.open_file(at)?;
            while !file.step(self).map_err(|stop| file.with_context(stop))? {}
            for warning in file.stream.warnings() {
                tracing::warn!("{}: {warning}", file.stream.name());
            }
            self.totals.bytes = file.bytes_before + file.splitter.bytes();
            self.totals.replaced = file.replaced + file.stream.replaced().count();
        }
        Ok(())
    }

    /// Opens a file, at its start or where to resume.
    fn open_file(&mut self, at: usize) -> Result<FileReader, StopReason> {
        let mut stream = self.plan.open(at)?;
        let dialect = self.plan.description.dialect;
        let limits = Limits {
            target_bytes: self.target_bytes,
            ..self.reading.limits
        };
        let planned = &self.plan.files[at];
        let resumed = self.reading.resumed.as_ref();
        let resumed_here = resumed.filter(|resumed| resumed.position.file == at as u64);
        let splitter = if let Some(resumed) = resumed_here {
            stream.seek_to(resumed.position.place.byte)?;
            // With several files, each has its own header, which the plan has read.
            let header = match &planned.columns[..] {
                [] => resumed.columns.clone(),
                columns => columns.to_vec(),
            };
            Splitter::resume(dialect, limits, Some(header), resumed.position.place)
        } else {
            let record = self.totals.rows + self.totals.rejects;
            let start = stream.start(record, self.totals.rejects);
            Splitter::new(dialect, limits).starting_at(start)
        };
        let places = planned.places.clone();
        let mapping = places.map(|places| ColumnMapping {
            dialect,
            columns: planned.columns.len(),
            places,
            target_bytes: limits.target_bytes,
        });
        Ok(FileReader {
            at,
            strict: StrictCheck::new(self.reading.input_spec.stop_at, dialect, stream.name()),
            stream,
            splitter,
            mapping,
            rejected: 0,
            bytes_before: self.totals.bytes,
            replaced: self.totals.replaced,
            has_header: false,
        })
    }

    fn send(&self, event: InputEvent) -> Result<(), StopReason> {
        self.events
            .blocking_send(event)
            .map_err(|_| StopReason::ReceiverClosed)
    }

    /// Sends the columns, before the first piece.
    fn send_head(&mut self, header: &[String]) -> Result<(), StopReason> {
        if std::mem::replace(&mut self.has_head, true) {
            return Ok(());
        }
        let columns = self.plan.columns.as_deref().unwrap_or(header);
        self.send(InputEvent::Head(Box::new(InputHead {
            description: self.plan.description.clone(),
            columns: columns.to_vec(),
        })))
    }
}

impl FileReader {
    /// Reads once, and sends the complete pieces. Returns whether the file has ended.
    fn step(&mut self, reader: &mut InputReader<'_>) -> Result<bool, StopReason> {
        let is_end = self.read(reader.reading.end_of_input)?;
        if is_end {
            self.end_file(reader)?;
        }
        self.send_pieces(reader)?;
        Ok(is_end)
    }

    /// Why it stops: if the file has changed, that explains any other error.
    fn with_context(&self, stop: StopReason) -> StopReason {
        match stop {
            StopReason::ReceiverClosed => stop,
            StopReason::Failed(_) | StopReason::BadRecord(_) => {
                self.stream.changed().map_or(stop, StopReason::Failed)
            }
        }
    }

    fn read(&mut self, end_of_input: EndOfInput) -> Result<bool, InputError> {
        let bytes = match self.stream.read(self.splitter.space()) {
            // Compressed data that was cut off with its input ends anywhere.
            Err(InputError::Read { source, .. })
                if end_of_input != EndOfInput::Complete
                    && source.kind() == std::io::ErrorKind::UnexpectedEof =>
            {
                0
            }
            read => read?,
        };
        self.splitter.filled(bytes);
        Ok(bytes == 0)
    }

    /// Handles the end of the file.
    fn end_file(&mut self, reader: &InputReader<'_>) -> Result<(), StopReason> {
        let truncated = match reader.reading.end_of_input {
            EndOfInput::Pending => return Ok(()),
            EndOfInput::Complete => false,
            EndOfInput::Truncated => true,
        };
        if truncated {
            self.splitter.finish_torn();
        } else {
            self.splitter.finish();
        }
        match &reader.spool_file {
            None => Ok(()),
            Some(spool_file) => reader.send(InputEvent::SpoolEnd(SpoolEnd {
                bytes: spool_file.bytes(),
                truncated,
            })),
        }
    }

    /// Sets the size of the next piece. Called between two pieces, so that it depends on the position alone.
    fn resize(&mut self, reader: &mut InputReader<'_>) -> Result<(), StopReason> {
        let (file, byte) = (self.at as u64, self.splitter.position().byte);
        let ReadTask { sizes, limits, .. } = &reader.reading;
        let target_bytes = sizes.at(file, byte, limits.target_bytes);
        if target_bytes == reader.target_bytes {
            return Ok(());
        }
        reader.target_bytes = target_bytes;
        self.splitter.set_target_bytes(target_bytes);
        if let Some(mapping) = &mut self.mapping {
            mapping.target_bytes = target_bytes;
        }
        if sizes.wanted.is_none() {
            return Ok(()); // it is recorded already
        }
        reader.send(InputEvent::Resized(SizeChange {
            file,
            byte,
            target_bytes,
        }))
    }

    /// Sends all complete pieces. A piece is sent only after its bytes are on disk, if there is a spool.
    fn send_pieces(&mut self, reader: &mut InputReader<'_>) -> Result<(), StopReason> {
        loop {
            let split = self.splitter.next_piece();
            let piece = split.map_err(|source| InputError::Split {
                name: self.stream.name().to_owned(),
                source,
            })?;
            if !self.has_header
                && let Some(header) = self.splitter.header()
            {
                self.has_header = true;
                reader.send_head(header)?;
                self.check_header(reader)?;
            }
            let Some(piece) = piece else { return Ok(()) };
            if let Some(spool_file) = &reader.spool_file {
                spool_file.sync()?;
            }
            let columns = self.splitter.header().unwrap_or_default().len();
            let replaced = self.stream.replaced().first();
            if let Some(bad) = self.strict.first_bad(&piece, columns, replaced) {
                return Err(StopReason::BadRecord(bad));
            }
            self.send_piece(piece, reader)?;
            self.resize(reader)?;
        }
    }

    /// The file may have changed since it was inspected.
    fn check_header(&self, reader: &InputReader<'_>) -> Result<(), InputError> {
        let planned = &reader.plan.files[self.at].columns;
        let header = self.splitter.header().unwrap_or_default();
        if planned.is_empty() || planned == header {
            return Ok(());
        }
        let changed = std::io::Error::other("its header has changed since the job began");
        Err(InputError::from_io(self.stream.name(), changed))
    }

    fn send_piece(
        &mut self,
        piece: engine::Piece,
        reader: &mut InputReader<'_>,
    ) -> Result<(), StopReason> {
        let mut pieces = match &self.mapping {
            Some(mapping) => {
                let rows = piece.rows;
                let pieces = mapping.rearrange(piece);
                self.rejected += rows - pieces.iter().map(|piece| piece.rows).sum::<u64>();
                pieces
            }
            None => vec![piece],
        };
        let mut place = self.splitter.position();
        place.rejected += self.rejected;
        let position = InputPosition {
            file: self.at as u64,
            place,
            bytes_before: self.bytes_before,
            replaced: self.replaced,
        };
        let last = pieces.pop();
        let before_last = pieces.into_iter().map(|piece| (piece, None));
        for (piece, end) in before_last.chain(last.map(|piece| (piece, Some(position)))) {
            reader.send(InputEvent::Piece(InputPiece {
                piece,
                file: reader.plan.name(self.at),
                end,
            }))?;
        }
        reader.totals.rows = place.record - place.rejected;
        reader.totals.rejects = place.rejected;
        reader.totals.bytes = self.bytes_before + place.byte;
        Ok(())
    }
}
