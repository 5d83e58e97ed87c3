//! One process from start to exit code: runtime, signals.

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::journald;
use crate::log::{Log, start_log};
use crate::text::for_message;
use crate::{Exit, Failure};

/// Runs `command` to its exit code.
///
/// The first SIGINT or SIGTERM cancels the token that `command` was given; a second one ends the
/// process at once with 130. An error is one line on stderr. A closed pipe is no error; a panic exits
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
    // Nothing of what a panic may have left half done is used again: the process ends.
    let outcome = panic::catch_unwind(AssertUnwindSafe(running));
    // A read of standard input cannot be called back; the process does not wait for it.
    runtime.shutdown_background();
    match outcome {
        Ok(Ok(exit)) => ExitCode::from(exit as u8),
        Ok(Err(failure)) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Ok(Err(failure)) => report(&failure),
        // The panic has said where it was.
        Err(_) => ExitCode::from(Exit::Defect as u8),
    }
}

fn report(failure: &Failure) -> ExitCode {
    // A name, a cell or what a peer said may stand in it.
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
            panic!("as a defect would")
        });
        assert_eq!(code, ExitCode::from(70));
    }
}
