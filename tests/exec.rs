//! Commands on chunks as users run them: with the built binary, real programs, and a real RabbitMQ if more than one
//! process is involved.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test
#![allow(clippy::disallowed_macros)] // eprintln!: the harness captures a test's output

mod support;

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proto::v1::{GetJobRequest, GetJobResponse, JobState, report};
use serde_json::Value;
use support::node::Ruled;
use support::{
    PATIENCE, Process, Stage, begun, finished, job_when, published, rowmill, run_with_input, stderr,
};

/// Rows that make several chunks of 2000 bytes.
fn numbers() -> Vec<u8> {
    let rows: Vec<String> = (0..2000)
        .map(|n| format!("{n},\"a, \"\"{n}\"\"\""))
        .collect();
    format!("n,text\n{}\n", rows.join("\n")).into_bytes()
}

fn publish(stage: &Stage, args: &[&str]) -> String {
    let path = stage.file("numbers.csv", &numbers());
    let mut command = stage.command(&["publish", "--chunk-bytes", "2000"]);
    published(command.args(args).arg(path))
}

fn worker(stage: &Stage, allow: &[&str]) -> Process {
    // A chunk that fails is dead.
    let mut command = stage.command(&["worker", "--threads", "2", "--isolate", "off"]);
    for line in allow {
        command.args(["--allow", line]);
    }
    let worker = Process::start(&mut command);
    worker.wait_for("connected");
    worker
}

fn example(name: &str) -> String {
    format!(
        "python3 {}/examples/exec/{name}",
        env!("CARGO_MANIFEST_DIR")
    )
}

