//! The change of a numeric column's distribution: the Kolmogorov-Smirnov statistic, the largest distance
//! between the two distribution functions, from the histograms.

use cli::text::Charset;
use proto::v1::{Bin, ColumnProfile};

use super::value::{Change, Value, chance};
use crate::result_text::bars;

/// Number of bars shown.
const BARS: usize = 12;

/// The change, if both columns have histograms and they differ.
pub(super) fn change(before: &ColumnProfile, after: &ColumnProfile) -> Option<Change> {
    let (bins, bins_after) = (&before.histogram, &after.histogram);
    if bins == bins_after || bins.is_empty() || bins_after.is_empty() {
        return None;
    }
    // The critical value at the 5 % level: one in twenty pairs of samples of the same distribution exceeds it.
    let doubt = 1.36 * chance(numbers(bins), numbers(bins_after));
    let bars = |column| Value::Bars(bars(column, BARS, Charset::from_env()));
    Some(Change {
        column: Some(before.name.clone()),
        what: "spread",
        before: bars(before),
        after: bars(after),
        weight: (distance(bins, bins_after) - doubt).max(0.0),
    })
}

fn numbers(bins: &[Bin]) -> u64 {
    bins.iter().map(|bin| bin.count).sum()
}

/// The largest difference between the shares of numbers below any bin edge of either histogram.
fn distance(before: &[Bin], after: &[Bin]) -> f64 {
    let edges = before
        .iter()
        .chain(after)
        .flat_map(|bin| [bin.from, bin.to]);
    edges
        .map(|edge| (share_below(before, edge) - share_below(after, edge)).abs())
        .fold(0.0, f64::max)
}

/// The share of numbers below `edge`, assuming a uniform distribution within a bin.
fn share_below(bins: &[Bin], edge: f64) -> f64 {
    let all = numbers(bins);
    let below = |bin: &Bin| {
        let width = bin.to - bin.from;
        let within = match edge {
            edge if edge >= bin.to => 1.0,
            edge if edge <= bin.from || width <= 0.0 => 0.0,
            edge => (edge - bin.from) / width,
        };
        bin.count as f64 * within
    };
    bins.iter().map(below).sum::<f64>() / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(edges: &[f64], counts: &[u64]) -> Vec<Bin> {
        let bin = |(edges, &count): (&[f64], &u64)| Bin {
            from: edges[0],
            to: edges[1],
            count,
        };
        edges.windows(2).zip(counts).map(bin).collect()
    }

    #[test]
    fn the_distance_is_that_of_the_distributions() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        let even = bins(&[0.0, 1.0, 2.0], &[5, 5]);
        close(distance(&even, &even), 0.0);
        // The same numbers in one bar instead of two.
        close(distance(&even, &bins(&[0.0, 2.0], &[10])), 0.0);
        // Half of them moved into the first bar.
        close(distance(&even, &bins(&[0.0, 1.0, 2.0], &[20, 0])), 0.5);
        // None where they were.
        close(distance(&even, &bins(&[5.0, 6.0], &[3])), 1.0);
        // All equal.
        close(
            distance(&bins(&[3.0, 3.0], &[3]), &bins(&[3.0, 3.0], &[9])),
            0.0,
        );
    }
}
