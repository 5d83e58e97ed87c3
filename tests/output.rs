//! The output formats of `rowmill run`, and `rowmill diff` of its output.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

mod support;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use support::{rowmill, run_with_input, stderr};

/// Repetitions of the rows below, so that no difference is due to chance.
const TIMES: usize = 100;

fn before() -> String {
    let rows = "1,AT,1.50,007\n2,US,2.25,1010\n3,US,3.00,1020\n4,DE,2.75,1030\n";
    format!("id,country,price,zip\n{}", rows.repeat(TIMES))
}

fn after() -> String {
    let rows = "1,AT,10.50,x\n2,FR,,y\n3,US,30.00,z\n4,FR,,\n5,FR,25,\n";
    format!("id,country,price,note\n{}", rows.repeat(TIMES))
}

/// Runs in a fixed locale, independent of the machine's.
fn run(args: &[&str], input: &str) -> Output {
    let mut command = rowmill();
    command
        .args(["run", "-"])
        .args(args)
        .env("LC_ALL", "C.UTF-8");
    let output = run_with_input(&mut command, input.as_bytes());
    assert!(output.status.success(), "{}", stderr(&output));
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn diff(before: &Path, after: &Path) -> Command {
    let mut command = rowmill();
    command
        .arg("diff")
        .arg(before)
        .arg(after)
        .env("LC_ALL", "C.UTF-8");
    command
}

/// Two profiles as `--json` writes them.
fn profiles(directory: &Path) -> [std::path::PathBuf; 2] {
    [("before.json", before()), ("after.json", after())].map(|(name, input)| {
        let file = directory.join(name);
        std::fs::write(&file, run(&["--json"], &input).stdout).unwrap();
        file
    })
}

#[test]
fn csv_says_what_json_says() {
    let json: Value = serde_json::from_slice(&run(&["--json"], &before()).stdout).unwrap();
    let written = run(&["--csv"], &before()).stdout;
    let mut reader = csv::Reader::from_reader(written.as_slice());
    let header = reader.headers().unwrap().clone();
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 4);
    for (record, column) in records.iter().zip(json["columns"].as_array().unwrap()) {
        for (name, field) in header.iter().zip(record) {
            match &column[name] {
                Value::String(text) => assert_eq!(field, text, "{name}"),
                // Without quantiles, JSON has 0 and CSV an empty field.
                Value::Number(_) if name == "quantile_error" => {}
                Value::Number(number) => {
                    let field: f64 = field.parse().unwrap();
                    assert_eq!(Some(field), number.as_f64(), "{name}");
                }
                // Null, or in several fields.
                _ => {}
            }
        }
    }
}

#[test]
fn counts_that_were_not_computed_are_null_and_empty() {
    let json = run(&["--json", "--stats", "basic"], &before()).stdout;
    let json: Value = serde_json::from_slice(&json).unwrap();
    let csv = run(&["--csv", "--stats", "basic"], &before()).stdout;
    let mut reader = csv::Reader::from_reader(csv.as_slice());
    let header = reader.headers().unwrap().clone();
    let record = reader.records().next().unwrap().unwrap();
    for name in ["leading_zeros", "surrounding_space", "mixed_case"] {
        assert_eq!(json["columns"][0][name], Value::Null, "{name}");
        let at = header.iter().position(|field| field == name).unwrap();
        assert_eq!(&record[at], "", "{name}");
    }
}

#[test]
fn markdown_is_a_table_below_a_summary() {
    let written = stdout(&run(&["--markdown"], &before()));
    let lines: Vec<&str> = written.lines().collect();
    assert!(lines[0].starts_with("-: 400 rows, 4 columns"), "{written}");
    assert!(lines[2].starts_with("| column | type |"), "{written}");
    assert!(lines[4].starts_with("| id | integer |"), "{written}");
}

