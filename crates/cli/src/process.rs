//! The process from start to exit code: runtime and signals.

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::journald;
use crate::log::{Log, start_log};
use crate::text::for_message;
use crate::{Exit, Failure};

/// Runs `command` and returns its exit code.
///
/// The first SIGINT or SIGTERM cancels the token passed to `command`; a second one ends the process at
/// once with 130. An error is printed as one line on stderr. A closed pipe is not an error; a panic exits
/// with [`Exit::Defect`].
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
        Err(error) => return report(&Failure::new(Exit::Defect, error)),
    };
    let running = || {
        runtime.block_on(async {
            let shutdown = CancellationToken::new();
            tokio::spawn(watch_signals(shutdown.clone()));
            command(shutdown).await
        })
    };
    // Unwind safe: the process ends, so state that a panic left inconsistent is not used again.
    let outcome = panic::catch_unwind(AssertUnwindSafe(running));
    // A blocking read of standard input cannot be cancelled, so the process does not wait for it.
    runtime.shutdown_background();
    match outcome {
        Ok(Ok(exit)) => ExitCode::from(exit as u8),
        Ok(Err(failure)) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Ok(Err(failure)) => report(&failure),
        // The panic hook has printed the location.
        Err(_) => ExitCode::from(Exit::Defect as u8),
    }
}

fn report(failure: &Failure) -> ExitCode {
    // The message may contain untrusted text: a name, a cell, or a peer's message.
    let said = failure.to_string();
    let lines: Vec<_> = said.lines().map(for_message).collect();
    journald::say_error(&format!("rowmill: {}", lines.join("\n")));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_has_an_exit_code_of_its_own() {
        let code = run(Log::Silent, async |_| -> Result<Exit, Failure> {
            panic!("a defect")
        });
        assert_eq!(code, ExitCode::from(70));
    }
}
