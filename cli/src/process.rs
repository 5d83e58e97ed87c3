//! One process from start to exit code: runtime, signals.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::log::{Log, start_log};
use crate::text::for_message;
use crate::{Exit, Failure};

/// Runs `command` to its exit code.
///
/// The first SIGINT or SIGTERM cancels the token that `command` was given; a second one ends the
/// process at once with 130. An error is one line on stderr. A closed pipe is no error.
pub fn run<F>(log: Log, command: impl FnOnce(CancellationToken) -> F) -> ExitCode
where
    F: Future<Output = Result<Exit, Failure>>,
{
    start_log(log);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::new(Exit::Usage, error)),
    };
    let outcome = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        tokio::spawn(watch_signals(shutdown.clone()));
        command(shutdown).await
    });
    // A read of standard input cannot be called back; the process does not wait for it.
    runtime.shutdown_background();
    match outcome {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> ExitCode {
    // A name, a cell or what a peer said may stand in it.
    let said = failure.to_string();
    let lines: Vec<_> = said.lines().map(for_message).collect();
    eprintln!("rowmill: {}", lines.join("\n"));
    ExitCode::from(failure.exit as u8)
}

async fn watch_signals(shutdown: CancellationToken) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        tracing::warn!("signals cannot be watched; stopping will not be clean");
        return;
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if shutdown.is_cancelled() {
            std::process::exit(130);
        }
        shutdown.cancel();
    }
}
