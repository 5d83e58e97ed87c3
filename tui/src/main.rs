//! `cargo run --bin tui`: the same as `rowmill tui`.

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "tui", version)]
struct Command {
    #[command(flatten)]
    args: tui::Args,
}

fn main() -> ExitCode {
    let Command { args } = cli::parse::<Command>();
    cli::run(cli::Log::Silent, |shutdown| args.run(shutdown))
}
