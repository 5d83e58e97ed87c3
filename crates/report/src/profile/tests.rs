//! The table at usual terminal widths, with difficult columns.

use proto::v1::Estimate;

use super::*;
use crate::sample;

fn written(width: usize, charset: Charset) -> String {
    let mut out = Vec::new();
    write(&mut out, &sample::profile(), width, charset).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn at_40_columns() {
    insta::assert_snapshot!(written(40, Charset::Utf8));
}

#[test]
fn at_80_columns() {
    insta::assert_snapshot!(written(80, Charset::Utf8));
}

#[test]
fn at_80_columns_in_ascii() {
    let text = written(80, Charset::Ascii);
    assert!(text.is_ascii());
    insta::assert_snapshot!(text);
}

#[test]
fn at_120_columns() {
    insta::assert_snapshot!(written(120, Charset::Utf8));
}

#[test]
fn at_200_columns() {
    insta::assert_snapshot!(written(200, Charset::Utf8));
}

#[test]
fn without_a_bound() {
    insta::assert_snapshot!(written(usize::MAX, Charset::Utf8));
}

#[test]
fn no_width_is_exceeded_and_no_cell_reaches_the_terminal() {
    for charset in [Charset::Utf8, Charset::Ascii] {
        for width in 40..260 {
            let text = written(width, charset);
            for line in text.lines() {
                assert!(text::width(line) <= width, "{width}: {line}");
                assert!(!line.chars().any(char::is_control), "{line:?}");
            }
        }
    }
}

#[test]
fn an_exact_count_is_not_called_an_estimate() {
    let mut profile = sample::profile();
    for column in &mut profile.columns {
        column.distinct = Some(Estimate {
            count: 7,
            error: 0.0,
        });
        column.quantile_error = 0.0;
    }
    let mut out = Vec::new();
    write(&mut out, &profile, 80, Charset::Utf8).unwrap();
    assert!(!String::from_utf8(out).unwrap().contains('≈'));
}
