//! Distributed jobs, with real processes and a real RabbitMQ.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test
#![allow(clippy::disallowed_macros)] // eprintln!: the harness captures a test's output

mod support;

use std::io::Write as _;
use std::path::PathBuf;

use engine::Dialect;
use proto::v1::JobState;
use rustix::process::Signal;
use support::node::{Node, Ruled};
use support::truth::cut_free;
use support::{PATIENCE, Process, SEED, Stage, begun, finished, job_when, orders, rowmill, stderr};

/// The profile of `csv` computed in one piece.
fn oracle(csv: &str) -> (u64, proto::v1::Profile) {
    let whole = engine::oracle::profile_in_one_piece(csv.as_bytes(), &Dialect::default()).unwrap();
    let profile = engine::profile::finish(&whole.partial, &whole.columns).unwrap();
    (whole.partial.rows, cut_free(profile))
}

#[tokio::test]
async fn fifty_megabytes_through_two_workers_equal_one_piece() {
    let stage = Stage::new();
    let (_master, _one, _two) = (stage.master(), stage.worker(), stage.worker());
    let csv = orders(50_000_000, SEED);
    let path = stage.file("rows.csv", csv.as_bytes());
    let job_id = stage.publish(&path);
    let result = finished(&mut stage.client().await, &job_id).await;
    let job = result.job.unwrap();
    let (rows, profile) = oracle(&csv);
    assert_eq!(job.state(), JobState::Done);
    assert_eq!((job.rows, job.rejects, job.duplicates), (rows, 0, 0));
    assert_eq!(
        report::profile_of(result.report.as_ref())
            .cloned()
            .map(cut_free),
        Some(profile)
    );
    assert!(!result.partial);
    stage.erase().await;
}

#[tokio::test]
async fn a_worker_and_a_master_are_killed_and_nothing_is_lost_or_counted_twice() {
    let stage = Stage::new();
    let mut master = stage.master();
    let (mut one, mut two) = (stage.worker(), stage.worker());
    let csv = orders(8_000_000, SEED);
    let path = stage.file("rows.csv", csv.as_bytes());
    let output = stage
        .command(&["publish", "--chunk-bytes", "20000", path.to_str().unwrap()])
        .output()
        .unwrap();
    let job_id = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let mut client = stage.client().await;
    job_when(&mut client, &job_id, |r| {
        r.job.as_ref().is_some_and(|j| j.chunks_done > 20)
    })
    .await;
    one.kill();
    job_when(&mut client, &job_id, |r| {
        r.job.as_ref().is_some_and(|j| j.chunks_done > 60)
    })
    .await;
    master.kill();
    two.kill();
    let (_master, _one) = (stage.master(), stage.worker());
    let result = finished(&mut stage.client().await, &job_id).await;
    let job = result.job.unwrap();
    let (rows, profile) = oracle(&csv);
    assert_eq!((job.state(), job.rows), (JobState::Done, rows));
    assert_eq!(
        report::profile_of(result.report.as_ref())
            .cloned()
            .map(cut_free),
        Some(profile)
    );
    stage.erase().await;
}

