//! `rowmill cert new`: certificates of a team's own authority.

use std::path::{Path, PathBuf};

use access::{CertificateAuthority, IssuedCertificate, Scope};
use cli::{Exit, Failure, OrExit};

/// Make certificates for TLS between a master and its clients
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a certificate for a master, or with --client for a client; also makes the authority that
    /// signs both, if there is none yet
    New(New),
}

#[derive(Debug, clap::Args)]
struct New {
    /// The names and addresses by which clients reach the master
    #[arg(value_name = "HOST", required_unless_present = "client")]
    hosts: Vec<String>,

    /// Make a certificate for the client NAME, instead of a master's
    #[arg(long, value_name = "NAME", conflicts_with = "hosts")]
    client: Option<String>,

    /// What it allows: read, or admin, which can also cancel, pause, replay and drop
    #[arg(long, value_enum, default_value_t = Scope::Read, requires = "client")]
    scope: Scope,

    /// Directory of the authority and the certificates; created if missing
    #[arg(long, value_name = "DIR", default_value = "rowmill-certs")]
    dir: PathBuf,

    /// Days until the certificate expires; the authority is valid for ten years
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let Command::New(new) = self.command;
        let team = CertificateAuthority::open(&new.dir).or_exit_by_cause()?;
        let authority = team.certificate_path();
        if let Some(name) = &new.client {
            let issued = team.issue_client(name, new.scope, new.days);
            say_client(&authority, &issued.or_exit_by_cause()?);
        } else {
            let issued = team.issue_master(&new.hosts, new.days);
            say_master(&authority, &issued.or_exit_by_cause()?, &new.hosts[0]);
        }
        Ok(Exit::Ok)
    }
}

fn say_master(authority: &Path, issued: &IssuedCertificate, host: &str) {
    let IssuedCertificate { certificate, key } = issued;
    let (authority, certificate, key) = (authority.display(), certificate.display(), key.display());
    cli::stderr_line!(
        "on the master's host:\n  rowmill master --listen 0.0.0.0:6455 --tls-cert {certificate} \\\n    \
         --tls-key {key} --tokens tokens\nothers have {authority}, and reach it by:\n  rowmill tui \
         --master https://{host}:6455 --ca {authority} --token-file TOKEN\ntokens come of:\n  rowmill \
         token new NAME --tokens tokens"
    );
}

fn say_client(authority: &Path, issued: &IssuedCertificate) {
    let IssuedCertificate { certificate, key } = issued;
    let (authority, certificate, key) = (authority.display(), certificate.display(), key.display());
    cli::stderr_line!(
        "the master is given --tls-client-ca {authority}; the client reaches it by:\n  rowmill tui \
         --master https://HOST:6455 --ca {authority} --cert {certificate} --key {key}"
    );
}
