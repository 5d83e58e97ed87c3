//! Checks the disk of the master's directory: free space, and the time of an fsync.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::finding::Finding;

/// Number of syncs that are timed; the median is used.
const SYNCS: usize = 21;
/// The master commits results in groups, and each group waits for one or two syncs: at 20 ms that is 25 groups
/// per second, which is still enough for a busy system.
const SLOW_SYNC: Duration = Duration::from_millis(20);
/// Less free space than this can be used up in minutes.
const LEAST_BYTES: u64 = 1 << 30;
/// The remedy if the directory cannot be read or written.
const OWNER: &str = "run it as the user that runs rowmill master, who must own the directory";

pub(super) async fn check(directory: Option<PathBuf>) -> Vec<Finding> {
    let Some(directory) = directory else {
        return Vec::new();
    };
    match std::fs::metadata(&directory) {
        Ok(about) if about.is_dir() => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let said = format!("cannot read {}: {error}", directory.display());
            return vec![Finding::warn("data", said, OWNER)];
        }
        // No master ran in this directory.
        Ok(_) | Err(_) => return Vec::new(),
    }
    let looked = tokio::task::spawn_blocking(move || {
        let mut findings = vec![disk_space(&directory), sync(&directory)];
        findings.extend(data(&directory));
        findings
    });
    looked.await.unwrap_or_default()
}

/// Data losses that a master found, from its status or from its record on disk.
pub(super) fn losses(losses: &[String]) -> Vec<Finding> {
    let losses = losses.iter().map(|loss| {
        let run = "once it is dealt with: remove the file `lost` in the master's directory";
        Finding::warn("data", loss, run)
    });
    losses.collect()
}

/// Data losses recorded in the master's directory, if it is on this host.
fn data(directory: &Path) -> Vec<Finding> {
    match ::master::store::losses(directory) {
        Ok(found) => {
            let mut findings = losses(&found.known);
            if let Some(loss) = found.unseen {
                let run = "before rowmill master is started there";
                findings.push(Finding::warn("data", loss, run));
            }
            if findings.is_empty() {
                let shown = directory.display();
                findings.push(Finding::ok("data", format!("no data is lost in {shown}")));
            }
            findings
        }
        Err(error) => {
            let said = format!("cannot check for data losses: {error}");
            vec![Finding::warn("data", said, OWNER)]
        }
    }
}

fn disk_space(directory: &Path) -> Finding {
    let shown = directory.display();
    match rustix::fs::statvfs(directory) {
        Ok(about) => {
            let free = about.f_bavail.saturating_mul(about.f_frsize);
            let percent = 100 * about.f_bavail / about.f_blocks.max(1);
            let said = format!(
                "{shown} has room for {} ({percent} %)",
                cli::format::bytes(free)
            );
            if free < LEAST_BYTES || percent < 5 {
                let run = "rowmill master --keep 7d,20GB keeps less; or another --data DIR";
                Finding::warn("disk", said, run)
            } else {
                Finding::ok("disk", said)
            }
        }
        Err(error) => Finding::fail("disk", format!("{shown}: {error}"), ""),
    }
}

fn sync(directory: &Path) -> Finding {
    let shown = directory.display();
    match median(directory) {
        Ok(took) => {
            let said = format!(
                "{shown} is on disk for certain after {:.1} ms",
                took.as_secs_f64() * 1e3
            );
            if took > SLOW_SYNC {
                let run = "results are committed no faster than that; put --data on a local SSD";
                Finding::warn("fsync", said, run)
            } else {
                Finding::ok("fsync", said)
            }
        }
        Err(error) => {
            let said = format!("{shown} cannot be written: {error}");
            Finding::fail("fsync", said, OWNER)
        }
    }
}

/// Measures the time of writing and syncing 4 KiB.
fn median(directory: &Path) -> io::Result<Duration> {
    let mut file: File = tempfile::tempfile_in(directory)?;
    let mut took = [Duration::ZERO; SYNCS];
    for took in &mut took {
        file.write_all(&[0; 4096])?;
        let began = Instant::now();
        file.sync_data()?;
        *took = began.elapsed();
    }
    took.sort_unstable();
    Ok(took[SYNCS / 2])
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_directory_that_cannot_be_written_is_told() {
        let directory = tempfile::tempdir().unwrap();
        assert_ne!(sync(directory.path()).verdict, Verdict::Fail);
        let gone = directory.path().join("gone");
        assert_eq!(sync(&gone).verdict, Verdict::Fail);
        assert_eq!(disk_space(&gone).verdict, Verdict::Fail);
    }

    #[tokio::test]
    async fn where_no_master_was_there_is_nothing_to_look_at() {
        let directory = tempfile::tempdir().unwrap();
        assert!(check(Some(directory.path().join("gone"))).await.is_empty());
        assert!(check(None).await.is_empty());
        assert_eq!(check(Some(directory.path().into())).await.len(), 3);
    }
}
