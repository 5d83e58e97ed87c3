//! The files of `deploy/`, and the packages that are built from it. (tests/watch tests the Grafana dashboard.)

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test
#![allow(clippy::disallowed_macros)] // eprintln!: the harness captures a test's output

mod containers;
mod package;
mod set_up;
#[path = "../support/mod.rs"]
mod support;
mod systemd;