fn show(stage: &Stage, job_id: &str) -> Value {
    let output = stage.command(&["show", job_id, "--json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Waits until the file has a line; returns it.
async fn line_of(path: &Path) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            other => assert!(Instant::now() < deadline, "{}: {other:?}", path.display()),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until no process has this id.
async fn gone(pid: &str) {
    let deadline = Instant::now() + PATIENCE;
    let stat = format!("/proc/{pid}/stat");
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < deadline, "{pid} is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_job_waits_for_a_worker_that_allows_its_command_and_no_attempt_is_lost_meanwhile() {
    let stage = Stage::new();
    let _master = stage.master();
    let other = worker(&stage, &["clear=cat"]);
    let job_id = publish(&stage, &["--exec", "clean"]);
    other.wait_for("this worker does not allow `clean`");
    let mut client = stage.client().await;
    job_when(&mut client, &job_id, |r| {
        r.job.as_ref().is_some_and(|job| job.no_workers)
    })
    .await;
    let waited = stage.command(&["wait", &job_id, "--timeout", "0"]).output();
    let waited = waited.unwrap();
    assert_eq!(waited.status.code(), Some(6));
    assert!(
        stderr(&waited).contains("that allows its command"),
        "{}",
        stderr(&waited)
    );

    let clean = format!("clean={}", example("clean.py"));
    let _worker = worker(&stage, &[&clean]);
    let result = finished(&mut client, &job_id).await;
    let job = result.job.unwrap();
    assert_eq!((job.state(), job.rows), (JobState::Done, 2000));
    assert_eq!((job.retries, job.duplicates), (0, 0));
    let shown = show(&stage, &job_id);
    assert_eq!(shown["operation"], "exec");
    assert_eq!(
        shown["exec"],
        serde_json::json!({
            "command": "clean", "columns": ["n", "text"], "rows_in": 2000, "rows_out": 2000
        })
    );
    stage.erase().await;
}

#[tokio::test]
async fn a_command_that_kills_its_worker_is_dead_after_its_attempts_and_no_chunk_behind_it_is() {
    let stage = Stage::new();
    let _master = stage.master();
    let script = "rows=$(cat); case $rows in *guilty*) kill -9 $PPID; sleep 60;; esac; \
                  printf '%s\\n' \"$rows\"";
    let script = stage.file("kill.sh", script.as_bytes());
    let allow = format!("kill=sh {}", script.display());
    // Two guilty chunks among six, all within the prefetch of a worker of four threads.
    let word = |n| if n % 300 == 0 { "guilty" } else { "innocent" };
    let rows: Vec<String> = (0..600).map(|n| format!("{n},{}", word(n))).collect();
    let csv = stage.file(
        "rows.csv",
        format!("n,word\n{}\n", rows.join("\n")).as_bytes(),
    );
    let mut publish = stage.command(&["publish", "--chunk-bytes", "1400", "--exec", "kill"]);
    let job_id = published(publish.arg(csv));
    let mut client = stage.client().await;
    job_when(&mut client, &job_id, |_| true).await;

    let mut deaths = 0;
    let result = 'job: loop {
        let args = ["worker", "--threads", "4", "--allow", &allow];
        let mut worker = Process::start(&mut stage.command(&args));
        let begun = Instant::now();
        loop {
            let request = GetJobRequest {
                job_id: job_id.clone(),
                wait_ms: 20,
                no_result: false,
            };
            let result = client.get_job(request).await.unwrap().into_inner();
            let job = result.job.as_ref().unwrap();
            if job.finished_unix_ms.is_some() {
                break 'job result;
            }
            if worker.has_ended() {
                deaths += 1;
                assert!(deaths <= 10, "it still kills workers: {result:#?}");
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{result:#?}");
        }
    };
    let job = result.job.unwrap();
    assert_eq!(job.state(), JobState::DoneWithFailures);
    assert!(job.chunks_total.unwrap() >= 6, "{:?}", job.chunks_total);
    assert_eq!(result.dead.len(), 2, "{:#?}", result.dead);
    assert_eq!(job.chunks_done, job.chunks_total.unwrap() - 2);
    for dead in &result.dead {
        let reason = &dead.reason;
        assert!(reason.contains("worker died"), "{reason}");
        assert!(reason.contains("`kill`"), "{reason}");
        assert_eq!(dead.attempts, 3);
    }
    // Each chunk killed three workers alone, and up to two before that, perhaps together with the other.
    assert!((6..=10).contains(&deaths), "{deaths}");
    stage.erase().await;
}

#[tokio::test]
async fn a_command_that_takes_longer_than_the_broker_lets_it_is_dead_after_its_attempts() {
    let broker = Ruled::own();
    // Channels read the timeout when they open, and check it once a tick. It is long enough for the command to begin.
    let eval = "application:set_env(rabbit, consumer_timeout, 4000), \
                application:set_env(rabbit, channel_tick_interval, 200).";
    broker.ctl(&["eval", eval]);
    let stage = broker.stage();
    let _master = stage.master();
    let begun = stage.dir.path().join("begun").display().to_string();
    let script = format!(
        "rows=$(cat); case $rows in *slow*) echo >>{begun}; sleep 60;; esac; printf '%s\\n' \"$rows\""
    );
    let script = stage.file("slow.sh", script.as_bytes());
    let worker = worker(&stage, &[&format!("slow=sh {}", script.display())]);
    let csv = stage.file("rows.csv", b"word\nslow\nfast\nfast\n");
    let mut publish = stage.command(&["publish", "--chunk-bytes", "5", "--exec", "slow"]);
    let job_id = published(publish.arg(csv));

    worker.wait_for(
        "a message was unacknowledged for longer than the broker's consumer_timeout of 4 s; raise it in rabbitmq.conf",
    );
    let result = finished(&mut stage.client().await, &job_id).await;
    let job = result.job.unwrap();
    assert_eq!(
        (job.chunks_dead, job.chunks_done),
        (1, job.chunks_total.unwrap() - 1)
    );
    assert!(job.chunks_done > 0);
    let dead = &result.dead[0];
    assert_eq!(dead.attempts, 3);
    assert!(
        dead.reason.contains("in each of 3 attempts"),
        "{}",
        dead.reason
    );
    assert!(
        dead.reason.contains("consumer_timeout of 4 s"),
        "{}",
        dead.reason
    );
    // Each attempt was counted, the first one included.
    let begun = std::fs::read_to_string(begun).unwrap();
    assert_eq!(begun.lines().count(), 3);
}

/// Rows that make several chunks of 1000 bytes.
fn two_columns() -> String {
    let rows: Vec<String> = (0..1000).map(|n| format!("{n},x")).collect();
    format!("n,what\n{}\n", rows.join("\n"))
}

/// A command that swaps the columns of odd chunks, and finishes the first chunk after another one: a process per
/// chunk.
fn turning(dir: &Path) -> String {
    let first = dir.join("first").display().to_string();
    let script = format!(
        "case $ROWMILL_CHUNK in 0) until [ -e {first} ]; do sleep 0.01; done; cat;; \
         *[13579]) awk -F, -v OFS=, '{{ print $2, $1 }}'; : >{first};; *) cat;; esac"
    );
    let path = dir.join("turn.sh");
    std::fs::write(&path, script).unwrap();
    format!("sh {}", path.display())
}

/// The same with persistent processes.
fn turning_persistent(dir: &Path) -> String {
    let first = dir.join("first").display().to_string();
    let script = format!(
        "import os, sys, time
given, answers = sys.stdin.buffer, sys.stdout.buffer
while frame := given.readline():
    length, job, chunk, attempt = frame.split()
    text = given.read(int(length)).decode()
    if int(chunk) == 0:
        while not os.path.exists('{first}'):
            time.sleep(0.01)
    elif int(chunk) % 2:
        lines = [','.join(reversed(line.split(','))) for line in text.split('\\n')]
        text = '\\n'.join(lines)
        open('{first}', 'w').close()
    answers.write(b'%d\\n' % len(text) + text.encode())
    answers.flush()
"
    );
    let path = dir.join("turn.py");
    std::fs::write(&path, script).unwrap();
    format!("python3 {}", path.display())
}

#[tokio::test]
async fn the_first_chunks_header_decides_whichever_is_done_first_and_no_replay_is_promised() {
    let stage = Stage::new();
    let turn = turning(stage.dir.path());
    check_first_header(stage, &turn, "chunk").await;
}

#[tokio::test]
async fn the_first_chunks_header_decides_where_processes_persist_too() {
    let stage = Stage::new();
    let turn = turning_persistent(stage.dir.path());
    check_first_header(stage, &turn, "persistent").await;
}

#[test]
fn the_first_chunks_header_decides_in_a_run_too() {
    let mut said = Vec::new();
    for mode in ["chunk", "persistent"] {
        let dir = tempfile::tempdir().unwrap();
        let turn = match mode {
            "chunk" => turning(dir.path()),
            _ => turning_persistent(dir.path()),
        };
        let mut command = rowmill();
        command
            .args(["run", "-", "--chunk-bytes", "1000", "--workers", "2"])
            .args(["--exec-mode", mode, "--"])
            .args(turn.split(' '));
        let output = run_with_input(&mut command, two_columns().as_bytes());
        let talk = stderr(&output);
        assert_eq!(output.status.code(), Some(3), "{mode}: {talk}");
        assert!(
            talk.contains("`what,n`") && talk.contains("`n,what`"),
            "{mode}: {talk}"
        );
        let rows = String::from_utf8(output.stdout).unwrap();
        let (header, rows) = rows.split_once('\n').unwrap();
        assert_eq!(header, "n,what", "{mode}");
        assert!(
            rows.starts_with("0,x\n") && rows.lines().all(|row| row.ends_with(",x")),
            "{mode}"
        );
        said.push(rows.to_owned());
    }
    assert_eq!(said[0], said[1], "the same chunks are dead");
}

/// Odd chunks are dead; the reason has both headers and the line, and no output offers a replay.
async fn check_first_header(stage: Stage, turn: &str, mode: &str) {
    let _master = stage.master();
    let _worker = worker(&stage, &[&format!("turn={turn}")]);
    let path = stage.file("rows.csv", two_columns().as_bytes());
    let out = stage.dir.path().join("out.csv");
    let args = [
        "publish",
        "--chunk-bytes",
        "1000",
        "--exec",
        "turn",
        "--exec-mode",
        mode,
    ];
    let mut publish = stage.command(&args);
    let output = publish.arg("-o").arg(&out).arg(path).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(!said.contains("dead replay"), "{said}");
    assert!(
        said.contains("cannot be replayed: rowmill dead list"),
        "{said}"
    );
    let mut client = stage.client().await;
    let job_id = begun(&mut client, 0).await;
    let result = finished(&mut client, &job_id).await;
    let job = result.job.unwrap();
    let odd: Vec<u64> = (0..job.chunks_total.unwrap())
        .filter(|n| n % 2 == 1)
        .collect();
    let dead: Vec<u64> = result.dead.iter().map(|dead| dead.seq).collect();
    assert_eq!(dead, odd);
    for dead in &result.dead {
        let line = format!("line {}: ", dead.first_line);
        assert!(
            dead.first_line > 1 && dead.reason.starts_with(&line),
            "{dead:?}"
        );
        assert!(dead.reason.contains("`what,n`"), "{dead:?}");
        assert!(dead.reason.contains("`n,what`"), "{dead:?}");
    }
    let replayed = stage
        .command(&["dead", "replay", &job_id])
        .output()
        .unwrap();
    assert!(!replayed.status.success());
    assert!(stderr(&replayed).contains("no such chunk is dead and can be replayed"));
    stage.erase().await;
}

#[tokio::test]
async fn a_worker_that_is_killed_leaves_no_process_and_another_does_its_chunk() {
    let stage = Stage::new();
    let _master = stage.master();
    let dir = stage.dir.path().to_owned();
    let script = format!(
        "if mkdir {0}/first 2>/dev/null; then sleep 1000 & echo $! > {0}/child; echo $$ > {0}/self; \
         wait; else cat; fi",
        dir.display()
    );
    let script = stage.file("hang.sh", script.as_bytes());
    let line = format!("hang=sh {}", script.display());
    let mut killed = worker(&stage, &[&line]);
    let job_id = publish(&stage, &["--exec", "hang"]);
    let (child, own) = (dir.join("child"), dir.join("self"));
    let pids = [line_of(&child).await, line_of(&own).await];
    killed.kill();
    for pid in &pids {
        gone(pid).await;
    }
    let _worker = worker(&stage, &[&line]);
    let job = finished(&mut stage.client().await, &job_id)
        .await
        .job
        .unwrap();
    assert_eq!((job.state(), job.rows), (JobState::Done, 2000));
    stage.erase().await;
}

#[tokio::test]
async fn a_dead_chunk_says_what_its_command_said_and_is_replayed_when_that_is_mended() {
    let stage = Stage::new();
    let _master = stage.master();
    let script = "import sys\ntext = sys.stdin.read()\nprint('\\33[31mlooking', file=sys.stderr)\n\
        if '\\n700,' in text: sys.exit('row 700 is bad')\nsys.stdout.write(text)\n";
    let path = stage.file("check.py", script.as_bytes());
    let line = format!("check=python3 {}", path.display());
    let _worker = worker(&stage, &[&line]);
    let path_in = stage.file("numbers.csv", &numbers());
    let mut publish = stage.command(&["publish", "--exec", "check", "--wait", "--quiet"]);
    let output = publish
        .arg("--chunk-bytes=2000")
        .arg(path_in)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let table = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(
        table.starts_with("command  rows in  rows out  columns\ncheck "),
        "{table}"
    );
    let said = stderr(&output);
    assert!(
        said.contains("is dead: `check` ended with exit code 1: row 700 is bad"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}'));
    let job_id = said.split_whitespace().nth(2).unwrap().to_owned();
    let mut client = stage.client().await;
    let result = finished(&mut client, &job_id).await;
    assert_eq!(result.dead.len(), 1);
    let dead = &result.dead[0];
    assert_eq!(
        (dead.reason.as_str(), dead.attempts),
        ("`check` ended with exit code 1: row 700 is bad", 3)
    );
    assert_eq!(dead.stderr, "\u{1b}[31mlooking\nrow 700 is bad\n");
    let seq = dead.seq.to_string();
    let shown = stage
        .command(&["dead", "show", &job_id, &seq])
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("\nstderr\n") && shown.contains("row 700 is bad\n"),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'));

    std::fs::write(&path, script.replace("700,", "none")).unwrap();
    let replayed = stage
        .command(&["dead", "replay", &job_id])
        .output()
        .unwrap();
    assert!(replayed.status.success(), "{}", stderr(&replayed));
    let is_done =
        |r: &GetJobResponse| r.job.as_ref().map(proto::v1::Job::state) == Some(JobState::Done);
    let job = job_when(&mut client, &job_id, is_done).await.job.unwrap();
    assert_eq!((job.rows, job.chunks_dead), (2000, 0));
    stage.erase().await;
}

/// A command that fails with row 700, and copies all others.
const CHECK: &str = "import sys\ntext = sys.stdin.read()\n\
    if '\\n700,' in text: sys.exit('row 700 is bad')\nsys.stdout.write(text)\n";

#[tokio::test]
async fn a_row_with_which_a_command_fails_is_a_reject_on_every_host() {
    let stage = Stage::new();
    let _master = stage.master();
    let path = stage.file("check.py", CHECK.as_bytes());
    let allow = format!("check=python3 {}", path.display());
    let mut command = stage.command(&["worker", "--threads", "2", "--allow", &allow]);
    let worker = Process::start(&mut command);
    worker.wait_for("connected");
    let job_id = publish(&stage, &["--exec", "check"]);
    let job = finished(&mut stage.client().await, &job_id)
        .await
        .job
        .unwrap();
    assert_eq!(
        (job.state(), job.rows, job.rejects),
        (JobState::Done, 1999, 1)
    );
    let listed = stage
        .command(&["rejects", &job_id, "--json"])
        .output()
        .unwrap();
    let reject: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(
        (&reject["line"], &reject["record"]),
        (&702.into(), &700.into())
    );
    assert_eq!(
        reject["reason"],
        "`check` ended with exit code 1: row 700 is bad (attempt 3)"
    );
    let exported = stage
        .command(&["rejects", &job_id, "--csv"])
        .output()
        .unwrap();
    let exported = String::from_utf8(exported.stdout).unwrap();
    assert_eq!(exported, "n,text\n700,\"a, \"\"700\"\"\"\n");
    stage.erase().await;
}

#[test]
fn a_row_with_which_a_command_fails_costs_only_that_row() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("check.py");
    std::fs::write(&script, CHECK).unwrap();
    let (csv, bad) = (dir.path().join("numbers.csv"), dir.path().join("bad.csv"));
    std::fs::write(&csv, numbers()).unwrap();
    let mut run = rowmill();
    run.args(["run", "-q", "--rejects"]);
    run.arg(&bad).arg(&csv).args(["--", "python3"]).arg(&script);
    let output = run.output().unwrap();
    let expected = String::from_utf8(numbers()).unwrap();
    let expected = expected.replace("700,\"a, \"\"700\"\"\"\n", "");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    let rejects = std::fs::read_to_string(&bad).unwrap();
    assert_eq!(rejects, "n,text\n700,\"a, \"\"700\"\"\"\n");
}

#[tokio::test]
async fn a_file_of_commands_sets_parameters_and_modes() {
    let stage = Stage::new();
    let _master = stage.master();
    let toml = "[only]\ncommand = [\"awk\", \"-F,\", \"-v\", \"n={n}\", \"NR == 1 || $1 == n\"]\n\
        [only.parameters]\nn = \"[0-9]+\"\n";
    let path = stage.file("allow.toml", toml.as_bytes());
    let mut command = stage.command(&["worker", "--allow-file", path.to_str().unwrap()]);
    let worker = Process::start(&mut command);
    worker.wait_for("connected");
    let mut client = stage.client().await;
    let job_id = publish(
        &stage,
        &["--exec", "only", "--exec-arg", "n=77", "--no-rows"],
    );
    let result = finished(&mut client, &job_id).await;
    let Some(report::Kind::Exec(report)) = result.report.unwrap().kind else {
        panic!("not the report of a command");
    };
    assert_eq!((report.rows_in, report.rows_out), (2000, 1));
    let job_id = publish(&stage, &["--exec", "only", "--exec-arg", "n=x; id"]);
    let result = finished(&mut client, &job_id).await;
    assert_eq!(result.job.unwrap().state(), JobState::DoneWithFailures);
    assert!(
        result.dead[0]
            .reason
            .contains("it may be what matches [0-9]+"),
        "{}",
        result.dead[0].reason
    );
    stage.erase().await;
}

#[test]
fn run_takes_a_command_of_ones_own_with_ones_own_environment() {
    let script = "import os, sys; os.environ['MINE']; sys.stdout.write(sys.stdin.read())";
    let mut command = rowmill();
    command
        .args([
            "run",
            "-",
            "--chunk-bytes",
            "2000",
            "--",
            "python3",
            "-c",
            script,
        ])
        .env("MINE", "1");
    let output = run_with_input(&mut command, &numbers());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("2,000 rows, `python3` made 2,000 rows"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn run_says_what_a_command_got_wrong_and_exits_with_3() {
    let mut command = rowmill();
    command.args([
        "run",
        "-",
        "--",
        "sh",
        "-c",
        "echo a,b; echo why >&2; echo 1",
    ]);
    let output = run_with_input(&mut command, b"n\n1\n");
    assert_eq!(output.status.code(), Some(3));
    let said = stderr(&output);
    assert!(
        said.contains("is dead: `sh` ended well, but line 2 of its output has 1 field"),
        "{said}"
    );
    assert!(said.contains("\n    why\n"), "{said}");
}

#[tokio::test]
async fn a_run_that_is_interrupted_ends_its_commands() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "sleep 1000 & echo $! > {0}/child; echo $$ > {0}/self; wait",
        dir.path().display()
    );
    let input = dir.path().join("in.csv");
    std::fs::write(&input, "n\n1\n").unwrap();
    let mut command = rowmill();
    command
        .arg("run")
        .arg(&input)
        .args(["--", "sh", "-c", &script]);
    let run = Process::start(&mut command);
    let (child, own) = (dir.path().join("child"), dir.path().join("self"));
    let pids = [line_of(&child).await, line_of(&own).await];
    run.signal(rustix::process::Signal::INT);
    assert_eq!(run.end().1, 7);
    for pid in &pids {
        gone(pid).await;
    }
}

#[test]
fn run_pays_for_one_start_a_seat_where_a_process_persists() {
    let dir = tempfile::tempdir().unwrap();
    let starts = dir.path().join("starts");
    let script = format!(
        "echo x >> {}; exec {}",
        starts.display(),
        example("persistent.py")
    );
    let mut command = rowmill();
    command.args(["run", "-", "--chunk-bytes", "500", "--workers", "2"]);
    command.args(["--exec-mode", "persistent", "--", "sh", "-c", &script]);
    let output = run_with_input(&mut command, &numbers());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("made 2,000 rows"),
        "{}",
        stderr(&output)
    );
    let starts = std::fs::read_to_string(starts).unwrap();
    assert!(starts.lines().count() <= 2, "{starts}");
}

#[test]
fn flags_that_make_no_sense_with_a_command_are_refused() {
    let refused = |args: &[&str]| {
        let output = rowmill().args(args).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            stderr(&output)
        );
        stderr(&output)
    };
    for args in [
        &["publish", "x.csv", "--exec", "a", "--stats", "basic"][..],
        &["publish", "x.csv", "--exec", "a", "--exact"],
        &["publish", "x.csv", "--exec-arg", "a=b"],
        &["publish", "x.csv", "--exec", "a", "--exec-arg", "ab"],
        &["publish", "x.csv", "--exec-mode", "persistent"],
        &["publish", "x.csv", "--no-rows"],
        &["run", "x.csv", "--exact", "--", "cat"],
        &["run", "x.csv", "--json", "--", "cat"],
        &["run", "x.csv", "--exec-mode", "chunk"],
        &["worker", "cat"],
    ] {
        refused(args);
    }
    let said = refused(&["run", "x.csv", "--", "no-such-program"]);
    assert!(
        said.contains("\"no-such-program\" cannot be run: no directory of PATH has it"),
        "{said}"
    );
    let said = refused(&["worker", "--allow", "clean=pyhton3 clean.py"]);
    assert!(said.contains("pyhton3"), "{said}");
}

/// A command that lists its user's rowmill processes, each process whose environment contains the secret (its first
/// argument), and each rowmill process whose memory it can open.
const SPY: &str = r#"
import os, sys
sys.stdin.read()
secret, own = sys.argv[1].encode(), str(os.getuid())
print("kind,pid")
for pid in filter(str.isdigit, os.listdir("/proc")):
    place = "/proc/" + pid
    try:
        status = dict(line.split(":", 1) for line in open(place + "/status"))
    except OSError:
        continue
    is_rowmill = status["Name"].strip() == "rowmill" and status["Uid"].split()[0] == own
    if is_rowmill:
        print("rowmill,%s" % pid)
    try:
        if secret in open(place + "/environ", "rb").read():
            print("environ,%s" % pid)
    except OSError:
        pass
    try:
        open(place + "/mem", "rb").close()
        print("mem,%s" % pid) if is_rowmill else None
    except OSError:
        pass
"#;

/// The secret that a spy searches for, and the user that it runs as instead of root, who may read everything. Each
/// test has its own, because tests run in parallel and a spy searches all processes of its user.
struct Spied {
    secret: String,
    /// `None`: the user of the test.
    uid: Option<u32>,
}

impl Spied {
    fn new(uid: u32) -> Self {
        Self {
            secret: format!("s3cret-of-the-broker-{}", proto::JobId::new()),
            uid: rustix::process::getuid().is_root().then_some(uid),
        }
    }
}

/// Starts the command as that user. `None`, with a message, if that user cannot run it.
fn as_user(uid: Option<u32>, command: &mut Command) -> Option<Process> {
    if let Some(uid) = uid {
        command.uid(uid).gid(uid).current_dir("/");
        let program = Path::new(command.get_program());
        let is_runnable = Command::new(program)
            .arg("--version")
            .uid(uid)
            .gid(uid)
            .output();
        if let Err(error) = is_runnable {
            eprintln!(
                "SKIPPED: user {uid} cannot run {}: {error}",
                program.display()
            );
            return None;
        }
    }
    Some(Process::start(command))
}

/// The findings of the spy, without `bait`, which it must have found. It must also have found rowmill processes.
fn found_by_spy(rows: &str, bait: &Process) -> Vec<String> {
    let rows: Vec<&str> = rows.lines().collect();
    assert!(
        rows.contains(&format!("environ,{}", bait.id()).as_str()),
        "{rows:?}"
    );
    let rowmills = rows
        .iter()
        .filter(|row| row.starts_with("rowmill,"))
        .count();
    assert!(
        rowmills >= 2,
        "the rowmill that started the spy, and its guard: {rows:?}"
    );
    let is_bait = |row: &&&str| row.ends_with(&format!(",{}", bait.id()));
    let is_found = |row: &&&str| row.starts_with("environ,") || row.starts_with("mem,");
    rows.iter()
        .filter(is_found)
        .filter(|row| !is_bait(row))
        .map(ToString::to_string)
        .collect()
}

/// A process of the same user that the spy can read.
fn bait(spied: &Spied) -> Process {
    let mut bait = Command::new("sleep");
    bait.arg("1000").env("BAIT", &spied.secret);
    if let Some(uid) = spied.uid {
        bait.uid(uid).gid(uid);
    }
    Process::start(&mut bait)
}

#[tokio::test]
async fn a_command_cannot_read_the_brokers_password_of_its_worker() {
    let stage = Stage::new();
    let _master = stage.master();
    let spied = Spied::new(65_534);
    let bait = bait(&spied);
    let allow = format!("spy=python3 -c '{SPY}' {}", spied.secret);
    let mut worker = stage.command(&["worker", "--threads", "1", "--allow", &allow]);
    // The broker's address is such a variable too, but all tests share the password in it.
    worker.env("ROWMILL_TEST_SECRET", &spied.secret);
    let Some(worker) = as_user(spied.uid, &mut worker) else {
        return;
    };
    worker.wait_for("connected");
    let path = stage.file("in.csv", b"a\n1\n");
    let path = path.to_str().unwrap();
    let output = stage
        .command(&["publish", path, "--exec", "spy", "-o", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let rows = String::from_utf8(output.stdout).unwrap();
    assert_eq!(found_by_spy(&rows, &bait), [""; 0]);
    stage.erase().await;
}

#[test]
fn a_command_of_run_is_not_told_the_brokers_password_and_cannot_read_it() {
    let spied = Spied::new(65_533);
    let bait = bait(&spied);
    let mut run = rowmill();
    run.args(["run", "-", "--quiet", "--", "python3", "-c", SPY]);
    run.arg(&spied.secret);
    for name in ["ROWMILL_BROKER", "AMQP_URL", "ROWMILL_TOKEN"] {
        run.env(name, format!("amqp://ada:{}@localhost", spied.secret));
    }
    run.stdin(Stdio::piped());
    let Some(mut run) = as_user(spied.uid, &mut run) else {
        return;
    };
    run.stdin().write_all(b"a\n1\n").unwrap();
    let (rows, exit) = run.end();
    assert_eq!(exit, 0);
    assert_eq!(found_by_spy(&rows, &bait), [""; 0]);
}
