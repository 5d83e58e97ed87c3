//! Publishers that are killed and resumed, and brokers that accept nothing for a while, with real processes and a
//! real RabbitMQ.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test
#![allow(clippy::disallowed_macros)] // eprintln!: the harness captures a test's output

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Output, Stdio};
use std::time::Duration;

use access::Client;
use engine::Dialect;
use proto::v1::{JobState, ListJobsRequest, Profile};
use rustix::process::Signal;
use support::node::Ruled;
use support::truth::cut_free;
use support::{Process, SEED, Stage, finished, job_when, orders, run_with_input, stderr};

/// The profile of `csv` computed in one piece.
fn oracle(csv: &str) -> (u64, Profile) {
    let whole = engine::oracle::profile_in_one_piece(csv.as_bytes(), &Dialect::default()).unwrap();
    let profile = engine::profile::finish(&whole.partial, &whole.columns).unwrap();
    (whole.partial.rows, cut_free(profile))
}

/// Limits the stage's tasks queue to `chunks` chunks.
fn limit_tasks(broker: &Ruled, stage: &Stage, chunks: usize) {
    let namespace = stage.namespace();
    let pattern = format!("^{namespace}\\.v2\\.tasks$");
    let policy = format!("{{\"max-length\":{chunks}}}");
    broker.ctl(&["set_policy", namespace, &pattern, &policy]);
}

/// The records of a journal: each has its length, a hash, and its content.
fn records(journal: &[u8]) -> Vec<&[u8]> {
    let (mut records, mut rest) = (Vec::new(), journal);
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        if behind.len() < 8 + length {
            break;
        }
        let (record, behind) = behind[8..].split_at(length);
        records.push(record);
        rest = behind;
    }
    records
}

