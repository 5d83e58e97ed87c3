//! Texts about jobs and columns, the same on the dashboard and in reports: estimates with their error,
//! quantiles, histogram bars, the most frequent value, and remarks. `format` formats single numbers.

use std::borrow::Cow;

use cli::format::{count, grouped, grouped_decimal, percent, plural};
use cli::text::{Charset, brief};
use proto::v1::{
    ColumnProfile, ColumnType, Estimate, Job, JobState, Order, Quantile, TopValue, Uniqueness,
};

use crate::number;

/// The command that starts a worker for a job that has none: in the job's lane, and with `--allow` if
/// its operation is `exec`.
pub fn worker_command(job: &Job) -> String {
    let lane = match job.lane.as_str() {
        "" => String::new(),
        lane => format!(" --lane {lane}"),
    };
    let allow = if job.operation == "exec" {
        " --allow"
    } else {
        ""
    };
    format!("rowmill worker{lane}{allow}")
}

/// The reason why a job will not become complete by itself, and the remedy. `None` if no reason is known.
pub fn incomplete_reason(job: &Job) -> Option<String> {
    let id = &job.job_id;
    match job.state() {
        JobState::ChunksLost => {
            let lost = plural(job.chunks_lost, "chunk");
            Some(format!(
                "job {id} has lost {lost}: without a result, in no queue and with no worker; on the host that \
                 published it: rowmill publish --resume {id}"
            ))
        }
        JobState::Damaged => Some(format!("job {id} is damaged: {}", job.damage)),
        _ => None,
    }
}

/// With fewer rows almost any column looks like a key, or sorted.
const MIN_ROWS_FOR_KEY: u64 = 10;

/// `1,234,567`, or `≈ 1.02 M ± 0.8 %` if the count is an estimate, with its standard error.
pub fn estimate(estimate: &Estimate, charset: Charset) -> String {
    let short = brief_estimate(estimate, usize::MAX, charset);
    if estimate.error > 0.0 {
        format!("{short} {}", error_text(estimate.error, charset))
    } else {
        short
    }
}

/// Like [`estimate`], without the error; shortened to `1.02 M` if it is wider than `width` columns.
pub fn brief_estimate(estimate: &Estimate, width: usize, charset: Charset) -> String {
    if estimate.error > 0.0 {
        format!("{} {}", approximate_sign(charset), count(estimate.count, 6))
    } else {
        count(estimate.count, width)
    }
}

/// `± 0.8 %`.
pub fn error_text(relative: f64, charset: Charset) -> String {
    let sign = match charset {
        Charset::Utf8 => "±",
        Charset::Ascii => "+-",
    };
    // One decimal, rounded up, so that an error is never shown as 0.
    let percent = (relative * 1e3).ceil() / 10.0;
    format!("{sign} {percent} %")
}

/// The sign before an approximate number.
pub fn approximate_sign(charset: Charset) -> &'static str {
    match charset {
        Charset::Utf8 => "≈",
        Charset::Ascii => "~",
    }
}

/// The quantile at a rank from 0 to 1, if it is known.
pub fn quantile(column: &ColumnProfile, rank: f64) -> Option<&Quantile> {
    let mut quantiles = column.quantiles.iter();
    quantiles.find(|quantile| (quantile.rank - rank).abs() < 1e-9)
}

/// The quantile as text: `2,650`, or `≈ 2,648` if it is an estimate. A number wider than `width` columns is
/// shortened; one without an exact decimal is formatted by `number`.
pub fn quantile_text(
    column: &ColumnProfile,
    rank: f64,
    (width, number): (usize, fn(f64) -> String),
    charset: Charset,
) -> Option<String> {
    let Quantile { value, decimal, .. } = quantile(column, rank)?;
    let grouped = grouped_decimal(decimal);
    let text = if decimal.is_empty() || (grouped.len() > width && value.is_finite()) {
        number(*value)
    } else {
        number::decimal_text(decimal, width).into_owned()
    };
    Some(if column.quantile_error > 0.0 {
        format!("{} {text}", approximate_sign(charset))
    } else {
        text
    })
}

