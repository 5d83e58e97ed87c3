//! The files to read and their format, determined before the first record is read. Several files are checked to have
//! fitting columns.

use engine::split::Limits;

use crate::description::InputDescription;
use crate::error::InputError;
use crate::file_identity::{FileChange, FileVersion};
use crate::input_spec::InputSpec;
use crate::inspector::Inspector;
use crate::planned_file::PlannedFile;
use crate::raw_input::RawInput;
use crate::source::OpenedSource;
use crate::text_stream::ReadOptions;
use crate::text_stream::TextStream;

/// All of the job's files.
pub(crate) struct InputPlan {
    pub(crate) files: Vec<PlannedFile>,
    pub(crate) description: InputDescription,
    /// The job's columns, if it has several files. `None` if it has one.
    pub(crate) columns: Option<Vec<String>>,
    options: ReadOptions,
}

impl InputPlan {
    /// Opens and inspects every source. `spool`, if there is one, replaces the first source.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or its header differs from the first one's.
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
                    can_reopen: false,
                },
                None => file.source.open()?,
            };
            let can_reopen = opened.can_reopen;
            let version = opened
                .metadata
                .as_ref()
                .and_then(FileVersion::from_metadata);
            let bytes = version.map(|version| version.bytes);
            let mut stream = TextStream::open(file.source.name().to_owned(), opened.raw, options)?;
            inspector.inspect(&mut stream, bytes)?;
            if input_spec.sources.len() > 1 {
                file.columns = inspector.header(&mut stream, limits)?;
            }
            // The others are opened again when their turn comes, which limits the number of open files.
            file.stream = Some(stream).filter(|_| at == 0 || !can_reopen);
            file.version = version;
        }
        let columns = inspector.job_columns(&mut files)?;
        Ok(Self {
            files,
            description: inspector.into_description(),
            columns,
            options,
        })
    }

    /// Opens file `at` at its start. If it has grown since it was inspected, it is read up to its current length: since
    /// only its header was read before, that is one version.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or has changed in another way.
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

    /// The file's name in chunks and rejects. Empty if there is only one file.
    pub(crate) fn name(&self, at: usize) -> String {
        match &self.files[..] {
            [_] => String::new(),
            files => files[at].source.name().to_owned(),
        }
    }
}
