//! The flags for the connection to the master, shared by every command.

use std::path::PathBuf;

use cli::{Exit, Failure, OrExit};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::secret::{SecretError, read_certificate, read_key, read_secret};
use crate::target::{Client, ConnectError, Target};
use crate::token::{Token, TokenError};

/// The variable with the token, if no file is given. It is read here and not by clap, which would print its value in
/// the help.
const TOKEN_VARIABLE: &str = "ROWMILL_TOKEN";

/// The heading in `--help`.
const HEADING: &str = "Master";

/// The connection to the master. The flags are global: they may stand before and behind a subcommand.
#[derive(Debug, Clone, clap::Args)]
pub struct MasterArgs {
    /// The master's gRPC address: http://HOST:PORT on this host, https://HOST:PORT on another
    #[arg(long, global = true,
        help_heading = HEADING, value_name = "ADDR", env = "ROWMILL_MASTER", default_value = proto::DEFAULT_MASTER)]
    master: String,

    /// A PEM file with the certificate authority of the master's certificate [default: the system's authorities]
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        env = "ROWMILL_CA",
        hide_short_help = true
    )]
    ca: Option<PathBuf>,

    /// A file with the token. The `help` below adds the variable.
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        env = "ROWMILL_TOKEN_FILE",
        hide_env = true,
        help = "A file with the token, readable by its owner only [env: ROWMILL_TOKEN_FILE; or \
                the token itself in ROWMILL_TOKEN]"
    )]
    token_file: Option<PathBuf>,

    /// A PEM file with a client certificate, for a master that requires one
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        env = "ROWMILL_CERT",
        requires = "key",
        hide_short_help = true
    )]
    cert: Option<PathBuf>,

    /// The private key of --cert, PEM, readable by its owner only
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        env = "ROWMILL_KEY",
        requires = "cert",
        hide_short_help = true
    )]
    key: Option<PathBuf>,
}

/// Why the flags cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgsError {
    /// A file with a secret or a certificate cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The text is not a token.
    #[error("{from}: {source}")]
    Token {
        /// The file or the variable.
        from: String,
        /// The reason.
        source: TokenError,
    },
    /// The address or the certificates cannot be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl MasterArgs {
    /// The master that the flags and the environment name.
    ///
    /// # Errors
    ///
    /// If a file or the address cannot be used.
    pub fn target(&self) -> Result<Target, Failure> {
        let variable = std::env::var(TOKEN_VARIABLE).ok();
        self.read(variable.filter(|token| !token.is_empty()))
            .or_exit(Exit::Usage)
    }

    /// Connects once, without a retry.
    ///
    /// # Errors
    ///
    /// If a file or the address cannot be used, or the master cannot be reached.
    pub async fn connect(&self) -> Result<Client, Failure> {
        let target = self.target()?;
        target.connect().await.or_exit(Exit::Unreachable)
    }

    fn read(&self, variable: Option<String>) -> Result<Target, ArgsError> {
        let token = self.token(variable)?;
        let mut tls = ClientTlsConfig::new();
        tls = match &self.ca {
            Some(path) => tls.ca_certificate(Certificate::from_pem(read_certificate(path)?)),
            None => tls.with_native_roots(),
        };
        if let (Some(certificate), Some(key)) = (&self.cert, &self.key) {
            tls = tls.identity(Identity::from_pem(
                read_certificate(certificate)?,
                read_key(key)?,
            ));
        }
        Ok(Target::new(&self.master, token.as_ref(), tls)?)
    }

    fn token(&self, variable: Option<String>) -> Result<Option<Token>, ArgsError> {
        let (from, text) = match (&self.token_file, variable) {
            (Some(path), _) => (path.display().to_string(), read_secret(path)?),
            (None, Some(text)) => (TOKEN_VARIABLE.to_owned(), text),
            (None, None) => return Ok(None),
        };
        let token = text.trim().parse();
        token
            .map(Some)
            .map_err(|source| ArgsError::Token { from, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::create_secret;

    fn args() -> MasterArgs {
        MasterArgs {
            master: proto::DEFAULT_MASTER.to_owned(),
            ca: None,
            token_file: None,
            cert: None,
            key: None,
        }
    }

    #[test]
    fn the_file_comes_before_the_variable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let (one, other) = (Token::generate().unwrap(), Token::generate().unwrap());
        create_secret(&path, &format!("{}\n", one.secret())).unwrap();
        let with_file = MasterArgs {
            token_file: Some(path),
            ..args()
        };
        let variable = Some(other.secret().to_owned());
        let read = with_file.token(variable.clone()).unwrap().unwrap();
        assert_eq!(read.secret(), one.secret());
        let read = args().token(variable).unwrap().unwrap();
        assert_eq!(read.secret(), other.secret());
        assert!(args().token(None).unwrap().is_none());
    }

    #[test]
    fn an_invalid_token_is_reported_without_its_text() {
        let error = args().token(Some("s3cret".into())).unwrap_err().to_string();
        assert!(error.contains("ROWMILL_TOKEN"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}
