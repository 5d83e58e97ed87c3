//! Compares `profile` over pieces, merged in any grouping, with the whole input in one piece, byte for byte; and its
//! statistics with the simplest way to compute them.

#![allow(clippy::unwrap_used, clippy::float_cmp)] // a helper of a test may panic; exact figures are compared

use engine::oracle::{self, WholeInput};
use engine::profile::Profiler;
use engine::records::Records;
use engine::{Dialect, Limits, Piece, Splitter, operation, profile};
use operation::{Mergeable, Merged};
use proptest::prelude::*;
use prost::Message;
use proto::v1::chunk_result::Partial;
use proto::v1::operation_spec::Kind;
use proto::v1::{
    Chunk, ColumnProfile, ColumnType, OperationSpec, ProfilePartial, ProfileSpec, Uniqueness,
    report,
};

fn profile_of(partial: Partial) -> ProfilePartial {
    match partial {
        Partial::Profile(partial) => partial,
        other => panic!("of another operation: {other:?}"),
    }
}

fn spec() -> OperationSpec {
    OperationSpec {
        kind: Some(Kind::Profile(ProfileSpec::default())),
        ..OperationSpec::default()
    }
}

fn chunk(columns: &[String], dialect: Dialect, seq: usize, piece: Piece) -> Chunk {
    Chunk {
        seq: seq as u64,
        ..piece.into_chunk(&spec(), &dialect, columns)
    }
}

fn chunks(dialect: Dialect, target_bytes: usize, input: &[u8]) -> Vec<Chunk> {
    let limits = Limits {
        target_bytes,
        ..Limits::default()
    };
    let mut splitter = Splitter::new(dialect, limits);
    splitter.push(input);
    splitter.finish();
    let mut pieces = Vec::new();
    while let Ok(Some(piece)) = splitter.next_piece() {
        pieces.push(piece);
    }
    let columns = splitter.header().unwrap_or_default();
    let numbered = pieces.into_iter().enumerate();
    numbered
        .map(|(seq, piece)| chunk(columns, dialect, seq, piece))
        .collect()
}

/// Rows, rejects, and the partial merged in the grouping given by `order`.
fn by_pieces(
    dialect: Dialect,
    target: usize,
    input: &[u8],
    order: u64,
) -> (u64, u64, ProfilePartial) {
    let (mut rows, mut rejected) = (0, 0);
    let mut partials = Vec::new();
    for chunk in chunks(dialect, target, input) {
        let observed = operation::observe(&chunk).unwrap();
        assert_eq!(observed.rows + observed.rejected, chunk.rows);
        rows += observed.rows;
        rejected += observed.rejected;
        partials.push(observed.partial);
    }
    let mut partials: Vec<_> = partials
        .iter()
        .map(|partial| Merged::try_from(partial).unwrap())
        .collect();
    let mut order = order;
    while partials.len() > 1 {
        order = order
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let other = partials.swap_remove((order >> 33) as usize % partials.len());
        let at = (order >> 17) as usize % partials.len();
        // Some partials are encoded and decoded, as in the master's store.
        if order.is_multiple_of(4) {
            partials[at] = Merged::try_from(&partials[at].partial()).unwrap();
        }
        partials[at].merge(&other).unwrap();
    }
    let merged = partials.pop().unwrap_or(Merged::nothing(&spec()).unwrap());
    (rows, rejected, profile_of(merged.partial()))
}

/// A partial without the parts that depend on the chunks.
fn without_chunks(mut partial: ProfilePartial) -> Vec<u8> {
    for column in &mut partial.columns {
        column.order = None;
        if let Some(table) = &mut column.table {
            table.ranks.clear();
        }
    }
    partial.encode_to_vec()
}

/// The candidates for heavy hitters of a column with too many values depend on the order of its cells.
fn without_nominees(mut partial: ProfilePartial) -> ProfilePartial {
    let frequent = partial
        .columns
        .iter_mut()
        .filter_map(|column| column.frequent.as_mut());
    frequent.for_each(|frequent| frequent.nominees.clear());
    partial
}

