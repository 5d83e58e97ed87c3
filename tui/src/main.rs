//! The dashboard as a command of its own: `cargo run -p tui`. All it does is `tui::run`'s.

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Watch jobs, workers and rows live.
#[derive(Debug, Parser)]
#[command(name = "tui", version)]
struct Command {
    #[command(flatten)]
    args: tui::Args,
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Command::parse();
    match watch(command.args.into()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn watch(config: tui::Config) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = tui::run(config, shutdown.clone());
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        _ = terminate.recv() => shutdown.cancel(),
        _ = interrupt.recv() => shutdown.cancel(),
    }
    Ok(running.await?)
}
