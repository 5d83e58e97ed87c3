//! On the way through the files of one input: from each file's bytes to its pieces.

use engine::rearrange::Arrangement;
use engine::split::Splitter;
use tokio::sync::mpsc;

use super::reading::{Found, FoundPiece, Reading, Standing, Tail, Totals};
use super::strict::Strict;
use super::{Head, InputError, Plan, Stream};
use crate::journal::Ended;
use crate::spool::Kept;

/// Why the reading ended before its end.
pub(super) enum Stop {
    /// Nobody takes what is found any more.
    Unwanted,
    Failed(InputError),
    /// At a bad record, and what is wrong with it.
    Bad(String),
}

impl From<InputError> for Stop {
    fn from(error: InputError) -> Self {
        Self::Failed(error)
    }
}

/// On its way through the files.
pub(super) struct Walk<'a> {
    pub(super) reading: Reading,
    plan: Plan,
    kept: Option<Kept>,
    found: &'a mpsc::Sender<Found>,
    pub(super) has_head: bool,
    /// Of the files that were read to their end, and of the one in hand up to its last piece.
    pub(super) totals: Totals,
}

/// The file in hand.
struct InHand {
    at: usize,
    stream: Stream,
    splitter: Splitter,
    /// How its records become the job's. `None`: they are.
    arrangement: Option<Arrangement>,
    strict: Strict,
    /// Records that were rejected when they were rearranged, which the splitter knows nothing of.
    rejected: u64,
    /// Bytes of the files before, and what was replaced in them.
    bytes_before: u64,
    replaced: u64,
    /// Whether the header was seen.
    has_header: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        reading: Reading,
        plan: Plan,
        kept: Option<Kept>,
        found: &'a mpsc::Sender<Found>,
    ) -> Self {
        let mark = reading.resumed.as_ref().map(|resumed| resumed.mark);
        let mark = mark.unwrap_or_default();
        Self {
            totals: Totals {
                rows: mark.rows(),
                rejects: mark.rejected,
                bytes: mark.bytes_before,
                replaced: mark.replaced,
                stopped: String::new(),
            },
            reading,
            plan,
            kept,
            found,
            has_head: false,
        }
    }

    /// Reads what is left of all files.
    pub(super) fn run(&mut self) -> Result<(), Stop> {
        let resumed = self.reading.resumed.as_ref();
        let first = resumed.map_or(0, |resumed| resumed.mark.file as usize);
        for at in first..self.plan.files.len() {
            let mut file = self.begin(at)?;
            while !file.step(self).map_err(|stop| file.explained(stop))? {}
            for remark in file.stream.remarks() {
                tracing::warn!("{}: {remark}", file.stream.name());
            }
            self.totals.bytes = file.bytes_before + file.splitter.bytes();
            self.totals.replaced = file.replaced + file.stream.replaced().count();
        }
        Ok(())
    }

    /// Opens a file, at its start or where another process stood in it.
    fn begin(&mut self, at: usize) -> Result<InHand, Stop> {
        let mut stream = self.plan.open(at)?;
        let (dialect, limits) = (self.plan.described.dialect, self.reading.limits);
        let planned = &self.plan.files[at];
        let resumed = self.reading.resumed.as_ref();
        let here = resumed.filter(|resumed| resumed.mark.file == at as u64);
        let splitter = if let Some(resumed) = here {
            stream.go_to(resumed.mark.byte)?;
            // Of several files each has its own, which the plan has looked at.
            let header = match &planned.columns[..] {
                [] => resumed.columns.clone(),
                columns => columns.to_vec(),
            };
            Splitter::resume(dialect, limits, Some(header), resumed.mark.place())
        } else {
            let record = self.totals.rows + self.totals.rejects;
            let start = stream.start(record, self.totals.rejects);
            Splitter::new(dialect, limits).starting_at(start)
        };
        let places = planned.places.clone();
        let arrangement = places.map(|places| Arrangement {
            dialect,
            columns: planned.columns.len(),
            places,
            target_bytes: limits.target_bytes,
        });
        Ok(InHand {
            at,
            strict: Strict::new(self.reading.wanted.stop_at, dialect, stream.name()),
            stream,
            splitter,
            arrangement,
            rejected: 0,
            bytes_before: self.totals.bytes,
            replaced: self.totals.replaced,
            has_header: false,
        })
    }

    fn send(&self, found: Found) -> Result<(), Stop> {
        self.found.blocking_send(found).map_err(|_| Stop::Unwanted)
    }

    /// Says what the columns are, before the first piece is given.
    fn say_head(&mut self, header: &[String]) -> Result<(), Stop> {
        if std::mem::replace(&mut self.has_head, true) {
            return Ok(());
        }
        let columns = self.plan.columns.as_deref().unwrap_or(header);
        self.send(Found::Head(Box::new(Head {
            described: self.plan.described.clone(),
            columns: columns.to_vec(),
        })))
    }
}

