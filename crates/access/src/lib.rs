//! Authentication and authorization: tokens and certificates for the master's gRPC service, the layer that checks every
//! call, and the key that signs jobs. Independent of what the calls and the chunks do.

mod args;
mod auth_layer;
mod authorization;
mod certificate;
mod hex;
mod scope;
mod secret;
mod serve;
mod signing;
mod target;
mod token;
mod token_file;

pub use args::MasterArgs;
pub use auth_layer::{AuthLayer, AuthService};
pub use authorization::Grant;
pub use certificate::{CertError, CertificateAuthority, IssuedCertificate};
pub use scope::Scope;
pub use secret::{SecretError, create_secret, read_certificate, read_key, read_secret};
pub use serve::{ServeArgs, ServeError, ServerSecurity};
pub use signing::{SigningArgs, SigningError, SigningKey};
pub use target::{Client, ConnectError, Target, client, connect, is_loopback, use_ring};
pub use token::{Token, TokenError};
pub use token_file::{TokenEntry, TokenFileError, append_token};
