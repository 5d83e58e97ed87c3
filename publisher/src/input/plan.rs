//! What is to be read, and how, settled before the first record is: the dialect, and for several
//! files that they belong together.

use engine::dialect::Ragged;
use engine::sniff::Given;
use engine::split::Limits;

use super::file_identity::{FileChange, FileVersion};
use super::inspector::Inspector;
use super::source::OpenedSource;
use super::stream::ReadOptions;
use super::union::ColumnMap;
use super::{EncodingLabel, InputDescription, InputError, RawInput, Source, StopAt, TextStream};

/// What a person wants to be read, and how.
#[derive(Debug, Clone)]
pub struct InputSpec {
    /// From where, in this order.
    pub sources: Vec<Source>,
    /// What was said of the dialect; the rest is sniffed.
    pub given: Given,
    /// What becomes of a record with fewer fields than there are columns.
    pub ragged: Ragged,
    /// Lines of each file that are passed over before anything is read.
    pub skip_lines: u64,
    /// How the files are encoded, where nothing at their start says otherwise.
    pub encoding: Option<EncodingLabel>,
    /// Whether bytes behind packed data that are no packed data are passed over.
    pub ignore_trailing: bool,
    /// Whether the job has the columns of all files, whichever has which.
    pub union: bool,
    /// What ends it early.
    pub stop_at: StopAt,
}

/// One of the job's files.
pub(crate) struct PlannedFile {
    pub(crate) source: Source,
    /// OpenedSource already: the only one, or one that can be read once only.
    stream: Option<TextStream>,
    /// What it was when it was looked at. `None`: it has no versions.
    version: Option<FileVersion>,
    /// Its own header. Empty where it is the only one: not looked at yet.
    pub(crate) columns: Vec<String>,
    /// Where the job's columns are in it. `None`: they are its own.
    pub(crate) places: Option<ColumnMap>,
}

/// All of the job's files.
pub(crate) struct InputPlan {
    pub(crate) files: Vec<PlannedFile>,
    pub(crate) description: InputDescription,
    /// The job's columns, where there are several files. `None`: the only one's.
    pub(crate) columns: Option<Vec<String>>,
    options: ReadOptions,
}

impl InputPlan {
    /// Opens what is `input_spec`, the first as `spool` where it is one, and looks at the start of each
    /// file.
    ///
    /// # Errors
    ///
    /// When one cannot be read, or has another header than the first.
    pub(crate) fn new(
        input_spec: &InputSpec,
        spool: Option<RawInput>,
        limits: Limits,
    ) -> Result<Self, InputError> {
        let options = ReadOptions {
            encoding: input_spec.encoding,
            skip_lines: input_spec.skip_lines,
            ignore_trailing: input_spec.ignore_trailing,
        };
        let mut files: Vec<PlannedFile> = input_spec.sources.iter().map(PlannedFile::new).collect();
        let mut inspector = Inspector::new(input_spec);
        let mut raw = spool;
        for (at, file) in files.iter_mut().enumerate() {
            let opened = match raw.take() {
                Some(raw) => OpenedSource {
                    raw,
                    metadata: None,
                    is_lasting: false,
                },
                None => file.source.open()?,
            };
            let is_lasting = opened.is_lasting;
            let version = opened
                .metadata
                .as_ref()
                .and_then(FileVersion::from_metadata);
            let bytes = version.map(|version| version.bytes);
            let mut stream = TextStream::open(file.source.name().to_owned(), opened.raw, options)?;
            inspector.look(&mut stream, bytes)?;
            if input_spec.sources.len() > 1 {
                file.columns = inspector.header(&mut stream, limits)?;
            }
            // The others are opened again in their turn, so that there are never many open files.
            file.stream = Some(stream).filter(|_| at == 0 || !is_lasting);
            file.version = version;
        }
        let columns = inspector.settle(&mut files)?;
        Ok(Self {
            files,
            description: inspector.description(),
            columns,
            options,
        })
    }

    /// The file `at`, from its start. One that has grown since it was looked at is read up to the length that it has
    /// now; of a file of which nothing but its header was read that is a whole version.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or was written to since in another way.
    pub(crate) fn open(&mut self, at: usize) -> Result<TextStream, InputError> {
        let file = &mut self.files[at];
        if let Some(stream) = file.stream.take() {
            return Ok(stream);
        }
        let source = &file.source;
        let OpenedSource { raw, metadata, .. } = source.open()?;
        if let (Some(before), Some(now)) = (&file.version, &metadata) {
            match before.change(now) {
                None | Some(FileChange::Grown(_)) => {}
                Some(change) => return Err(source.changed(before, change)),
            }
        }
        TextStream::open(source.name().to_owned(), raw, self.options)
    }

    /// What the file `at` is called in chunks and rejects: nothing, where there is only one.
    pub(crate) fn name(&self, at: usize) -> String {
        match &self.files[..] {
            [_] => String::new(),
            files => files[at].source.name().to_owned(),
        }
    }
}

impl PlannedFile {
    fn new(source: &Source) -> Self {
        Self {
            source: source.clone(),
            stream: None,
            version: None,
            columns: Vec::new(),
            places: None,
        }
    }
}
