//! A profile with columns of all kinds, for tests of the output formats.

use proto::v1::{
    Bin, ColumnProfile, ColumnType, Estimate, GetJobResponse, Job, JobState, Order, Profile,
    Quantile, TopValue, Uniqueness,
};

const ROWS: u64 = 1_200_000;

/// A finished job with [`profile`].
pub(crate) fn response() -> GetJobResponse {
    let profile = profile();
    GetJobResponse {
        columns: profile
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect(),
        job: Some(Job {
            job_id: "01977f2e-8c00-7000-8000-0123456789ab".into(),
            name: "orders <b>&.csv".into(),
            operation: "profile".into(),
            state: JobState::Done.into(),
            publisher: "ada@mill".into(),
            opened_unix_ms: 1_790_000_000_000,
            finished_unix_ms: Some(1_790_000_002_500),
            bytes: 177_000_000,
            rows: ROWS,
            rejects: 3,
            ..Job::default()
        }),
        report: Some(profile.into()),
        ..GetJobResponse::default()
    }
}

/// Eight columns: clean, faulty, hostile, empty.
pub(crate) fn profile() -> Profile {
    Profile {
        rows: ROWS,
        columns: vec![
            id(),
            price(),
            country(),
            zip(),
            date(),
            hostile(),
            nothing(),
            basic(),
        ],
        duplicate_rows: Some(Estimate {
            count: 1234,
            error: 0.0081,
        }),
    }
}

fn column(name: &str, kind: ColumnType, min: &str, max: &str) -> ColumnProfile {
    ColumnProfile {
        name: name.into(),
        r#type: kind.into(),
        fit: 1.0,
        count: ROWS,
        min: Some(min.into()),
        max: Some(max.into()),
        length_min: Some(min.len() as u64),
        length_max: Some(max.len() as u64),
        length_mean: Some(min.len().midpoint(max.len()) as f64),
        shortest: Some(min.into()),
        longest: Some(max.into()),
        order: Order::None.into(),
        unique: Uniqueness::No.into(),
        leading_zeros: Some(0),
        surrounding_space: Some(0),
        mixed_case: Some(0),
        ..ColumnProfile::default()
    }
}

fn estimate(count: u64, error: f64) -> Estimate {
    Estimate { count, error }
}

fn top(values: &[(&str, u64)]) -> Vec<TopValue> {
    let value = |&(value, count): &(&str, u64)| TopValue {
        value: value.into(),
        count,
        over: 0,
    };
    values.iter().map(value).collect()
}

/// Sets the quantiles and 32 bars of numbers from `from` to `to`, with counts given by `weight`.
fn spread(column: &mut ColumnProfile, from: f64, to: f64, weight: impl Fn(u64) -> u64) {
    let at = |share: f64| from + share * (to - from);
    let ranks = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];
    column.quantiles = ranks
        .map(|rank| Quantile {
            rank,
            value: at(rank * rank),
            decimal: String::new(),
        })
        .to_vec();
    column.quantile_error = 0.01;
    let bin = |i: u64| Bin {
        from: at(i as f64 / 32.0),
        to: at((i + 1) as f64 / 32.0),
        count: weight(i),
    };
    column.histogram = (0..32).map(bin).collect();
    column.mean = Some(at(0.3));
    column.stddev = Some((to - from) / 7.0);
    column.skewness = Some(1.75);
}

fn id() -> ColumnProfile {
    let mut id = column("order_id", ColumnType::Integer, "1000001", "2200000");
    id.sum = Some("1920000600000".into());
    id.distinct = Some(estimate(1_200_000, 0.0));
    id.order = Order::StrictlyAscending.into();
    id.unique = Uniqueness::Yes.into();
    spread(&mut id, 1_000_001.0, 2_200_000.0, |_| 37_500);
    id
}

fn price() -> ColumnProfile {
    let mut price = column("unit_price", ColumnType::Decimal, "-12.50", "123456.78");
    price.sum = Some("278280000.123456789".into());
    price.distinct = Some(estimate(1_021_234, 0.0081));
    price.fit = 0.9991;
    price.top = top(&[("9.99", 40_000), ("19.99", 12_000)]);
    price.top_rest = Some(900);
    spread(&mut price, -12.5, 123_456.78, |i| 600_000 >> i);
    price
}

fn country() -> ColumnProfile {
    let mut country = column("country", ColumnType::Text, "AT", "us");
    country.distinct = Some(estimate(13, 0.0));
    country.top = top(&[("US", 500_000), ("DE", 250_000), ("us", 1200)]);
    country.mixed_case = Some(2);
    country.surrounding_space = Some(17);
    country
}

fn zip() -> ColumnProfile {
    let mut zip = column("zip", ColumnType::Integer, "7", "99999");
    zip.empty = 3;
    zip.leading_zeros = Some(54_321);
    zip.distinct = Some(estimate(41_000, 0.0081));
    spread(&mut zip, 7.0, 99_999.0, |i| {
        if i % 3 == 0 { 100 } else { 60_000 }
    });
    zip
}

fn date() -> ColumnProfile {
    let mut date = column(
        "ordered_at",
        ColumnType::Datetime,
        "2024-01-01T00:00:00Z",
        "2026-06-30T23:59:59Z",
    );
    date.order = Order::Ascending.into();
    date.unique = Uniqueness::Likely.into();
    date.distinct = Some(estimate(1_200_000, 0.0081));
    date
}

fn hostile() -> ColumnProfile {
    let mut hostile = column(
        "<script>alert(1)</script>\u{1b}[2J|\n\"' 東京 \u{202e}gnp",
        ColumnType::Text,
        "=cmd|' /C calc'!A0",
        "</td><img src=x onerror=alert(1)>",
    );
    hostile.top = top(&[("\u{1b}]0;owned\u{7}|`<b>", 600_000)]);
    hostile.distinct = Some(estimate(2, 0.0));
    hostile
}

fn nothing() -> ColumnProfile {
    ColumnProfile {
        name: "remark".into(),
        r#type: ColumnType::Empty.into(),
        fit: 1.0,
        count: ROWS,
        empty: ROWS,
        distinct: Some(estimate(0, 0.0)),
        ..ColumnProfile::default()
    }
}

/// The profile reduced to the statistics of `--stats basic`.
fn basic() -> ColumnProfile {
    ColumnProfile {
        name: "quantity".into(),
        r#type: ColumnType::Integer.into(),
        fit: 1.0,
        count: ROWS,
        empty: 132_000,
        min: Some("1".into()),
        max: Some("12".into()),
        sum: Some("2178720".into()),
        mean: Some(2.04),
        stddev: Some(1.42),
        length_min: Some(1),
        length_max: Some(2),
        length_mean: Some(1.1),
        ..ColumnProfile::default()
    }
}