#[test]
fn html_is_one_page_beside_the_table() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("page.html");
    let output = run(&["--html", file.to_str().unwrap()], "<script>,b\n1,</td>\n");
    assert!(stdout(&output).starts_with("column"), "{}", stdout(&output));
    let page = std::fs::read_to_string(&file).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
}

#[test]
fn a_page_that_cannot_be_written_is_said_and_the_result_still_printed() {
    let mut command = rowmill();
    command.args(["run", "-", "--html", "/nonexistent/page.html"]);
    let output = run_with_input(&mut command, before().as_bytes());
    assert_eq!(output.status.code(), Some(8));
    assert!(stdout(&output).starts_with("column"));
    assert!(
        stderr(&output).contains("cannot write /nonexistent/page.html"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn only_one_shape_at_a_time() {
    let output = rowmill()
        .args(["run", "--json", "--csv", "-"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn without_a_terminal_the_variable_columns_is_the_width() {
    let mut command = rowmill();
    command
        .args(["run", "-"])
        .env("COLUMNS", "60")
        .env("LC_ALL", "C");
    let output = run_with_input(&mut command, before().as_bytes());
    let text = stdout(&output);
    assert!(
        text.is_ascii() && text.lines().all(|line| line.len() <= 60),
        "{text}"
    );
}

#[test]
fn diff_of_a_profile_with_itself_is_no_difference() {
    let directory = tempfile::tempdir().unwrap();
    let [before, _] = profiles(directory.path());
    let output = diff(&before, &before).arg("--exit-code").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "no difference\n");
}

#[test]
fn diff_says_what_changed_and_exits_with_1_only_where_asked() {
    let directory = tempfile::tempdir().unwrap();
    let [before, after] = profiles(directory.path());
    let output = diff(&before, &after).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .collect()
        })
        .collect();
    assert_eq!(
        rows[1],
        ["(table)", "rows", "400", "500", "+25.0 %"],
        "{text}"
    );
    for whole in [
        ["zip", "column removed", "integer"],
        ["note", "column added", "text"],
    ] {
        assert!(rows.contains(&whole.into()), "{text}");
    }
    let empty = vec!["price", "empty", "0 %", "40.0 %", "+40.0 points"];
    assert!(rows.contains(&empty), "{text}");
    let output = diff(&before, &after).arg("--exit-code").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn diff_in_json_has_every_change_with_raw_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let [before, after] = profiles(directory.path());
    let output = diff(&before, &after).arg("--json").output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["same"], false);
    let changes = report["changes"].as_array().unwrap();
    let empty = |change: &&Value| change["column"] == "price" && change["what"] == "empty";
    let empty = changes.iter().find(empty).unwrap();
    assert_eq!(
        (&empty["before"], &empty["after"]),
        (&0.0.into(), &0.4.into())
    );
    assert!(changes.iter().any(|change| change["what"] == "sum"));
}

#[test]
fn diff_of_what_is_no_profile_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.json");
    std::fs::write(&file, "{\"rows\": 3}").unwrap();
    let output = diff(&file, &file).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let said = stderr(&output);
    assert!(
        said.contains(
            "x.json: not a profile, as rowmill run FILE --json writes one: missing field"
        ),
        "{said}"
    );
}

/// A CSV file with a bad record, and two profiles.
fn inputs(directory: &Path) -> [std::path::PathBuf; 3] {
    let csv = directory.join("in.csv");
    std::fs::write(&csv, "a,b\n1,2\n3\n").unwrap();
    let [json, other] = profiles(directory);
    [csv, json, other]
}

/// A full disk or a missing directory: exit code 8, and a message with the name of the output and the system's
/// reason.
#[test]
fn a_failed_write_has_a_code_of_its_own_and_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let [csv, json, other] = inputs(directory.path());
    let [csv, json, other] = [&csv, &json, &other].map(|path| path.to_str().unwrap());
    let master = [
        "master",
        "--listen",
        "127.0.0.1:0",
        "--data",
        "/dev/full/data",
    ];
    for (args, is_on_stdout, name) in [
        (&["run", csv][..], true, "standard output"),
        (&["run", csv, "--json"], true, "standard output"),
        (&["run", csv, "--csv"], true, "standard output"),
        (&["run", csv, "--markdown"], true, "standard output"),
        (&["run", csv, "--", "cat"], true, "standard output"),
        (&["publish", csv, "--dry-run"], true, "standard output"),
        (&["sniff", csv], true, "standard output"),
        (&["sniff", csv, "--json"], true, "standard output"),
        (&["schema", csv], true, "standard output"),
        (&["diff", json, other], true, "standard output"),
        (&["config"], true, "standard output"),
        (&["token", "new", "ada"], true, "standard output"),
        (
            &["run", csv, "-o", "/dev/full", "--", "cat"],
            false,
            "/dev/full",
        ),
        (
            &["run", csv, "-o", "/nonexistent/x", "--", "cat"],
            false,
            "/nonexistent/x",
        ),
        (&["run", csv, "--rejects", "/dev/full"], false, "/dev/full"),
        (&["run", csv, "--html", "/dev/full"], false, "/dev/full"),
        (&["man", "/dev/full/man"], false, "/dev/full/man"),
        (
            &["key", "new", "/nonexistent/key"],
            false,
            "/nonexistent/key",
        ),
        (
            &["token", "new", "ada", "--out", "/nonexistent/t"],
            false,
            "/nonexistent/t",
        ),
        (
            &["cert", "new", "host", "--dir", "/dev/full/c"],
            false,
            "/dev/full/c",
        ),
        (&master, false, "/dev/full/data"),
    ] {
        let mut command = rowmill();
        command.args(args);
        if is_on_stdout {
            command.stdout(std::fs::File::create("/dev/full").unwrap());
        }
        let output = command.output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(8), "{args:?}: {said}");
        let reasons = ["No space left on device", "No such file", "Not a directory"];
        let says_why = reasons.iter().any(|reason| said.contains(reason));
        assert!(said.contains(name) && says_why, "{args:?}: {said}");
    }
    let mut command = rowmill();
    let output = command.args(["run", csv]).env("TMPDIR", "/nonexistent/tmp");
    let output = output.output().unwrap();
    assert_eq!(output.status.code(), Some(8), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("/nonexistent/tmp"),
        "{}",
        stderr(&output)
    );
}

