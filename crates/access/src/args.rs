//! The flags that say where the master is and what to show it, the same for every command.

use std::path::PathBuf;

use cli::{Exit, Failure, OrExit};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::secret::{SecretError, read_certificate, read_key, read_secret};
use crate::target::{Client, ConnectError, Target};
use crate::token::{Token, TokenError};

/// A token, where no file is named. It is looked up here and not by clap, which would print it in its
/// help.
const TOKEN_VARIABLE: &str = "ROWMILL_TOKEN";

/// Where help lists these flags.
const HEADING: &str = "Master";

/// Where the master is. The flags are global: of a command that has commands, they may stand before and
/// behind these.
#[derive(Debug, Clone, clap::Args)]
pub struct MasterArgs {
    /// The master's gRPC address, http://HOST:PORT on this host, https://HOST:PORT on another
    #[arg(long, global = true,
        help_heading = HEADING, value_name = "ADDR", env = "ROWMILL_MASTER", default_value = proto::DEFAULT_MASTER)]
    master: String,

    /// A PEM file with the authority that signed the master's certificate [default: those that the
    /// system trusts]
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        env = "ROWMILL_CA",
        hide_short_help = true
    )]
    ca: Option<PathBuf>,

    /// A file with the token to show.
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        env = "ROWMILL_TOKEN_FILE",
        hide_env = true,
        help = "A file with the token to show, readable by its owner alone [env: ROWMILL_TOKEN_FILE; or \
                the token itself in ROWMILL_TOKEN]"
    )]
    token_file: Option<PathBuf>,

    /// A PEM file with the certificate to show, for a master that asks for one
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

    /// Its private key, PEM, readable by its owner alone
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

/// Why the flags name no master.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgsError {
    /// A file with a secret or a certificate cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// What should be a token is none.
    #[error("{from}: {source}")]
    Token {
        /// The file or the variable.
        from: String,
        /// Why not.
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
    /// When a file or the address cannot be used.
    pub fn target(&self) -> Result<Target, Failure> {
        let variable = std::env::var(TOKEN_VARIABLE).ok();
        self.read(variable.filter(|token| !token.is_empty()))
            .or_exit(Exit::Usage)
    }

    /// Connects, one attempt.
    ///
    /// # Errors
    ///
    /// When a file or the address cannot be used, or nobody answers.
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
    fn what_is_no_token_is_told_by_where_it_stands_alone() {
        let error = args().token(Some("s3cret".into())).unwrap_err().to_string();
        assert!(error.contains("ROWMILL_TOKEN"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}
