//! Sets the commit of a release build for `rowmill --version`. A debug build is only marked as such, so that a commit
//! does not cause a rebuild.

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

/// The commit, from the variable that a packager sets or from git.
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

/// The output of git; `None` without git or a repository.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}
