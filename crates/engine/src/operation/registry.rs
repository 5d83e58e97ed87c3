//! Chooses the implementation of [`Operation`] for a message. No other file does.

use proto::Csv;
use proto::v1::chunk_result::Partial;
use proto::v1::operation_spec::Kind;
use proto::v1::{self, ChunkResult, JobOpen, OperationSpec, Reject, Report, RowKeys};

use super::{Mergeable, ObserveError, Operation};
use crate::partial::PartialError;
use crate::result::ResultError;
use crate::validate::DuplicateRows;

macro_rules! registry {
    ($($kind:ident($spec:ident, $partial:ident, $report:ident);)*) => {
        /// The operation. `None` if it is not known.
        pub fn of(operation: Option<&OperationSpec>) -> Option<&dyn Operation> {
            match operation?.kind.as_ref()? {
                $(Kind::$kind(spec) => Some(spec),)*
            }
        }

        /// The operation that a message of CSV from another AMQP client asks for.
        pub fn requested_by(csv: &Csv) -> OperationSpec {
            let kind: Option<Kind> = None;
            $(let kind = kind.or_else(|| v1::$spec::requested_by(csv).map(Kind::$kind));)*
            OperationSpec { kind, no_rows: false }
        }

        /// The merged state of any set of a job's chunks. Merging is exact, in any grouping and order.
        #[derive(Debug, Clone)]
        #[allow(missing_docs)] // the names of the operations
        pub enum Merged {
            $($kind(<v1::$spec as Operation>::State),)*
        }

        impl Merged {
            /// The state of no chunk.
            ///
            /// # Errors
            ///
            /// If the operation is not known.
            pub fn nothing(operation: &OperationSpec) -> Result<Self, ObserveError> {
                match operation.kind {
                    $(Some(Kind::$kind(_)) => Ok(Self::$kind(Default::default())),)*
                    None => Err(ObserveError::NoOperation),
                }
            }

            /// Adds the chunks of `other`. Changes nothing on an error.
            ///
            /// # Errors
            ///
            /// If the two are of different jobs.
            pub fn merge(&mut self, other: &Self) -> Result<(), PartialError> {
                match (self, other) {
                    $((Self::$kind(own), Self::$kind(other)) => own.merge(other),)*
                    _ => Err(PartialError::Operation),
                }
            }

            /// Checks that [`merge`](Self::merge) would succeed.
            ///
            /// # Errors
            ///
            /// If the two are of different jobs.
            pub fn check(&self, other: &Self) -> Result<(), PartialError> {
                match (self, other) {
                    $((Self::$kind(own), Self::$kind(other)) => own.check(other),)*
                    _ => Err(PartialError::Operation),
                }
            }

            /// Encodes it. For the same set of chunks the result is always the same.
            pub fn partial(&self) -> Partial {
                match self {
                    $(Self::$kind(state) => state.partial().into(),)*
                }
            }

            /// The report on a job that runs `operation` on columns named `columns`.
            ///
            /// # Errors
            ///
            /// If the state is not of such a job.
            pub fn finish(
                &self,
                operation: &OperationSpec,
                columns: &[String],
            ) -> Result<Report, PartialError> {
                match (self, &operation.kind) {
                    $((Self::$kind(state), Some(Kind::$kind(spec))) => {
                        Ok(spec.finish(state, columns)?.into())
                    })*
                    _ => Err(PartialError::Operation),
                }
            }

            /// Checks that the state can be of the job that `open` opened.
            ///
            /// # Errors
            ///
            /// If it is of another operation, or of other columns or rules.
            pub fn check_job(&self, open: &JobOpen) -> Result<(), ResultError> {
                let kind = open.operation.as_ref().and_then(|spec| spec.kind.as_ref());
                match (self, kind) {
                    $((Self::$kind(state), Some(Kind::$kind(spec))) => {
                        spec.check_state(state, &open.columns)
                    })*
                    _ => Err(PartialError::Operation.into()),
                }
            }

            /// Checks that the state agrees with the counts of `result`, which it came in. Returns the number of rows
            /// that an output of it has.
            pub(crate) fn check_counts(&self, result: &ChunkResult) -> Result<u64, ResultError> {
                match self {
                    $(Self::$kind(state) => state.check_counts(result),)*
                }
            }

            /// Whether the header of the output rows is not the input's but determined by the results.
            pub fn makes_header(&self) -> bool {
                match self {
                    $(Self::$kind(_) => <v1::$spec as Operation>::State::MAKES_HEADER,)*
                }
            }

            /// The header of the output rows, if the results determine it and it is known.
            pub fn header(&self) -> Option<&[String]> {
                match self {
                    $(Self::$kind(state) => state.header(),)*
                }
            }
        }

        impl TryFrom<&Partial> for Merged {
            type Error = PartialError;

            fn try_from(partial: &Partial) -> Result<Self, PartialError> {
                match partial {
                    $(Partial::$kind(partial) => Mergeable::from_partial(partial).map(Self::$kind),)*
                }
            }
        }

        /// The rejects for the valid rows of a chunk whose unique keys occurred before, and the resulting change of the
        /// merged state. `rows` are the chunk's output rows.
        ///
        /// # Errors
        ///
        /// If the operation has no unique keys, or `keys` are not those of `rows`.
        pub fn reject_repeated(
            operation: Option<&OperationSpec>,
            duplicates: &DuplicateRows,
            columns: &[String],
            keys: &RowKeys,
            rows: &[u8],
        ) -> Result<(Merged, Vec<Reject>), PartialError> {
            match operation.and_then(|operation| operation.kind.as_ref()) {
                $(Some(Kind::$kind(spec)) => {
                    let (state, rejects) = spec.reject_repeated(duplicates, columns, keys, rows)?;
                    Ok((Merged::$kind(state), rejects))
                })*
                None => Err(PartialError::Operation),
            }
        }
    };
}

proto::operations!(registry);
