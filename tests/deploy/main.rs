//! What an operator finds in `deploy/`, and the packages that are made of it. (The dashboard for Grafana is looked at
//! in tests/watch.)

#![allow(clippy::unwrap_used)] // a test that cannot go on stops
#![allow(clippy::disallowed_macros)] // eprintln!: the harness takes what a test says

mod containers;
mod package;
mod set_up;
#[path = "../support/mod.rs"]
mod support;
mod systemd;
