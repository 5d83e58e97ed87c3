//! The rows of a job: in order, byte by byte, as a filter in a pipe, and later; with real workers and a real
//! RabbitMQ, and while processes are killed.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test
#![allow(clippy::format_collect, clippy::unnecessary_debug_formatting)] // inputs and scripts are made once

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use access::Client;
use proto::v1::{Job, JobState, ListJobsRequest};
use support::{
    PATIENCE, Process, Stage, finished, job_when, published, rowmill, run_with_input, stderr,
};

/// CSV as rowmill writes it, so that a command that changes nothing returns the same bytes.
fn numbers(rows: usize) -> Vec<u8> {
    let rows: Vec<String> = (0..rows)
        .map(|n| format!("{n},\"a, \"\"{n}\"\"\"\n"))
        .collect();
    format!("n,text\n{}", rows.concat()).into_bytes()
}

/// A worker that allows `copy`, `slow` (which delays each chunk) and `check` (which fails at row 777 until a file
/// `mended` exists).
fn worker(stage: &Stage) -> Process {
    let mended = stage.dir.path().join("mended");
    let check = format!(
        "import os, sys\ntext = sys.stdin.read()\n\
         if '\\n777,' in text and not os.path.exists({mended:?}): sys.exit('777')\n\
         sys.stdout.write(text)\n"
    );
    let check = stage.file("check.py", check.as_bytes());
    let slow = "import sys, time\ntime.sleep(0.02)\nsys.stdout.write(sys.stdin.read())\n";
    let slow = stage.file("slow.py", slow.as_bytes());
    let mut command = stage.command(&[
        "worker",
        "--threads",
        "2",
        "--isolate",
        "off",
        "--allow",
        "copy=cat",
    ]);
    command
        .arg("--allow")
        .arg(format!("slow=python3 {}", slow.display()));
    command
        .arg("--allow")
        .arg(format!("check=python3 {}", check.display()));
    let worker = Process::start(&mut command);
    worker.wait_for("connected");
    worker
}

fn publish(stage: &Stage, input: &[u8], args: &[&str]) -> String {
    let path = stage.file("numbers.csv", input);
    let mut command = stage.command(&["publish", "--chunk-bytes", "2000"]);
    published(command.args(args).arg(path))
}

/// The command of a filter: standard input to standard output.
fn filter(stage: &Stage, name: &str, more: &[&str]) -> Command {
    let args = [
        "publish",
        "-",
        "--chunk-bytes",
        "2000",
        "-o",
        "-",
        "--exec",
        name,
    ];
    let mut command = stage.command(&args);
    command.args(more);
    command
}

/// A filter whose output is not yet read.
struct Pipe {
    child: Child,
    stdout: Option<ChildStdout>,
    feeding: std::thread::JoinHandle<std::io::Result<()>>,
}

