//! What a master would find to be gone if it were started on a directory. Nothing of the directory is changed, and a
//! master may run on it meanwhile.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::StoreError;
use super::generation::Generation;
use super::loss::{self, Loss};
use super::spill_dir::SpillDir;

/// What is gone of a master's data, each for a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// What masters have found, the oldest first, as long as nobody removes it.
    pub known: Vec<String>,
    /// What the next master would find.
    pub unseen: Option<String>,
}

/// Looks for losses in a master's data directory.
///
/// # Errors
///
/// When the directory or the database cannot be read.
pub fn losses(directory: &Path) -> Result<Losses, StoreError> {
    let known = loss::recorded(directory).map_err(StoreError::file(directory.join("lost")))?;
    let spill = SpillDir::read_only(directory.join("spill"));
    // Before the database: a master that commits meanwhile makes the database newer than this, never older.
    let noted = spill.read_generation()?;
    let database = Database::read(&directory.join("rowmill.sqlite"))?;
    let Some(Database { generation, jobs }) = database else {
        // An older rowmill wrote it, which counted no commits.
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

/// What a database says of itself.
struct Database {
    generation: Generation,
    jobs: HashSet<String>,
}

impl Database {
    /// A missing one is as one that nothing was committed to. `None` if its schema has no generation.
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
