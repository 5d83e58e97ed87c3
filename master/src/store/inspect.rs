//! Reports the losses that a master would find in a data directory. Changes nothing there, and a master may run on it
//! at the same time.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::disk::Disk;
use super::error::StoreError;
use super::generation::Generation;
use super::loss::{self, Loss};
use super::spill_dir::SpillDir;

/// The losses in a data directory, each as a text for a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// The recorded losses, the oldest first.
    pub known: Vec<String>,
    /// The loss that the next master would find.
    pub unseen: Option<String>,
}

/// Looks for losses in a master's data directory.
///
/// # Errors
///
/// If the directory or the database cannot be read.
pub fn losses(directory: &Path) -> Result<Losses, StoreError> {
    let known = loss::recorded(directory).map_err(StoreError::file(directory.join("lost")))?;
    let spill = SpillDir::read_only(directory.join("spill"));
    // Read before the database: if a master commits in between, the database is newer than this, never older.
    let noted = spill.generation()?;
    let database = Database::read(&directory.join("rowmill.sqlite"))?;
    let Some(Database { generation, jobs }) = database else {
        // An older rowmill wrote it, without a count of commits.
        return Ok(Losses {
            known,
            unseen: None,
        });
    };
    let orphans = spill.orphans(|id| jobs.contains(&id.to_string()))?;
    let loss = Loss::detect(&generation, !jobs.is_empty(), noted.as_ref(), &orphans);
    Ok(Losses {
        known,
        unseen: loss.map(|loss| loss.to_string()),
    })
}

/// The contents of a database that matter here.
struct Database {
    generation: Generation,
    jobs: HashSet<String>,
}

impl Database {
    /// Reads a database. A missing one counts as empty. `None` if its schema has no generation.
    fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        match std::fs::metadata(path) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(Self::none())),
            Err(error) => return Err(StoreError::file(path)(error)),
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let has_table = |name: &str| {
            connection.query_row(
                "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = ?)",
                [name],
                |row| row.get::<_, bool>(0),
            )
        };
        if !has_table("job")? {
            return Ok(Some(Self::none()));
        }
        if !has_table("store")? {
            return Ok(None);
        }
        let select = "SELECT id, generation FROM store";
        let generation = connection.query_row(select, [], |row| {
            Ok(Generation {
                id: row.get(0)?,
                number: row.get::<_, i64>(1)? as u64,
            })
        })?;
        let mut statement = connection.prepare("SELECT job_id FROM job")?;
        let jobs = statement.query_map([], |row| row.get(0))?;
        let jobs = jobs.collect::<Result<_, _>>()?;
        Ok(Some(Self { generation, jobs }))
    }

    fn none() -> Self {
        let generation = Generation {
            id: String::new(),
            number: 0,
        };
        let jobs = HashSet::new();
        Self { generation, jobs }
    }
}