impl Pipe {
    fn start(mut command: Command, input: Vec<u8>) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let feeding = std::thread::spawn(move || stdin.write_all(&input));
        let stdout = child.stdout.take();
        Self {
            child,
            stdout,
            feeding,
        }
    }

    /// Reads `lines` lines, and closes the pipe.
    fn head(&mut self, lines: usize) -> Vec<String> {
        let reader = BufReader::new(self.stdout.take().unwrap());
        reader.lines().take(lines).map(Result::unwrap).collect()
    }

    /// The rest of the output, and the exit code.
    fn rest(mut self) -> (Vec<u8>, i32) {
        let mut all = Vec::new();
        let stdout = self.stdout.as_mut().unwrap();
        stdout.read_to_end(&mut all).unwrap();
        self.feeding.join().unwrap().unwrap();
        (all, self.child.wait().unwrap().code().unwrap())
    }

    fn code(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

async fn only_job(client: &mut Client) -> Job {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let jobs = client.list_jobs(ListJobsRequest::default()).await.unwrap();
        if let Some(job) = jobs.into_inner().jobs.pop() {
            return job;
        }
        assert!(Instant::now() < deadline, "no job");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_output_is_the_same_whatever_the_workers_and_the_chunks() {
    let stage = Stage::new();
    let _master = stage.master();
    let _first = worker(&stage);
    let input = numbers(3000);
    let mut outputs = Vec::new();
    let mut more = Vec::new();
    for chunk_bytes in ["700", "2000", "1000000"] {
        let args = [
            "publish",
            "-",
            "-o",
            "-",
            "--exec",
            "copy",
            "--chunk-bytes",
            chunk_bytes,
        ];
        let mut command = stage.command(&args);
        outputs.push(run_with_input(&mut command, &input));
        // The next run has one more worker.
        more.push(worker(&stage));
    }
    for output in outputs {
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(output.stdout == input, "the output differs from the input");
    }
    stage.erase().await;
}

#[tokio::test]
async fn kills_of_worker_and_master_change_no_byte() {
    let stage = Stage::new();
    let mut master = stage.master();
    let mut first = worker(&stage);
    let input = numbers(4000);
    let pipe = Pipe::start(filter(&stage, "slow", &[]), input.clone());
    let reading = std::thread::spawn(move || pipe.rest());
    let mut client = stage.client().await;
    let job = only_job(&mut client).await;
    let more_than = |chunks: u64| {
        move |response: &proto::v1::GetJobResponse| {
            response
                .job
                .as_ref()
                .is_some_and(|job| job.chunks_done > chunks)
        }
    };
    job_when(&mut client, &job.job_id, more_than(3)).await;
    first.kill();
    let _second = worker(&stage);
    job_when(&mut client, &job.job_id, more_than(8)).await;
    master.kill();
    let _master = stage.master();
    let (output, code) = tokio::task::spawn_blocking(move || reading.join().unwrap())
        .await
        .unwrap();
    assert_eq!(code, 0);
    assert!(output == input, "the output differs from the input");
    let mut client = stage.client().await;
    let job = finished(&mut client, &job.job_id).await.job.unwrap();
    assert_eq!(
        (job.state(), job.rows, job.output_rows),
        (JobState::Done, 4000, 4000)
    );
    // A later read gives the same rows.
    let later = stage.command(&["rows", &job.job_id]).output().unwrap();
    assert!(later.status.success() && later.stdout == input);
    stage.erase().await;
}

#[tokio::test]
async fn who_does_not_read_holds_the_publisher_back_and_then_gets_all() {
    let stage = Stage::new();
    let _master = stage.master();
    let _worker = worker(&stage);
    // About 700 chunks, far more than the pipes and `--ahead` hold.
    let input = numbers(60_000);
    let pipe = Pipe::start(filter(&stage, "copy", &["--ahead", "20"]), input.clone());
    let mut client = stage.client().await;
    let job = only_job(&mut client).await;
    let stands = async {
        let (mut done, mut since) = (0, Instant::now());
        loop {
            let job = only_job(&mut client).await;
            assert_eq!(job.chunks_total, None, "all chunks were published");
            if job.chunks_done > done {
                (done, since) = (job.chunks_done, Instant::now());
            }
            // Without progress for two seconds, the job is blocked. A busy machine may pause before 20 chunks.
            if done >= 20 && since.elapsed() > Duration::from_secs(2) {
                return done;
            }
            assert!(since.elapsed() < PATIENCE, "{done} chunks");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let done = stands.await;
    // The rows that fit in the pipe (about 64 KiB), 20 chunks ahead, and the data that HTTP/2 has in flight.
    assert!(done < 300, "{done} chunks");
    let (output, code) = tokio::task::spawn_blocking(move || pipe.rest())
        .await
        .unwrap();
    assert_eq!(code, 0);
    assert!(output == input, "the output differs from the input");
    finished(&mut client, &job.job_id).await;
    stage.erase().await;
}

#[tokio::test]
async fn a_reader_that_has_enough_ends_a_filter_well_and_the_job_goes_on() {
    let stage = Stage::new();
    let _master = stage.master();
    let _worker = worker(&stage);
    let path = stage.file("numbers.csv", &numbers(3000));
    let args = [
        "publish",
        path.to_str().unwrap(),
        "--chunk-bytes",
        "2000",
        "--exec",
        "slow",
        "-o",
        "-",
    ];
    let mut pipe = Pipe::start(stage.command(&args), Vec::new());
    assert_eq!(pipe.head(2), ["n,text", "0,\"a, \"\"0\"\"\""]);
    assert_eq!(pipe.code(), 0);
    let mut client = stage.client().await;
    let job = only_job(&mut client).await;
    // Chunks published until then are processed; `rowmill rows` can read the rest.
    assert_ne!(job.state(), JobState::Cancelled);

    let mut rows = Pipe::start(
        stage.command(&["rows", &job.job_id, "--follow"]),
        Vec::new(),
    );
    assert_eq!(rows.head(1), ["n,text"]);
    assert_eq!(rows.code(), 0);
    stage.erase().await;
}

#[test]
fn a_reader_that_has_enough_ends_a_run() {
    let mut command = rowmill();
    command.args(["run", "-", "--quiet", "--chunk-bytes", "2000", "--", "cat"]);
    // More rows than all buffers hold.
    let mut pipe = Pipe::start(command, numbers(2_000_000));
    assert_eq!(pipe.head(1), ["n,text"]);
    assert_eq!(pipe.code(), 0);
}

#[tokio::test]
async fn a_dead_chunk_leaves_its_rows_out_and_its_replay_brings_them() {
    let stage = Stage::new();
    let _master = stage.master();
    let _worker = worker(&stage);
    let input = numbers(1000);
    let target = stage.file("out.csv", b"from before\n");
    let path = stage.file("numbers.csv", &input);
    let args = [
        "publish",
        path.to_str().unwrap(),
        "--chunk-bytes",
        "2000",
        "--exec",
        "check",
    ];
    let output = stage
        .command(&args)
        .arg("-o")
        .arg(&target)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(
        said.contains("1 chunk is dead and its rows are missing: "),
        "{said}"
    );
    // An incomplete output does not get the target's name.
    assert_eq!(std::fs::read(&target).unwrap(), b"from before\n");
    let part = std::fs::read(target.with_extension("csv.part")).unwrap();
    let (lines, all) = (
        part.split(|b| *b == b'\n').count(),
        input.split(|b| *b == b'\n').count(),
    );
    assert!(
        lines < all && part.starts_with(b"n,text\n0,"),
        "{lines} of {all}"
    );

    let mut client = stage.client().await;
    let job_id = only_job(&mut client).await.job_id;
    let rows = stage.command(&["rows", &job_id]).output().unwrap();
    assert_eq!(rows.status.code(), Some(3), "{}", stderr(&rows));
    assert!(rows.stdout == part);

    std::fs::write(stage.dir.path().join("mended"), b"").unwrap();
    let replay = stage
        .command(&["dead", "replay", &job_id])
        .output()
        .unwrap();
    assert!(replay.status.success(), "{}", stderr(&replay));
    let rows = stage
        .command(&["rows", &job_id, "--follow"])
        .arg("-o")
        .arg(&target)
        .output()
        .unwrap();
    assert!(rows.status.success(), "{}", stderr(&rows));
    assert!(std::fs::read(&target).unwrap() == input);
    assert!(!target.with_extension("csv.part").exists());
    stage.erase().await;
}

#[tokio::test]
async fn unordered_has_the_same_rows_and_a_header() {
    let stage = Stage::new();
    let _master = stage.master();
    let (_first, _second) = (worker(&stage), worker(&stage));
    let input = numbers(3000);
    let output = run_with_input(&mut filter(&stage, "copy", &["--unordered"]), &input);
    assert!(output.status.success(), "{}", stderr(&output));
    let sorted = |bytes: &[u8]| {
        let mut lines: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        lines[1..].sort();
        lines
    };
    assert!(sorted(&output.stdout) == sorted(&input));
    stage.erase().await;
}

#[tokio::test]
async fn filters_stand_in_a_row_as_any_do() {
    let stage = Stage::new();
    let _master = stage.master();
    let _worker = worker(&stage);
    let input = numbers(2000);
    let mut first = Pipe::start(filter(&stage, "copy", &[]), input.clone());
    let mut second = filter(&stage, "copy", &[]);
    let second = second.stdin(first.stdout.take().unwrap()).output().unwrap();
    assert!(second.status.success(), "{}", stderr(&second));
    assert!(second.stdout == input, "the output differs from the input");
    assert_eq!(first.code(), 0);
    stage.erase().await;
}

#[tokio::test]
async fn rows_of_a_job_that_goes_on_are_those_so_far_or_waited_for() {
    let stage = Stage::new();
    let _master = stage.master();
    let input = numbers(500);
    let job_id = publish(&stage, &input, &["--exec", "copy"]);
    job_when(&mut stage.client().await, &job_id, |_| true).await;
    let so_far = stage.command(&["rows", &job_id]).output().unwrap();
    assert_eq!(
        (so_far.status.code(), &so_far.stdout[..]),
        (Some(6), &b""[..])
    );
    assert!(stderr(&so_far).contains("--follow waits for the others"));
    let follow = Pipe::start(stage.command(&["rows", &job_id, "--follow"]), Vec::new());
    let _worker = worker(&stage);
    let (output, code) = tokio::task::spawn_blocking(move || follow.rest())
        .await
        .unwrap();
    assert!(code == 0 && output == input);
    stage.erase().await;
}

#[tokio::test]
async fn a_cancelled_jobs_filter_says_so_and_ends() {
    let stage = Stage::new();
    let _master = stage.master();
    let job_id = publish(&stage, &numbers(500), &["--exec", "copy"]);
    // The broker has the job; the master may learn of it a moment later.
    job_when(&mut stage.client().await, &job_id, |_| true).await;
    let mut follow = stage.command(&["rows", &job_id, "--follow"]);
    let follow = Process::start(&mut follow);
    let cancel = stage.command(&["cancel", &job_id]).output().unwrap();
    assert!(cancel.status.success(), "{}", stderr(&cancel));
    follow.wait_for("was cancelled");
    assert_eq!(follow.end().1, 7);
    stage.erase().await;
}

#[tokio::test]
async fn what_has_no_rows_and_what_is_gone_say_why() {
    let stage = Stage::new();
    let mut master = stage.master();
    let _worker = worker(&stage);
    let mut client = stage.client().await;
    let profile = publish(&stage, &numbers(100), &[]);
    let counted = publish(&stage, &numbers(100), &["--exec", "copy", "--no-rows"]);
    let kept = publish(&stage, &numbers(100), &["--exec", "copy"]);
    for job_id in [&profile, &counted, &kept] {
        finished(&mut client, job_id).await;
    }
    let said = |job_id: &str| {
        let rows = stage.command(&["rows", job_id]).output().unwrap();
        assert!(!rows.status.success() && rows.stdout.is_empty());
        stderr(&rows)
    };
    let why = said(&profile);
    assert!(why.contains("profile"), "{why}");
    let why = said(&counted);
    assert!(why.contains("counted and not kept"), "{why}");
    let rows = stage.command(&["rows", &kept]).output().unwrap();
    assert!(rows.status.success() && rows.stdout == numbers(100));

    // A master that may keep nothing removes the rows, and reports it; the counts stay.
    master.kill();
    let master = stage.master_with(&["--keep", "1B"]);
    master.wait_for("connected");
    let mut client = stage.client().await;
    let job = job_when(&mut client, &kept, |response| {
        response
            .job
            .as_ref()
            .is_some_and(|job| job.expired_unix_ms.is_some())
    });
    let job = job.await.job.unwrap();
    assert_eq!((job.state(), job.rows), (JobState::Done, 100));
    let why = said(&kept);
    assert!(why.contains("more than 1 B"), "{why}");
    // The files are removed after their removal is recorded.
    let of_jobs = || {
        let spill = std::fs::read_dir(stage.dir.path().join("master/spill")).unwrap();
        let names = spill.map(|file| file.unwrap().file_name());
        names.filter(|name| name != "generation").count()
    };
    let deadline = Instant::now() + PATIENCE;
    while of_jobs() > 0 {
        assert!(Instant::now() < deadline, "files are left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stage.erase().await;
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_anything_is_done() {
    let output = rowmill()
        .args([
            "run",
            "examples/orders.csv",
            "-o",
            "/no/such/place/out.csv",
            "--",
            "cat",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(8));
    assert!(stderr(&output).contains("/no/such/place/out.csv"));
}

#[test]
fn a_command_that_keeps_no_row_leaves_the_header() {
    let mut command = rowmill();
    command.args(["run", "-", "--quiet", "--", "head", "-n", "1"]);
    let output = run_with_input(&mut command, &numbers(100));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(output.stdout, b"n,text\n");
}

#[test]
fn an_input_of_a_header_alone_goes_through_the_command_as_well() {
    let mut command = rowmill();
    command.args(["run", "-", "--quiet", "--"]);
    command.args(["sed", "1s/text/words/"]);
    let output = run_with_input(&mut command, b"n,text\n");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(output.stdout, b"n,words\n");
}
