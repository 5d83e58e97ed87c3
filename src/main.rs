//! The `rowmill` command: picks a role, or runs them all in one process, or reads from a master.

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
mod rejects;
mod rows;
mod run;
mod schema;
mod server;
mod show;
mod sniff;
mod spreadsheet;
mod token;
mod unreadable;
mod wait;
mod workers;

use std::process::ExitCode;

fn main() -> ExitCode {
    complete::answer_shell();
    let command: command::Command = cli::parse();
    cli::run(command.log(), |shutdown| command.run(shutdown))
}