/// A closed or full stderr changes neither the output of a command nor its exit code.
#[test]
fn where_stderr_cannot_be_written_a_command_does_its_work_and_exits_as_else() {
    let directory = tempfile::tempdir().unwrap();
    let [csv, json, other] = inputs(directory.path());
    let [csv, json, other] = [&csv, &json, &other].map(|path| path.to_str().unwrap());
    let no_broker = ["--connect-timeout", "1", "--broker", "amqp://127.0.0.1:1"];
    for args in [
        &["run", csv][..],
        &["run", csv, "--max-bad", "0"],
        &["run", csv, "--", "false"],
        &["run", "/nonexistent"],
        &["run", "--nonsense"],
        &["schema", csv],
        &["diff", json, other],
        &["config"],
        &["token", "new", "ada"],
        &["jobs", "--master", "127.0.0.1:1"],
        &[&["publish", csv], &no_broker[..]].concat(),
        &["worker", "--threads", "0"],
        &[
            "master",
            "--listen",
            "127.0.0.1:0",
            "--data",
            "/dev/full/data",
        ],
    ] {
        let command = || {
            let mut command = rowmill();
            command.args(args).env("LC_ALL", "C.UTF-8");
            command
        };
        let said = command().output().unwrap();
        let code = said.status.code();
        assert_ne!(code, Some(70), "{args:?}: {}", stderr(&said));
        let mut full = command();
        full.stderr(std::fs::File::create("/dev/full").unwrap());
        let mut closed = support::in_place_of(&command(), "sh");
        closed.args(["-c", "exec \"$@\" 2>&-", "sh"]);
        closed.arg(command().get_program()).args(args);
        for (how, mut command) in [("full", full), ("closed", closed)] {
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), code, "{how}: {args:?}");
            // Each token is new.
            if args[0] != "token" {
                assert_eq!(stdout(&output), stdout(&said), "{how}: {args:?}");
            }
        }
    }
}

