//! `cargo run --bin publisher`: the same as `rowmill publish`.

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "publisher", version)]
struct Command {
    #[command(flatten)]
    args: publisher::Args,
}

fn main() -> ExitCode {
    let Command { args } = cli::parse::<Command>();
    cli::run(cli::Log::Command, |shutdown| args.run(shutdown))
}
