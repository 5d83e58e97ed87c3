//! The durable store of the master: SQLite for keys, counters and merged partials, and two spill files for each job,
//! one for rejects and one for output rows.
//!
//! Invariant: an effect is part of the transaction that inserts the unique key (job, seq). A batch is committed whole
//! or not at all, and a duplicate has no effect. A message that does not fit its job is set aside. An error in one
//! job's own data marks that job as damaged. Only errors of the disk or the database make the store fail.

mod age_clock;
mod apply;
mod chunk_row;
mod commit;
mod committer;
mod damage;
mod dead;
mod dead_state;
mod disk;
mod error;
mod expire;
#[cfg(test)]
mod fixture;
mod generation;
mod headers;
mod inspect;
mod job_row;
mod lock;
mod loss;
mod merge_log;
mod missing;
mod model_disk;
mod open;
mod out_of_range;
mod output;
mod parts;
mod queries;
mod retry_timer;
mod schema;
mod spill_dir;
mod spill_file;
mod staging;
mod unique_keys;
mod unreadable;

pub use commit::CommitOutcome;
pub use dead::DeadRow;
pub use dead_state::DeadState;
pub use disk::Disk;
pub use error::StoreError;
pub use generation::Generation;
pub use inspect::{Losses, losses};
pub use loss::Orphans;
pub use missing::MissingPage;
pub use model_disk::{DiskFault, ModelDisk};
pub use open::StoreLocation;
pub use output::{ChunkOutput, OutputLocation};
pub use parts::Store;
pub use queries::RejectPage;
pub use spill_dir::SpillDir;
pub(crate) use spill_dir::remove;
pub use spill_file::{Kind, SpillFile};
pub use unreadable::UnreadableRow;
