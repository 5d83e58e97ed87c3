//! The whole command line. Each role defines its own arguments.

use std::sync::LazyLock;

use clap::{Parser, Subcommand};
use cli::{Exit, Failure, Log};
use tokio_util::sync::CancellationToken;

/// Version, commit and protocol version.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let (version, build) = (proto::VERSION, env!("ROWMILL_BUILD"));
    format!("{version} ({build}, protocol {})", proto::PROTOCOL)
});

/// Process CSV on many hosts: pipe it into a publisher, start workers on as many hosts as you like, watch
/// them in a terminal
///
/// With one file and one machine: rowmill run data.csv
#[derive(Debug, Parser)]
#[command(
    name = "rowmill",
    version = VERSION.as_str(),
    propagate_version = true,
    arg_required_else_help = true
)]
pub(crate) struct Command {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant)] // there is one, for as long as the command runs
enum Role {
    Run(crate::run::Args),
    Publish(crate::publish::Args),
    Sniff(crate::sniff::Args),
    Schema(crate::schema::Args),
    Worker(worker::Args),
    Master(master::Args),
    Tui(tui::Args),
    Jobs(crate::jobs::Args),
    Show(crate::show::Args),
    Wait(crate::wait::Args),
    Rows(crate::rows::Args),
    Rejects(crate::rejects::Args),
    Diff(crate::diff::Args),
    Workers(crate::workers::Args),
    /// Cancel an unfinished job for good: workers discard its chunks
    Cancel(crate::control::Args),
    /// Pause an unfinished job; other jobs continue
    Pause(crate::control::Args),
    /// Resume a paused job
    Resume(crate::control::Args),
    Dead(crate::dead::Args),
    Doctor(crate::doctor::Args),
    Config(crate::config::Args),
    Token(crate::token::Args),
    Cert(crate::cert::Args),
    Key(crate::key::Args),
    Sample(crate::sample::Args),
    Man(crate::man::Args),
}

impl Command {
    /// How the command logs by default.
    pub(crate) fn log(&self) -> Log {
        match self.role {
            Role::Worker(ref args) => args.log(),
            Role::Master(ref args) => args.log(),
            Role::Tui(_) => Log::Silent,
            Role::Run(ref args) if args.has_dashboard() => Log::Silent,
            _ => Log::Command,
        }
    }

    /// Runs the command and returns its exit code.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        match self.role {
            Role::Run(args) => Box::pin(args.run(shutdown)).await,
            Role::Publish(args) => Box::pin(args.run(shutdown)).await,
            Role::Sniff(args) => args.run().await,
            Role::Schema(args) => Box::pin(args.run(shutdown)).await,
            Role::Worker(args) => args.run(shutdown).await,
            Role::Master(args) => args.run(shutdown).await,
            Role::Tui(args) => args.run(shutdown).await,
            Role::Jobs(args) => args.run().await,
            Role::Show(args) => args.run().await,
            Role::Wait(args) => args.run(shutdown).await,
            Role::Rows(args) => args.run(shutdown).await,
            Role::Rejects(args) => args.run().await,
            Role::Diff(args) => args.run().await,
            Role::Workers(args) => args.run().await,
            Role::Cancel(args) => args.cancel().await,
            Role::Pause(args) => args.pause().await,
            Role::Resume(args) => args.resume().await,
            Role::Dead(args) => args.run().await,
            Role::Doctor(args) => args.run().await,
            Role::Config(args) => args.run(),
            Role::Token(args) => args.run(),
            Role::Cert(args) => args.run(),
            Role::Key(args) => args.run(),
            Role::Sample(args) => args.run(&shutdown),
            Role::Man(args) => args.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Command::command().debug_assert();
    }
}
