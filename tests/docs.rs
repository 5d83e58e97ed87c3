//! Runs every command in the documentation as written: the blocks of README.md and docs/*.md that are marked `sh`,
//! page by page, from top to bottom, in one shell.
//!
//! A page has a directory with the files that the pages mention, and its own broker, namespace and master.
//! `tests/docs/rowmill` wraps the real command: it runs in the background the commands that a reader runs in another
//! pane, and replaces JOB with the last published job. A block after a line `<!-- not run: WHY -->` is not run.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test
#![allow(clippy::disallowed_macros)] // eprintln!: the harness captures a test's output

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::{Stage, rowmill};

/// A block of commands, and the line at which it begins.
struct Block {
    line: usize,
    commands: String,
    /// The reason not to run it.
    not_run: Option<String>,
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The page's blocks that are marked `sh`.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let (mut open, mut note) = (None::<Block>, None);
    for (at, line) in page.lines().enumerate() {
        match &mut open {
            Some(_) if line == "```" => blocks.extend(open.take()),
            Some(block) => block.commands += &format!("{line}\n"),
            None if line == "```sh" => {
                open = Some(Block {
                    line: at + 1,
                    commands: String::new(),
                    not_run: note.take(),
                });
            }
            None => {
                let why = line.strip_prefix("<!-- not run: ");
                let why = why.and_then(|why| why.strip_suffix(" -->"));
                // An empty line may separate the two.
                if why.is_some() || !line.is_empty() {
                    note = why.map(str::to_owned);
                }
            }
        }
    }
    assert!(open.is_none(), "a block without an end");
    blocks
}

/// Ends the processes that the page's commands left running, whatever the result of the test.
struct Left(PathBuf);

impl Drop for Left {
    fn drop(&mut self) {
        let pids = fs::read_to_string(&self.0).unwrap_or_default();
        for pid in pids.lines().filter_map(|line| line.parse().ok()) {
            if let Err(error) = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL) {
                eprintln!("{pid} has ended by itself: {error}");
            }
        }
    }
}

/// Runs a page.
async fn run(path: &str) {
    let page = fs::read_to_string(repository(path)).unwrap();
    let blocks = blocks(&page);
    assert!(!blocks.is_empty(), "{path} has no commands");
    let mut script = "set -euo pipefail\n".to_owned();
    for block in &blocks {
        let place = format!("{path}:{}", block.line);
        match &block.not_run {
            Some(why) => {
                let why = why.replace('\'', "’");
                script += &format!("echo '== {place}: not run: {why}'\n");
            }
            None => script += &format!("echo '== {place}'\n{}", block.commands),
        }
    }

    let stage = Stage::new();
    let home = stage.dir.path();
    let left = Left(home.join("pids"));
    let bin = home.join("bin");
    fs::create_dir(&bin).unwrap();
    for entry in fs::read_dir(repository("tests/docs")).unwrap() {
        let from = entry.unwrap().path();
        let name = from.file_name().unwrap();
        let is_program = from.metadata().unwrap().permissions().mode() & 0o100 != 0;
        let to = if is_program {
            bin.join(name)
        } else {
            home.join(name)
        };
        fs::copy(&from, to).unwrap();
    }
    let orders = repository("examples/orders.csv");
    for name in [
        "orders.csv",
        "in.csv",
        "monday.csv",
        "tuesday.csv",
        "export.txt",
        "FILE",
    ] {
        fs::copy(&orders, home.join(name)).unwrap();
    }
    let real = rowmill().get_program().to_owned();
    let schema = Command::new(&real)
        .arg("schema")
        .arg(&orders)
        .env("ROWMILL_CONFIG", "")
        .output()
        .unwrap();
    fs::write(home.join("orders.schema.json"), schema.stdout).unwrap();

    let path_variable = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    let said = fs::File::create(home.join("said")).unwrap();
    let environment = stage.command(&[]);
    let environment = environment
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let status = shell
        .arg("-c")
        .arg(&script)
        .current_dir(home)
        .envs(environment)
        .env("HOME", home)
        .env("PATH", path_variable)
        .env("ROWMILL_LISTEN", stage.address())
        .env("ROWMILL_DATA", home.join("data"))
        .env("DOCS_HOME", home)
        .env("DOCS_ROWMILL", &real)
        .env("DOCS_REPOSITORY", repository(""))
        .stdin(Stdio::null())
        .stdout(said.try_clone().unwrap())
        .stderr(said)
        .status()
        .unwrap();
    let said = fs::read_to_string(home.join("said")).unwrap();
    assert!(status.success(), "{path}: {status}\n{said}");
    println!("{said}");
    drop(left);
    stage.erase().await;
}

macro_rules! pages {
    ($($name:ident: $path:literal;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                run($path).await;
            }
        )*

        /// Every page that has commands.
        const PAGES: &[&str] = &[$($path),*];
    };
}

pages! {
    readme: "README.md";
    architecture: "docs/architecture.md";
    broker_page: "docs/broker.md";
    csv: "docs/csv.md";
    dashboard: "docs/dashboard.md";
    exec: "docs/exec.md";
    install: "docs/install.md";
    metrics: "docs/metrics.md";
    operations: "docs/operations.md";
    profile: "docs/profile.md";
    publish: "docs/publish.md";
    reliability: "docs/reliability.md";
    rows: "docs/rows.md";
    scripts: "docs/scripts.md";
    security: "docs/security.md";
    settings: "docs/settings.md";
    tutorial: "docs/tutorial.md";
    validate: "docs/validate.md";
}

#[test]
fn no_page_with_commands_is_left_out() {
    let mut paths = vec!["README.md".to_owned()];
    for entry in fs::read_dir(repository("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(format!("docs/{}", path.file_name().unwrap().display()));
        }
    }
    for path in paths {
        let page = fs::read_to_string(repository(&path)).unwrap();
        assert_eq!(
            !blocks(&page).is_empty(),
            PAGES.contains(&path.as_str()),
            "{path}"
        );
        // Commands in an indented block, or in a block of another kind, would not be run.
        for line in page.lines() {
            let command = line
                .strip_prefix("    ")
                .or_else(|| line.strip_prefix("$ "));
            let is_command = command.is_some_and(|text| {
                let word = text
                    .trim_start_matches("$ ")
                    .split(' ')
                    .next()
                    .unwrap_or_default();
                ["rowmill", "cargo", "rabbitmqctl", "systemctl", "install"].contains(&word)
                    || word.starts_with("scripts/")
            });
            assert!(!is_command, "{path}: not in a block marked sh: {line}");
        }
        for link in page
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next())
        {
            let there = !link.contains(':') && !link.is_empty();
            let from = repository(&path);
            assert!(
                !there || from.parent().unwrap().join(link).exists(),
                "{path}: {link} is not there"
            );
        }
    }
}