impl InHand {
    /// Reads once and gives what can be given; whether that was the end of the file.
    fn step(&mut self, walk: &mut Walk<'_>) -> Result<bool, Stop> {
        let is_end = self.fill(walk.reading.tail)?;
        if is_end {
            self.end(walk)?;
        }
        self.give(walk)?;
        Ok(is_end)
    }

    /// Why it ends: whatever is wrong with a file that was changed meanwhile is so because of that.
    fn explained(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Unwanted => stop,
            Stop::Failed(_) | Stop::Bad(_) => self.stream.changed().map_or(stop, Stop::Failed),
        }
    }

    fn fill(&mut self, tail: Tail) -> Result<bool, InputError> {
        let bytes = match self.stream.read(self.splitter.space()) {
            // Of an input that is not whole, what is packed ends wherever it was cut.
            Err(InputError::Read { source, .. })
                if tail != Tail::Ends && source.kind() == std::io::ErrorKind::UnexpectedEof =>
            {
                0
            }
            read => read?,
        };
        self.splitter.filled(bytes);
        Ok(bytes == 0)
    }

    /// Nothing more of the file can be read.
    fn end(&mut self, walk: &Walk<'_>) -> Result<(), Stop> {
        let torn = match walk.reading.tail {
            Tail::Stays => return Ok(()),
            Tail::Ends => false,
            Tail::Torn => true,
        };
        if torn {
            self.splitter.finish_torn();
        } else {
            self.splitter.finish();
        }
        match &walk.kept {
            None => Ok(()),
            Some(kept) => walk.send(Found::Ended(Ended {
                bytes: kept.bytes(),
                torn,
            })),
        }
    }

    /// Gives what can be said before more is read. A piece is given when it is where it can be read
    /// again.
    fn give(&mut self, walk: &mut Walk<'_>) -> Result<(), Stop> {
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
                walk.say_head(header)?;
                self.check_header(walk)?;
            }
            let Some(piece) = piece else { return Ok(()) };
            if let Some(kept) = &walk.kept {
                kept.sync()?;
            }
            let columns = self.splitter.header().unwrap_or_default().len();
            let replaced = self.stream.replaced().first();
            if let Some(bad) = self.strict.first_bad(&piece, columns, replaced) {
                return Err(Stop::Bad(bad));
            }
            self.give_piece(piece, walk)?;
        }
    }

    /// A file that was looked at before may have been written to since.
    fn check_header(&self, walk: &Walk<'_>) -> Result<(), InputError> {
        let planned = &walk.plan.files[self.at].columns;
        let header = self.splitter.header().unwrap_or_default();
        if planned.is_empty() || planned == header {
            return Ok(());
        }
        let changed = std::io::Error::other("its header is not what it was when the job began");
        Err(InputError::of(self.stream.name(), changed))
    }

    fn give_piece(&mut self, piece: engine::Piece, walk: &mut Walk<'_>) -> Result<(), Stop> {
        let mut pieces = match &self.arrangement {
            Some(arrangement) => {
                let rows = piece.rows;
                let pieces = arrangement.rearrange(piece);
                self.rejected += rows - pieces.iter().map(|piece| piece.rows).sum::<u64>();
                pieces
            }
            None => vec![piece],
        };
        let mut place = self.splitter.place();
        place.rejected += self.rejected;
        let standing = Standing {
            file: self.at as u64,
            place,
            bytes_before: self.bytes_before,
            replaced: self.replaced,
        };
        let last = pieces.pop();
        let behind = pieces.into_iter().map(|piece| (piece, None));
        for (piece, behind) in behind.chain(last.map(|piece| (piece, Some(standing)))) {
            walk.send(Found::Piece(FoundPiece {
                piece,
                file: walk.plan.name(self.at),
                behind,
            }))?;
        }
        walk.totals.rows = place.record - place.rejected;
        walk.totals.rejects = place.rejected;
        walk.totals.bytes = self.bytes_before + place.byte;
        Ok(())
    }
}
