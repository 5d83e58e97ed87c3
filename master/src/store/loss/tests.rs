//! Databases that are older than their directory, and crashes that leave none behind.

use std::fs;

use proto::JobId;

use super::super::fixture::{lines, open, opening, result, seal};
use super::*;
use crate::store::Store;
use crate::store::inspect::{Losses, losses};

/// Copies a database, also while it is open, to the state that SIGKILL would leave.
fn copy(from: &Path, to: &Path) {
    for name in ["rowmill.sqlite", "rowmill.sqlite-wal"] {
        match fs::copy(from.join(name), to.join(name)) {
            Ok(_) => {}
            Err(_) => drop(fs::remove_file(to.join(name))),
        }
    }
}

/// A directory as a killed master leaves it: the second and the third job are in the WAL alone, or in part.
fn killed() -> (tempfile::TempDir, tempfile::TempDir, [JobId; 3]) {
    let (live, dir, older) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let [first, second, third] = [JobId::new(), JobId::new(), JobId::new()];
    let mut store = open(&live);
    for id in [first, second] {
        store.apply(&[opening(id), result(id, 0)], 1).unwrap();
    }
    drop(store);
    copy(live.path(), older.path());
    let mut store = open(&live);
    store.apply(&[result(second, 1)], 1).unwrap();
    store.apply(&[opening(third), result(third, 0)], 1).unwrap();
    fs::create_dir(dir.path().join("spill")).unwrap();
    for entry in fs::read_dir(live.path().join("spill")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(
            entry.path(),
            dir.path().join("spill").join(entry.file_name()),
        )
        .unwrap();
    }
    copy(live.path(), dir.path());
    drop(store);
    (dir, older, [first, second, third])
}

/// The loss reported at this start. Checks that it is reported at the next one too, and that the files of all three
/// jobs are unchanged.
fn loss_text(dir: &tempfile::TempDir, jobs: [JobId; 3]) -> String {
    let lengths = |_: &str| {
        jobs.map(|id| {
            let path = dir.path().join(format!("spill/{id}.rejects"));
            fs::metadata(path).unwrap().len()
        })
    };
    let before = lengths("before");
    let found = losses(dir.path()).unwrap();
    assert_eq!(found.known, [""; 0]);
    let store = open(dir);
    assert_eq!(lengths("after"), before, "nothing is cut or removed");
    let loss_text = store.losses().to_vec();
    assert_eq!(
        loss_text,
        Vec::from_iter(found.unseen),
        "it was reported before"
    );
    let beside = losses(dir.path()).unwrap();
    assert_eq!((beside.known, beside.unseen), (loss_text.clone(), None));
    drop(store);
    let mut again: Store = open(dir);
    assert_eq!(
        again.losses(),
        loss_text,
        "reported until the file is removed"
    );
    assert_eq!(loss_text.len(), 1, "{loss_text:?}");
    assert!(!again.reread_losses());
    fs::remove_file(dir.path().join("lost")).unwrap();
    assert!(again.reread_losses());
    assert_eq!(again.losses(), [""; 0]);
    drop(again);
    assert_eq!(open(dir).losses(), [""; 0]);
    loss_text[0].clone()
}

#[test]
fn a_kill_leaves_nothing_to_tell() {
    let (dir, _, [first, second, third]) = killed();
    assert_eq!(losses(dir.path()).unwrap(), Losses::default());
    let store = open(&dir);
    assert_eq!(store.losses(), [""; 0]);
    assert_eq!(lines(&store, second), [0, 1]);
    assert_eq!(
        (lines(&store, first), lines(&store, third)),
        (vec![0], vec![0])
    );
}

#[test]
fn a_wal_that_was_deleted_is_told_and_nothing_is_removed() {
    let (dir, _, jobs) = killed();
    fs::remove_file(dir.path().join("rowmill.sqlite-wal")).unwrap();
    let loss_text = loss_text(&dir, jobs);
    assert!(loss_text.contains("the last 2 of"), "{loss_text}");
    assert!(loss_text.contains(&jobs[2].to_string()), "{loss_text}");
    assert!(!loss_text.contains(&jobs[1].to_string()), "{loss_text}");
    // New data is appended behind the data of the lost commits.
    let mut store = open(&dir);
    store
        .apply(&[result(jobs[1], 2), seal(jobs[0], 1)], 3)
        .unwrap();
    assert_eq!(lines(&store, jobs[1]), [0, 2]);
}

#[test]
fn a_wal_that_was_cut_is_told() {
    let (dir, _, jobs) = killed();
    let path = dir.path().join("rowmill.sqlite-wal");
    let length = fs::metadata(&path).unwrap().len();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length - 100)
        .unwrap();
    assert!(loss_text(&dir, jobs).contains("the last 1 of"));
}

#[test]
fn an_older_copy_a_missing_database_and_another_one_are_told() {
    let (dir, older, jobs) = killed();
    copy(older.path(), dir.path());
    assert!(loss_text(&dir, jobs).contains("an older copy of rowmill.sqlite"));

    let (dir, _, jobs) = killed();
    fs::remove_file(dir.path().join("rowmill.sqlite")).unwrap();
    fs::remove_file(dir.path().join("rowmill.sqlite-wal")).unwrap();
    let text = loss_text(&dir, jobs);
    assert!(
        text.contains("is missing") && text.contains("3 files in spill/"),
        "{text}"
    );

    // A directory of an older version, without a generation.
    let (dir, _, jobs) = killed();
    fs::remove_file(dir.path().join("rowmill.sqlite")).unwrap();
    fs::remove_file(dir.path().join("rowmill.sqlite-wal")).unwrap();
    fs::remove_file(dir.path().join("spill/generation")).unwrap();
    assert!(loss_text(&dir, jobs).contains("is missing"));

    let (dir, ..) = killed();
    let (other, _, jobs) = killed();
    copy(dir.path(), other.path());
    assert!(loss_text(&other, jobs).contains("another one"));
}

#[test]
fn a_batch_that_was_never_committed_is_no_loss() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(&dir);
    let known = JobId::new();
    store.apply(&[opening(known), result(known, 0)], 1).unwrap();
    drop(store);
    // The spill file was synced, and then the machine died.
    let path = dir.path().join(format!("spill/{}.rejects", JobId::new()));
    fs::write(&path, b"of a batch").unwrap();
    assert_eq!(open(&dir).losses(), [""; 0]);
    assert!(path.exists());
    // A leftover or torn generation file does not indicate a loss either.
    fs::write(dir.path().join("spill/generation"), b"torn").unwrap();
    assert_eq!(open(&dir).losses(), [""; 0]);
}
