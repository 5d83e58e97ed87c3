//! Compares the statistics of a profile with the simplest way to compute them, within their stated bounds, and merges
//! pieces in any order, for data that is hard to merge.

#![allow(clippy::unwrap_used, clippy::float_cmp)] // a helper of a test may panic; exact figures are compared

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use engine::operation::Mergeable;
use engine::profile::{self, ProfileState, Profiler};
use num_bigint::BigInt;
use proptest::prelude::*;
use prost::Message;
use proto::v1::{
    ColumnProfile, FloatBucket, FloatSums, KindCounts, Order, Profile, ProfilePartial, ProfileSpec,
    Uniqueness,
};

const ALL: ProfileSpec = ProfileSpec {
    no_distinct: false,
    no_quantiles: false,
    no_top: false,
    no_checks: false,
    exact: false,
};

type Rows = Vec<Vec<String>>;

fn piece(rows: &[Vec<String>], spec: ProfileSpec, seq: u64) -> ProfileState {
    let columns = rows.first().map_or(0, Vec::len);
    let mut profiler = Profiler::new(columns, &spec, seq);
    for row in rows {
        profiler.add(row.iter().map(String::as_bytes));
    }
    profiler.merged()
}

fn names(columns: usize) -> Vec<String> {
    (0..columns).map(|column| format!("c{column}")).collect()
}

fn profile(rows: &[Vec<String>], spec: ProfileSpec) -> Profile {
    let columns = names(rows[0].len());
    piece(rows, spec, 0).finish(&columns).unwrap()
}

/// One column of cells.
fn column(cells: impl IntoIterator<Item = impl ToString>) -> Rows {
    cells
        .into_iter()
        .map(|cell| vec![cell.to_string()])
        .collect()
}

fn of(cells: impl IntoIterator<Item = impl ToString>) -> ColumnProfile {
    profile(&column(cells), ALL).columns.remove(0)
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ mixed >> 29
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 11) as usize % end
    }
}

/// The rows in pieces of at most `most`, each as a worker profiles it.
fn pieces(
    rows: &[Vec<String>],
    most: usize,
    spec: ProfileSpec,
    random: &mut Random,
) -> Vec<ProfileState> {
    let mut pieces = Vec::new();
    let mut rest = rows;
    while !rest.is_empty() {
        let (now, later) = rest.split_at((1 + random.below(most)).min(rest.len()));
        pieces.push(piece(now, spec, pieces.len() as u64));
        rest = later;
    }
    pieces
}

/// Merges all pieces in a random order and grouping; some are encoded and decoded.
fn merged(mut pieces: Vec<ProfileState>, random: &mut Random) -> ProfileState {
    while pieces.len() > 1 {
        let other = pieces.swap_remove(random.below(pieces.len()));
        let at = random.below(pieces.len());
        if random.below(2) == 0 {
            pieces[at] = ProfileState::from_partial(&carried(&pieces[at])).unwrap();
        }
        pieces[at].merge(&other).unwrap();
    }
    pieces.pop().unwrap_or_default()
}

fn carried(merged: &ProfileState) -> ProfilePartial {
    ProfilePartial::decode(merged.partial().encode_to_vec().as_slice()).unwrap()
}

/// The parts that depend only on the set of cells: the candidates for heavy hitters depend on the positions of the
/// cuts.
fn cut_free(mut profile: Profile) -> Profile {
    for column in &mut profile.columns {
        if column
            .distinct
            .is_some_and(|distinct| distinct.count > 1000)
        {
            column.top.clear();
            column.top_rest = None;
        }
    }
    profile
}

/// Merges in several orders, and checks that the results are equal, also to that of one piece.
fn check_merges(rows: &Rows, most: usize, seed: u64) -> Profile {
    let mut random = Random(seed);
    let pieces = pieces(rows, most, ALL, &mut random);
    let first = merged(pieces.clone(), &mut random);
    let bytes = first.partial().encode_to_vec();
    for _ in 0..2 {
        let again = merged(pieces.clone(), &mut random);
        assert_eq!(again.partial().encode_to_vec(), bytes);
    }
    let profile = first.finish(&names(rows[0].len())).unwrap();
    assert_eq!(
        cut_free(profile.clone()),
        cut_free(self::profile(rows, ALL))
    );
    profile
}

