//! `cargo run --bin master`: the same as `rowmill master`.

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "master", version)]
struct Command {
    #[command(flatten)]
    args: master::Args,
}

fn main() -> ExitCode {
    let Command { args } = cli::parse::<Command>();
    cli::run(args.log(), |shutdown| args.run(shutdown))
}
