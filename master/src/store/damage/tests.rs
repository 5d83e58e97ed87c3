//! Jobs whose own data is missing or broken: they are marked as damaged, the rest of them can be read, and other jobs
//! are not affected.

use std::fs;

use proto::v1::JobState;

use super::super::fixture::{lines, open, opening, result, seal};
use super::*;

fn state(store: &Store, id: JobId) -> JobState {
    store.job(id).unwrap().state(1, 1)
}

/// A store with three finished jobs of two chunks.
fn three() -> (tempfile::TempDir, [JobId; 3]) {
    let dir = tempfile::tempdir().unwrap();
    let jobs = [JobId::new(), JobId::new(), JobId::new()];
    let mut store = open(&dir);
    for id in jobs {
        let all = [opening(id), seal(id, 2), result(id, 0), result(id, 1)];
        store.apply(&all, 1).unwrap();
    }
    (dir, jobs)
}

fn rejects(dir: &tempfile::TempDir, id: JobId) -> std::path::PathBuf {
    dir.path().join(format!("spill/{id}.rejects"))
}

#[test]
fn a_missing_and_a_short_file_make_their_jobs_damaged_and_no_other() {
    let (dir, [missing, short, whole]) = three();
    fs::remove_file(rejects(&dir, missing)).unwrap();
    let path = rejects(&dir, short);
    let length = fs::metadata(&path).unwrap().len();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length - 1)
        .unwrap();
    let mut damages = Vec::new();
    for _ in 0..2 {
        let store = open(&dir);
        assert_eq!(state(&store, missing), JobState::Damaged);
        assert_eq!(state(&store, short), JobState::Damaged);
        assert_eq!(state(&store, whole), JobState::Done);
        assert_eq!(lines(&store, missing), [0; 0]);
        assert_eq!(lines(&store, short), [0]);
        assert_eq!(lines(&store, whole), [0, 1]);
        assert_eq!(
            store.job(short).unwrap().counts.rejects,
            2,
            "all rejects stay counted"
        );
        damages.push(store.job(short).unwrap().damage.clone());
    }
    assert!(
        damages[0].contains("chunks whose bad records are gone: 1"),
        "{}",
        damages[0]
    );
    assert_eq!(damages[0], damages[1], "the report is unchanged");
}

#[test]
fn a_damaged_job_goes_on_with_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, id) = (open(&dir), JobId::new());
    store
        .apply(&[opening(id), seal(id, 3), result(id, 0)], 1)
        .unwrap();
    drop(store);
    fs::remove_file(rejects(&dir, id)).unwrap();
    let mut store = open(&dir);
    let outcome = store.apply(&[result(id, 1), result(id, 2)], 2).unwrap();
    assert_eq!(outcome.finished, [id]);
    assert_eq!(
        (state(&store, id), lines(&store, id)),
        (JobState::Damaged, vec![1, 2])
    );
}

#[test]
fn messages_that_cannot_be_decoded_make_their_job_damaged_and_no_other() {
    for (column, table) in [("open", "job"), ("seal", "job"), ("partial", "piece")] {
        let (dir, [broken, others @ ..]) = three();
        let mut store = open(&dir);
        let key = store.job(broken).unwrap().key;
        let which = if table == "job" { "key" } else { "job" };
        let (connection, _) = store.parts();
        let sql = format!("UPDATE {table} SET {column} = x'ffff' WHERE {which} = ?");
        assert!(connection.execute(&sql, [key]).unwrap() > 0);
        drop(store);
        let mut store = open(&dir);
        assert_eq!(state(&store, broken), JobState::Damaged, "{column}");
        assert_eq!(lines(&store, broken), [0, 1], "{column}");
        for id in others {
            assert_eq!(state(&store, id), JobState::Done, "{column}");
        }
        // Data that could not be decoded is not overwritten.
        store
            .control(broken, crate::job::Control::Paused, 1)
            .unwrap();
        let (connection, _) = store.parts();
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} = x'ffff'");
        let left: i64 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert!(left > 0, "{column}");
    }
}

