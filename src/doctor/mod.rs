//! `rowmill doctor`: checks the broker, the master and the disk, and reports problems with their remedies.

mod broker;
mod disk;
mod finding;
mod master;

use std::io::Write;
use std::path::PathBuf;

use ::broker::{BrokerArgs, ClientRole};
use access::MasterArgs;
use cli::{Exit, Failure, OrExit, OrUnwritable, STDOUT};

use finding::{Finding, Verdict};
use report::json::write_line as json_line;

/// Check the broker, the master and this host's disk, and report problems and how to fix them
///
/// It declares the same queues as every role, publishes only unroutable messages, and consumes none.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    broker: BrokerArgs,

    #[command(flatten)]
    master: MasterArgs,

    /// The role of this host: the permissions that it needs are tried with the user of the broker's address
    #[arg(long, value_name = "ROLE", value_enum, default_value_t = Role::All)]
    role: Role,

    /// Do not check the master
    #[arg(long)]
    no_master: bool,

    /// The master's directory, if a master runs on this host [default: that of rowmill master, if it
    /// exists]
    #[arg(long, value_name = "DIR", env = "ROWMILL_DATA")]
    data: Option<PathBuf>,

    /// Print one JSON object per finding
    #[arg(long)]
    json: bool,
}

/// The role of a host.
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
        (failed, warned) => cli::stderr_line!("{failed} to fix, {warned} to look at"),
    }
    Ok(())
}

/// `Unreachable` if a service does not answer, else `Usage` if any check failed.
fn exit(findings: &[Finding]) -> Exit {
    let mut failed = findings.iter().filter(|f| f.verdict == Verdict::Fail);
    match failed.clone().next() {
        None => Exit::Ok,
        Some(_) if failed.any(|f| f.is_unreachable) => Exit::Unreachable,
        Some(_) => Exit::Usage,
    }
}
