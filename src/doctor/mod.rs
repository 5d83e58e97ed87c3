//! `rowmill doctor`: looks at all that a mill depends on, says what is wrong, and what to run.

mod broker;
mod disk;
mod finding;
mod master;

use std::io::Write;
use std::path::PathBuf;

use ::broker::{BrokerArgs, ClientRole};
use access::MasterArgs;
use cli::{Exit, Failure, OrExit, OrUnwritable, STDOUT};

use crate::output::json_line;
use finding::{Finding, Verdict};

/// Look at the broker, the master and this host's disk, and say what to mend and how
///
/// It declares what every role declares, sends only what no queue gets, and takes no message.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    broker: BrokerArgs,

    #[command(flatten)]
    master: MasterArgs,

    /// What this host is for: what it needs of the broker is tried with the user of the broker's address
    #[arg(long, value_name = "ROLE", value_enum, default_value_t = Role::All)]
    role: Role,

    /// Do not look for a master
    #[arg(long)]
    no_master: bool,

    /// The master's directory, where one is to run on this host [default: that of rowmill master, if it
    /// is there]
    #[arg(long, value_name = "DIR", env = "ROWMILL_DATA")]
    data: Option<PathBuf>,

    /// Print one JSON object a finding
    #[arg(long)]
    json: bool,
}

/// What a host is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    Publisher,
    Worker,
    Master,
    All,
}

impl Role {
    fn needs(self) -> &'static [ClientRole] {
        match self {
            Self::Publisher => &[ClientRole::Publisher],
            Self::Worker => &[ClientRole::Worker],
            Self::Master => &[ClientRole::Master],
            Self::All => &[
                ClientRole::Publisher,
                ClientRole::Worker,
                ClientRole::Master,
            ],
        }
    }
}

impl Args {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let config = self.broker.config().or_exit(Exit::Usage)?;
        let mut findings = broker::check(&config, self.role.needs()).await;
        if !self.no_master {
            let target = self.master.target()?;
            findings.extend(master::check(&target, &config).await);
        }
        if matches!(self.role, Role::Master | Role::All) {
            let directory = self.data.or_else(::master::default_data);
            findings.extend(disk::check(directory).await);
        }
        self::say(&findings, self.json)?;
        Ok(exit(&findings))
    }
}

fn say(findings: &[Finding], json: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for finding in findings {
        let written = if json {
            json_line(&mut out, finding)
        } else {
            writeln!(out, "{finding}")
        };
        written.or_unwritable(STDOUT)?;
    }
    let wrong = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    let (failed, warned) = (wrong(Verdict::Fail), wrong(Verdict::Warn));
    match (failed, warned) {
        (0, 0) => cli::stderr_line!("all is well"),
        (0, warned) => cli::stderr_line!("{warned} to look at"),
        (failed, warned) => cli::stderr_line!("{failed} to mend, {warned} to look at"),
    }
    Ok(())
}

/// Unreachable where something is not there at all, else a setting is wrong.
fn exit(findings: &[Finding]) -> Exit {
    let mut failed = findings.iter().filter(|f| f.verdict == Verdict::Fail);
    match failed.clone().next() {
        None => Exit::Ok,
        Some(_) if failed.any(|f| f.is_unreachable) => Exit::Unreachable,
        Some(_) => Exit::Usage,
    }
}
