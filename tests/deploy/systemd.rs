//! rowmill under systemd: the units, the errors after which a service restarts, and the severities in the journal.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Process, rowmill, stderr};

/// The units' names and texts.
fn units() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd");
    let units = std::fs::read_dir(directory).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read_to_string(entry.path()).unwrap())
    });
    let units: Vec<_> = units.collect();
    assert_eq!(units.len(), 2);
    units
}

/// The values of `key` in a unit.
fn values<'a>(unit: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    unit.lines()
        .filter_map(move |line| line.strip_prefix(key)?.strip_prefix('='))
}

/// The units with the path of the built command, because systemd checks that it exists.
#[test]
fn systemd_takes_the_units() {
    let Ok(analyze) = Command::new("systemd-analyze").arg("--version").output() else {
        eprintln!("not tried: there is no systemd-analyze here");
        return;
    };
    assert!(analyze.status.success());
    let directory = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (name, text) in units() {
        assert!(text.contains("ExecStart=/usr/bin/rowmill "), "{name}");
        let text = text.replace("/usr/bin/rowmill", env!("CARGO_BIN_EXE_rowmill"));
        let copy = directory.path().join(name.replace("@.", "@1."));
        std::fs::write(&copy, text).unwrap();
        paths.push(copy);
    }
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(&paths)
        .output()
        .unwrap();
    assert!(verify.status.success(), "{}", stderr(&verify));
    assert_eq!(stderr(&verify), "");
}

#[test]
fn the_manual_pages_that_the_units_name_are_written() {
    let directory = tempfile::tempdir().unwrap();
    let output = rowmill().arg("man").arg(directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    for (name, text) in units() {
        let named: Vec<_> = values(&text, "Documentation").collect();
        assert!(!named.is_empty(), "{name}");
        for page in named {
            let page = page.strip_prefix("man:").unwrap();
            let file = page.replace('(', ".").replace(')', "");
            assert!(directory.path().join(&file).exists(), "{name}: {file}");
        }
    }
}

#[test]
fn an_error_that_is_the_same_at_the_next_start_does_not_start_a_service_again() {
    let prevented: Vec<_> = units()
        .iter()
        .map(|(_, text)| values(text, "RestartPreventExitStatus").collect::<String>())
        .collect();
    assert_eq!(prevented[0], prevented[1]);
    let is_prevented = |output: &Output| {
        let code = output.status.code().unwrap().to_string();
        prevented[0].split_whitespace().any(|word| word == code)
    };
    // systemd's own exit code if the file of LoadCredential is missing.
    assert!(prevented[0].contains("CREDENTIALS"), "{prevented:?}");

    let url = std::env::var("AMQP_URL").expect("no broker: run scripts/test");
    let host = url.rsplit_once('@').unwrap().1;
    let stranger = format!("amqp://nobody:wrong@{host}");
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let used = TcpListener::bind("127.0.0.1:0").unwrap();
    let used = used.local_addr().unwrap().to_string();
    let output = |args: &[&str]| rowmill().args(args).output().unwrap();
    let master = ["master", "--data", data, "--listen", "127.0.0.1:0"];
    for more in [
        &["worker", "--threads", "0"][..],
        &["worker", "--broker-file", "/does/not/exist"],
        &["worker", "--allow-file", "/does/not/exist"],
        &["worker", "--broker", &stranger],
        &[&master[..], &["--broker-file", "/does/not/exist"]].concat(),
        &[&master[..], &["--broker", &stranger]].concat(),
    ] {
        let output = output(more);
        assert!(is_prevented(&output), "{more:?}: {output:?}");
    }
    // Another process may free the address.
    for args in [
        &["master", "--data", data, "--listen", &used][..],
        &[&master[..], &["--metrics", &used]].concat(),
        &["worker", "--metrics", &used],
    ] {
        let output = output(args);
        assert_eq!(output.status.code(), Some(71), "{args:?}: {output:?}");
        assert!(!is_prevented(&output));
    }
}

/// Starts its arguments as systemd does: `JOURNAL_STREAM` identifies standard error.
const AS_SYSTEMD: &str =
    r#"JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) && export JOURNAL_STREAM && exec "$@""#;

/// A master whose broker never answers, and a worker with a wrong setting.
fn roles(data: &Path) -> [Vec<String>; 2] {
    let program = env!("CARGO_BIN_EXE_rowmill");
    let master = [
        program,
        "master",
        "--broker",
        "amqp://127.0.0.1:1",
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
    ];
    let worker = [program, "worker", "--threads", "0"];
    [&master[..], &worker[..]].map(|words| words.iter().map(ToString::to_string).collect())
}

/// `words` started as systemd does, without the settings of the surrounding shell.
fn as_systemd(words: &[String]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", AS_SYSTEMD, "sh"]).args(words);
    clean(&mut command);
    command
}

/// Removes the settings of the surrounding shell.
fn clean(command: &mut Command) {
    for (name, value) in rowmill().get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null());
}

