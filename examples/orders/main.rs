//! `cargo run --release --example orders -- 100MB > orders.csv`: sample orders of any size, on
//! standard output. What a row looks like is for `generate`.

mod generate;

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use clap::Parser;

/// Writes made-up orders as CSV on standard output: the same ones for the same size and seed.
#[derive(Debug, Parser)]
struct Args {
    /// How much to write, at most: bytes, or with KB, MB, GB (powers of 1000), KiB, MiB, GiB
    #[arg(value_parser = parse_size)]
    size: u64,
    /// Where the random numbers start
    #[arg(long, default_value_t = generate::SEED)]
    seed: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match generate::write(&mut io::stdout().lock(), args.size, args.seed) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        #[allow(clippy::disallowed_macros)] // an example stands alone
        Err(error) => {
            eprintln!("orders: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        unit => return Err(format!("{unit:?} is no unit (KB, MB, GB, KiB, MiB, GiB)")),
    };
    let number: u64 = digits
        .trim()
        .parse()
        .map_err(|_| "a size is digits and a unit")?;
    number
        .checked_mul(unit)
        .ok_or_else(|| "too large".to_owned())
}