/// Five thousand records with columns of every kind.
fn all_sorts() -> String {
    let mixed = [
        "12",
        "1.5",
        "",
        "x y",
        "true",
        "2024-02-29",
        "1e400",
        "-99999999999",
        "a@b.org",
    ];
    let mut input = "id,few,mixed,long,stamp,mail,uuid,number,quoted\n".to_owned();
    for row in 0_u64..5000 {
        let random = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let cells = [
            row.to_string(),
            (random % 7).to_string(),
            mixed[random as usize % if row < 2000 { 1 } else { 9 }].to_owned(),
            format!("{}{row}", "long".repeat(random as usize % 90)),
            format!("2024-01-01T00:{:02}:{:02}Z", row / 60 % 60, row % 60),
            format!("m{random}@example.org"),
            format!("{:08x}-0000-4000-8000-{row:012x}", random as u32),
            format!("{}.{}", random % 100_000, row % 13),
            format!("\"{}\"\"{}\"", random % 3, row % 1200),
        ];
        input += &cells.join(",");
        input.push('\n');
    }
    input
}

#[test]
fn many_records_at_once_are_the_same_as_one_by_one() {
    let (dialect, input) = (Dialect::default(), all_sorts());
    for (no_distinct, no_checks) in [(false, false), (true, false), (false, true)] {
        let spec = ProfileSpec {
            no_distinct,
            no_checks,
            ..ProfileSpec::default()
        };
        for mut chunk in chunks(dialect, 600_000, input.as_bytes()) {
            chunk.operation = Some(OperationSpec {
                kind: Some(Kind::Profile(spec)),
                ..OperationSpec::default()
            });
            let mut profiler = Profiler::new(chunk.columns.len(), &spec, chunk.seq);
            let mut records = Records::new(&dialect, &chunk.body);
            while let Some(record) = records.read() {
                profiler.add(record.iter());
            }
            let batched = profile_of(operation::observe(&chunk).unwrap().partial);
            let plain = profiler.merged().partial();
            assert_eq!(without_nominees(batched), without_nominees(plain));
        }
    }
}

#[test]
fn few_long_values_are_counted_exactly() {
    let rows = (0..677).map(|row| format!("{:040}\n", row * 100 % 677));
    let column = column(&format!("id\n{}", rows.collect::<String>()));
    let distinct = column.distinct.unwrap();
    assert_eq!((distinct.count, distinct.error), (677, 0.0));
    assert_eq!(column.unique(), Uniqueness::Yes);
}

fn whole(dialect: Dialect, input: &[u8]) -> WholeInput {
    oracle::profile_in_one_piece(input, &dialect).unwrap()
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "-?[0-9]{1,6}(\\.[0-9]{0,4})?",
        2 => Just(String::new()),
        1 => "-?[0-9]{10,25}(\\.[0-9]{0,25})?",
        1 => "-?[0-9](\\.[0-9]{1,5})?[eE]-?[0-9]{1,3}",
        1 => "(true|FALSE|2024-0[1-9]-1[0-9]|12:3[0-9]:00|2024-01-01T00:00:00Z)",
        1 => "[a-c]{1,3}@[a-c]{1,3}\\.org",
        1 => "http://[a-c]{1,3}",
        1 => "\"([a-z, \n]|\"\"|é){0,300}\"",
    ]
}