#[test]
fn the_journal_is_told_how_severe_each_line_is() {
    let directory = tempfile::tempdir().unwrap();
    let [master, worker] = roles(directory.path());
    let text = Process::start(&mut as_systemd(&master));
    let line = text.wait_for("listening at");
    assert!(line.starts_with("<6> INFO listening at"), "{line}");
    let line = text.wait_for("no broker answers");
    assert!(line.starts_with("<4> WARN "), "{line}");
    drop(text);

    let json = Process::start(as_systemd(&master).env("ROWMILL_LOG_FORMAT", "json"));
    let line = json.wait_for("no broker answers");
    let event: Value = serde_json::from_str(line.strip_prefix("<4>").unwrap()).unwrap();
    assert_eq!(event["level"], "WARN");
    drop(json);

    // Errors of several lines, before logging starts.
    let refused = as_systemd(&worker).output().unwrap();
    let said = stderr(&refused);
    assert!(said.lines().count() > 1, "{said}");
    assert!(said.lines().all(|line| line.starts_with("<3>")), "{said}");

    // Standard error was redirected after systemd had set the variable.
    let mut elsewhere = Command::new(&master[0]);
    clean(elsewhere.args(&master[1..]));
    let elsewhere = Process::start(elsewhere.env("JOURNAL_STREAM", "8:123456"));
    let line = elsewhere.wait_for("listening at");
    assert!(
        line.starts_with("20") && line.contains("Z  INFO "),
        "{line}"
    );
}

/// Runs journald with its own `/run`, and prints its entries after the master has logged a warning.
const JOURNALD: &str = r#"
as_systemd=$1 journald=$2
shift 2
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
"$journald" &
journald=$!
trap 'kill "$journald"; wait' EXIT
in_time() {
    for _ in $(seq 1200); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "not in time: $*" >&2
    exit 1
}
stored() { journalctl --quiet --directory /run/log/journal --identifier rowmill "$@"; }
warned() { [ "$(stored --priority warning)" ]; }
refused() { [ "$(stored --priority err)" ]; }
in_time test -S /run/systemd/journal/stdout
systemd-cat -t rowmill sh -c "$as_systemd" sh "$@" &
master=$!
in_time warned
kill "$master"
wait "$master"
systemd-cat -t rowmill sh -c "$as_systemd" sh "$1" worker --threads 0 || true
in_time refused
stored --output json
"#;

#[test]
fn journald_stores_how_severe_each_line_is() {
    let journald = [
        "/usr/lib/systemd/systemd-journald",
        "/lib/systemd/systemd-journald",
    ]
    .map(PathBuf::from)
    .into_iter()
    .find(|path| path.exists());
    let has_machine_id = std::fs::metadata("/etc/machine-id").is_ok_and(|file| file.len() > 1);
    let in_own_mounts = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", program]);
        command
    };
    let allowed = in_own_mounts("true").output();
    let (Some(journald), true, true) = (
        journald,
        has_machine_id,
        allowed.is_ok_and(|output| output.status.success()),
    ) else {
        eprintln!(
            "not tried: it needs systemd-journald, a machine id, and root with mount namespaces"
        );
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let [master, _] = roles(directory.path());
    let mut command = in_own_mounts("bash");
    command.args(["-ec", JOURNALD, "bash", AS_SYSTEMD]);
    command.arg(journald).args(master);
    clean(&mut command);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let stored = String::from_utf8(output.stdout).unwrap();
    let stored: Vec<Value> = stored
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let priorities = |text: &str| {
        let with = |entry: &&Value| entry["MESSAGE"].as_str().unwrap().contains(text);
        let found = stored.iter().filter(with);
        let mut found: Vec<_> = found
            .map(|entry| entry["PRIORITY"].as_str().unwrap())
            .collect();
        found.dedup();
        found
    };
    assert_eq!(priorities("listening at"), ["6"]);
    assert_eq!(priorities("no broker answers"), ["4"]);
    assert_eq!(priorities("--threads"), ["3"]);
}
