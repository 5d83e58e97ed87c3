//! The list of operations: the only one in the workspace.

use crate::v1::{Report, chunk_result, operation_spec, report};

/// Passes the list of operations to the macro `$macro`. Each entry has the name of the variant in
/// `operation_spec::Kind`, `chunk_result::Partial` and `report::Kind`, and the message of each.
///
/// A crate that treats operations differently has a trait for that and passes the list to a macro that implements the
/// choice. The compiler then asks for the trait of each operation in the list.
#[macro_export]
macro_rules! operations {
    ($macro:ident) => {
        $macro! {
            Profile(ProfileSpec, ProfilePartial, Profile);
            Exec(ExecSpec, ExecPartial, ExecReport);
            Validate(ValidateSpec, ValidatePartial, ValidateReport);
        }
    };
}

macro_rules! from_messages {
    ($($kind:ident($spec:ident, $partial:ident, $report:ident);)*) => {$(
        impl From<crate::v1::$spec> for operation_spec::Kind {
            fn from(spec: crate::v1::$spec) -> Self {
                Self::$kind(spec)
            }
        }

        impl From<crate::v1::$partial> for chunk_result::Partial {
            fn from(partial: crate::v1::$partial) -> Self {
                Self::$kind(partial)
            }
        }

        impl From<crate::v1::$report> for report::Kind {
            fn from(report: crate::v1::$report) -> Self {
                Self::$kind(report)
            }
        }

        impl From<crate::v1::$report> for Report {
            fn from(report: crate::v1::$report) -> Self {
                Self { kind: Some(report.into()) }
            }
        }
    )*};
}

operations!(from_messages);
