//! The master as the reading commands reach it.

use cli::{Exit, Failure, OrExit};
use proto::Client;
use tonic::{Code, Status};

/// Where the master is
#[derive(Debug, clap::Args)]
pub(crate) struct MasterArgs {
    /// The master's gRPC address
    #[arg(long, value_name = "ADDR", env = "ROWMILL_MASTER", default_value = proto::DEFAULT_MASTER)]
    pub(crate) master: String,
}

impl MasterArgs {
    /// Connects, one attempt.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        proto::connect(&self.master)
            .await
            .or_exit(Exit::Unreachable)
    }
}

/// What the master refused, with its exit code.
pub(crate) fn refused(status: &Status) -> Failure {
    let exit = match status.code() {
        Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition => Exit::Usage,
        _ => Exit::Unreachable,
    };
    Failure::message(exit, status.message().to_owned())
}
