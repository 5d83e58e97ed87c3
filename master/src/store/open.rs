//! Opening a store: lock, schema, recovery.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use proto::JobId;
use rusqlite::Connection;

use super::committer::Committer;
use super::disk::Disk;
use super::error::StoreError;
use super::job_row;
use super::lock::DirectoryLock;
use super::loss::{self, Loss};
use super::parts::Store;
use super::schema::migrate;
use super::spill_dir::{SpillDir, remove};
use super::spill_file::SpillFile;

/// Where a store is.
#[derive(Debug, Clone)]
pub enum StoreLocation {
    /// In memory, with its spill files in `spill`. It ends with the process.
    Memory {
        /// An existing directory. The caller removes it.
        spill: PathBuf,
    },
    /// In a directory, which is created if it is missing.
    Directory(PathBuf),
}

impl Store<SpillDir> {
    /// Opens the store at `location` and recovers it: truncates uncommitted spill tails, marks jobs whose own data is
    /// missing or broken as damaged, and reports lost commits.
    ///
    /// # Errors
    ///
    /// If another master holds it, a newer rowmill wrote it, or the disk or the database fails.
    pub fn open(location: &StoreLocation) -> Result<Self, StoreError> {
        match location {
            StoreLocation::Memory { spill } => {
                let spill = SpillDir::new(spill.clone(), false)?;
                let connection = Connection::open_in_memory()?;
                let mut store = Self::open_and_recover(connection, spill, None, None)?;
                store.is_durable = false;
                Ok(store)
            }
            StoreLocation::Directory(directory) => {
                cli::create_private_dir(directory).map_err(StoreError::file(directory))?;
                let lock = DirectoryLock::take(directory)?;
                let database = directory.join("rowmill.sqlite");
                create_private(directory, &database).map_err(StoreError::file(&database))?;
                let connection = Connection::open(&database)?;
                connection.pragma_update(None, "journal_mode", "WAL")?;
                connection.pragma_update(None, "synchronous", "FULL")?;
                let spill = SpillDir::new(directory.join("spill"), true)?;
                let directory = Some(directory.clone());
                Self::open_and_recover(connection, spill, Some(lock), directory.as_deref())
            }
        }
    }

    /// An empty stand-in for a store that cannot be opened yet. It writes nothing to disk.
    pub(crate) fn empty() -> Result<Self, StoreError> {
        let spill = SpillDir::read_only(PathBuf::new());
        Self::new(Connection::open_in_memory()?, spill, None, None)
    }
}

impl<D: Disk> Store<D> {
    /// Opens the store in `connection` and on `disk` and recovers it. For the simulation, whose database and disk
    /// outlive its master.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn open_parts(connection: Connection, disk: D) -> Result<Self, StoreError> {
        Self::open_and_recover(connection, disk, None, None)
    }

    /// Closes the store and returns its database and disk.
    pub fn into_parts(self) -> (Connection, D) {
        (self.connection, self.spill)
    }

    /// The store's database and disk, to inspect them or inject faults.
    pub fn parts(&mut self) -> (&Connection, &mut D) {
        (&self.connection, &mut self.spill)
    }

    fn open_and_recover(
        connection: Connection,
        spill: D,
        lock: Option<DirectoryLock>,
        directory: Option<&Path>,
    ) -> Result<Self, StoreError> {
        let mut store = Self::new(connection, spill, lock, directory)?;
        store.recover()?;
        Ok(store)
    }

    fn new(
        mut connection: Connection,
        spill: D,
        lock: Option<DirectoryLock>,
        directory: Option<&Path>,
    ) -> Result<Self, StoreError> {
        migrate(&mut connection)?;
        let (committer, ignored_ms) = Committer::read(&connection)?;
        if ignored_ms > 0 {
            let days = ignored_ms / 86_400_000;
            tracing::warn!(
                days,
                "no master ran, or the clock was set: --keep counts only one day of the time since the \
                 last commit, and ignores these"
            );
        }
        Ok(Self {
            jobs: job_row::read_all(&connection)?,
            connection,
            spill,
            seen_keys: HashMap::new(),
            key_retries: HashMap::new(),
            committer,
            losses: Vec::new(),
            directory: directory.map(Path::to_owned),
            is_durable: true,
            lock,
        })
    }

    fn recover(&mut self) -> Result<(), StoreError> {
        let has_loss = self.detect_loss()?;
        let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
        for id in jobs {
            let expired = self.jobs.get(&id).is_some_and(|job| job.expired.is_some());
            if !expired {
                self.recover_files(id, has_loss)?;
                continue;
            }
            // A crash may have happened between the commit and the removal of the files.
            for path in SpillFile::all(id).map(|file| self.spill.forget(file)) {
                if let Err(error) = remove(path.as_deref()) {
                    tracing::warn!(%error, "a file stays until the next start");
                }
            }
        }
        self.resolve_pending_keys(proto::unix_ms());
        Ok(())
    }

    /// Returns whether commits are lost. A loss is recorded before the next commit.
    fn detect_loss(&mut self) -> Result<bool, StoreError> {
        let noted = self.spill.generation()?;
        let orphans = self.spill.orphans(|id| self.jobs.contains_key(&id))?;
        let has_jobs = !self.jobs.is_empty();
        let loss = Loss::detect(
            &self.committer.generation,
            has_jobs,
            noted.as_ref(),
            &orphans,
        );
        if let Some(loss) = &loss {
            tracing::error!("{loss}");
            match &self.directory {
                Some(directory) => loss::record(directory, loss)?,
                None => self.losses.push(loss.to_string()),
            }
            // Later commits get higher numbers than the lost ones.
            let lost_number = noted.as_ref().map_or(0, |noted| noted.number);
            let number = &mut self.committer.generation.number;
            *number = lost_number.max(*number);
            let transaction = self.connection.transaction()?;
            self.committer.commit(transaction, &mut self.spill)?;
        } else if orphans.files > 0 {
            tracing::info!(
                files = orphans.files,
                bytes = orphans.bytes,
                "spill files of jobs that are not known: of batches that were never committed; they are kept"
            );
        }
        if let Some(directory) = &self.directory {
            self.losses =
                loss::recorded(directory).map_err(StoreError::file(directory.join("lost")))?;
        }
        self.spill.record_generation(&self.committer.generation)?;
        Ok(loss.is_some())
    }
}

/// Creates the database if it is missing. SQLite gives its WAL and shared memory the same mode.
fn create_private(directory: &Path, database: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    cli::open_private(database, &mut options)?;
    if let Some(mode) = cli::exposed(directory, database) {
        let (database, directory) = (database.display(), directory.display());
        tracing::warn!(
            "users other than its owner can read {database} (mode {mode:o}) and the files beside it; if they should \
             not: chmod -R go= {directory}"
        );
    }
    Ok(())
}