/// Records of three fields, mostly.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let record = prop::collection::vec(cell(), 3..=3).prop_map(|cells| cells.join(","));
    let ragged = prop::collection::vec(cell(), 1..5).prop_map(|cells| cells.join(","));
    let line = prop_oneof![9 => record, 1 => ragged];
    prop::collection::vec(line, 0..40)
        .prop_map(|lines| format!("a,b,c\n{}\n", lines.join("\n")).into_bytes())
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn pieces_merged_in_any_grouping_are_the_whole(
        input in input(), target in 1_usize..2000, order in any::<u64>(), has_header in any::<bool>(),
    ) {
        let dialect = Dialect { has_header, ..Dialect::default() };
        let whole = whole(dialect, &input);
        let (rows, rejected, partial) = by_pieces(dialect, target, &input, order);
        prop_assert_eq!((rows, rejected), (whole.rows, whole.rejected));
        let [merged, one] = [&partial, &whole.partial]
            .map(|partial| profile::finish(partial, &whole.columns).unwrap());
        prop_assert_eq!(merged, one);
        prop_assert_eq!(without_chunks(partial), without_chunks(whole.partial));
    }

    #[test]
    fn figures_are_those_of_the_plain_way(numbers in prop::collection::vec(-1_000_000_i64..1_000_000, 2..50)) {
        let input = numbers.iter().fold("n\n".to_owned(), |text, n| format!("{text}{}.{:02}\n", n / 100, (n % 100).abs()));
        let hundredths: Vec<i64> = numbers.iter().map(|n| n / 100 * 100 + (n % 100).abs() * if n / 100 < 0 { -1 } else { 1 }).collect();
        let column = column(&input);
        let exact: Vec<f64> = hundredths.iter().map(|&n| n as f64 / 100.0).collect();
        let mean = exact.iter().sum::<f64>() / exact.len() as f64;
        let variance = exact.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (exact.len() - 1) as f64;
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + b.abs());
        prop_assert!(close(column.mean.unwrap(), mean));
        prop_assert!(close(column.stddev.unwrap(), variance.sqrt()));
        let sum: i64 = hundredths.iter().sum();
        prop_assert!(close(column.sum.unwrap().parse().unwrap(), sum as f64 / 100.0));
        let min = exact.iter().copied().fold(f64::INFINITY, f64::min);
        prop_assert_eq!(column.min.unwrap().parse::<f64>().unwrap(), min);
    }

    #[test]
    fn a_partial_from_the_wire_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), input in input()) {
        let mut into = profile::ProfileState::from_partial(&whole(Dialect::default(), &input).partial).unwrap();
        if let Ok(wire) = ProfilePartial::decode(bytes.as_slice())
            && let Ok(hostile) = profile::ProfileState::from_partial(&wire)
        {
            let before = into.partial();
            if into.merge(&hostile).is_err() {
                prop_assert_eq!(into.partial(), before);
            }
            let names = vec![String::new(); wire.columns.len()];
            drop(profile::finish(&wire, &names));
        }
    }
}

/// No file of failed cases: the output is enough to write a test.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The profile of the first column of `input`.
fn column(input: &str) -> ColumnProfile {
    let whole = whole(Dialect::default(), input.as_bytes());
    let finished = profile::finish(&whole.partial, &whole.columns).unwrap();
    finished.columns[0].clone()
}

