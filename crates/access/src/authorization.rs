//! The scope that each call requires, and the grant of a caller.

use std::collections::HashSet;

use prost::Message;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{FileDescriptorSet, MethodOptions};

use crate::scope::Scope;

/// The grant of a caller; the layer puts it into each request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The scope.
    pub scope: Scope,
    /// The caller for the log: the name of the token or of the certificate.
    pub name: String,
}

/// gRPC's own services, which are read-only.
const READ_ONLY_SERVICES: [&str; 2] = ["/grpc.health.v1.", "/grpc.reflection.v1."];

/// The read-only calls.
#[derive(Debug)]
pub(crate) struct ReadOnlyCalls(HashSet<String>);

impl ReadOnlyCalls {
    /// The calls that the `.proto` files mark with `idempotency_level = NO_SIDE_EFFECTS`. All other and unknown calls
    /// require the scope `admin`, so that a new call is closed by default.
    pub(crate) fn from_descriptors() -> Result<Self, prost::DecodeError> {
        let files = FileDescriptorSet::decode(proto::DESCRIPTORS)?;
        let mut read_only = HashSet::new();
        for file in &files.file {
            for service in &file.service {
                let of_service = format!("/{}.{}/", file.package(), service.name());
                for method in &service.method {
                    let level = method
                        .options
                        .as_ref()
                        .map(MethodOptions::idempotency_level);
                    if level == Some(IdempotencyLevel::NoSideEffects) {
                        read_only.insert(format!("{of_service}{}", method.name()));
                    }
                }
            }
        }
        Ok(Self(read_only))
    }

    /// The scope that a call to `path` requires, as in `/rowmill.v1.Rowmill/Watch`.
    pub(crate) fn required_scope(&self, path: &str) -> Scope {
        let is_read_only = self.0.contains(path)
            || READ_ONLY_SERVICES
                .iter()
                .any(|service| path.starts_with(service));
        if is_read_only {
            Scope::Read
        } else {
            Scope::Admin
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_only_calls_require_read_and_all_others_admin() {
        let calls = ReadOnlyCalls::from_descriptors().unwrap();
        for (path, scope) in [
            ("/rowmill.v1.Rowmill/Watch", Scope::Read),
            ("/rowmill.v1.Rowmill/ReadOutput", Scope::Read),
            ("/grpc.health.v1.Health/Check", Scope::Read),
            ("/rowmill.v1.Rowmill/CancelJob", Scope::Admin),
            ("/rowmill.v1.Rowmill/NotThereYet", Scope::Admin),
            ("/rowmill.v1.Rowmill/watch", Scope::Admin),
            ("/x/Watch", Scope::Admin),
            ("", Scope::Admin),
        ] {
            assert_eq!(calls.required_scope(path), scope, "{path}");
        }
    }
}