#[test]
fn a_reader_that_closed_the_pipe_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let csv = directory.path().join("in.csv");
    std::fs::write(&csv, before()).unwrap();
    for more in [&[][..], &["--json"], &["--csv"], &["--", "cat"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = rowmill();
        let output = command.arg("run").arg(&csv).args(more).stdout(writer);
        let output = output.output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{more:?}: {}",
            stderr(&output)
        );
    }
}

/// Identifiers of nineteen digits, which no double represents.
fn identifiers(greatest: &str) -> String {
    let rows = (0..20).map(|n| format!("12345678901234567{n:02}\n"));
    let rows: String = rows.collect();
    format!("id\n{rows}{greatest}\n")
}

#[test]
fn long_numbers_come_out_in_every_digit_and_diff_sees_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let inputs = ["1234567890123456790", "1234567890123456840"];
    let files = inputs.map(|greatest| {
        let json = stdout(&run(&["--json"], &identifiers(greatest)));
        for raw in [
            format!("\"max\": {greatest},"),
            "\"min\": 1234567890123456700,".to_owned(),
            "\"order\": \"strictly ascending\"".to_owned(),
        ] {
            assert!(json.contains(&raw), "{raw} in {json}");
        }
        let file = directory.path().join(greatest);
        std::fs::write(&file, json).unwrap();
        file
    });
    let csv = stdout(&run(&["--csv"], &identifiers(inputs[0])));
    assert!(
        csv.contains(",1234567890123456700,1234567890123456790,"),
        "{csv}"
    );
    let [before, after] = files;
    let output = diff(&before, &after).arg("--exit-code").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let max = "1,234,567,890,123,456,790  1,234,567,890,123,456,840";
    assert!(stdout(&output).contains(max), "{}", stdout(&output));
    let same = diff(&before, &before).arg("--exit-code").output().unwrap();
    assert_eq!(same.status.code(), Some(0), "{}", stdout(&same));
}

#[test]
fn numbers_out_of_range_are_said_in_every_shape() {
    let input = "v\n1e5000\n2\n";
    let table = stdout(&run(&[], input));
    assert!(table.contains("1 number out of range"), "{table}");
    let json: Value = serde_json::from_slice(&run(&["--json"], input).stdout).unwrap();
    assert_eq!(json["columns"][0]["out_of_range"], 1);
    assert_eq!(json["columns"][0]["order"], "strictly descending");
    let markdown = stdout(&run(&["--markdown"], input));
    assert!(markdown.contains("1 number out of range"), "{markdown}");
}

#[test]
fn an_estimated_quantile_is_marked_and_an_exact_one_is_not() {
    let numbers = |most: u32| -> String {
        let rows = (0..most).map(|n| format!("{}\n", n * 10));
        format!("length\n{}", rows.collect::<String>())
    };
    let table = |most| stdout(&run(&[], &numbers(most)));
    let exact = table(1000);
    assert!(!exact.contains('≈') && exact.contains(" 4,990 "), "{exact}");
    let nearly = table(6000);
    assert!(
        nearly.contains("≈ 30,015 ") && nearly.contains("≈ quartiles: within"),
        "{nearly}"
    );
    let json: Value = serde_json::from_slice(&run(&["--json"], &numbers(6000)).stdout).unwrap();
    let column = &json["columns"][0];
    assert!(column["quantile_error"].as_f64().unwrap() > 0.0);
    assert!(column["quantiles"][3]["value"].is_u64(), "{column}");
}
