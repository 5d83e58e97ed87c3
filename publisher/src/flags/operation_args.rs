//! The flags of all operations, and the operation that they request.

use cli::Failure;
use engine::operation::Operation;
use proto::v1;
use proto::v1::operation_spec::Kind;

/// The flags of an operation. Implemented for its spec.
pub(super) trait OperationFlags: Operation + Default {
    /// The flags, shared by `publish` and `run`.
    type Args: clap::Args + std::fmt::Debug;

    /// Whether the flags request this operation.
    fn is_requested(args: &Self::Args) -> bool;

    /// The spec. Called only if it is requested.
    ///
    /// # Errors
    ///
    /// If a file that a flag names cannot be used.
    fn spec(args: &Self::Args) -> Result<Self, Failure>;
}

macro_rules! operation_args {
    ($($kind:ident($spec:ident, $partial:ident, $report:ident);)*) => {
        /// The flags of all operations.
        #[derive(Debug, clap::Args)]
        #[allow(non_snake_case)] // the fields have the names of the operations
        pub(super) struct OperationArgs {
            $(#[command(flatten)] $kind: <v1::$spec as OperationFlags>::Args,)*
        }

        impl OperationArgs {
            /// The requested operation: if several are, the last one in the list.
            pub(super) fn kind(&self) -> Result<Option<Kind>, Failure> {
                let mut kind = None;
                $(if v1::$spec::is_requested(&self.$kind) {
                    kind = Some(Kind::$kind(v1::$spec::spec(&self.$kind)?));
                })*
                Ok(kind)
            }

            /// Whether an operation is requested that makes rows.
            pub(super) fn makes_rows(&self) -> bool {
                $((v1::$spec::is_requested(&self.$kind) && v1::$spec::default().makes_rows()))||*
            }
        }
    };
}

proto::operations!(operation_args);
