//! What the master refuses, as the commands tell it.

use cli::{Exit, Failure};
use tonic::{Code, Status};

/// What the master refused, with its exit code.
pub(crate) fn refused(status: &Status) -> Failure {
    let exit = match status.code() {
        Code::NotFound
        | Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::Unauthenticated
        | Code::PermissionDenied => Exit::Usage,
        _ => Exit::Unreachable,
    };
    // The transport made it up: whoever answers there has said nothing.
    if std::error::Error::source(status).is_some() {
        let said = "the master closed the connection (one that serves TLS is reached by https://)";
        return Failure::message(Exit::Unreachable, said);
    }
    Failure::message(exit, status.message().to_owned())
}
