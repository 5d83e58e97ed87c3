//! One process from start to exit code: runtime, logging, signals.

use std::fmt;
use std::process::ExitCode;
use std::str::FromStr;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::{Exit, Failure};

/// How much a command says on stderr when `ROWMILL_LOG` is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// A service: what it does, a line an event.
    Service(LogFormat),
    /// A command that a person waits for: warnings only.
    Command,
    /// A screen: nothing, since it would be written over.
    Silent,
}

/// How a service writes an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object, for whatever collects logs: `timestamp`, `level`, `message`, and the event's own fields.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("text or json is expected"),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

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
    eprintln!("rowmill: {failure}");
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

fn start_log(log: Log) {
    let default = match log {
        Log::Service(_) => "info",
        Log::Command => "warn",
        Log::Silent => "off",
    };
    let filter = EnvFilter::try_from_env("ROWMILL_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("{default},lapin=off")));
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false);
    let started = match log {
        Log::Service(LogFormat::Json) => logger.json().flatten_event(true).try_init(),
        _ => logger.try_init(),
    };
    if started.is_err() {
        eprintln!("rowmill: a logger was installed already");
    }
}
