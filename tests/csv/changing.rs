//! Files that are modified while they are read.
//!
//! If a named pipe follows the files, their starts have been sampled when the pipe is opened for reading; the rest of
//! them is read only when the pipe has a header. So a change between the two is a change in the middle.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::packed::gzip;
use super::{Files, rowmill, rows, stderr};

const HEADER: &str = "id,hash\n";

/// Some megabytes of rows; one row differs in each version.
fn version(version: u32) -> String {
    HEADER.to_owned()
        + &rows(0..200_000, |n| {
            format!("{n},{}\n", n.wrapping_mul(2_654_435_761) ^ version)
        })
}

/// Runs `rowmill ARGS pipe` in the directory of `files`; calls `what` after the files' starts were sampled.
fn meanwhile(files: &Files, args: &[&str], stdin: Stdio, what: impl FnOnce()) -> Output {
    let pipe = files.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let child = rowmill()
        .args(args)
        .arg("pipe")
        .current_dir(files.0.path())
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Waits for a reader of the pipe.
    let mut pipe = File::options().write(true).open(pipe).unwrap();
    what();
    pipe.write_all(HEADER.as_bytes()).unwrap();
    drop(pipe);
    child.wait_with_output().unwrap()
}

fn is_refused(output: &Output, name: &str, why: &str) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(
        said.contains(&format!("{name} changed while it was read: ")),
        "{said}"
    );
    assert!(said.contains(why), "{said}");
    assert!(output.stdout.is_empty());
}

/// Overwrites the file in place, which changes its modification time.
fn rewrite(path: &Path, content: &[u8]) {
    let mut file = File::options()
        .write(true)
        .truncate(true)
        .open(path)
        .unwrap();
    file.write_all(content).unwrap();
}

#[test]
fn a_file_that_is_cut_off_or_written_to_while_it_is_read() {
    let before = version(0);
    let half = &before.as_bytes()[..before.len() / 2];
    for command in [&["run"][..], &["run", "--dry-run"], &["schema"]] {
        for (now, why) in [
            (half, "bytes and has"),
            (b"", "bytes and has 0"),
            (version(1).as_bytes(), "it was written to since"),
        ] {
            let files = Files::new(&[("a.csv", before.as_bytes())]);
            let args = [command, &["a.csv"]].concat();
            let output = meanwhile(&files, &args, Stdio::null(), || {
                rewrite(&files.path("a.csv"), now);
            });
            is_refused(&output, "a.csv", why);
        }
    }
}

#[test]
fn a_packed_file_and_standard_input_that_are_written_to_while_they_are_read() {
    let packed = gzip(version(0).as_bytes());
    let other = gzip(version(1).as_bytes());
    let files = Files::new(&[("a.csv.gz", &packed)]);
    let path = files.path("a.csv.gz");
    let output = meanwhile(&files, &["run", "a.csv.gz"], Stdio::null(), || {
        rewrite(&path, &other[..packed.len().min(other.len()) - 1]);
    });
    is_refused(&output, "a.csv.gz", "bytes and has");

    let files = Files::new(&[("a.csv", version(0).as_bytes())]);
    let path = files.path("a.csv");
    let stdin = File::open(&path).unwrap();
    let output = meanwhile(&files, &["run", "-"], stdin.into(), || {
        rewrite(&path, &version(0).as_bytes()[..1_000_000]);
    });
    is_refused(&output, "standard input", "bytes and has 1000000");
}

#[test]
fn a_later_file_that_is_not_what_its_header_was_read_of() {
    let (first, before) = (version(7), version(0));
    let new = |path: &Path, content: &[u8]| {
        std::fs::write(path.with_extension("new"), content).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
    };
    let replace: fn(&Path, &[u8]) = new;
    for (how, now, why) in [
        (
            rewrite as fn(&Path, &[u8]),
            version(1),
            "it was written to since",
        ),
        (rewrite, HEADER.to_owned(), "bytes and has 8"),
        (rewrite, String::new(), "bytes and has 0"),
        (replace, before.clone(), "another file took its place"),
    ] {
        let files = Files::new(&[("a.csv", first.as_bytes()), ("b.csv", before.as_bytes())]);
        let path = files.path("b.csv");
        let output = meanwhile(&files, &["run", "a.csv", "b.csv"], Stdio::null(), || {
            how(&path, now.as_bytes());
        });
        is_refused(&output, "b.csv", why);
    }
}

#[test]
fn a_file_that_only_grows_while_it_is_read() {
    let files = Files::new(&[("a.csv", version(0).as_bytes())]);
    let path = files.path("a.csv");
    let output = meanwhile(&files, &["run", "--json", "a.csv"], Stdio::null(), || {
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"1,2\n3,4\n").unwrap();
    });
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    let bytes = version(0).len();
    let grew = format!(
        "a.csv: it grew from {bytes} to {} bytes while it was read",
        bytes + 8
    );
    assert_eq!(said.matches(&grew).count(), 1, "{said}");
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["rows"], 200_000);
}

#[test]
fn a_file_that_grows_and_is_written_to_elsewhere_as_well() {
    let (before, grown) = (version(0), version(0) + "1,2\n");
    let files = Files::new(&[("a.csv", before.as_bytes())]);
    let path = files.path("a.csv");
    let output = meanwhile(&files, &["run", "a.csv"], Stdio::null(), || {
        // Only the start of it has been read by now.
        rewrite(&path, grown.replacen("0,0\n", "0,1\n", 1).as_bytes());
    });
    is_refused(&output, "a.csv", "not only its end is new");
}

#[test]
fn a_file_that_another_takes_the_place_of_while_it_is_read() {
    let files = Files::new(&[("a.csv", version(0).as_bytes())]);
    let path = files.path("a.csv");
    let output = meanwhile(&files, &["run", "--json", "a.csv"], Stdio::null(), || {
        std::fs::write(path.with_extension("new"), HEADER).unwrap();
        std::fs::rename(path.with_extension("new"), &path).unwrap();
    });
    assert!(output.status.success(), "{}", stderr(&output));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["rows"], 200_000);
}
