//! Which command to run on every chunk, on the command line.

use engine::rate::Rate;
use proto::v1::{ExecArgument, ExecMode, ExecSpec};

/// Where help lists them.
const HEADING: &str = "A command for every chunk";

/// How chunks meet a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExecModeArg {
    /// Each chunk has a process of its own: CSV on standard input and standard output
    Chunk,
    /// One process for each chunk at work takes one after the other, each in a frame
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

/// Which command, of those that workers allow.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ExecArgs {
    /// Run every chunk through the command that workers allow by this name, instead of profiling it
    #[arg(long, value_name = "NAME", help_heading = HEADING,
          conflicts_with_all = ["stats", "exact", "resume"], group = "makes_rows")]
    exec: Option<String>,

    /// Set a parameter that the workers' operator left open; may be repeated
    #[arg(long, value_name = "NAME=VALUE", requires = "exec", value_parser = argument,
          help_heading = HEADING,
        hide_short_help = true
    )]
    exec_arg: Vec<ExecArgument>,

    /// How chunks meet the command [default: as the workers' operator says, else chunk]
    #[arg(
        long,
        value_name = "HOW",
        requires = "exec",
        help_heading = HEADING,
        hide_short_help = true
    )]
    exec_mode: Option<ExecModeArg>,

    /// How much may be begun a second, by all workers together: 50/s, 10/m or 600/h, of rows; or
    /// 5chunks/s. What is tried again counts again
    #[arg(long, value_name = "RATE", requires = "exec", help_heading = HEADING)]
    rate: Option<Rate>,

    /// Count the rows that come of it, and do not send them back
    #[arg(long, requires = "makes_rows", help_heading = HEADING)]
    no_rows: bool,
}

impl ExecArgs {
    /// The same for the wire. `None`: no command is asked for.
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
