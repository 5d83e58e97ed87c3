//! The `rowmill` command: runs a role, or all roles in one process, or queries a master.

mod cert;
mod command;
mod complete;
mod config;
mod control;
mod dead;
mod diff;
mod doctor;
mod follow;
mod in_process;
mod jobs;
mod key;
mod man;
mod output;
mod publish;
mod query;
mod rejects;
mod rows;
mod run;
mod sample;
mod schema;
mod show;
mod sniff;
mod spreadsheet;
mod token;
mod unreadable;
mod wait;
mod workers;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(failed) = worker::exec::become_command() {
        return failed;
    }
    complete::run_completion();
    let command: command::Command = cli::parse();
    cli::run(command.log(), |shutdown| command.run(shutdown))
}