/// The mean as text: formatted by `number`, or from its exact decimal if it exceeds the range of `f64`.
pub fn mean_text(column: &ColumnProfile, number: fn(f64) -> String) -> Option<String> {
    let decimal = || Some(number::decimal_text(column.mean_decimal.as_deref()?, 0).into_owned());
    column.mean.map(number).or_else(decimal)
}

/// Whether the column's type is numeric.
pub fn is_number(column: &ColumnProfile) -> bool {
    matches!(column.r#type(), ColumnType::Integer | ColumnType::Decimal)
}

/// A column's minimum or maximum. A number wider than `width` columns is rounded, since a cut one would
/// read as another number; text is returned unchanged.
pub fn extreme<'t>(column: &ColumnProfile, text: &'t str, width: usize) -> Cow<'t, str> {
    if text.len() > width && is_number(column) {
        number::decimal_text(text, 0)
    } else {
        Cow::Borrowed(text)
    }
}

/// The type, with the share of cells that fit it if not all do.
pub fn type_text(column: &ColumnProfile) -> String {
    let name = proto::type_name(column.r#type());
    if column.fit < 1.0 && column.r#type() != ColumnType::Empty {
        format!("{name} {}", percent(column.fit))
    } else {
        name.into()
    }
}

/// The number of empty cells, with their share: `12 (1 %)`, or `0`.
pub fn empty_text(column: &ColumnProfile) -> String {
    match column.empty {
        0 => "0".to_owned(),
        some => format!("{} ({})", grouped(some), share(some, column.count)),
    }
}

/// The least and greatest length in bytes: `3-12`.
pub fn length_text(column: &ColumnProfile) -> String {
    match (column.length_min, column.length_max) {
        (Some(least), Some(most)) if least == most => least.to_string(),
        (Some(least), Some(most)) => format!("{least}-{most}"),
        _ => String::new(),
    }
}

/// `part` of `all` in percent: `0`, `<1 %`, `11 %`, `>99 %`. Never 0 % unless `part` is 0, nor 100 % unless it
/// is `all`.
pub fn share(part: u64, all: u64) -> String {
    match part {
        0 => "0".to_owned(),
        part => percent(part as f64 / all.max(1) as f64),
    }
}

/// Maximum width of a top value; callers cut it further.
const MAX_TOP_WIDTH: usize = 256;

/// A top value is shown only if it makes up at least one of this many cells.
const MAX_CELLS_PER_TOP_VALUE: u64 = 200;

/// The most frequent value after its share of the non-empty cells: `12 % AT`, so that the share remains
/// if the text is cut. `None` if the value occurs only once or is rare, since it tells nothing then.
/// Control characters in the value are made visible.
pub fn top(column: &ColumnProfile, charset: Charset) -> Option<String> {
    let TopValue { value, count, .. } = column.top.first()?;
    let all = non_empty(column);
    let is_frequent =
        (*count > 1 && count.saturating_mul(MAX_CELLS_PER_TOP_VALUE) >= all) || all == 1;
    is_frequent.then(|| {
        format!(
            "{} {}",
            share(*count, all),
            brief(value, MAX_TOP_WIDTH, charset)
        )
    })
}

/// Number of cells that are not empty.
pub fn non_empty(column: &ColumnProfile) -> u64 {
    column.count.saturating_sub(column.empty)
}

/// The histogram as bars in at most `width` columns; empty if there is none. A bar greater than zero is
/// at least one eighth high.
pub fn bars(column: &ColumnProfile, width: usize, charset: Charset) -> String {
    const UTF8: [char; 8] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇'];
    const ASCII: [char; 8] = [' ', '_', '.', ':', '-', '=', '+', '#'];
    let signs = match charset {
        Charset::Utf8 => UTF8,
        Charset::Ascii => ASCII,
    };
    let bar_heights = bar_heights(column, width);
    let most = bar_heights.iter().copied().fold(0.0, f64::max);
    let level = |height: f64| match height {
        h if h <= 0.0 => 0,
        h => ((h / most * 7.0).round() as usize).clamp(1, 7),
    };
    bar_heights
        .into_iter()
        .map(|height| signs[level(height)])
        .collect()
}

