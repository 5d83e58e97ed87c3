//! Drives the operation `validate` as a worker and a master do: the same rows, rejects and counts however the input is
//! cut.

#![allow(clippy::unwrap_used, clippy::float_cmp)] // a helper of a test may panic; exact figures are compared

use engine::operation::{self, Merged, ObserveError};
use engine::validate::Schema;
use engine::{Dialect, Limits, Splitter};
use proto::v1::chunk_result::Partial;
use proto::v1::operation_spec::Kind;
use proto::v1::{Chunk, OperationSpec, Reject, ValidateReport, ValidateSpec, report};

const SCHEMA: &str = r#"{"fields": [
    {"name": "id", "type": "integer", "constraints": {"required": true, "minimum": 1}},
    {"name": "country", "type": "string", "constraints": {"enum": ["DE", "FR"], "pattern": "[A-Z]{2}"}},
    {"name": "price", "type": "number", "missingValues": ["", "n/a"], "constraints": {"maximum": "99.90"}},
    {"name": "day", "type": "date", "format": "%d.%m.%Y"}
]}"#;

const INPUT: &str = "id,country,price,day\n1,DE,9.5,1.2.2024\nx,DE,1,1.2.2024\n,FR,n/a,\n3,fr,99.91,31.4.2024\n\
                     4,\"DE\",99.9,\n5,FR\n6,FR,1e1,02.02.2024\n";

struct Came {
    report: ValidateReport,
    rows: String,
    rejects: Vec<Reject>,
    good: u64,
    bad: u64,
}

fn operation(schema: &str, no_rows: bool) -> OperationSpec {
    let schema = schema.to_owned().into();
    OperationSpec {
        kind: Some(Kind::Validate(ValidateSpec { schema })),
        no_rows,
    }
}

fn came_of(input: &str, operation: &OperationSpec, target_bytes: usize) -> Came {
    let (mut columns, mut pieces) = (Vec::new(), Vec::new());
    let mut records = engine::records::Records::new(&Dialect::default(), input.as_bytes());
    if let Some(header) = records.read() {
        columns.extend(
            header
                .iter()
                .map(|cell| String::from_utf8_lossy(cell).into_owned()),
        );
    }
    let limits = Limits {
        target_bytes,
        ..Limits::default()
    };
    let mut splitter = Splitter::new(Dialect::default(), limits);
    splitter.push(input.as_bytes());
    splitter.finish();
    while let Some(piece) = splitter.next_piece().unwrap() {
        pieces.push(piece);
    }
    let mut merged = Merged::nothing(operation).unwrap();
    let mut came = Came {
        report: ValidateReport::default(),
        rows: String::new(),
        rejects: Vec::new(),
        good: 0,
        bad: 0,
    };
    for (seq, piece) in pieces.into_iter().enumerate() {
        let chunk = Chunk {
            seq: seq as u64,
            ..piece.into_chunk(operation, &Dialect::default(), &columns)
        };
        let observed = operation::observe(&chunk).unwrap();
        let partial = observed.partial;
        merged.merge(&Merged::try_from(&partial).unwrap()).unwrap();
        assert!(matches!(merged.partial(), Partial::Validate(_)));
        came.rows += std::str::from_utf8(&observed.output.unwrap_or_default()).unwrap();
        came.rejects.extend(observed.rejects);
        came.good += observed.rows;
        came.bad += observed.rejected;
    }
    let Some(report::Kind::Validate(report)) = merged.finish(operation, &columns).unwrap().kind
    else {
        panic!("a validate job has a report of rules");
    };
    came.report = report;
    came
}

#[test]
fn rows_rejects_and_counts_are_the_same_however_the_input_is_cut() {
    for target_bytes in [1, 40, 1 << 20] {
        let came = came_of(INPUT, &operation(SCHEMA, false), target_bytes);
        assert_eq!(
            came.rows,
            "1,DE,9.5,1.2.2024\n4,DE,99.9,\n6,FR,1e1,02.02.2024\n"
        );
        assert_eq!((came.good, came.bad), (3, 4));
        assert_eq!(
            (came.report.rows, came.report.valid, came.report.invalid),
            (6, 3, 3)
        );
        let broken = came.report.rules.iter().filter(|rule| rule.broken > 0);
        let broken: Vec<_> = broken
            .map(|rule| (&rule.column[..], &rule.rule[..], rule.broken))
            .collect();
        assert_eq!(
            broken,
            [
                ("id", "type", 1),
                ("id", "required", 1),
                ("country", "enum", 1),
                ("country", "pattern", 1),
                ("price", "maximum", 1),
                ("day", "type", 1)
            ]
        );
        let told: Vec<_> = came
            .rejects
            .iter()
            .map(|reject| (reject.line, &reject.reason[..]))
            .collect();
        assert_eq!(
            told,
            [
                (3, "id: \"x\" is not an integer"),
                (4, "id: it is missing"),
                (
                    5,
                    "country: \"fr\" is none of DE, FR; country: \"fr\" does not match [A-Z]{2}; \
                     price: \"99.91\" is greater than 99.90; day: \"31.4.2024\" is not a date %d.%m.%Y"
                ),
                (7, "2 fields where the header has 4"),
            ]
        );
        let violation = &came.rejects[0].violations[0];
        assert_eq!(
            (
                &violation.column[..],
                &violation.rule[..],
                &violation.value[..]
            ),
            ("id", "type", "x")
        );
    }
}