#[test]
fn hard_columns_merge_to_the_same_in_any_order() {
    let mut random = Random(7);
    let rows: Rows = (0..6000_u64)
        .map(|n| {
            let any = random.next();
            vec![
                n.to_string(),                                      // sorted, all distinct
                (100_000 - n).to_string(),                          // reversed
                "same".into(),                                      // all equal
                String::new(),                                      // empty
                (n % 1000).to_string(),                             // sorted within pieces
                (any % 5).to_string(),                              // few
                format!("{:.2}", (any % 1_000_000) as f64 / 100.0), // many numbers
                format!("{}e{}", any % 9 + 1, any % 600),           // up to beyond a double
                format!("-0.{any}{any}"),                           // long numbers
                ["NaN", "inf", "-", "1e", "+", "0x1f"][any as usize % 6].into(),
                format!("{}{}", "x".repeat(any as usize % 300), any % 700), // long, nearly too many
                if any.is_multiple_of(3) {
                    "hot".into()
                } else {
                    any.to_string()
                }, // one frequent value
            ]
        })
        .collect();
    let profile = check_merges(&rows, 900, 11);
    let [sorted, reversed, equal, empty, within, ..] = &profile.columns[..] else {
        panic!("{} columns", profile.columns.len());
    };
    assert_eq!(sorted.order(), Order::StrictlyAscending);
    assert_eq!(sorted.unique(), Uniqueness::Yes);
    assert_eq!(sorted.distinct.unwrap().count, 6000);
    assert_eq!(reversed.order(), Order::StrictlyDescending);
    assert_eq!(equal.order(), Order::Constant);
    assert_eq!(
        (empty.order(), empty.unique()),
        (Order::Unspecified, Uniqueness::No)
    );
    assert_eq!(within.order(), Order::None);
    let hot = &profile.columns[11].top[0];
    let truth = rows.iter().filter(|row| row[11] == "hot").count() as u64;
    assert_eq!(hot.value, "hot");
    assert!(
        hot.count >= truth && hot.count - hot.over <= truth,
        "{hot:?} of {truth}"
    );
}

