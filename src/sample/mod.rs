//! `rowmill sample`: writes generated orders as CSV, to try rowmill with.

mod orders;
mod random;

use std::io::Write;
use std::str::FromStr;

use cli::units::{SIZES, parse_count, parse_percent};
use cli::{Exit, Failure, OrUnwritable, STDOUT};
use tokio_util::sync::CancellationToken;

use orders::{HEADER, Orders};

/// How much is written at once.
const BLOCK_BYTES: usize = 256 << 10;

/// Write sample data: orders as CSV, of any size
///
/// The orders have ten columns of several types, with empty cells and quoted line ends. The same arguments write the
/// same bytes on every machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rowmill sample 100MB > orders.csv
  rowmill sample 1000rows --seed 7 | rowmill run -
  rowmill sample 1GB --bad 0.5% | rowmill publish -")]
pub(crate) struct Args {
    /// The most bytes to write (500kB, 10MB, 1GB), or the number of rows (1000rows). The header is always written,
    /// and each record whole
    #[arg(value_name = "SIZE")]
    size: Size,

    /// Seed of the random numbers: another one gives other orders
    #[arg(long, value_name = "N", default_value_t = 20_240_101)]
    seed: u64,

    /// Share of bad records, which have too few or too many cells, such as 1%
    #[arg(long, value_name = "PERCENT", value_parser = share, default_value = "0%")]
    bad: f64,
}

impl Args {
    pub(crate) fn run(self, shutdown: &CancellationToken) -> Result<Exit, Failure> {
        let mut out = std::io::stdout().lock();
        let mut orders = Orders::new(self.seed, self.bad);
        let mut csv = HEADER.to_vec();
        let (mut rows, mut written) = (0, 0);
        loop {
            let end = csv.len();
            orders.append_next(&mut csv);
            rows += 1;
            if self.size.is_exceeded(rows, written + csv.len() as u64) {
                csv.truncate(end);
                let last = out.write_all(&csv).and_then(|()| out.flush());
                last.or_unwritable(STDOUT)?;
                return Ok(Exit::Ok);
            }
            if csv.len() >= BLOCK_BYTES {
                if shutdown.is_cancelled() {
                    return Err(Failure::message(Exit::Cancelled, "interrupted"));
                }
                out.write_all(&csv).or_unwritable(STDOUT)?;
                written += csv.len() as u64;
                csv.clear();
            }
        }
    }
}

/// How much to write at most.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Size {
    Bytes(u64),
    Rows(u64),
}

impl Size {
    fn is_exceeded(self, rows: u64, bytes: u64) -> bool {
        match self {
            Self::Bytes(most) => bytes > most,
            Self::Rows(most) => rows > most,
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = || parse_count(text, &SIZES).map(Self::Bytes);
        let rows = parse_count(text, &[("rows", 1)]).map(Self::Rows);
        rows.or_else(bytes).ok_or_else(|| {
            "a size (500kB, 10MB, 1GB) or a number of rows (1000rows) is expected".to_owned()
        })
    }
}

fn share(text: &str) -> Result<f64, String> {
    parse_percent(text).ok_or_else(|| "a share of all records (0.5%) is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_in_bytes_or_rows() {
        assert_eq!("10MB".parse(), Ok(Size::Bytes(10_000_000)));
        assert_eq!("677 rows".parse(), Ok(Size::Rows(677)));
        for bad in ["", "1000", "10M", "-1MB", "rows", "99999999TB"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_signal_ends_it() {
        let args = Args {
            size: Size::Rows(u64::MAX),
            seed: 1,
            bad: 0.0,
        };
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        assert_eq!(args.run(&shutdown).unwrap_err().exit, Exit::Cancelled);
    }
}
