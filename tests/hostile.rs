//! Hostile input on its way to a person: formulas for spreadsheets, and escapes for terminals.

#![allow(clippy::unwrap_used)] // a test that cannot go on stops

mod support;

use std::process::Output;

use support::{Stage, rowmill, run_with_input, stderr};

/// Formulas, and numbers that are none.
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
    // The second has quotes that nobody closes: what follows begins anew.
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

/// Everything that a person reads of a job whose every text is an attack on their terminal.
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
    ] {
        let mut command = stage.command(&args);
        let output = command.env("LC_ALL", "C.UTF-8").output().unwrap();
        for (which, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let text = String::from_utf8_lossy(bytes);
            let control = |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r');
            let bad = text.chars().find(|&c| control(c) || c == '\u{202e}');
            assert_eq!(bad, None, "{which} of {args:?}: {text:?}");
        }
    }
    stage.erase().await;
}
