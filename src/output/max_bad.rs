//! The maximum number of bad records.

use std::str::FromStr;

use cli::units::parse_percent;

/// A number of records, or a share of all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum MaxBad {
    Records(u64),
    /// 0 to 1.
    Share(f64),
}

impl MaxBad {
    /// Whether `bad` bad records besides `good` ones exceed the limit.
    pub(crate) fn is_exceeded(self, bad: u64, good: u64) -> bool {
        match self {
            Self::Records(most) => bad > most,
            Self::Share(most) => bad > 0 && bad as f64 > most * (bad + good) as f64,
        }
    }
}

impl FromStr for MaxBad {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let records = || text.parse().ok().map(Self::Records);
        let share = parse_percent(text).map(Self::Share);
        share.or_else(records).ok_or_else(|| {
            "a number of records (10) or a share of all (0.5%) is expected".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_all_records_and_the_bound_itself_is_allowed() {
        let one_percent: MaxBad = "1%".parse().unwrap();
        assert!(!one_percent.is_exceeded(1, 99));
        assert!(one_percent.is_exceeded(2, 98));
        assert!(!"0".parse::<MaxBad>().unwrap().is_exceeded(0, 0));
        assert!("0".parse::<MaxBad>().unwrap().is_exceeded(1, 99));
        assert!("0%".parse::<MaxBad>().unwrap().is_exceeded(1, 99));
        assert!("101%".parse::<MaxBad>().is_err());
        assert!("some".parse::<MaxBad>().is_err());
    }
}
