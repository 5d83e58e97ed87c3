//! Hostile input in output for users: formulas in spreadsheets, and escapes in terminals.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

mod support;

use std::process::Output;

use support::{Stage, rowmill, run_with_input, stderr};

/// Formulas, and numbers that are not formulas.
const FORMULAS: &str = "name,n\n=1+1,-5\n\"@SUM(A1,2)\",+1.5\n-2+3,1\n";
const SAFE: &str = "name,n\n'=1+1,-5\n\"'@SUM(A1,2)\",+1.5\n'-2+3,1\n";

fn run(args: &[&str], input: &str) -> Output {
    let output = run_with_input(rowmill().args(args), input.as_bytes());
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn rows_and_results_for_spreadsheets_hold_no_formula() {
    let rows = run(
        &["run", "-", "-q", "--safe-spreadsheet", "--", "cat"],
        FORMULAS,
    );
    assert_eq!(stdout(&rows), SAFE);
    let rows = run(&["run", "-", "-q", "--", "cat"], FORMULAS);
    assert_eq!(stdout(&rows), FORMULAS);

    let profile = run(&["run", "-", "-q", "--csv", "--safe-spreadsheet"], FORMULAS);
    let text = stdout(&profile);
    assert!(text.contains(",'-2+3,") && text.contains(",-5,"), "{text}");
    assert!(!text.contains(",-2+3"), "{text}");
}

#[test]
fn bad_records_for_spreadsheets_hold_no_formula() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.csv");
    // The second bad record has an unclosed quote: parsing restarts after it.
    let input = "=a,b\n=1+1\n1,2\n\"=open\n";
    let file = path.to_str().unwrap();
    run(
        &["run", "-", "-q", "--rejects", file, "--safe-spreadsheet"],
        input,
    );
    let bad = std::fs::read_to_string(&path).unwrap();
    assert_eq!(bad, "'=a,b\n'=1+1\n\"'=open\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_bad_records_from_a_master_too() {
    let stage = Stage::new();
    let _master = stage.master();
    let args = ["worker", "--threads", "1", "--allow", "copy=cat"];
    let worker = support::Process::start(&mut stage.command(&args));
    worker.wait_for("connected");
    let csv = stage.file("in.csv", format!("{FORMULAS}=bad\n").as_bytes());
    let args = ["publish", csv.to_str().unwrap(), "--exec", "copy"];
    let job = support::published(&mut stage.command(&args));
    support::finished(&mut stage.client().await, &job).await;
    let rows = stage
        .command(&["rows", &job, "--safe-spreadsheet"])
        .output();
    assert_eq!(stdout(&rows.unwrap()), SAFE);
    let args = ["rejects", &job, "--csv", "--safe-spreadsheet"];
    let bad = stage.command(&args).output().unwrap();
    assert_eq!(stdout(&bad), "name,n\n'=bad\n");
    stage.erase().await;
}

/// All output about a job whose every text contains terminal escapes.
#[tokio::test(flavor = "multi_thread")]
async fn no_escape_reaches_a_terminal() {
    let stage = Stage::new();
    let _master = stage.master();
    let evil = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{9b}31m\u{202e}";
    let header = format!("a{evil},b\n");
    let rows = format!("{evil},1\n").repeat(50);
    let csv = stage.file("in.csv", format!("{header}{rows}{evil}\n").as_bytes());
    let says = "says=sh -c 'printf \"\\033[2J\\033]0;x\\007\" >&2; exit 3'";
    let args = ["worker", "--threads", "1", "--allow", says];
    let worker = support::Process::start(&mut stage.command(&args));
    worker.wait_for("connected");
    let csv = csv.to_str().unwrap();
    let mut jobs = Vec::new();
    for more in [&[][..], &["--exec", "says"]] {
        let name = format!("job {evil}");
        let args = [&["publish", csv, "--name", &name], more].concat();
        jobs.push(support::published(&mut stage.command(&args)));
    }
    let mut client = stage.client().await;
    for job in &jobs {
        support::finished(&mut client, job).await;
    }
    let [profiled, failed] = &jobs[..] else {
        unreachable!()
    };
    for args in [
        vec!["jobs"],
        vec!["show", profiled],
        vec!["show", failed],
        vec!["show", profiled, "--markdown"],
        vec!["rejects", profiled],
        vec!["dead", "list"],
        vec!["dead", "show", failed, "0"],
        vec!["wait", failed],
        vec!["tui", "--once", "--tab", "jobs"],
        vec!["tui", "--once", "--tab", "job"],
        vec!["tui", "--once", "--tab", "rows"],
        vec!["tui", "--once", "--tab", "dead"],
        vec!["tui", "--once", "--tab", "log"],
        vec!["run", csv],
        vec!["run", csv, "--max-bad", "0"],
        vec!["sniff", csv],
        vec!["publish", csv, "--dry-run"],
        vec!["jobs", "--json"],
        vec!["show", profiled, "--json"],
        vec!["rejects", profiled, "--json"],
        vec!["dead", "list", "--json"],
        vec!["dead", "show", failed, "0", "--json"],
        vec!["workers", "--json"],
        vec!["sniff", csv, "--json"],
        vec!["schema", csv],
        vec!["schema", profiled],
        vec!["diff", profiled, failed, "--json"],
        vec!["config", "--json"],
        vec!["run", csv, "--json"],
    ] {
        let mut command = stage.command(&args);
        let output = command.env("LC_ALL", "C.UTF-8").output().unwrap();
        if args == ["jobs", "--json"] {
            let lines = stdout(&output);
            let job: serde_json::Value =
                serde_json::from_str(lines.lines().next().unwrap()).unwrap();
            assert_eq!(job["name"], format!("job {evil}"), "the value is the same");
        }
        for (which, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let text = String::from_utf8_lossy(bytes);
            let control = |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r');
            let bad = text.chars().find(|&c| control(c) || c == '\u{202e}');
            assert_eq!(bad, None, "{which} of {args:?}: {text:?}");
        }
    }
    stage.erase().await;
}

/// A header, cells, names and reasons larger than a formatter's maximal width, 65,535: every command that prints one
/// cuts it, and none panics.
#[tokio::test(flavor = "multi_thread")]
async fn texts_of_any_size_are_cut_by_every_command() {
    let stage = Stage::new();
    let _master = stage.master();
    let fails = "fails=sh -c 'head -c 70000 /dev/zero | tr \"\\0\" x >&2; exit 3'";
    let args = ["worker", "--threads", "1", "--allow", fails];
    let worker = support::Process::start(&mut stage.command(&args));
    worker.wait_for("connected");
    let name = "n".repeat(70_000);
    let mut files = Vec::new();
    for (at, (unit, size)) in [
        ("x", 70_000),
        ("x", 1_000_000),
        ("東", 70_000),
        ("\u{301}", 70_000),
        ("\u{202e}\u{1b}", 70_000),
    ]
    .into_iter()
    .enumerate()
    {
        let long = unit.repeat(size);
        // The last record is bad.
        let csv = format!("{long},b\n{long},1\n2,3\n{long}\n");
        files.push(stage.file(&format!("{at}.csv"), csv.as_bytes()));
    }
    let [first, ..] = &files[..] else {
        unreachable!()
    };
    let schema = format!(
        r#"{{"fields": [{{"name": "{}", "type": "integer"}}, {{"name": "b"}}]}}"#,
        "x".repeat(70_000)
    );
    let schema = stage.file("schema.json", schema.as_bytes());
    let (first, schema) = (first.to_str().unwrap(), schema.to_str().unwrap());
    let mut jobs = Vec::new();
    for more in [&[][..], &["--exec", "fails"], &["--schema", schema]] {
        let args = [&["publish", first, "--name", &name], more].concat();
        jobs.push(support::published(&mut stage.command(&args)));
    }
    let mut client = stage.client().await;
    for job in &jobs {
        support::finished(&mut client, job).await;
    }
    let [profiled, failed, validated] = &jobs[..] else {
        unreachable!()
    };
    let page = stage.dir.path().join("page.html");
    let page = page.to_str().unwrap();
    let mut all = vec![
        vec!["jobs"],
        vec!["show", profiled],
        vec!["show", failed],
        vec!["show", validated],
        vec!["show", profiled, "--markdown", "--html", page],
        vec!["show", validated, "--markdown"],
        vec!["wait", failed],
        vec!["rejects", profiled],
        vec!["rejects", validated],
        vec!["dead", "list"],
        vec!["dead", "show", failed, "0"],
        vec!["diff", profiled, validated],
        vec!["workers"],
        vec!["publish", first, "--wait", "--name", &name],
        vec!["run", first, "--name", &name],
        vec!["run", first, "--schema", schema],
    ];
    let tabs = ["jobs", "job", "rows", "workers", "dead", "broker", "log"];
    all.extend(tabs.map(|tab| vec!["tui", "--once", "--tab", tab]));
    for file in &files {
        let file = file.to_str().unwrap();
        all.push(vec!["run", file]);
        all.push(vec!["run", file, "--markdown", "--html", page]);
        all.push(vec!["sniff", file]);
        all.push(vec!["publish", file, "--dry-run"]);
    }
    for args in all {
        let mut command = stage.command(&args);
        let output = command.env("LC_ALL", "C.UTF-8").output().unwrap();
        let said = stderr(&output);
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 3)), "{args:?}: {code:?} {said}");
        for text in [stdout(&output), said] {
            let longest = text.lines().map(str::len).max().unwrap_or(0);
            // The lines of a body, and JSON, are not cut.
            let is_cut = longest < 10_000 || args[..2] == ["dead", "show"];
            assert!(is_cut, "{args:?} prints a line of {longest} bytes");
        }
    }
    stage.erase().await;
}

