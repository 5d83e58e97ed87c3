//! Table Schemas, and cells validated against them: the schema ends at the first zero byte, and the CSV follows.

#![no_main]

use bytes::Bytes;
use engine::Dialect;
use engine::operation::observe;
use engine::validate::{RuleSet, Schema};
use libfuzzer_sys::fuzz_target;
use proto::v1::operation_spec::Kind;
use proto::v1::{Chunk, OperationSpec, ValidateSpec};

fuzz_target!(|data: &[u8]| {
    let at = data.iter().position(|&byte| byte == 0);
    let (json, csv) = data.split_at(at.unwrap_or(data.len()));
    let Ok(schema) = Schema::read(json) else {
        return;
    };
    let columns: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
    if RuleSet::new(&schema, &columns, true).is_err() {
        return;
    }
    let spec = ValidateSpec {
        schema: Bytes::copy_from_slice(json),
        ..ValidateSpec::default()
    };
    let body = Bytes::copy_from_slice(csv.get(1..).unwrap_or_default());
    let chunk = Chunk {
        operation: Some(OperationSpec {
            kind: Some(Kind::Validate(spec)),
            ..OperationSpec::default()
        }),
        dialect: Some((&Dialect::default()).into()),
        rows: memchr::memchr_iter(b'\n', &body).count() as u64,
        columns,
        body,
        ..Chunk::default()
    };
    // The number of rows may be wrong, which is an error.
    drop(observe(&chunk));
});
