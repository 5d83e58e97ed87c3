//! One of the files that an input is read from.

use crate::file_identity::FileVersion;
use crate::source::Source;
use crate::text_stream::TextStream;
use crate::union::ColumnMap;

/// One of the job's files.
pub(crate) struct PlannedFile {
    pub(crate) source: Source,
    /// The open stream of the first file, and of each file that can be read only once.
    pub(crate) stream: Option<TextStream>,
    /// Its version when it was inspected. `None` if it has no versions.
    pub(crate) version: Option<FileVersion>,
    /// Its own header. Empty if it is the only file, whose header is not read yet.
    pub(crate) columns: Vec<String>,
    /// The position of each job column in the file. `None` if they are the same.
    pub(crate) places: Option<ColumnMap>,
}

impl PlannedFile {
    pub(crate) fn new(source: &Source) -> Self {
        Self {
            source: source.clone(),
            stream: None,
            version: None,
            columns: Vec::new(),
            places: None,
        }
    }
}