/// A column whose order is lost early in one grouping and late in another, with equal neighbours between.
#[test]
fn pieces_of_one_row_merge_to_the_same() {
    let mut random = Random(494_886_378_881_876);
    let rows = (0..197).map(|_| {
        let value = random.below(23);
        vec![value.to_string(), format!("v{value}")]
    });
    check_merges(&rows.collect(), 1, 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn small_tables_and_their_overflow_merge_to_the_same(
        values in 1_usize..3000, count in 1_usize..4000, most in 1_usize..3000, seed in any::<u64>(),
    ) {
        let mut random = Random(seed);
        let rows = (0..count).map(|_| {
            let value = random.below(values);
            vec![value.to_string(), format!("v{}", value * value % 1999)]
        });
        check_merges(&rows.collect(), most, seed);
    }

    #[test]
    fn specs_that_differ_leave_in_what_both_have(first in 0_u32..32, second in 0_u32..32, seed in any::<u64>()) {
        let spec = |bits: u32| ProfileSpec {
            no_distinct: bits & 1 > 0, no_quantiles: bits & 2 > 0, no_top: bits & 4 > 0,
            no_checks: bits & 8 > 0, exact: bits & 16 > 0,
        };
        let mut random = Random(seed);
        let (few, many) = (column(0..30), column((0..1500).map(|_| random.below(9999))));
        let [a, b] = [piece(&few, spec(first), 0), piece(&many, spec(second), 1)];
        let [mut ab, mut ba] = [a.clone(), b.clone()];
        ab.merge(&b).unwrap();
        ba.merge(&a).unwrap();
        prop_assert_eq!(ab.partial(), ba.partial());
        let carried = ProfileState::from_partial(&carried(&ab)).unwrap();
        prop_assert_eq!(carried.partial(), ab.partial());
        let profile = ab.finish(&names(1)).unwrap();
        let both = first | second;
        prop_assert_eq!(profile.columns[0].distinct.is_none(), both & 1 > 0);
        prop_assert_eq!(profile.columns[0].quantiles.is_empty(), both & 2 > 0);
        prop_assert_eq!(profile.columns[0].top_rest.is_none(), both & 4 > 0);
        prop_assert_eq!(profile.columns[0].order() == Order::Unspecified, both & 8 > 0);
    }

    #[test]
    fn a_partial_that_was_tampered_with_never_panics(at in any::<usize>(), byte in any::<u8>(), seed in any::<u64>()) {
        let mut random = Random(seed);
        let rows = (0..1300).map(|_| vec![random.below(2000).to_string(), random.below(9).to_string()]);
        let own = piece(&rows.collect::<Rows>(), ALL, 3);
        let mut bytes = own.partial().encode_to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(wire) = ProfilePartial::decode(bytes.as_slice()) && let Ok(hostile) = ProfileState::from_partial(&wire) {
            let mut into = own.clone();
            let _done = into.merge(&hostile);
            drop(into.finish(&names(2)));
            let mut into = hostile.clone();
            let _done = into.merge(&hostile);
            drop(into.finish(&names(2)));
        }
    }
}

/// Values with counts, most frequent first, then by byte order.
fn frequencies(cells: &[String]) -> Vec<(&str, u64)> {
    let mut counts = BTreeMap::new();
    for cell in cells.iter().filter(|cell| !cell.is_empty()) {
        *counts.entry(cell.as_str()).or_insert(0) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&(_, count)| u64::MAX - count);
    counts
}

#[test]
fn frequent_values_keep_their_bounds() {
    let mut random = Random(3);
    // Zipf-like: the value n is about 1 / n times as frequent as the first.
    let cells: Vec<String> = (0..60_000)
        .map(|_| {
            let share = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
            format!("value {}", (20_000_f64.powf(share)) as u64)
        })
        .collect();
    let truth = frequencies(&cells);
    let pieces = pieces(&column(&cells), 9000, ALL, &mut random);
    let profile = merged(pieces, &mut random).finish(&names(1)).unwrap();
    let column = &profile.columns[0];
    assert_eq!(column.top.len(), 10);
    let counts: BTreeMap<_, _> = truth.iter().copied().collect();
    for value in &column.top {
        let count = counts[value.value.as_str()];
        assert!(
            value.count >= count && value.count - value.over <= count,
            "{value:?} of {count}"
        );
    }
    let listed: HashSet<_> = column
        .top
        .iter()
        .map(|value| value.value.as_str())
        .collect();
    let rest = truth
        .iter()
        .find(|(value, _)| !listed.contains(value))
        .unwrap();
    assert!(column.top_rest.unwrap() >= rest.1);
    let first: Vec<_> = truth[..5].iter().map(|(value, _)| *value).collect();
    let found: Vec<_> = column.top[..5]
        .iter()
        .map(|value| value.value.as_str())
        .collect();
    assert_eq!(found, first);
    let distinct = column.distinct.unwrap();
    let error = (distinct.count as f64 - truth.len() as f64).abs() / truth.len() as f64;
    assert!(
        error < 4.0 * distinct.error,
        "{distinct:?} of {}",
        truth.len()
    );
}

#[test]
fn exact_statistics_are_exact() {
    let mut random = Random(5);
    let cells: Vec<String> = (0..9000).map(|_| random.below(5000).to_string()).collect();
    let exact = ProfileSpec { exact: true, ..ALL };
    let pieces = pieces(&column(&cells), 4000, exact, &mut random);
    let profile = merged(pieces, &mut random).finish(&names(1)).unwrap();
    let column = &profile.columns[0];
    let truth = frequencies(&cells);
    assert_eq!(
        (
            column.distinct.unwrap().count,
            column.distinct.unwrap().error
        ),
        (truth.len() as u64, 0.0)
    );
    let top: Vec<_> = column
        .top
        .iter()
        .map(|value| (value.value.as_str(), value.count))
        .collect();
    assert_eq!(top, truth[..10]);
    assert_eq!(column.top_rest, Some(truth[10].1));
    assert_eq!(column.unique(), Uniqueness::No);
    assert_eq!(column.quantile_error, 0.0);
    check_quantiles(&cells, column);
}

/// Checks that each quantile is within the stated error of the number at its rank.
fn check_quantiles(cells: &[String], column: &ColumnProfile) {
    let mut numbers: Vec<f64> = cells.iter().filter_map(|cell| cell.parse().ok()).collect();
    numbers.sort_by(f64::total_cmp);
    assert_eq!(column.quantiles.len(), 7);
    for quantile in &column.quantiles {
        let rank = (quantile.rank * numbers.len() as f64).ceil() as usize;
        let truth = numbers[rank.max(1) - 1];
        let error = (quantile.value - truth).abs();
        let bound = truth.abs() * column.quantile_error * (1.0 + 1e-9);
        assert!(error <= bound, "{quantile:?} where {truth} is");
    }
    let bars = &column.histogram;
    assert!(
        bars.len() <= 32 && bars.iter().map(|bar| bar.count).sum::<u64>() == numbers.len() as u64
    );
    assert_eq!(
        (bars[0].from, bars[bars.len() - 1].to),
        (numbers[0], numbers[numbers.len() - 1])
    );
    assert!(bars.windows(2).all(|pair| pair[0].to == pair[1].from));
}

#[test]
fn quantiles_keep_their_bound() {
    let mut random = Random(9);
    let kinds: [&dyn Fn(u64) -> String; 5] = [
        &|any| (any % 1_000_000).to_string(),
        &|any| format!("-{}.{:03}", any % 70, any % 1000),
        &|any| format!("{}e-{}", any % 99_991, any % 40),
        &|any| format!("{}{}.5", if any % 2 == 0 { "-" } else { "" }, any % 5000),
        &|any| format!("{}e{}", any % 7 + 1, (any % 500) as i64 - 250),
    ];
    for kind in kinds {
        let cells: Vec<String> = (0..5000).map(|_| kind(random.next() >> 8)).collect();
        check_quantiles(&cells, &of(&cells));
    }
}

#[test]
fn close_integers_have_a_bin_each() {
    let column = of((1..=12).flat_map(|n| vec![n; n]));
    let bars: Vec<_> = column.histogram.iter().map(|bar| bar.count).collect();
    assert_eq!(bars, (1..=12).collect::<Vec<_>>());
    assert_eq!(column.quantiles[3].value, 9.0);
    assert_eq!(of([7, 7, 7]).histogram.len(), 1);
}

#[test]
fn skewness_is_that_of_the_formula() {
    // By scipy.stats.skew(x, bias=False).
    let skewness = of([2, 8, 0, 4, 1, 9, 9, 0]).skewness.unwrap();
    assert!((skewness - 0.330_582_2).abs() < 1e-6, "{skewness}");
    assert_eq!(of([1, 2, 3]).skewness, Some(0.0));
    assert_eq!(of([-5, -5, -5]).skewness, None);
    assert_eq!(of([1, 2]).skewness, None);
    let (right, left) = (of(["0.1", "0.25", "1e30"]), of(["-0.1", "-0.25", "-1e30"]));
    assert_eq!(right.skewness, left.skewness.map(|skewness| -skewness));
    assert!((right.skewness.unwrap() - 3_f64.sqrt()).abs() < 1e-9);
}

#[test]
fn checks_find_leading_zeros_spaces_case_and_order() {
    let column = of(["007", "0", "10", "0.5", "00", "1"]);
    assert_eq!(
        (column.leading_zeros, column.order()),
        (Some(2), Order::None)
    );
    let text = of([" a", "b\t", "c", "C", "c d", "Äb", "äb"]);
    assert_eq!(
        (text.surrounding_space, text.mixed_case),
        (Some(2), Some(2))
    );
    assert_eq!(of(["1", "2.0", "2.00", "10"]).order(), Order::Ascending);
    assert_eq!(of(["b", "b", "a"]).order(), Order::Descending);
    assert_eq!(of(["1e400", "5", "4"]).order(), Order::StrictlyDescending);
    assert_eq!(
        of(["bb", "a", "ccc", "b", "aaa"]).shortest.as_deref(),
        Some("a")
    );
    assert_eq!(
        of(["bb", "a", "ccc", "b", "aaa"]).longest.as_deref(),
        Some("aaa")
    );
    let long = of(["é".repeat(200)]);
    assert_eq!(long.longest, Some("é".repeat(128)));
    assert_eq!(long.top[0].value, "é".repeat(128));
}

#[test]
fn unique_columns_are_told_from_repeating_ones() {
    assert_eq!(of(0..5000).unique(), Uniqueness::Yes); // sorted
    let mut random = Random(1);
    let shuffled = of((0..5000).map(|_| random.next()));
    assert_eq!(shuffled.unique(), Uniqueness::Likely);
    let mut random = Random(1);
    assert_eq!(
        of((0..5000).map(|_| random.next() % 4000)).unique(),
        Uniqueness::No
    );
    assert_eq!(of(["b", "a", ""]).unique(), Uniqueness::No);
    assert_eq!(of(["b", "a"]).unique(), Uniqueness::Yes);
}

#[test]
fn duplicate_records_are_estimated() {
    let row = |n: u64| vec![(n * 7 % 9973).to_string(), (n * 7 % 9973 / 3).to_string()];
    let duplicates = |rows: Rows| check_merges(&rows, 1500, 5).duplicate_rows.unwrap();
    let few = duplicates((0..100).map(|n| row(n % 90)).collect());
    assert_eq!((few.count, few.error), (10, 0.0));
    let many = duplicates((0..9000).map(|n| row(n % 6000)).collect());
    let error = (many.count as f64 - 3000.0).abs() / 3000.0;
    assert!(many.error > 0.0 && error < 4.0 * many.error, "{many:?}");
    let none = duplicates((0..9000).map(row).collect());
    assert_eq!(none.count, 0);
}

#[test]
fn five_hundred_columns_are_profiled() {
    let rows: Rows = (0..40)
        .map(|row| (0..500).map(|column| (row * column).to_string()).collect())
        .collect();
    let profile = check_merges(&rows, 10, 2);
    assert_eq!(profile.columns[499].max.as_deref(), Some("19461"));
}

#[test]
fn a_partial_of_an_older_worker_still_merges() {
    let rows = column([3, 1, 2]);
    let mut old = piece(&rows, ALL, 0).partial();
    old.taken = 0;
    old.records = None;
    for column in &mut old.columns {
        (column.order, column.table) = (None, None);
        (column.shortest, column.longest) = (Vec::new(), Vec::new());
    }
    let mut merged = ProfileState::from_partial(&old).unwrap();
    merged.merge(&piece(&rows, ALL, 1)).unwrap();
    let column = &merged.finish(&names(1)).unwrap().columns[0];
    assert_eq!((column.count, column.sum.as_deref()), (6, Some("12")));
    assert_eq!(
        (column.skewness, &column.shortest, column.distinct),
        (None, &None, None)
    );
    assert!(profile::finish(&old, &names(1)).is_ok());
}

/// A number parsed in the simplest way: times 10^4000, all numbers of these tests are integers.
fn scaled(cell: &str) -> BigInt {
    let (digits, exponent) = cell.split_once(['e', 'E']).unwrap_or((cell, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let power = 4000 + exponent.parse::<i32>().unwrap() - fraction.len() as i32;
    let integer: BigInt = format!("{whole}{fraction}").parse().unwrap();
    integer * BigInt::from(10).pow(power as u32)
}

/// Checks all exact statistics of a column of numbers against the simplest way to compute them.
fn check_numbers(cells: &[String], column: &ColumnProfile) {
    let numbers: Vec<BigInt> = cells.iter().map(|cell| scaled(cell)).collect();
    let told = |text: &Option<String>| scaled(text.as_deref().unwrap());
    assert_eq!(Some(&told(&column.min)), numbers.iter().min(), "{cells:?}");
    assert_eq!(Some(&told(&column.max)), numbers.iter().max(), "{cells:?}");
    let sum: BigInt = numbers.iter().sum();
    assert_eq!(told(&column.sum), sum, "{cells:?}");
    if let Some(mean) = &column.mean_decimal {
        let count = BigInt::from(cells.len());
        let digits = cells.iter().map(|cell| {
            let (digits, exponent) = cell.split_once(['e', 'E']).unwrap_or((cell, "0"));
            let fraction = digits
                .split_once('.')
                .map_or(0, |(_, fraction)| fraction.len());
            fraction as i32 - exponent.parse::<i32>().unwrap()
        });
        // Half a unit of the last digit, which is six digits after the last digit of the numbers.
        let last = digits.max().unwrap_or(0).max(0) + 6;
        let most = BigInt::from(10).pow((4000 - last) as u32) * &count;
        let off = scaled(mean) * &count - &sum;
        let off = BigInt::from(off.magnitude().clone()) * 2;
        assert!(
            off <= most || cells.iter().any(|cell| cell.ends_with('0')),
            "{mean} of {cells:?}"
        );
    }
    let pairs = || numbers.windows(2).map(|pair| pair[1].cmp(&pair[0]));
    let (less, greater) = (pairs().any(Ordering::is_lt), pairs().any(Ordering::is_gt));
    let equal = pairs().any(Ordering::is_eq);
    let order = match (less, greater, equal) {
        (true, true, _) => Order::None,
        (false, false, _) => Order::Constant,
        (false, true, false) => Order::StrictlyAscending,
        (false, true, true) => Order::Ascending,
        (true, false, false) => Order::StrictlyDescending,
        (true, false, true) => Order::Descending,
    };
    assert_eq!(column.order(), order, "{cells:?}");
    let mut sorted = numbers;
    sorted.sort();
    assert_eq!((column.quantiles.len(), column.quantile_error), (7, 0.0));
    for quantile in &column.quantiles {
        let rank = (quantile.rank * sorted.len() as f64).ceil() as usize;
        assert_eq!(
            scaled(&quantile.decimal),
            sorted[rank.max(1) - 1],
            "{cells:?}"
        );
    }
    let bars = column.histogram.iter().map(|bar| bar.count);
    assert!(column.histogram.is_empty() || bars.sum::<u64>() == cells.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_of_any_length_are_exact_in_any_grouping(
        cells in prop::collection::vec(prop_oneof![
            4 => "[-+]?[0-9]{1,45}",
            4 => "-?[0-9]{1,25}\\.[0-9]{0,40}",
            2 => "12345678901234567[0-9]{2}",
            2 => "-?0\\.1[0-9]{30}",
            1 => "[0-9]{900,1000}",
            1 => "-?[0-9]\\.[0-9]{1,3}[eE]-?[0-9]{1,3}",
            1 => "0{0,3}[0-9]{1,3}",
            1 => "-0\\.?0*",
        ], 1..40),
        most in 1_usize..9, is_sorted in any::<bool>(), seed in any::<u64>(),
    ) {
        let mut cells = cells;
        if is_sorted {
            cells.sort_by_key(|cell| scaled(cell));
        }
        let profile = check_merges(&column(&cells), most, seed);
        check_numbers(&cells, &profile.columns[0]);
    }
}

#[test]
fn integers_of_nineteen_digits_are_exact() {
    let ids = ["1234567890123456789", "1234567890123456790"];
    let column = of(ids);
    assert_eq!(
        [column.min.as_deref(), column.max.as_deref()],
        ids.map(Some)
    );
    assert_eq!(column.order(), Order::StrictlyAscending);
    assert_eq!(column.sum.as_deref(), Some("2469135780246913579"));
    assert_eq!(
        column.mean_decimal.as_deref(),
        Some("1234567890123456789.5")
    );
    assert_eq!(column.quantiles[6].decimal, ids[1]);
    assert_eq!(column.histogram.len(), 2);
    assert_eq!(column.stddev, Some(0.5_f64.sqrt()));
    // A double cannot represent eighteen digits, but fifteen.
    let mean = of(["123456789012345678", "123456789012345679"]).mean_decimal;
    assert_eq!(mean.as_deref(), Some("123456789012345678.5"));
    assert_eq!(of(["123456789012345", "1"]).mean_decimal, None);
    assert_eq!(
        of(["-1e20", "0", "0"]).mean_decimal.as_deref(),
        Some("-33333333333333333333.333333")
    );
}

#[test]
fn numbers_greater_than_all_doubles_are_exact() {
    let column = of(["1e400", "2"]);
    assert_eq!(column.order(), Order::StrictlyDescending);
    assert_eq!(column.max.as_deref(), Some("1e400"));
    assert_eq!(column.out_of_range, Some(0));
    let digits = format!("5{}1", "0".repeat(398));
    assert_eq!((column.mean, column.mean_decimal), (None, Some(digits)));
    assert_eq!(column.stddev, None);
    assert!(column.histogram.is_empty());
    // Estimates are doubles, so there are none beyond the range of doubles.
    let many = of((1..=2000).map(|n| format!("{n}e{}", if n > 1500 { 400 } else { 0 })));
    assert!(many.quantile_error > 0.0);
    let ranks: Vec<f64> = many
        .quantiles
        .iter()
        .map(|quantile| quantile.rank)
        .collect();
    assert_eq!(ranks, [0.01, 0.05, 0.25, 0.5, 0.75]);
}

#[test]
fn numbers_out_of_range_are_counted_and_compared_as_infinite() {
    let huge = ["-1e5000", "3", "4", "1e5000"];
    let column = of(huge);
    assert_eq!((column.out_of_range, column.fit), (Some(2), 1.0));
    assert_eq!(
        (column.sum.as_deref(), column.max.as_deref()),
        (Some("7"), Some("4"))
    );
    assert_eq!(column.order(), Order::StrictlyAscending);
    // The order of these two is unknown.
    assert_eq!(of(["1e5000", "1e6000"]).order(), Order::None);
    assert_eq!(of(["1e6000", "1e5000", "1"]).order(), Order::None);
    let fine = format!("0.{}", "3".repeat(2000));
    let column = of(["0.1", &fine[..], "0.4"]);
    assert_eq!(
        (column.out_of_range, column.order()),
        (Some(1), Order::StrictlyAscending)
    );
    let rows = column_of_many(&huge);
    let profile = check_merges(&rows, 20, 5);
    assert_eq!(profile.columns[0].out_of_range, Some(150));
}

fn column_of_many(cells: &[&str]) -> Rows {
    column(cells.iter().cycle().take(300))
}

#[test]
fn a_partial_of_long_numbers_is_bounded() {
    let most = format!("{}.{}", "9".repeat(1100), "9".repeat(1100));
    let least = format!("-{most}");
    let rows = column((0..40).flat_map(|_| [&most, &least]));
    let basic = ProfileSpec {
        no_distinct: true,
        no_quantiles: true,
        no_top: true,
        ..ALL
    };
    let partial = piece(&rows, basic, 0).partial();
    assert!(partial.encoded_len() < 10_000, "{}", partial.encoded_len());
    assert!(ProfileState::from_partial(&partial).is_ok());
}

#[test]
fn sums_of_doubles_from_an_older_worker_stay_what_they_were() {
    // The sum 2^64 + 0.5: a half in the limb -1, a one in the limb 2.
    let bucket = |exponent, low| FloatBucket {
        exponent,
        high: 0,
        low,
    };
    let floats = FloatSums {
        count: 2,
        sum: vec![bucket(-1, 1 << 31), bucket(2, 1)],
        square: vec![bucket(-1, 1 << 30), bucket(4, 1)],
        min: 0.5,
        max: 18_446_744_073_709_551_616.0,
        cube: vec![bucket(-1, 1 << 29), bucket(6, 1)],
    };
    let basic = ProfileSpec {
        no_distinct: true,
        no_quantiles: true,
        no_top: true,
        no_checks: true,
        exact: false,
    };
    let mut old = piece(&column([1, 1]), basic, 0).partial();
    old.columns[0].decimals.clear();
    old.columns[0].floats = Some(floats);
    old.columns[0].kinds = Some(KindCounts {
        decimal: 2,
        ..KindCounts::default()
    });
    let mut merged = ProfileState::from_partial(&old).unwrap();
    let again = ProfileState::from_partial(&carried(&merged)).unwrap();
    assert_eq!(again.partial(), merged.partial());
    merged.merge(&piece(&column(["1e19"]), basic, 1)).unwrap();
    let column = &merged.finish(&names(1)).unwrap().columns[0];
    let sum = scaled("18446744073709551616.5") + scaled("1e19");
    assert_eq!(scaled(column.sum.as_deref().unwrap()), sum);
    assert_eq!(column.min.as_deref(), Some("0.5"));
    assert_eq!(column.max.as_deref(), Some("18446744073709552000"));
}

#[test]
fn differences_of_long_numbers_are_exact() {
    let difference = profile::difference;
    assert_eq!(
        difference("1234567890123456840", "1234567890123456790"),
        Some(50.0)
    );
    assert_eq!(difference("0.5", "1e-30"), Some(0.5));
    assert_eq!(difference("1", "x"), None);
}

#[test]
fn quantiles_are_the_values_of_the_file_while_the_table_has_them_all() {
    let decimals = |column: ColumnProfile| -> Vec<String> {
        column
            .quantiles
            .into_iter()
            .map(|quantile| quantile.decimal)
            .collect()
    };
    let quartiles = decimals(of([2650, 40, 9000]));
    assert_eq!(
        quartiles,
        ["40", "40", "40", "2650", "9000", "9000", "9000"]
    );
    let prices = decimals(of(["12.50", "1.00", "-3.10"]));
    assert_eq!(prices[3], "1.00");
    // Too many for the table: still an integer, near the exact one.
    let many = of((0..6000).map(|n| n * 10));
    assert!(many.quantile_error > 0.0);
    assert!(
        decimals(many)
            .iter()
            .all(|text| text.parse::<u64>().is_ok())
    );
    let mixed = of((0..6000).map(|n| if n == 0 { "0.5".into() } else { n.to_string() }));
    assert!(decimals(mixed).iter().all(String::is_empty));
}
