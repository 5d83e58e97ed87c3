//! The flags for the broker's address, the same for every role. Credentials come from the environment or a file, never
//! from the command line, which every user of the host can read.

use std::path::{Path, PathBuf};

use access::{SecretError, read_certificate, read_key, read_secret};
use secrecy::{ExposeSecret, SecretString};

use crate::address::{AddressError, RabbitConfig, has_password};
use crate::session::Broker;
use crate::tls::Tls;

/// Heading of these flags in the help.
const HEADING: &str = "Broker";

/// Flags for the broker's address.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct BrokerArgs {
    /// RabbitMQ's address, without a password.
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "URL",
        conflicts_with = "broker_file",
        help = "RabbitMQ's address without a password, amqp://HOST:PORT/VHOST, several HOST:PORT with \
                commas between them for a cluster [default: guest at amqp://127.0.0.1:5672/%2f] \
                [env: ROWMILL_BROKER, then AMQP_URL; there it may be \
                amqp://USER:PASSWORD@HOST:PORT/VHOST]"
    )]
    pub broker: Option<String>,

    /// A file that contains RabbitMQ's address.
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "PATH",
        help = "A file whose first line is RabbitMQ's address with its password, readable by its owner \
                only [default: none] [env: ROWMILL_BROKER_FILE]"
    )]
    pub broker_file: Option<PathBuf>,

    /// Authorities that may have signed RabbitMQ's certificate.
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "FILE",
        env = "ROWMILL_BROKER_CA",
        help = "With amqps://, a PEM file with authorities that may have signed RabbitMQ's certificate, in \
                addition to the system's authorities",
        hide_short_help = true
    )]
    pub broker_ca: Option<PathBuf>,

    /// The client certificate.
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "FILE",
        env = "ROWMILL_BROKER_CERT",
        requires = "broker_key",
        help = "With amqps://, a PEM file with the client certificate to send to RabbitMQ",
        hide_short_help = true
    )]
    pub broker_cert: Option<PathBuf>,

    /// The private key of the client certificate.
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "FILE",
        env = "ROWMILL_BROKER_KEY",
        requires = "broker_cert",
        help = "The private key of --broker-cert, PEM, readable by its owner only",
        hide_short_help = true
    )]
    pub broker_key: Option<PathBuf>,

    /// The first part of every queue's name. `rowmill` if `None`.
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "NAME",
        default_value = DEFAULT_NAMESPACE,
        env = "ROWMILL_NAMESPACE",
        help = "The first part of every queue's name; publisher, workers and master must use the \
                same one"
    )]
    pub namespace: Option<String>,
}

/// Why the flags are invalid.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// Other users can read the password.
    #[error(
        "--broker holds a password, which every user of this host can read in the list of \
         processes; put the address into the variable ROWMILL_BROKER, or into a file named by \
         --broker-file"
    )]
    PasswordInFlag,
    /// A file with an address or a key cannot be read, or can be read by others.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The address or the namespace is invalid.
    #[error("{from}: {source}")]
    Address {
        /// The flag, variable or file that it came from.
        from: String,
        /// The cause.
        source: AddressError,
    },
}

const DEFAULT_URI: &str = "amqp://guest:guest@127.0.0.1:5672/%2f";
const DEFAULT_NAMESPACE: &str = "rowmill";

impl BrokerArgs {
    /// The broker that the flags and the environment name: the first of `--broker`,
    /// `--broker-file`, `ROWMILL_BROKER`, `ROWMILL_BROKER_FILE`, `AMQP_URL`, and this host's own.
    ///
    /// # Errors
    ///
    /// If the address is invalid or cannot be read, or has a password on the command line.
    pub fn broker(&self) -> Result<Broker, ArgsError> {
        Ok(Broker::rabbit(self.config()?))
    }

    /// Like [`broker`](Self::broker), but returns the settings.
    ///
    /// # Errors
    ///
    /// See [`broker`](Self::broker).
    pub fn config(&self) -> Result<RabbitConfig, ArgsError> {
        let (from, uri) = self.uri(|name| std::env::var(name).ok())?;
        let namespace = self.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
        let config = RabbitConfig::new(uri, namespace)
            .map_err(|source| ArgsError::Address { from, source })?;
        Ok(config.with_tls(self.tls()?))
    }

    fn tls(&self) -> Result<Tls, ArgsError> {
        let authorities = self
            .broker_ca
            .as_deref()
            .map(read_certificate)
            .transpose()?;
        let identity = match (&self.broker_cert, &self.broker_key) {
            (Some(path), Some(key)) => Some((read_certificate(path)?, read_key(key)?.into())),
            _ => None,
        };
        Ok(Tls {
            authorities,
            identity,
        })
    }

    /// The address and its origin. The variables are read here and not by clap, which would print a password in its
    /// help.
    fn uri(
        &self,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<(String, SecretString), ArgsError> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let found = |from: &str, uri: String| Ok((from.to_owned(), SecretString::from(uri)));
        if let Some(uri) = &self.broker {
            if has_password(uri) {
                return Err(ArgsError::PasswordInFlag);
            }
            return found("--broker", uri.clone());
        }
        if let Some(path) = &self.broker_file {
            return from_file(path);
        }
        if let Some(uri) = set("ROWMILL_BROKER") {
            return found("ROWMILL_BROKER", uri);
        }
        if let Some(path) = set("ROWMILL_BROKER_FILE") {
            return from_file(Path::new(&path));
        }
        if let Some(uri) = set("AMQP_URL") {
            return found("AMQP_URL", uri);
        }
        found("the default address", DEFAULT_URI.to_owned())
    }
}

fn from_file(path: &Path) -> Result<(String, SecretString), ArgsError> {
    let text = SecretString::from(read_secret(path)?);
    let line = text.expose_secret().lines().next().unwrap_or("").trim();
    Ok((path.display().to_string(), SecretString::from(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(args: &BrokerArgs, env: &[(&str, &str)]) -> Result<(String, String), ArgsError> {
        let find = |name: &str| {
            let found = env.iter().find(|(key, _)| *key == name)?;
            Some(found.1.to_owned())
        };
        let (from, uri) = args.uri(find)?;
        Ok((from, uri.expose_secret().to_owned()))
    }

    #[test]
    fn the_flag_comes_before_the_environment_and_that_before_the_default() {
        let flag = BrokerArgs {
            broker: Some("amqp://flag".into()),
            ..Default::default()
        };
        let none = BrokerArgs::default();
        let both = [
            ("AMQP_URL", "amqp://u:p@amqp"),
            ("ROWMILL_BROKER", "amqp://u:p@own"),
        ];
        assert_eq!(uri(&flag, &both).unwrap().1, "amqp://flag");
        assert_eq!(uri(&none, &both).unwrap().1, "amqp://u:p@own");
        assert_eq!(uri(&none, &both[..1]).unwrap().1, "amqp://u:p@amqp");
        assert_eq!(uri(&none, &[("AMQP_URL", "")]).unwrap().1, DEFAULT_URI);
    }

    #[test]
    fn a_password_on_the_command_line_is_refused() {
        let args = BrokerArgs {
            broker: Some("amqp://u:p@h/v".into()),
            ..Default::default()
        };
        assert!(matches!(uri(&args, &[]), Err(ArgsError::PasswordInFlag)));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let args = BrokerArgs {
            broker_file: Some("no/such/file".into()),
            ..Default::default()
        };
        let error = args.broker().unwrap_err().to_string();
        assert!(error.contains("no/such/file"), "{error}");
    }
}