/// Makes a file impossible to write, also for root.
fn obstruct(path: &std::path::Path, how: &str) {
    match how {
        "a directory" => fs::create_dir(path).unwrap(),
        "a link" => std::os::unix::fs::symlink("/dev/full", path).unwrap(),
        _ => fs::write(path, "").unwrap(),
    }
}

#[test]
fn a_file_that_cannot_be_written_damages_its_job_and_no_other_of_the_same_batch() {
    for how in ["a directory", "a link"] {
        let dir = tempfile::tempdir().unwrap();
        let (broken, whole) = (JobId::new(), JobId::new());
        let mut store = open(&dir);
        obstruct(&rejects(&dir, broken), how);
        let batch = |seq| [broken, whole].map(|id| result(id, seq));
        let opening = [broken, whole].map(opening);
        store.apply(&opening, 1).unwrap();
        store.apply(&batch(0), 1).unwrap();
        let first = store.job(broken).unwrap().damage.clone();
        assert!(
            first.contains(&format!("{broken}.rejects")),
            "{how}: {first}"
        );
        store.apply(&batch(1), 1).unwrap();
        assert_eq!(
            store.job(broken).unwrap().damage,
            first,
            "the report is unchanged"
        );
        let seals = [broken, whole].map(|id| seal(id, 2));
        assert_eq!(store.apply(&seals, 1).unwrap().finished.len(), 2, "{how}");
        for _ in 0..2 {
            assert_eq!(state(&store, broken), JobState::Damaged, "{how}");
            assert_eq!(state(&store, whole), JobState::Done, "{how}");
            assert_eq!(lines(&store, broken), [0; 0], "{how}");
            assert_eq!(lines(&store, whole), [0, 1], "{how}");
            drop(store);
            store = open(&dir);
        }
    }
}

#[test]
fn a_file_that_can_be_written_again_keeps_what_comes_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, id) = (open(&dir), JobId::new());
    let path = rejects(&dir, id);
    obstruct(&path, "a directory");
    store.apply(&[opening(id), result(id, 0)], 1).unwrap();
    fs::remove_dir(&path).unwrap();
    store.apply(&[result(id, 1)], 1).unwrap();
    assert_eq!(lines(&store, id), [1]);
    // A file that lost its end meanwhile gets no hole there.
    drop(store);
    let mut store = open(&dir);
    obstruct(&path, "a short file");
    store.apply(&[result(id, 2)], 1).unwrap();
    store.apply(&[result(id, 3)], 1).unwrap();
    assert_eq!(lines(&store, id), [3]);
    let damage = &store.job(id).unwrap().damage;
    assert!(
        damage.contains("chunks whose bad records are gone: 2"),
        "{damage}"
    );
}

#[test]
fn a_directory_that_is_gone_is_made_again_and_one_that_cannot_be_written_refuses_the_batch() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, [early, late, later]) = (open(&dir), [(); 3].map(|()| JobId::new()));
    store.apply(&[opening(early), result(early, 0)], 1).unwrap();
    drop(store);
    let mut store = open(&dir);
    fs::remove_dir_all(dir.path().join("spill")).unwrap();
    let batch = [opening(late), result(early, 1), result(late, 0)];
    store.apply(&batch, 1).unwrap();
    assert_eq!(state(&store, early), JobState::Damaged);
    assert_eq!(store.job(late).unwrap().damage, "");
    assert_eq!(lines(&store, late), [0]);

    drop(store);
    let mut store = open(&dir);
    let spill = dir.path().join("spill");
    fs::rename(&spill, dir.path().join("elsewhere")).unwrap();
    fs::write(&spill, "no directory").unwrap();
    let error = store.apply(&[opening(later), result(later, 0)], 1);
    assert!(error.unwrap_err().is_disk_error());
    assert!(store.job(later).is_none(), "nothing is committed");
    fs::remove_file(&spill).unwrap();
    fs::rename(dir.path().join("elsewhere"), &spill).unwrap();
    store.apply(&[opening(later), result(later, 0)], 1).unwrap();
    assert_eq!(lines(&store, later), [0]);
}
