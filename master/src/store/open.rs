//! Opening a store: lock, schema, recovery.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use prost::Message;
use proto::JobId;
use rusqlite::{Connection, Row};

use super::disk::Disk;
use super::expire::remove;
use super::file::SpillFile;
use super::lock::DirectoryLock;
use super::schema::migrate;
use super::spill::Spill;
use super::{Store, StoreError, merged};
use crate::job::{Control, Expired, Job, Tally};

/// Where a store lives.
#[derive(Debug, Clone)]
pub enum Place {
    /// In memory, with its spill files in `spill`: it ends with the process.
    Memory {
        /// An existing directory, the caller's to remove.
        spill: PathBuf,
    },
    /// In a directory, made where it is missing: it survives everything but the disk.
    Directory(PathBuf),
}

impl Store {
    /// Opens the store at `place` and recovers it: spill tails that no commit refers to are cut.
    ///
    /// # Errors
    ///
    /// When another master holds it, a newer rowmill wrote it, or the disk refuses.
    pub fn open(place: &Place) -> Result<Self, StoreError> {
        let (connection, spill, lock) = match place {
            Place::Memory { spill } => {
                let spill = Spill::new(spill.clone(), false)?;
                let connection = Connection::open_in_memory()?;
                let mut store = Self::recovered(connection, Disk::Files(spill), None)?;
                store.is_durable = false;
                return Ok(store);
            }
            Place::Directory(directory) => {
                cli::create_private_dir(directory).map_err(StoreError::file(directory))?;
                let lock = DirectoryLock::take(directory)?;
                let database = directory.join("rowmill.sqlite");
                make_private(directory, &database).map_err(StoreError::file(&database))?;
                let connection = Connection::open(&database)?;
                connection.pragma_update(None, "journal_mode", "WAL")?;
                connection.pragma_update(None, "synchronous", "FULL")?;
                (
                    connection,
                    Spill::new(directory.join("spill"), true)?,
                    Some(lock),
                )
            }
        };
        Self::recovered(connection, Disk::Files(spill), lock)
    }

    /// Opens the store that is in `connection` and on `disk`, whatever state a crash left them in:
    /// for the simulation, whose database and disk outlive its master.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn open_parts(connection: Connection, disk: Disk) -> Result<Self, StoreError> {
        Self::recovered(connection, disk, None)
    }

    /// What outlives the store.
    pub fn into_parts(self) -> (Connection, Disk) {
        (self.connection, self.spill)
    }

    /// What outlives the store, to be looked at or troubled while it is open.
    pub fn parts(&mut self) -> (&Connection, &mut Disk) {
        (&self.connection, &mut self.spill)
    }

    fn recovered(
        mut connection: Connection,
        spill: Disk,
        lock: Option<DirectoryLock>,
    ) -> Result<Self, StoreError> {
        migrate(&mut connection)?;
        let mut store = Self {
            connection,
            spill,
            jobs: HashMap::new(),
            seen: HashMap::new(),
            is_durable: true,
            _lock: lock,
        };
        store.recover()?;
        Ok(store)
    }

    fn recover(&mut self) -> Result<(), StoreError> {
        self.jobs = read_jobs(&self.connection)?;
        for job in self.jobs.values() {
            if job.expired.is_some() {
                // The commit that said so may have been the last thing before a crash.
                for path in SpillFile::all(job.id).map(|file| self.spill.give_up(file)) {
                    remove(path.as_deref())?;
                }
                continue;
            }
            let (rejects, rows) = (SpillFile::rejects(job.id), SpillFile::rows(job.id));
            self.spill.cut_back(rejects, job.tally.spilled)?;
            self.spill.cut_back(rows, job.tally.output_bytes)?;
        }
        self.settle_all()
    }
}

/// Makes the database where it is missing. What SQLite makes beside it (WAL, shared memory) has its mode.
fn make_private(directory: &Path, database: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    cli::open_private(database, &mut options)?;
    if let Some(mode) = cli::exposed(directory, database) {
        let (database, directory) = (database.display(), directory.display());
        tracing::warn!(
            "others than its owner can read {database} (mode {mode:o}), and what is beside it; if they should \
             not: chmod -R go= {directory}"
        );
    }
    Ok(())
}

fn read_jobs(connection: &Connection) -> Result<HashMap<JobId, Job>, StoreError> {
    let mut statement = connection.prepare("SELECT * FROM job")?;
    let mut rows = statement.query([])?;
    let mut jobs = HashMap::new();
    while let Some(row) = rows.next()? {
        let mut job = read_job(row)?;
        merged::read(connection, &mut job, row.get("partial")?)?;
        job.unsettled = unsettled(connection, job.key)?;
        jobs.insert(job.id, job);
    }
    Ok(jobs)
}

fn read_job(row: &Row<'_>) -> Result<Job, StoreError> {
    let id: String = row.get("job_id")?;
    let id = id.parse().map_err(|_| rusqlite::Error::InvalidQuery)?;
    let key = row.get("key")?;
    let mut job = Job::new(id, key, count(row, "heard_unix_ms")?);
    job.finished_unix_ms = row
        .get::<_, Option<i64>>("finished_unix_ms")?
        .map(|ms| ms as u64);
    job.control = Control::of(row.get("control")?);
    job.frontier = count(row, "frontier")?;
    job.open = blob(row, "open", "JobOpen")?;
    job.seal = blob(row, "seal", "JobSeal")?;
    job.tally = Tally {
        chunks_done: count(row, "chunks_done")?,
        chunks_dead: count(row, "chunks_dead")?,
        rows: count(row, "rows")?,
        rejects: count(row, "rejects")?,
        bytes: count(row, "bytes")?,
        retries: count(row, "retries")?,
        duplicates: count(row, "duplicates")?,
        spilled: count(row, "spilled")?,
        replaced: count(row, "replaced")?,
        output_rows: count(row, "output_rows")?,
        output_bytes: count(row, "output_bytes")?,
    };
    job.expired = match row.get::<_, Option<i64>>("expired_unix_ms")? {
        None => None,
        Some(ms) => Some(Expired {
            unix_ms: ms as u64,
            reason: row.get("expired_reason")?,
        }),
    };
    Ok(job)
}

fn unsettled(connection: &Connection, key: i64) -> Result<u64, rusqlite::Error> {
    let mut statement =
        connection.prepare_cached("SELECT count(*) FROM result WHERE job = ? AND settled = 0")?;
    statement.query_row([key], |row| row.get::<_, i64>(0).map(|count| count as u64))
}

/// SQLite has no unsigned integers; the same 64 bits go in and come out.
fn count(row: &Row<'_>, column: &str) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(|signed| signed as u64)
}

fn blob<T: Message + Default>(
    row: &Row<'_>,
    column: &str,
    what: &'static str,
) -> Result<Option<T>, StoreError> {
    let bytes: Option<Vec<u8>> = row.get(column)?;
    bytes
        .map(|bytes| T::decode(&bytes[..]).map_err(StoreError::unreadable(what)))
        .transpose()
}