/// Waits for a journal of the stage with `times` records that begin with `tag`, the tag of their field. Returns its
/// path and the size in bytes of its first record, which contains no position.
async fn noted(stage: &Stage, tag: u8, times: usize) -> (PathBuf, usize) {
    loop {
        for path in unfinished(stage) {
            let journal = std::fs::read(&path).unwrap_or_default();
            let records = records(&journal);
            let told = records.iter().filter(|record| record.first() == Some(&tag));
            if told.count() >= times {
                return (path, 12 + records[0].len());
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Tags of a reached position, and of the end of a spool.
const REACHED: u8 = 2 << 3 | 2;
const ENDED: u8 = 3 << 3 | 2;

/// The journals of the stage.
fn unfinished(stage: &Stage) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(stage.dir.path().join("journal")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_journal = |path: &PathBuf| !path.ends_with("sealed") && !path.ends_with("published");
    paths.filter(is_journal).collect()
}

/// The id of the only job, once `chunks` of its chunks are done.
async fn moving(client: &mut Client, chunks: u64) -> String {
    loop {
        let jobs = client.list_jobs(ListJobsRequest::default()).await.unwrap();
        let mut jobs = jobs.into_inner().jobs.into_iter();
        if let Some(job) = jobs.find(|job| job.chunks_done >= chunks) {
            return job.job_id;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn check(client: &mut Client, job_id: &str, csv: &str) -> proto::v1::Job {
    let result = finished(client, job_id).await;
    let (rows, profile) = oracle(csv);
    let job = result.job.unwrap();
    assert_eq!((job.state(), job.rows), (JobState::Done, rows));
    assert_eq!(
        report::profile_of(result.report.as_ref())
            .cloned()
            .map(cut_free),
        Some(profile)
    );
    job
}

fn resume(stage: &Stage, args: &[&str]) -> Output {
    let args = [&["publish", "--resume"], args].concat();
    stage.command(&args).output().unwrap()
}

/// The number after `text`.
fn number_after(said: &str, text: &str) -> u64 {
    let (_, rest) = said.split_once(text).unwrap_or_else(|| panic!("{said}"));
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
    rest[..digits].parse().unwrap()
}

/// Starts a publish of `path` that is blocked because no worker takes its chunks. RabbitMQ reports late that a queue
/// is full, so the file must be larger than the publisher's window.
async fn stuck(stage: &Stage, path: &Path) -> (Process, PathBuf, usize) {
    stuck_at(stage, &[path.to_str().unwrap()]).await
}

/// The same for any input.
async fn stuck_at(stage: &Stage, args: &[&str]) -> (Process, PathBuf, usize) {
    let args = [&["publish", "--chunk-bytes", "20000"], args].concat();
    let publish = Process::start(&mut stage.command(&args));
    publish.wait_for("the queue of chunks is full until workers take some");
    let (journal, first) = noted(stage, REACHED, 1).await;
    (publish, journal, first)
}

/// Starts a publish of standard input with a spool.
fn spooled(stage: &Stage) -> (Process, ChildStdin, PathBuf) {
    let dir = stage.dir.path().join("spool");
    let args = ["publish", "--chunk-bytes", "20000", "-", "--spool"];
    let mut command = stage.command(&args);
    let mut publish = Process::start(command.arg(&dir).stdin(Stdio::piped()));
    let stdin = publish.stdin();
    (publish, stdin, dir)
}

fn in_directory(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn without_a_journal_a_publish_says_that_it_cannot_be_resumed_and_a_spool_is_refused_with_8()
{
    let stage = Stage::new();
    let path = stage.file("rows.csv", b"n\n1\n");
    let path = path.to_str().unwrap();
    let spool = stage.dir.path().join("spool");
    let spool = spool.to_str().unwrap();
    for (journal, args, code, name) in [
        ("/dev/full/j", &["publish", path][..], 0, "/dev/full/j"),
        (
            "/dev/full/j",
            &["publish", "-", "--spool", spool],
            8,
            "/dev/full/j",
        ),
        (
            "journal",
            &["publish", "-", "--spool", "/dev/full/s"],
            8,
            "/dev/full/s",
        ),
    ] {
        let mut command = stage.command(args);
        command.env("ROWMILL_JOURNAL", stage.dir.path().join(journal));
        let output = run_with_input(&mut command, b"n\n1\n");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        let says_why = said.contains(name) && said.contains("Not a directory");
        assert!(says_why, "{args:?}: {said}");
        assert!(code != 0 || said.contains("could not be resumed"), "{said}");
    }
    stage.erase().await;
}

#[tokio::test]
async fn a_spool_whose_disk_becomes_full_ends_a_publish_with_8_and_says_how_to_go_on() {
    let stage = Stage::new();
    let _master = stage.master();
    let spool = stage.dir.path().join("spool");
    std::fs::create_dir(&spool).unwrap();
    let script = "mount -t tmpfs -o size=64k none \"$0\" && exec \"$@\"";
    let mount = ["--user", "--map-root-user", "--mount", "sh", "-c", script];
    let mounted = |program: &Command| {
        let mut command = support::in_place_of(program, "unshare");
        command
            .args(mount)
            .arg(&spool)
            .arg(program.get_program())
            .args(program.get_args());
        command
    };
    let probe = mounted(&Command::new("true")).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("not tried: this system mounts no file system for a test");
        return;
    }
    let mut publish = stage.command(&["publish", "-", "--chunk-bytes", "20000", "--spool"]);
    let mut publish = mounted(publish.arg(&spool));
    let output = run_with_input(&mut publish, orders(400_000, SEED).as_bytes());
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(
        said.contains("/spool/") && said.contains("No space left"),
        "{said}"
    );
    assert!(said.contains("rowmill publish --resume "), "{said}");
    stage.erase().await;
}

#[tokio::test]
async fn a_killed_publish_of_a_file_goes_on_where_it_stopped() {
    let broker = Ruled::any();
    let stage = broker.stage();
    limit_tasks(&broker, &stage, 20);
    let _master = stage.master();
    let csv = orders(4_000_000, SEED);
    let path = stage.file("rows.csv", csv.as_bytes());
    let (mut publish, journal, _) = stuck(&stage, &path).await;
    let alive = resume(&stage, &["last"]);
    assert_eq!(alive.status.code(), Some(2), "{}", stderr(&alive));
    publish.kill();

    let _worker = stage.worker();
    let resumed = resume(&stage, &["last"]);
    let said = stderr(&resumed);
    assert!(resumed.status.success(), "{said}");
    let job_id = String::from_utf8(resumed.stdout).unwrap().trim().to_owned();
    assert!(journal.ends_with(&job_id));
    assert!(number_after(&said, "from byte ") > 0, "{said}");
    let mut client = stage.client().await;
    check(&mut client, &job_id, &csv).await;

    assert_eq!(unfinished(&stage), Vec::<PathBuf>::new());
    let again = resume(&stage, &[&job_id[..20]]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert!(
        stderr(&again).contains("is sealed already"),
        "{}",
        stderr(&again)
    );
    stage.erase().await;
}

/// The orders as a system might export them: below a title, in UTF-16, compressed.
fn exported(csv: &str) -> Vec<u8> {
    let text = format!("\u{feff}All orders\r\n{csv}");
    let text: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    zstd::encode_all(&text[..], 1).unwrap()
}

#[tokio::test]
async fn a_killed_publish_of_several_packed_files_goes_on_within_the_right_one() {
    let broker = Ruled::any();
    let stage = broker.stage();
    limit_tasks(&broker, &stage, 20);
    let _master = stage.master();
    let parts = [
        orders(10_000, SEED),
        orders(4_000_000, SEED),
        orders(100_000, SEED),
    ];
    let mut paths = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        paths.push(stage.file(&format!("{at}.csv.zst"), &exported(part)));
    }
    let names: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    let args = [&["--skip", "1"], &names[..]].concat();
    let (mut publish, _, _) = stuck_at(&stage, &args).await;
    // With room for more chunks it passes the first file, which is one chunk, and blocks again.
    limit_tasks(&broker, &stage, 100);
    noted(&stage, REACHED, 2).await;
    publish.kill();

    let _worker = stage.worker();
    let resumed = resume(&stage, &["last"]);
    let said = stderr(&resumed);
    assert!(resumed.status.success(), "{said}");
    assert!(said.contains(&format!(" of {}: ", names[1])), "{said}");
    let job_id = String::from_utf8(resumed.stdout).unwrap().trim().to_owned();
    let without_header = |csv: &str| csv.split_once('\n').unwrap().1.to_owned();
    let whole = [
        parts[0].clone(),
        without_header(&parts[1]),
        without_header(&parts[2]),
    ];
    let mut client = stage.client().await;
    check(&mut client, &job_id, &whole.concat()).await;
    stage.erase().await;
}

#[tokio::test]
async fn a_killed_publish_of_a_packed_spool_goes_on_with_what_was_not_unpacked() {
    let stage = Stage::new();
    let (_master, _worker) = (stage.master(), stage.worker());
    let csv = orders(3_000_000, SEED);
    let packed = zstd::encode_all(csv.as_bytes(), 1).unwrap();
    let (mut publish, mut stdin, _) = spooled(&stage);
    let (now, later) = packed.split_at(packed.len() / 2);
    stdin.write_all(now).unwrap();
    let mut client = stage.client().await;
    let job_id = moving(&mut client, 5).await;
    publish.kill();

    let said = stderr(&resume(&stage, &[&job_id]));
    let bytes = number_after(&said, "was cut off after ");
    assert_eq!(bytes, now.len() as u64, "{said}");
    let mut command = stage.command(&["publish", "--resume", &job_id, "-"]);
    let resumed = run_with_input(&mut command, later);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    check(&mut client, &job_id, &csv).await;
    stage.erase().await;
}

#[tokio::test]
async fn a_publish_that_is_killed_again_and_again_comes_to_its_end() {
    let broker = Ruled::any();
    let stage = broker.stage();
    limit_tasks(&broker, &stage, 10);
    let (_master, _worker) = (stage.master(), stage.worker());
    let csv = orders(6_000_000, SEED);
    let path = stage.file("rows.csv", csv.as_bytes());
    let args = ["publish", "--chunk-bytes", "20000", path.to_str().unwrap()];
    let mut publish = Process::start(&mut stage.command(&args));
    let mut client = stage.client().await;
    let job_id = moving(&mut client, 1).await;
    let mut kills = 0;
    // Chunks that are sent again may be compressed differently.
    let packing = ["zstd", "none"].into_iter().cycle();
    for (chunks, packing) in [20, 60, 100, 140, 180].into_iter().zip(packing) {
        job_when(&mut client, &job_id, |r| {
            r.job.as_ref().is_some_and(|job| job.chunks_done >= chunks)
        })
        .await;
        if unfinished(&stage).is_empty() {
            break; // it ended before the kill
        }
        publish.kill();
        kills += 1;
        let args = ["publish", "--resume", &job_id, "--compress", packing];
        publish = Process::start(&mut stage.command(&args));
    }
    assert!(kills >= 2, "{kills}");
    assert_eq!(publish.end().1, 0);
    check(&mut client, &job_id, &csv).await;
    stage.erase().await;
}

#[tokio::test]
async fn places_that_a_crash_lost_cost_duplicates_and_nothing_else() {
    let broker = Ruled::any();
    let stage = broker.stage();
    limit_tasks(&broker, &stage, 20);
    let _master = stage.master();
    let csv = orders(2_000_000, SEED);
    let path = stage.file("rows.csv", csv.as_bytes());
    let (mut publish, journal, first) = stuck(&stage, &path).await;
    publish.kill();
    let mut left = std::fs::read(&journal).unwrap();
    left.truncate(first + 5); // a torn record
    std::fs::write(&journal, left).unwrap();

    let mut worker = stage.worker();
    let mut client = stage.client().await;
    let job_id = moving(&mut client, 20).await;
    // A new worker does not remember the chunks of the first one.
    worker.kill();
    let _other = stage.worker();
    let resumed = resume(&stage, &[&job_id]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    assert!(stderr(&resumed).contains("from byte 0: 0 rows in 0 chunks"));
    let job = check(&mut client, &job_id, &csv).await;
    assert!(job.duplicates >= 20, "{}", job.duplicates);
    stage.erase().await;
}

#[tokio::test]
async fn an_interrupted_publish_says_how_to_go_on_and_a_changed_file_is_refused() {
    let broker = Ruled::any();
    let stage = broker.stage();
    limit_tasks(&broker, &stage, 5);
    let _master = stage.master();
    let csv = orders(4_000_000, SEED);
    let path = stage.file("rows.csv", csv.as_bytes());
    let (publish, _, _) = stuck(&stage, &path).await;
    publish.signal(Signal::INT);
    let said = publish.wait_for("resume it with: rowmill publish --resume ");
    assert_eq!(publish.end().1, 7);
    let job_id = said.rsplit(' ').next().unwrap();

    let mut file = std::fs::File::options().append(true).open(&path).unwrap();
    file.write_all(b"one more\n").unwrap();
    let refused = resume(&stage, &[job_id]);
    assert_eq!(refused.status.code(), Some(5));
    let changed = format!("it had {} bytes and has {}", csv.len(), csv.len() + 9);
    assert!(stderr(&refused).contains(&changed), "{}", stderr(&refused));
    let refused = resume(&stage, &[job_id, "--seal"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    stage.erase().await;
}

#[tokio::test]
async fn a_file_that_is_written_to_while_it_is_published_cancels_its_job_with_the_reason() {
    let broker = Ruled::any();
    let csv = orders(4_000_000, SEED);
    for is_resumed in [false, true] {
        let stage = broker.stage();
        limit_tasks(&broker, &stage, 5);
        let _master = stage.master();
        let path = stage.file("rows.csv", csv.as_bytes());
        let (mut publish, journal, _) = stuck(&stage, &path).await;
        let job_id = journal.file_name().unwrap().to_str().unwrap().to_owned();
        if is_resumed {
            publish.kill();
            publish = Process::start(&mut stage.command(&["publish", "--resume", &job_id]));
            publish.wait_for("the queue of chunks is full until workers take some");
        }
        std::fs::write(&path, csv.replacen(',', ";", 1)).unwrap();
        let _worker = stage.worker();
        // The file is truncated and then written again; the publisher may see either.
        let said = publish.wait_for("rows.csv changed while it was read: ");
        assert_eq!(publish.end().1, 5);
        assert!(!said.contains("--resume"), "{said}");
        let job = finished(&mut stage.client().await, &job_id)
            .await
            .job
            .unwrap();
        assert_eq!(job.state(), JobState::Cancelled);
        assert!(
            job.reason.contains("rows.csv changed while it was read"),
            "{}",
            job.reason
        );
        assert!(unfinished(&stage).is_empty());
        stage.erase().await;
    }
}

#[tokio::test]
async fn a_killed_publish_of_standard_input_goes_on_with_its_spool_and_the_rest() {
    let stage = Stage::new();
    let (_master, _worker) = (stage.master(), stage.worker());
    let csv = orders(3_000_000, SEED);
    let (mut publish, mut stdin, spools) = spooled(&stage);
    stdin.write_all(&csv.as_bytes()[..csv.len() / 2]).unwrap();
    let mut client = stage.client().await;
    let job_id = moving(&mut client, 20).await;
    publish.kill();

    // Without the rest it sends the spooled part, and reports the offset of the rest.
    let waiting = resume(&stage, &[&job_id]);
    assert_eq!(waiting.status.code(), Some(5));
    let said = stderr(&waiting);
    let known = number_after(&said, "was cut off after ") as usize;
    assert!(known > 20 * 20_000 / 2 && known <= csv.len() / 2, "{said}");
    assert!(
        said.contains(&format!("the rest, from byte {} on", known + 1)),
        "{said}"
    );
    let [spool] = &in_directory(&spools)[..] else {
        panic!("one spool is expected")
    };
    assert_eq!(std::fs::read(spool).unwrap(), &csv.as_bytes()[..known]);

    // Chunks that were sent then are not sent again.
    let again = stderr(&resume(&stage, &[&job_id]));
    let from = number_after(&again, "from byte ") as usize;
    assert!(from <= known && from + 30_000 > known, "{again}");

    let mut command = stage.command(&["publish", "--resume", &job_id, "-"]);
    let resumed = run_with_input(&mut command, &csv.as_bytes()[known..]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    check(&mut client, &job_id, &csv).await;
    assert_eq!(in_directory(&spools), Vec::<PathBuf>::new());
    assert_eq!(unfinished(&stage), Vec::<PathBuf>::new());
    stage.erase().await;
}

#[tokio::test]
async fn a_spooled_input_that_was_read_to_its_end_needs_no_rest() {
    let broker = Ruled::any();
    let stage = broker.stage();
    limit_tasks(&broker, &stage, 5);
    let _master = stage.master();
    // Chunks of another job fill the queue, so that none of this job's is accepted. The input is still read to its
    // end, because its few chunks fit between reader and sender.
    let other = stage.file("other.csv", orders(4_000_000, SEED).as_bytes());
    let (mut other, _, _) = stuck(&stage, &other).await;
    let csv = format!("{}9,without,a line end", orders(50_000, SEED));
    let (mut publish, mut stdin, spools) = spooled(&stage);
    stdin.write_all(csv.as_bytes()).unwrap();
    drop(stdin);
    publish.wait_for("the queue of chunks is full until workers take some");
    noted(&stage, ENDED, 1).await;
    publish.kill();
    other.kill();

    let _worker = stage.worker();
    let whole = resume(&stage, &["last", "-"]);
    assert_eq!(whole.status.code(), Some(2), "{}", stderr(&whole));
    let resumed = resume(&stage, &["last"]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    let job_id = String::from_utf8(resumed.stdout).unwrap();
    check(&mut stage.client().await, job_id.trim(), &csv).await;
    assert_eq!(in_directory(&spools), Vec::<PathBuf>::new());
    stage.erase().await;
}

#[tokio::test]
async fn a_spooled_input_whose_rest_is_lost_is_sealed_without_its_torn_record() {
    let stage = Stage::new();
    let (_master, _worker) = (stage.master(), stage.worker());
    let rows = (0..50_000_u64).map(|n| format!("{n},{}\n", n * n));
    let csv = format!("n,square\n{}", rows.collect::<String>());
    let (mut publish, mut stdin, spools) = spooled(&stage);
    stdin.write_all(csv.as_bytes()).unwrap();
    stdin.write_all(b"50000,25").unwrap();
    let whole = csv.len() as u64 + 8;
    let is_whole = |path: &PathBuf| path.metadata().is_ok_and(|file| file.len() == whole);
    while !spools.is_dir() || !in_directory(&spools).iter().any(is_whole) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut client = stage.client().await;
    let job_id = moving(&mut client, 5).await;
    publish.kill();

    let sealed = resume(&stage, &[&job_id, "--seal"]);
    assert!(sealed.status.success(), "{}", stderr(&sealed));
    let job = check(&mut client, &job_id, &csv).await;
    assert_eq!((job.rows, job.rejects), (50_000, 1));
    stage.erase().await;
}

#[tokio::test]
async fn a_full_queue_is_waited_for_and_gone_on_with() {
    let broker = Ruled::any();
    let stage = broker.stage();
    limit_tasks(&broker, &stage, 5);
    let _master = stage.master();
    let csv = orders(4_000_000, SEED);
    let path = stage.file("rows.csv", csv.as_bytes());
    let (publish, _, _) = stuck(&stage, &path).await;
    let _worker = stage.worker();
    let (job_id, exit) = publish.end();
    assert_eq!(exit, 0);
    check(&mut stage.client().await, job_id.trim(), &csv).await;
    stage.erase().await;
}

#[tokio::test]
async fn a_broker_that_blocks_is_waited_for_and_gone_on_with() {
    let broker = Ruled::own();
    let stage = broker.stage();
    let (_master, _worker) = (stage.master(), stage.worker());
    let csv = orders(2_000_000, SEED);
    let mut publish = Process::start(
        stage
            .command(&["publish", "--chunk-bytes", "20000", "-"])
            .stdin(Stdio::piped()),
    );
    let mut stdin = publish.stdin();
    let (first, second) = csv.as_bytes().split_at(csv.len() / 2);
    stdin.write_all(first).unwrap();
    let mut client = stage.client().await;
    let job_id = moving(&mut client, 20).await;
    broker.ctl(&["set_vm_memory_high_watermark", "0.0000001"]);
    let second = second.to_owned();
    let writing = std::thread::spawn(move || stdin.write_all(&second));
    publish.wait_for("blocked by the broker");
    let blocked = job_when(&mut client, &job_id, |_| true).await;
    assert!(blocked.job.unwrap().finished_unix_ms.is_none());
    broker.ctl(&["set_vm_memory_high_watermark", "0.4"]);
    writing.join().unwrap().unwrap();
    assert_eq!(publish.end().1, 0);
    check(&mut client, &job_id, &csv).await;
}