/// The histogram in at most `width` bars. A bin that overlaps two bars is split between them in proportion
/// to the overlap.
pub fn bar_heights(column: &ColumnProfile, width: usize) -> Vec<f64> {
    let bins = &column.histogram;
    if bins.len() <= width {
        return bins.iter().map(|bin| bin.count as f64).collect();
    }
    let mut bar_heights = vec![0.0; width];
    let per_bin = width as f64 / bins.len() as f64;
    for (at, bin) in bins.iter().enumerate() {
        let (from, to) = (at as f64 * per_bin, (at + 1) as f64 * per_bin);
        let first = from as usize;
        // A bin is narrower than a bar, so it overlaps two bars at most.
        let within = (to.min((first + 1) as f64) - from) / per_bin;
        bar_heights[first] += bin.count as f64 * within;
        if let Some(next) = bar_heights.get_mut(first + 1) {
            *next += bin.count as f64 * (1.0 - within);
        }
    }
    bar_heights
}

/// Remarks on a column: its warnings, then whether it is a key or sorted.
pub fn remarks(column: &ColumnProfile) -> Vec<String> {
    let mut remarks = warnings(column);
    remarks.extend(key_and_order(column));
    remarks
}

/// Problems that users of the column should know.
pub fn warnings(column: &ColumnProfile) -> Vec<String> {
    let mut warnings = Vec::new();
    let non_empty = non_empty(column);
    if column.r#type() == ColumnType::Empty && column.count > 0 {
        warnings.push("empty in every row".to_owned());
    }
    if column.fit < 1.0 {
        let misfits = ((1.0 - column.fit) * non_empty as f64).round() as u64;
        let kind = proto::type_name(column.r#type());
        let (cells, of) = (plural(misfits.max(1), "cell"), grouped(non_empty));
        warnings.push(format!("{cells} of {of} cannot be read as {kind}"));
    }
    let cells = [
        (
            column.leading_zeros(),
            "with leading zeros, which a number would lose",
        ),
        (
            column.surrounding_space(),
            "with a space or tab at the start or end",
        ),
    ];
    for (n, what) in cells {
        if n > 0 {
            warnings.push(format!("{} {what}", plural(n, "cell")));
        }
    }
    if column.out_of_range() > 0 {
        warnings.push(format!(
            "{} out of range, with more than 1,100 digits before or behind the decimal point, and left out \
             of min, max, sum, mean and quantiles",
            plural(column.out_of_range(), "number")
        ));
    }
    match column.mixed_case() {
        0 => {}
        1 => warnings.push("1 value differs from another only in upper and lower case".to_owned()),
        n => warnings.push(format!(
            "{} values differ from others only in upper and lower case",
            grouped(n)
        )),
    }
    warnings
}

/// Whether the column could be a key, and whether it is sorted.
fn key_and_order(column: &ColumnProfile) -> Option<String> {
    let key = match column.unique() {
        Uniqueness::Yes => Some("could be a key: no value occurs twice"),
        Uniqueness::Likely => Some("likely a key: no value was seen twice"),
        Uniqueness::Unspecified | Uniqueness::No => None,
    };
    let order = match column.order() {
        Order::Unspecified | Order::None => None,
        Order::Ascending | Order::StrictlyAscending => Some("sorted, ascending"),
        Order::Descending | Order::StrictlyDescending => Some("sorted, descending"),
        Order::Constant => Some("the same value in every cell that is not empty"),
    };
    let remarks: Vec<&str> = [key, order].into_iter().flatten().collect();
    (column.count >= MIN_ROWS_FOR_KEY && !remarks.is_empty()).then(|| remarks.join("; "))
}

#[cfg(test)]
mod tests {
    use proto::v1::Bin;

    use super::*;

    fn histogram(counts: &[u64]) -> ColumnProfile {
        let bin = |&count| Bin {
            count,
            ..Bin::default()
        };
        ColumnProfile {
            histogram: counts.iter().map(bin).collect(),
            ..ColumnProfile::default()
        }
    }

