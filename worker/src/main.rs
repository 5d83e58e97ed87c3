//! `cargo run --bin worker`: the same as `rowmill worker`.

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "worker", version)]
struct Command {
    #[command(flatten)]
    args: worker::Args,
}

fn main() -> ExitCode {
    if let Some(failed) = worker::exec::become_command() {
        return failed;
    }
    let Command { args } = cli::parse::<Command>();
    cli::run(args.log(), |shutdown| args.run(shutdown))
}
