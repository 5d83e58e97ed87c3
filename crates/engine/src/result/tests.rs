//! Results that a worker can make are accepted, all others are refused.

use proto::v1::chunk_result::Partial;
use proto::v1::operation_spec::Kind;
use proto::v1::{
    Chunk, ExecSpec, OperationSpec, Output, ProfileSpec, Reject, RowKeys, ValidateSpec,
};

use super::*;
use crate::chunk::Packing;
use crate::exec;
use crate::operation::{Mergeable, observe};
use crate::output::pack;

const SCHEMA: &[u8] = br#"{"fields": [
    {"name": "id", "type": "integer", "constraints": {"unique": true}},
    {"name": "city", "type": "string"}
]}"#;

fn open(kind: Kind, no_rows: bool) -> JobOpen {
    JobOpen {
        operation: Some(OperationSpec {
            kind: Some(kind),
            no_rows,
        }),
        dialect: Some((&Dialect::default()).into()),
        columns: vec!["id".into(), "city".into()],
        ..JobOpen::default()
    }
}

fn profile() -> JobOpen {
    open(Kind::Profile(ProfileSpec::default()), false)
}

fn validate() -> JobOpen {
    let schema = SCHEMA.into();
    open(Kind::Validate(ValidateSpec { schema }), true)
}

fn command() -> JobOpen {
    open(Kind::Exec(ExecSpec::default()), false)
}

/// The result that a worker makes.
fn observed(open: &JobOpen, body: &'static [u8], rows: u64) -> ChunkResult {
    let chunk = Chunk {
        operation: open.operation.clone(),
        dialect: open.dialect,
        columns: open.columns.clone(),
        body: body.into(),
        rows,
        ..Chunk::default()
    };
    let observed = observe(&chunk).unwrap();
    let output = observed.output;
    ChunkResult {
        rows: observed.rows,
        rejected: observed.rejected,
        partial: Some(observed.partial),
        rejects: observed.rejects,
        output: output.map(|body| pack(body, observed.rows, Packing::Zstd)),
        keys: observed.keys,
        ..ChunkResult::default()
    }
}

fn executed() -> ChunkResult {
    let merged = exec::ExecState::of_chunk(vec!["x".into()], 3, 2);
    ChunkResult {
        rows: 3,
        partial: Some(merged.partial().into()),
        output: Some(pack("1\n2\n".into(), 2, Packing::Hash)),
        ..ChunkResult::default()
    }
}

fn validated() -> ChunkResult {
    observed(&validate(), b"1,a\n2,b\nx,c\n4\n", 4)
}

fn said(result: &ChunkResult, open: &JobOpen) -> String {
    check(result, Some(open)).unwrap_err().to_string()
}

#[test]
fn what_workers_make_is_accepted_before_and_after_the_opening() {
    for (open, result) in [
        (profile(), observed(&profile(), b"1,a\n2\n", 2)),
        (profile(), observed(&profile(), b"2\n", 1)),
        (validate(), validated()),
        (validate(), observed(&validate(), b"", 0)),
        (command(), executed()),
    ] {
        check(&result, Some(&open)).unwrap();
        let merged = check(&result, None).unwrap();
        merged.check_job(&open).unwrap();
    }
    assert_eq!(key_rules(&validate()), Ok(1));
    assert_eq!(key_rules(&profile()), Ok(0));
}

#[test]
fn a_result_without_a_partial_or_of_another_operation_is_refused() {
    assert_eq!(
        check(&ChunkResult::default(), None).unwrap_err(),
        ResultError::NoPartial
    );
    let results = [observed(&profile(), b"1,a\n", 1), validated(), executed()];
    for (at, result) in results.iter().enumerate() {
        for (of, open) in [profile(), validate(), command()].iter().enumerate() {
            assert_eq!(check(result, Some(open)).is_ok(), at == of, "{at} {of}");
        }
    }
    let none = JobOpen::default();
    assert!(said(&executed(), &none).contains("another operation"));
    let mut other = profile();
    other.columns.push("more".into());
    let told = said(&results[0], &other);
    assert!(told.contains("2 columns where 3"), "{told}");
}

#[test]
fn counts_that_contradict_each_other_are_refused() {
    let profiled = || observed(&profile(), b"1,a\n2,b\n", 2);
    let wrong = |result: ChunkResult, open: JobOpen, says: &str| {
        let told = said(&result, &open);
        assert!(told.contains(says), "expected {says:?} in {told:?}");
    };
    let mut result = profiled();
    result.rows = 3;
    wrong(result, profile(), "3 rows, 2 in its partial");
    let mut result = profiled();
    result.rejects.push(Reject::default());
    wrong(result, profile(), "1 bad records listed, 0 counted");
    let mut result = profiled();
    result.bytes = u64::MAX;
    wrong(result, profile(), "more than a chunk can have");
    let mut result = profiled();
    result.output = Some(Output::default());
    wrong(result, profile(), "it has rows");
    let mut result = executed();
    result.rows = 4;
    wrong(result, command(), "4 rows, 3 in its partial");
    let mut result = executed();
    result.output.as_mut().unwrap().rows = 1;
    wrong(result, command(), "2 rows made, 1 sent");
    let mut result = executed();
    result.output = None;
    wrong(result, command(), "it has no rows");
    let mut result = validated();
    result.rejected = 0;
    result.rejects.clear();
    wrong(
        result,
        validate(),
        "1 invalid rows in its partial, 0 bad records",
    );
    let mut result = validated();
    if let Some(Partial::Validate(partial)) = &mut result.partial {
        partial.again = 1;
    }
    wrong(result, validate(), "which one chunk cannot know");
    let mut result = validated();
    if let Some(Partial::Validate(partial)) = &mut result.partial {
        partial.broken.push(0);
    }
    wrong(result, validate(), "other rules");
}

#[test]
fn rows_and_keys_that_cannot_be_read_back_are_refused() {
    let with = |change: fn(&mut RowKeys)| {
        let mut result = validated();
        change(result.keys.as_mut().unwrap());
        said(&result, &validate())
    };
    assert!(with(|keys| keys.hashes[0].truncate(31)).contains("16 bytes a row"));
    assert!(with(|keys| keys.hashes[0].clear()).contains("16 bytes a row"));
    assert!(with(|keys| keys.hashes.push(vec![0; 32])).contains("keys of other rules"));
    assert!(with(|keys| keys.places.truncate(2)).contains("no place"));
    assert!(with(|keys| keys.places.fill(0xff)).contains("no place"));
    assert!(with(|keys| keys.places.push(0)).contains("more places"));
    let mut none = validated();
    none.keys = None;
    assert!(said(&none, &validate()).contains("no keys"));
    let mut torn = validated();
    torn.output.as_mut().unwrap().body_hash = Some(1);
    assert!(said(&torn, &validate()).contains("the output of chunk 0"));
    let mut fewer = validated();
    fewer.output = Some(pack("1,a\n".into(), 2, Packing::Nothing));
    assert!(said(&fewer, &validate()).contains("1 rows sent, 2 counted"));
}