fn kind(cells: &[&str]) -> (ColumnType, f64) {
    let column = column(&format!("x\n{}\n", cells.join("\n")));
    (column.r#type(), column.fit)
}

#[test]
fn a_column_has_the_narrowest_type_that_nearly_all_cells_fit() {
    assert_eq!(kind(&["1", "2"]), (ColumnType::Integer, 1.0));
    assert_eq!(kind(&["1", "2.5"]), (ColumnType::Decimal, 1.0));
    assert_eq!(kind(&["\"\""]), (ColumnType::Empty, 1.0));
    assert_eq!(kind(&["2024-01-01", "2024-01-02"]), (ColumnType::Date, 1.0));
    assert_eq!(
        kind(&["2024-01-01", "2024-01-02 10:00"]),
        (ColumnType::Datetime, 1.0)
    );
    assert_eq!(kind(&["1", "x"]), (ColumnType::Text, 1.0));
    let mut cells = vec!["7"; 19];
    cells.push("n/a");
    assert_eq!(kind(&cells), (ColumnType::Integer, 0.95));
}

#[test]
fn sums_keep_every_digit() {
    let column = column("n\n0.1\n0.20\n999999999999999999\n-999999999999999998\n");
    assert_eq!(column.sum.as_deref(), Some("1.30"));
    assert_eq!(column.min.as_deref(), Some("-999999999999999998"));
    assert_eq!(column.max.as_deref(), Some("999999999999999999"));
    assert_eq!(column.mean, Some(0.325));
}

#[test]
fn extremes_compare_across_scales_and_sizes() {
    let column = column("n\n1e300\n2.5\n-0.00000000000000000000001\n");
    assert_eq!(column.min.as_deref(), Some("-1e-23"));
    assert_eq!(column.max.as_deref(), Some("1e300"));
    let sum = format!("1{}2.49999999999999999999999", "0".repeat(299));
    assert_eq!(column.sum, Some(sum));
    let equal = self::column("n\n3\n3.00\n3.0\n");
    assert_eq!((equal.stddev, equal.mean), (Some(0.0), Some(3.0)));
}

#[test]
fn text_columns_are_ordered_by_bytes_and_have_lengths() {
    let column = column("t\nb\n\"\"\nabc\nZ\né\n");
    assert_eq!(column.r#type(), ColumnType::Text);
    assert_eq!(
        (column.min.as_deref(), column.max.as_deref()),
        (Some("Z"), Some("é"))
    );
    assert_eq!((column.length_min, column.length_max), (Some(1), Some(3)));
    assert_eq!(column.length_mean, Some(1.75));
    assert_eq!((column.count, column.empty), (5, 1));
    assert_eq!((column.sum, column.mean, column.stddev), (None, None, None));
}

#[test]
fn an_empty_column_has_a_profile_too() {
    let nothing = Merged::nothing(&spec()).unwrap();
    let names = ["a".to_owned(), "b".to_owned()];
    let Some(report::Kind::Profile(profile)) = nothing.finish(&spec(), &names).unwrap().kind else {
        panic!("of another operation");
    };
    assert_eq!((profile.rows, profile.columns.len()), (0, 2));
    assert_eq!(profile.columns[1].r#type(), ColumnType::Empty);
}

#[test]
fn ragged_records_are_rejected_where_they_stand() {
    let input = b"a,b\r\n1,2\r\n\"x\ny\",\"\"\r\n3\r\n\r\n4,5,6\r\n7,8\r\n";
    for target in [1, 12, 1000] {
        let mut rejects = Vec::new();
        let mut sample = Vec::new();
        for chunk in chunks(Dialect::default(), target, input) {
            let observed = operation::observe(&chunk).unwrap();
            rejects.extend(observed.rejects);
            sample.extend(observed.sample);
        }
        let told: Vec<_> = rejects
            .iter()
            .map(|reject| {
                (
                    reject.record,
                    reject.line,
                    reject.byte,
                    reject.reason.as_str(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (2, 5, 20, "1 field where the header has 2"),
                (3, 7, 25, "3 fields where the header has 2")
            ]
        );
        assert_eq!(rejects[1].raw, b"4,5,6");
        let rows: Vec<_> = sample
            .iter()
            .map(|row| (row.record, row.cells.join("|")))
            .collect();
        let expected = [(0, "1|2"), (1, "x\ny|"), (4, "7|8")];
        assert_eq!(
            rows,
            expected.map(|(record, cells)| (record, cells.to_owned()))
        );
    }
}

#[test]
fn a_chunk_that_cannot_be_processed_has_a_reason() {
    let good = chunks(Dialect::default(), 100, b"a\n1\n").remove(0);
    let says = |chunk: &Chunk| operation::observe(chunk).unwrap_err().to_string();
    let mut chunk = good.clone();
    chunk.operation = None;
    assert_eq!(
        says(&chunk),
        "the chunk names no operation that this version knows"
    );
    let mut chunk = good.clone();
    chunk.dialect = None;
    assert_eq!(says(&chunk), "the dialect has no delimiter");
    let mut chunk = good;
    chunk.rows = 7;
    assert_eq!(
        says(&chunk),
        "the chunk has 1 records where its publisher counted 7"
    );
}

#[test]
fn partials_of_other_columns_do_not_merge() {
    let [mut one, two] = [&b"a\n1\n"[..], b"a,b\n1,2\n"].map(|input| {
        profile::ProfileState::from_partial(&whole(Dialect::default(), input).partial).unwrap()
    });
    let before = one.partial();
    let error = one.merge(&two).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the partial has 2 columns where 1 are expected"
    );
    assert_eq!(one.partial(), before);
}