#[test]
fn rows_that_are_not_requested_are_only_counted() {
    let came = came_of(INPUT, &operation(SCHEMA, true), 1 << 20);
    assert_eq!((&came.rows[..], came.good), ("", 3));
}

#[test]
fn output_is_quoted_where_necessary() {
    let schema = r#"{"fields": [{"name": "a"}], "missingValues": []}"#;
    let came = came_of(
        "a\n\"x,\"\"y\"\n\"\"\n\"l\nm\"\nz\n",
        &operation(schema, false),
        1 << 20,
    );
    assert_eq!(came.rows, "\"x,\"\"y\"\n\"\"\n\"l\nm\"\nz\n");
}

#[test]
fn a_schema_with_an_unsupported_check_is_refused() {
    for (schema, said) in [
        ("[]", "not a JSON object"),
        ("{", "not JSON"),
        (r#"{"fields": []}"#, "1 to"),
        (
            r#"{"fields": [{"name": "a", "type": "text"}]}"#,
            "not a type",
        ),
        (r#"{"fields": [{"name": "a", "format": "x"}]}"#, "format"),
        (
            r#"{"fields": [{"name": "a", "required": true}]}"#,
            "constraints",
        ),
        (
            r#"{"fields": [{"name": "a", "constraints": {"requird": true}}]}"#,
            "constraint is not supported",
        ),
        (
            r#"{"fields": [{"name": "a", "Constraints": {}}]}"#,
            "is meant",
        ),
        (
            r#"{"fields": [{"name": "a", "type": "string", "constraints": {"minimum": 1}}]}"#,
            "not supported for the type",
        ),
        (
            r#"{"fields": [{"name": "a", "constraints": {"pattern": "a)(b"}}]}"#,
            "unopened",
        ),
        (
            r#"{"fields": [{"name": "a", "constraints": {"pattern": "((\\w{200}){200}){200}"}}]}"#,
            "size limit",
        ),
        (
            r#"{"fields": [{"name": "a", "type": "integer", "constraints": {"enum": ["x"]}}]}"#,
            "not a value",
        ),
        (
            r#"{"fields": [{"name": "a"}], "foreignKeys": [{}]}"#,
            "foreignKeys",
        ),
        (
            r#"{"fields": [{"name": "a"}], "primaryKey": "b"}"#,
            "no field",
        ),
    ] {
        let error = Schema::read(schema.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(said), "{schema}: {error}");
    }
    let deep = "[".repeat(100_000);
    assert!(Schema::read(deep.as_bytes()).is_err());
}

#[test]
fn columns_that_the_schema_does_not_have_are_named() {
    let plan = |matching: &str, columns: &[&str]| {
        let schema = format!(
            r#"{{"fields": [{{"name": "a"}}, {{"name": "b", "constraints": {{"required": true}}}}], "fieldsMatch": "{matching}"}}"#
        );
        let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let plan = engine::validate::RuleSet::new(
            &Schema::read(schema.as_bytes()).unwrap(),
            &columns,
            true,
        );
        plan.map(|plan| plan.rules().len())
            .map_err(|error| error.to_string())
    };
    assert!(plan("exact", &["a", "b"]).is_ok());
    assert!(
        plan("exact", &["b", "a"])
            .unwrap_err()
            .contains("another order")
    );
    assert!(
        plan("exact", &["a", "b", "c"])
            .unwrap_err()
            .contains("\"c\"")
    );
    assert!(plan("equal", &["b", "a"]).is_ok());
    assert!(plan("subset", &["c", "b", "a"]).is_ok());
    assert!(plan("subset", &["c", "b"]).unwrap_err().contains("\"a\""));
    assert_eq!(plan("superset", &["b"]), Ok(2));
    assert!(plan("superset", &["a"]).unwrap_err().contains("required"));
    assert!(plan("partial", &["c"]).is_err());
    assert!(plan("partial", &["c", "b"]).is_ok());
}

#[test]
fn a_chunk_whose_columns_do_not_fit_is_an_error() {
    let chunk = Chunk {
        operation: Some(operation(SCHEMA, false)),
        dialect: Some((&Dialect::default()).into()),
        columns: vec!["id".to_owned()],
        ..Chunk::default()
    };
    assert!(matches!(
        operation::observe(&chunk),
        Err(ObserveError::Schema(_))
    ));
}