    #[test]
    fn an_estimate_shows_its_error() {
        let exact = Estimate {
            count: 1_234_567,
            error: 0.0,
        };
        let near = Estimate {
            count: 1_021_234,
            error: 0.0081,
        };
        assert_eq!(estimate(&exact, Charset::Utf8), "1,234,567");
        assert_eq!(estimate(&near, Charset::Utf8), "≈ 1.02 M ± 0.9 %");
        assert_eq!(estimate(&near, Charset::Ascii), "~ 1.02 M +- 0.9 %");
        assert_eq!(brief_estimate(&exact, 7, Charset::Utf8), "1.23 M");
    }

    #[test]
    fn an_estimated_quantile_is_marked_and_an_integer_stays_an_integer() {
        let text = |value, decimal: &str, quantile_error| {
            let column = ColumnProfile {
                quantiles: vec![Quantile {
                    rank: 0.5,
                    value,
                    decimal: decimal.into(),
                }],
                quantile_error,
                ..ColumnProfile::default()
            };
            let narrow = (10, number::narrow_text as fn(f64) -> String);
            quantile_text(&column, 0.5, narrow, Charset::Utf8).unwrap()
        };
        assert_eq!(text(2650.0, "2650", 0.0), "2,650");
        assert_eq!(text(2648.0, "2648", 0.0039), "≈ 2,648");
        assert_eq!(text(0.1, "0.10", 0.0), "0.10");
        assert_eq!(text(2647.976, "", 0.0039), "≈ 2,647.98");
        assert_eq!(text(1.5e18, "1500000000000000001", 0.0), "1.500e18");
        assert_eq!(text(f64::INFINITY, "1e400", 0.0), "1e400");
        assert_eq!(text(f64::INFINITY, &"9".repeat(400), 0.0), "1.000e400");
    }

    #[test]
    fn bars_keep_the_sum_and_never_show_a_count_as_zero() {
        let column = histogram(&[1, 0, 0, 1000, 4, 5]);
        assert_eq!(bars(&column, 6, Charset::Utf8), "▁  ▇▁▁");
        assert_eq!(bars(&column, 6, Charset::Ascii), "_  #__");
        for width in 1..=6 {
            let sum: f64 = bar_heights(&column, width).iter().sum();
            assert!((sum - 1010.0).abs() < 1e-6, "{width}: {sum}");
        }
        assert_eq!(bars(&histogram(&[]), 8, Charset::Utf8), "");
        assert_eq!(bars(&histogram(&[0, 0]), 8, Charset::Utf8), "  ");
    }

    #[test]
    fn a_share_is_never_rounded_to_none_or_all() {
        assert_eq!(share(0, 10), "0");
        assert_eq!(share(1, 1_000_000), "<1 %");
        assert_eq!(share(9_996, 100_000), "10 %");
        assert_eq!(share(999_999, 1_000_000), ">99 %");
        assert_eq!(share(0, 0), "0");
    }

    #[test]
    fn warnings_come_first_and_few_rows_make_no_key() {
        let mut column = ColumnProfile {
            r#type: ColumnType::Integer.into(),
            fit: 0.97,
            count: 100,
            leading_zeros: Some(1),
            unique: Uniqueness::Yes.into(),
            order: Order::StrictlyAscending.into(),
            ..ColumnProfile::default()
        };
        assert_eq!(
            remarks(&column),
            [
                "3 cells of 100 cannot be read as integer",
                "1 cell with leading zeros, which a number would lose",
                "could be a key: no value occurs twice; sorted, ascending",
            ]
        );
        column.count = 9;
        assert_eq!(remarks(&column).len(), 2);
    }

    #[test]
    fn a_top_value_is_sanitized_and_left_out_if_rare() {
        let mut column = ColumnProfile {
            count: 4,
            top: vec![TopValue {
                value: "\u{1b}[2J".into(),
                count: 2,
                over: 0,
            }],
            ..ColumnProfile::default()
        };
        assert_eq!(top(&column, Charset::Utf8).unwrap(), "50 % ␛[2J");
        column.top[0].count = 1;
        assert_eq!(top(&column, Charset::Utf8), None);
        (column.count, column.top[0].count) = (1000, 4);
        assert_eq!(top(&column, Charset::Utf8), None);
    }
}
