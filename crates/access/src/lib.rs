//! Who may do what, and how both sides prove it: tokens and certificates for the master's gRPC service,
//! with the guard that stands before all of it; and the key that jobs are signed with. It knows nothing of
//! what the calls and the chunks do.

mod admit;
mod args;
mod cert;
mod connect;
mod guard;
mod hex;
mod scope;
mod secret;
mod serve;
mod signing;
mod token;
mod tokens;

pub use admit::Grant;
pub use args::MasterArgs;
pub use cert::{CertError, Issued, Team};
pub use connect::{Client, ConnectError, Target, client, connect, is_loopback, use_ring};
pub use guard::{Guard, Guarded};
pub use scope::Scope;
pub use secret::{SecretError, create_secret, read_certificate, read_key, read_secret};
pub use serve::{Gate, ServeArgs, ServeError};
pub use signing::{SigningArgs, SigningError, SigningKey};
pub use token::{Token, TokenError};
pub use tokens::{Entry, TokensError, append};
