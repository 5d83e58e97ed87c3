//! The flag that checks records against a schema.

use std::path::PathBuf;

use cli::{Exit, Failure};
use engine::validate::{MAX_SCHEMA_BYTES, Schema};
use proto::v1::ValidateSpec;

use super::operation_args::OperationFlags;

/// The schema.
#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    /// Check each record against the JSON Table Schema in FILE, instead of profiling: records that break a rule are bad
    /// records
    #[arg(long, value_name = "FILE", conflicts_with_all = ["stats", "exact"], group = "makes_rows")]
    schema: Option<PathBuf>,
}

impl OperationFlags for ValidateSpec {
    type Args = ValidateArgs;

    fn is_requested(args: &ValidateArgs) -> bool {
        args.schema.is_some()
    }

    /// Fails if the file cannot be read, or is not a schema that rowmill supports.
    fn spec(args: &ValidateArgs) -> Result<Self, Failure> {
        let Some(path) = &args.schema else {
            return Ok(Self::default());
        };
        let failure = |why: &dyn std::fmt::Display| {
            Failure::message(Exit::Usage, format!("--schema {}: {why}", path.display()))
        };
        let length = std::fs::metadata(path)
            .map_err(|error| failure(&error))?
            .len();
        if length > MAX_SCHEMA_BYTES as u64 {
            return Err(failure(&format!(
                "the schema has {length} bytes, and at most {MAX_SCHEMA_BYTES} are read"
            )));
        }
        let schema = std::fs::read(path).map_err(|error| failure(&error))?;
        Schema::read(&schema).map_err(|error| failure(&error))?;
        // Workers of an earlier version reject JSON with a byte order mark.
        let schema = schema.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&schema);
        Ok(Self {
            schema: schema.to_vec().into(),
        })
    }
}
