//! `rowmill token new`: makes a token, and the line that adds it to a master's tokens file.

use std::io::Write;
use std::path::{Path, PathBuf};

use access::{Scope, Token, TokenEntry, append_token, create_secret};
use cli::{Exit, Failure, OrExit, OrUnwritable, STDOUT};

/// Make tokens with which people and scripts authenticate to a master
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a token; prints it, or writes it to the file given by --out
    New {
        /// The name of the token's owner, for the master's log
        name: String,

        /// What it allows: read, or admin, which can also cancel, pause, replay and drop
        #[arg(long, value_enum, default_value_t = Scope::Read)]
        scope: Scope,

        /// Add it to the master's --tokens file, which is created if missing. The file contains the token's
        /// hash, not the token [default: prints the line to add]
        #[arg(long, value_name = "FILE")]
        tokens: Option<PathBuf>,

        /// Write the token to a new FILE that only its owner can read, for --token-file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let Command::New {
            name,
            scope,
            tokens,
            out,
        } = self.command;
        let token = Token::generate().or_exit(Exit::Defect)?;
        let entry = TokenEntry::new(&token, scope, &name).or_exit(Exit::Usage)?;
        // Write the token first: one that cannot be passed on to its owner must not be accepted by a master.
        let told = out.as_deref().map(|path| tell(path, &token)).transpose();
        told.or_exit_by_cause()?;
        match &tokens {
            Some(path) => append_token(path, &entry).or_exit_by_cause()?,
            None => cli::stderr_line!("for the master's file of tokens: {}", entry.line()),
        }
        match &out {
            Some(path) => cli::stderr_line!(
                "{name} has the scope {scope} with --token-file {}",
                path.display()
            ),
            None => writeln!(std::io::stdout(), "{}", token.secret()).or_unwritable(STDOUT)?,
        }
        Ok(Exit::Ok)
    }
}

fn tell(path: &Path, token: &Token) -> Result<(), access::SecretError> {
    create_secret(path, &format!("{}\n", token.secret()))
}
