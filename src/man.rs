//! `rowmill man`: writes manual pages generated from the help texts.

use std::path::PathBuf;

use clap::CommandFactory;
use cli::{Exit, Failure, OrUnwritable};

/// Write manual pages, one for each command
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory for the pages; created if missing. man -M takes a directory with a man1 in it
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let name = self.directory.display();
        std::fs::create_dir_all(&self.directory).or_unwritable(&name)?;
        let command = crate::command::Command::command();
        clap_mangen::generate_to(command, &self.directory).or_unwritable(&name)?;
        cli::stderr_line!("rowmill: man {name}/rowmill.1");
        Ok(Exit::Ok)
    }
}
