//! Spill files in the file system. Data is only appended to them.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use proto::JobId;

use super::disk::Disk;
use super::error::StoreError;
use super::generation::Generation;
use super::loss::Orphans;
use super::spill_file::SpillFile;

/// The directory of spill files, with its open files.
#[derive(Debug)]
pub struct SpillDir {
    directory: PathBuf,
    /// Whether appended bytes are synced before the commit that refers to them. Not needed if the store ends with the
    /// process.
    durable: bool,
    open: HashMap<SpillFile, File>,
    /// The file `generation`, once it was written.
    generation: Option<File>,
}

/// The name of the file with the generation.
const GENERATION: &str = "generation";

/// A file that is written to check whether files can be written.
const PROBE: &str = "probe";

/// Spill files stay open between writes. At this number all of them are closed.
const OPEN_AT_MOST: usize = 64;

impl SpillDir {
    pub(super) fn new(directory: PathBuf, durable: bool) -> Result<Self, StoreError> {
        cli::create_private_dir(&directory).map_err(StoreError::file(&directory))?;
        Ok(Self {
            durable,
            ..Self::read_only(directory)
        })
    }

    /// For reading only: creates nothing.
    pub(super) fn read_only(directory: PathBuf) -> Self {
        Self {
            directory,
            durable: false,
            open: HashMap::new(),
            generation: None,
        }
    }

    /// Opens the file for reading. `None` if it is missing.
    pub(super) fn open_to_read(&self, file: SpillFile) -> Result<Option<File>, StoreError> {
        let path = self.path(file);
        match open_to_read(&path) {
            Ok(open) => Ok(Some(open)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::file(path)(error)),
        }
    }

    /// Returns the open file, or opens it. A newly opened file must have at least `committed` bytes: writing beyond its
    /// end would leave a hole in place of lost bytes.
    fn file(&mut self, file: SpillFile, committed: u64) -> Result<&File, StoreError> {
        if self.open.len() >= OPEN_AT_MOST && !self.open.contains_key(&file) {
            self.open.clear();
        }
        let path = self.path(file);
        match self.open.entry(file) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let open = match create(&path, self.durable) {
                    // The directory was removed.
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        self.generation = None;
                        cli::create_private_dir(&self.directory)
                            .and_then(|()| create(&path, self.durable))
                    }
                    opened => opened,
                };
                let open = open.map_err(StoreError::file(&path))?;
                let length = open.metadata().map_err(StoreError::file(&path))?.len();
                if length < committed {
                    let reason = format!("it has {length} bytes where {committed} were committed");
                    let short = std::io::Error::new(ErrorKind::UnexpectedEof, reason);
                    return Err(StoreError::file(path)(short));
                }
                Ok(entry.insert(open))
            }
        }
    }
}

impl Disk for SpillDir {
    fn append(&mut self, file: SpillFile, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(file);
        let durable = self.durable;
        let open = self.file(file, offset)?;
        open.write_all_at(bytes, offset)
            .and_then(|()| if durable { open.sync_data() } else { Ok(()) })
            .map_err(StoreError::file(path))
    }

    fn check_others(&mut self, file: SpillFile) -> Result<(), StoreError> {
        self.open.remove(&file);
        let path = self.directory.join(PROBE);
        let probe = create(&path, false).and_then(|mut probe| probe.write_all(&[0]));
        let removed = std::fs::remove_file(&path);
        probe.and(removed).map_err(StoreError::file(path))
    }

    fn read(&self, file: SpillFile, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.path(file);
        let open = open_to_read(&path).map_err(StoreError::file(&path))?;
        // Checked before the allocation, so that a truncated file costs no more memory than its length.
        let there = open.metadata().map_err(StoreError::file(&path))?.len();
        if offset.checked_add(length).is_none_or(|end| end > there) {
            let short = std::io::Error::from(ErrorKind::UnexpectedEof);
            return Err(StoreError::file(&path)(short));
        }
        let mut bytes = vec![0; length as usize];
        open.read_exact_at(&mut bytes, offset)
            .map_err(StoreError::file(&path))?;
        Ok(bytes)
    }

    fn length(&self, file: SpillFile) -> Result<u64, StoreError> {
        let path = self.path(file);
        match std::fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(StoreError::file(path)(error)),
        }
    }

    fn truncate(&mut self, file: SpillFile, length: u64) -> Result<(), StoreError> {
        let path = self.path(file);
        self.file(file, length)?
            .set_len(length)
            .map_err(StoreError::file(path))
    }

    fn forget(&mut self, file: SpillFile) -> Option<PathBuf> {
        self.open.remove(&file);
        Some(self.path(file))
    }

    fn path(&self, file: SpillFile) -> PathBuf {
        self.directory.join(file.to_string())
    }

    fn orphans(&self, is_known: impl Fn(JobId) -> bool) -> Result<Orphans, StoreError> {
        let failed = || StoreError::file(&self.directory);
        let mut orphans = Orphans::default();
        let entries = match std::fs::read_dir(&self.directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(orphans),
            entries => entries.map_err(failed())?,
        };
        for entry in entries {
            let entry = entry.map_err(failed())?;
            let name = entry.file_name();
            let Some((id, "rows" | "rejects")) = name.to_str().and_then(|n| n.split_once('.'))
            else {
                continue;
            };
            if id.parse().is_ok_and(|id| !is_known(id)) {
                orphans.files += 1;
                orphans.bytes += entry.metadata().map_or(0, |metadata| metadata.len());
                orphans.jobs.push(id.to_owned());
            }
        }
        orphans.jobs.sort_unstable();
        orphans.jobs.dedup();
        Ok(orphans)
    }

    fn generation(&self) -> Result<Option<Generation>, StoreError> {
        let path = self.directory.join(GENERATION);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::file(path)(error)),
        };
        match String::from_utf8_lossy(&bytes).parse() {
            Ok(generation) => Ok(Some(generation)),
            Err(error) => {
                tracing::warn!(path = %path.display(), error, "cannot be read, and is written anew");
                Ok(None)
            }
        }
    }

    fn record_generation(&mut self, generation: &Generation) -> Result<(), StoreError> {
        // If the store ends with the process, there is nothing to detect.
        if !self.durable {
            return Ok(());
        }
        let path = self.directory.join(GENERATION);
        let text = generation.to_string();
        if let Some(file) = &self.generation {
            return file
                .write_all_at(text.as_bytes(), 0)
                .map_err(StoreError::file(path));
        }
        let begin = || -> std::io::Result<File> {
            let file = create(&path, true)?;
            file.write_all_at(text.as_bytes(), 0)?;
            file.sync_all()?;
            Ok(file)
        };
        self.generation = Some(begin().map_err(StoreError::file(path.clone()))?);
        Ok(())
    }
}

/// Opens or creates the file. Syncs the directory after creating it.
fn create(path: &Path, durable: bool) -> std::io::Result<File> {
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = cli::open_private(path, &mut options)?;
    if is_new
        && durable
        && let Some(parent) = path.parent()
    {
        File::open(parent)?.sync_all()?;
    }
    Ok(file)
}

fn open_to_read(path: &Path) -> std::io::Result<File> {
    cli::open_private(path, OpenOptions::new().read(true))
}

/// Removes a file, if it exists. Removing a large file takes time.
pub(crate) fn remove(path: Option<&Path>) -> Result<(), StoreError> {
    let Some(path) = path else {
        return Ok(());
    };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::file(path)(error)),
        _ => Ok(()),
    }
}
