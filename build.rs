//! Says which commit a release is built from, for `rowmill --version`. A debug build says that it is one:
//! it is built again and again, and need not be because something was committed.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=ROWMILL_COMMIT");
    let build = if std::env::var("PROFILE").as_deref() == Ok("release") {
        commit()
    } else {
        "debug build".to_owned()
    };
    println!("cargo:rustc-env=ROWMILL_BUILD={build}");
}

/// What whoever packs it says, or git.
fn commit() -> String {
    if let Ok(commit) = std::env::var("ROWMILL_COMMIT") {
        return format!("commit {commit}");
    }
    // The log changes with every commit and every checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        Some(commit) => format!("commit {commit}"),
        None => "commit unknown".to_owned(),
    }
}

/// What git says; nothing where there is no git, or nothing of it here.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}
