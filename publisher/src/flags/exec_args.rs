//! The flags that choose the command to run on every chunk.

use cli::Failure;
use engine::rate::Rate;
use proto::v1::{ExecArgument, ExecMode, ExecSpec};

use super::operation_args::OperationFlags;

/// The heading in `--help`.
const HEADING: &str = "Command for every chunk";

/// How a command receives chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExecModeArg {
    /// Each chunk has a process of its own: CSV on standard input and standard output
    Chunk,
    /// A process takes one chunk after the other, each in a frame; there is one process per chunk in progress
    Persistent,
}

impl From<ExecModeArg> for ExecMode {
    fn from(mode: ExecModeArg) -> Self {
        match mode {
            ExecModeArg::Chunk => Self::Chunk,
            ExecModeArg::Persistent => Self::Persistent,
        }
    }
}

/// The command to run, among those that workers allow.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ExecArgs {
    /// Run every chunk through the command that workers allow under this name, instead of profiling it
    #[arg(long, value_name = "NAME", help_heading = HEADING,
          conflicts_with_all = ["stats", "exact", "resume"], group = "makes_rows")]
    exec: Option<String>,

    /// Set a parameter that the workers' operator left open; may be repeated
    #[arg(long, value_name = "NAME=VALUE", requires = "exec", value_parser = argument,
          help_heading = HEADING,
        hide_short_help = true
    )]
    exec_arg: Vec<ExecArgument>,

    /// How the command receives chunks [default: as the workers' operator says, else chunk]
    #[arg(
        long,
        value_name = "HOW",
        requires = "exec",
        help_heading = HEADING,
        hide_short_help = true
    )]
    exec_mode: Option<ExecModeArg>,

    /// Limit how much all workers together start per second: 50/s, 10/m or 600/h for rows, or 5chunks/s; retries count
    /// again
    #[arg(long, value_name = "RATE", requires = "exec", help_heading = HEADING)]
    rate: Option<Rate>,

    /// Count the resulting rows, and do not send them back
    #[arg(long, requires = "makes_rows", help_heading = HEADING)]
    no_rows: bool,
}

impl ExecArgs {
    /// The protobuf message. `None` if no command is given.
    pub(crate) fn spec(&self) -> Option<ExecSpec> {
        Some(ExecSpec {
            command: self.exec.clone()?,
            arguments: self.exec_arg.clone(),
            mode: self
                .exec_mode
                .map_or(ExecMode::Unspecified, Into::into)
                .into(),
            rate: self.rate.map(Into::into),
        })
    }

    pub(crate) fn no_rows(&self) -> bool {
        self.no_rows
    }
}

/// `publish` and `run` have no flags for a command in common: `run` takes the command itself.
#[derive(Debug, clap::Args)]
pub(crate) struct NoFlags {}

impl OperationFlags for ExecSpec {
    type Args = NoFlags;

    fn is_requested(_args: &NoFlags) -> bool {
        false
    }

    fn spec(_args: &NoFlags) -> Result<Self, Failure> {
        Ok(Self::default())
    }
}

fn argument(text: &str) -> Result<ExecArgument, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(ExecArgument {
            name: name.to_owned(),
            value: value.to_owned(),
        }),
        _ => Err("it is not like lang=de".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_a_name_and_whatever_follows_the_first_equals_sign() {
        let found = argument("query=a=b, c").unwrap();
        assert_eq!((&found.name[..], &found.value[..]), ("query", "a=b, c"));
        assert_eq!(argument("x=").unwrap().value, "");
        assert!(argument("lang").is_err() && argument("=de").is_err());
    }
}