#[tokio::test]
async fn publish_wait_prints_the_result_and_the_reading_commands_agree() {
    let stage = Stage::new();
    let (_master, _worker) = (stage.master(), stage.worker());
    let path = stage.file("pets.csv", b"name,age\nRex,3\nAda,11\nTom\n");
    let path = path.to_str().unwrap();
    let published = stage
        .command(&["publish", "--wait", path])
        .output()
        .unwrap();
    assert!(published.status.success(), "{}", stderr(&published));
    let table = String::from_utf8(published.stdout.clone()).unwrap();
    assert!(table.starts_with("column  type"), "{table}");
    assert!(
        stderr(&published).contains("1 bad record left out"),
        "{}",
        stderr(&published)
    );

    let jobs = stage.command(&["jobs", "--json"]).output().unwrap();
    let job: serde_json::Value = serde_json::from_slice(&jobs.stdout).unwrap();
    assert_eq!((&job["state"], &job["rows"]), (&"done".into(), &2.into()));
    let id = job["job_id"].as_str().unwrap();
    let shown = stage.command(&["show", &id[..13]]).output().unwrap();
    assert_eq!(shown.stdout, published.stdout);
    let missing = stage.command(&["show", "ffff"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        stderr(&missing).contains("there is no job \"ffff\""),
        "{}",
        stderr(&missing)
    );
    stage.erase().await;
}

#[tokio::test]
async fn without_workers_a_job_says_so_and_a_wait_with_a_limit_ends() {
    let stage = Stage::new();
    let _master = stage.master();
    let job_id = stage.publish(&stage.file("a.csv", b"a\n1\n"));
    let mut client = stage.client().await;
    job_when(&mut client, &job_id, |r| {
        r.job.as_ref().is_some_and(|j| j.no_workers)
    })
    .await;
    let jobs = stage.command(&["jobs"]).output().unwrap();
    assert!(String::from_utf8_lossy(&jobs.stdout).contains("NO WORKERS"));
    let wait = stage
        .command(&["wait", &job_id, "--timeout", "0"])
        .output()
        .unwrap();
    assert_eq!(wait.status.code(), Some(6));
    assert!(
        stderr(&wait).contains("rowmill worker"),
        "{}",
        stderr(&wait)
    );
    // A worker that starts later does the work.
    let _worker = stage.worker();
    let wait = stage.command(&["wait", &job_id]).output().unwrap();
    assert_eq!(wait.status.code(), Some(0), "{}", stderr(&wait));
    stage.erase().await;
}

#[tokio::test]
async fn the_first_interrupt_of_a_wait_detaches_and_says_how_to_come_back() {
    let stage = Stage::new();
    let _master = stage.master();
    let path = stage.file("a.csv", b"a\n1\n");
    let wait = Process::start(&mut stage.command(&["publish", "--wait", path.to_str().unwrap()]));
    wait.wait_for("published 1 row in");
    wait.signal(Signal::INT);
    wait.wait_for("the job continues: rowmill wait ");
    assert_eq!(wait.end().1, 7);
    stage.erase().await;
}

#[tokio::test]
async fn a_worker_told_to_stop_finishes_and_says_goodbye() {
    let stage = Stage::new();
    let (_master, worker) = (stage.master(), stage.worker());
    worker.signal(Signal::TERM);
    assert_eq!(worker.end().1, 0);
    stage.erase().await;
}

#[test]
fn a_broker_that_is_not_there_is_named_and_given_up_on() {
    let path = env!("CARGO_MANIFEST_DIR").to_owned() + "/Cargo.toml";
    let output = rowmill()
        .args([
            "publish",
            "--broker",
            "amqp://127.0.0.1:1",
            "--connect-timeout",
            "1",
            &path,
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(
        stderr(&output).contains("no broker answers at 127.0.0.1:1"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_master_that_is_not_there_is_named() {
    let output = rowmill()
        .args(["jobs", "--master", "127.0.0.1:1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    let said = stderr(&output);
    assert!(
        said.contains("no master answers at 127.0.0.1:1 (is `rowmill master` running"),
        "{said}"
    );
}

#[test]
fn a_second_master_on_the_same_directory_is_refused() {
    let stage = Stage::new();
    let _master = stage.master();
    let data = stage.dir.path().join("master");
    let second = stage
        .command(&[
            "master",
            "--listen",
            "127.0.0.1:0",
            "--data",
            data.to_str().unwrap(),
        ])
        .output()
        .unwrap();
    assert!(!second.status.success());
    assert!(
        stderr(&second).contains("is in use by another master (pid "),
        "{}",
        stderr(&second)
    );
}

/// Begins to publish from a pipe: the process, the pipe, and the half that is not yet written to it.
fn publish_half<'c>(stage: &Stage, csv: &'c str) -> (Process, std::process::ChildStdin, &'c str) {
    let mut publish = Process::start(
        stage
            .command(&["publish", "--chunk-bytes", "20000", "-"])
            .stdin(std::process::Stdio::piped()),
    );
    let mut stdin = publish.stdin();
    let (first, second) = csv.split_at(csv.len() / 2);
    stdin.write_all(first.as_bytes()).unwrap();
    (publish, stdin, second)
}

#[tokio::test]
async fn a_broker_that_goes_away_in_the_middle_is_waited_for_by_everybody() {
    let node = Node::start();
    let stage = Stage::at(node.url().to_owned());
    let (master, worker) = (stage.master(), stage.worker());
    let csv = orders(4_000_000, SEED);
    let (publish, mut stdin, second) = publish_half(&stage, &csv);
    let mut client = stage.client().await;
    let job_id = begun(&mut client, 20).await;
    node.has_registered(stage.namespace()).await;
    node.script("kill");
    publish.wait_for("waiting");
    master.wait_for("trying again");
    worker.wait_for("trying again");
    node.script("start");
    stdin.write_all(second.as_bytes()).unwrap();
    drop(stdin);
    let (printed, exit) = publish.end();
    assert_eq!((printed.trim(), exit), (job_id.as_str(), 0));
    let result = finished(&mut client, &job_id).await;
    let (rows, profile) = oracle(&csv);
    assert_eq!(result.job.map(|job| job.rows), Some(rows));
    assert_eq!(
        report::profile_of(result.report.as_ref())
            .cloned()
            .map(cut_free),
        Some(profile)
    );
}

#[tokio::test]
async fn a_password_that_is_wrong_for_a_while_ends_nobody_who_was_let_in_before() {
    let broker = Ruled::any();
    let user = format!("user-{}", proto::JobId::new());
    broker.ctl(&["add_user", &user, "first"]);
    broker.ctl(&["set_permissions", &user, ".*", ".*", ".*"]);
    let stage = Stage::at(format!("amqp://{user}:first@{}/%2f", broker.address()));
    let (master, worker) = (stage.master(), stage.worker());
    let csv = orders(400_000, SEED);
    let (publish, mut stdin, second) = publish_half(&stage, &csv);
    let mut client = stage.client().await;
    let job_id = begun(&mut client, 3).await;
    broker.ctl(&["change_password", &user, "second"]);
    broker.close_connections(&user, "password rotation");
    let refused = format!("refused user {user:?}");
    for process in [&master, &worker, &publish] {
        process.wait_for(&refused);
    }
    // A new master, which the broker never accepted before, exits.
    let other = stage.dir.path().join("other");
    let args = ["master", "--listen", "127.0.0.1:0", "--data"];
    let late = stage.command(&args).arg(other).output().unwrap();
    assert_eq!(late.status.code(), Some(9), "{}", stderr(&late));
    broker.ctl(&["change_password", &user, "first"]);
    stdin.write_all(second.as_bytes()).unwrap();
    drop(stdin);
    let (printed, exit) = publish.end();
    assert_eq!((printed.trim(), exit), (job_id.as_str(), 0));
    let result = finished(&mut client, &job_id).await;
    let (rows, profile) = oracle(&csv);
    assert_eq!(result.job.map(|job| job.rows), Some(rows));
    assert_eq!(
        report::profile_of(result.report.as_ref())
            .cloned()
            .map(cut_free),
        Some(profile)
    );
    stage.erase().await;
    broker.ctl(&["delete_user", &user]);
}

/// A master whose data is on a small file system in its own mount namespace, and the path at which the test sees
/// that. If `left` is given, a file `filler` leaves only that many bytes free. `None` if this system does not allow
/// the mount.
fn master_on_a_small_disk(stage: &Stage, left: Option<u64>) -> Option<(Process, PathBuf)> {
    const BYTES: u64 = 32 << 20;
    let disk = stage.dir.path().join("disk");
    std::fs::create_dir_all(&disk).unwrap();
    let mount = ["--user", "--map-root-user", "--mount", "sh", "-c"];
    let script = "mount -t tmpfs -o size=$1 none \"$0\" && \
                  { [ $2 = 0 ] || head -c $2 /dev/zero > \"$0/filler\"; } && shift 2 && exec \"$@\"";
    let mounted = || {
        let mut command = stage.command(&[]);
        let program = command.get_program().to_owned();
        command = support::in_place_of(&command, "unshare");
        let filler = left.map_or(0, |left| BYTES - left);
        command.args(mount).arg(script).arg(&disk);
        command.args([BYTES, filler].map(|bytes| bytes.to_string()));
        (command, program)
    };
    let mut probe = mounted().0;
    if !probe
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        return None;
    }
    let (mut command, program) = mounted();
    command
        .arg(program)
        .args(["master", "--listen", stage.address(), "--data"]);
    let master = Process::start(command.arg(&disk));
    let root = PathBuf::from(format!("/proc/{}/root", master.id()));
    let disk = root.join(disk.strip_prefix("/").unwrap());
    Some((master, disk))
}

#[tokio::test]
async fn a_master_that_is_started_on_a_full_disk_says_so_takes_nothing_and_goes_on_when_there_is_room()
 {
    // No room for the lock, the database, or its WAL.
    for left in [0, 4 << 10, 40 << 10] {
        let stage = Stage::new();
        let Some((master, disk)) = master_on_a_small_disk(&stage, Some(left)) else {
            eprintln!("not tried: this system mounts no file system for a test");
            return;
        };
        let trouble = "there is no room to open the store: ";
        master.wait_for(trouble);
        let path = stage.file("rows.csv", b"n\n1\n2\n");
        let job_id = stage.publish(&path);
        let session = stage.broker().connect("test").await.unwrap();
        // RabbitMQ reports 0 if the queue does not answer within a quarter of a second.
        let results = loop {
            let results = session.depth(broker::Queue::Results).await.unwrap();
            if results.ready > 0 {
                break results;
            }
        };
        assert_eq!(
            (results.ready, results.consumers),
            (2, 0),
            "opening and seal"
        );
        session.close().await;

        let jobs = stage.command(&["jobs"]).output().unwrap();
        let said = stderr(&jobs);
        assert!(jobs.status.success() && said.contains(trouble), "{said}");
        let show = stage.command(&["show", &job_id]).output().unwrap();
        let said = stderr(&show);
        assert!(!show.status.success() && said.contains(trouble), "{said}");
        let doctor = stage.command(&["doctor"]).output().unwrap();
        let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(said.contains(trouble), "{said}");

        std::fs::remove_file(disk.join("filler")).unwrap();
        master.wait_for("there is room again");
        let _worker = stage.worker();
        let done = finished(&mut stage.client().await, &job_id).await;
        assert_eq!(done.job.unwrap().rows, 2);
        let jobs = stage.command(&["jobs"]).output().unwrap();
        assert_eq!(stderr(&jobs), "");
        stage.erase().await;
    }
}

#[tokio::test]
async fn while_the_masters_disk_is_full_it_says_so_holds_what_came_and_goes_on_when_there_is_room()
{
    let stage = Stage::new();
    let Some((master, disk)) = master_on_a_small_disk(&stage, None) else {
        eprintln!("not tried: this system mounts no file system for a test");
        return;
    };
    master.wait_for("connected");
    let _worker = stage.worker();
    let filler = disk.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let csv = orders(400_000, SEED);
    let path = stage.file("rows.csv", csv.as_bytes());
    let args = ["publish", "--chunk-bytes", "20000", path.to_str().unwrap()];
    let job_id = support::published(&mut stage.command(&args));
    master.wait_for("results cannot be stored: ");
    // The master retries in vain, for longer than several of the shortest backoffs.
    let mut client = stage.client().await;
    let session = stage.broker().connect("test").await.unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while session.depth(broker::Queue::Tasks).await.unwrap().ready > 0 {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let jobs = stage.command(&["jobs"]).output().unwrap();
    let table = String::from_utf8_lossy(&jobs.stdout).into_owned();
    assert!(!table.contains("NO WORKERS"), "{table}");
    let said = stderr(&jobs);
    assert!(said.contains("results cannot be stored: "), "{said}");
    let doctor = stage.command(&["doctor"]).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("results cannot be stored: "), "{said}");

    drop(file);
    std::fs::remove_file(filler).unwrap();
    master.wait_for("results are stored again");
    let result = finished(&mut client, &job_id).await;
    let (rows, profile) = oracle(&csv);
    // No message was returned to the broker and redelivered meanwhile.
    let job = result.job.unwrap();
    assert_eq!((job.rows, job.duplicates), (rows, 0));
    assert_eq!(
        report::profile_of(result.report.as_ref())
            .cloned()
            .map(cut_free),
        Some(profile)
    );
    session.close().await;
    stage.erase().await;
}