/// The output of a command on a terminal.
fn on_a_terminal(args: &[&str]) -> String {
    let pty = portable_pty::native_pty_system();
    let pair = pty.openpty(portable_pty::PtySize::default()).unwrap();
    let mut command = portable_pty::CommandBuilder::new(env!("CARGO_BIN_EXE_rowmill"));
    command.args(args);
    command.env("ROWMILL_CONFIG", "");
    command.env("LC_ALL", "C.UTF-8");
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut seen = Vec::new();
    // A read returns an error after the last writer has closed the terminal.
    drop(std::io::Read::read_to_end(&mut reader, &mut seen));
    child.wait().unwrap();
    String::from_utf8_lossy(&seen).into_owned()
}

#[test]
fn csv_is_made_visible_on_a_terminal_and_stays_as_it_is_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("in.csv");
    let csv = "a\u{1b}[31m,b\n\u{9b}31m\u{202e}x,1\n";
    std::fs::write(&path, csv).unwrap();
    let path = path.to_str().unwrap();
    let rows = ["run", path, "-q", "--", "cat"];
    let profile = ["run", path, "-q", "--csv"];
    for args in [&rows[..], &profile] {
        let shown = on_a_terminal(args);
        assert!(shown.contains("a␛[31m,"), "{args:?}: {shown:?}");
        assert!(shown.contains("\\x9b31m\\u{202e}x"), "{args:?}: {shown:?}");
        assert!(
            !shown.contains(['\u{1b}', '\u{9b}', '\u{202e}']),
            "{args:?}: {shown:?}"
        );
        let piped = stdout(&run(args, ""));
        assert!(piped.contains("a\u{1b}[31m"), "{args:?}: {piped:?}");
    }
    assert_eq!(stdout(&run(&rows, "")), csv);
}
