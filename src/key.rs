//! `rowmill key new`: a key to sign jobs with.

use std::path::PathBuf;

use access::SigningKey;
use cli::{Exit, Failure, OrExit};

/// Make the key with which publishers sign chunks and workers verify them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a key in a new file that only its owner can read; publishers and workers need the same key
    New {
        /// The file
        file: PathBuf,
    },
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let Command::New { file } = self.command;
        SigningKey::create(&file).or_exit_by_cause()?;
        let file = file.display();
        cli::stderr_line!("rowmill publish and rowmill worker need --signing-key-file {file}");
        Ok(Exit::Ok)
    }
}
