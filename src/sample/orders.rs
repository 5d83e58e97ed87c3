//! Generates orders: ascending ids and times, recurring customers, skewed countries and categories, prices over four
//! orders of magnitude, and notes of which one in twenty has commas, quotes and line feeds.

use super::random::{Random, Weighted};

pub(super) const HEADER: &[u8] =
    b"order_id,customer_id,ordered_at,country,category,quantity,unit_price,discount,note,email\n";

const COUNTRIES: Weighted = &[
    ("US", 310),
    ("DE", 150),
    ("GB", 120),
    ("FR", 90),
    ("NL", 60),
    ("IT", 50),
    ("ES", 45),
    ("PL", 35),
    ("CA", 30),
    ("SE", 25),
    ("AT", 20),
    ("BR", 18),
    ("JP", 15),
    ("AU", 12),
    ("IE", 8),
    ("NO", 6),
    ("PT", 4),
    ("NZ", 2),
];

const CATEGORIES: Weighted = &[
    ("books", 240),
    ("home & kitchen", 190),
    ("electronics", 160),
    ("clothing", 140),
    ("toys", 80),
    ("garden", 60),
    ("sports", 50),
    ("beauty", 40),
    ("office", 25),
    ("music", 15),
];

const DISCOUNTS: Weighted = &[
    ("0.00", 550),
    ("", 100),
    ("0.05", 130),
    ("0.10", 120),
    ("0.15", 50),
    ("0.20", 35),
    ("0.25", 10),
    ("0.50", 5),
];

const PHRASES: &[&str] = &[
    "please ring twice",
    "leave the parcel with the neighbour",
    "gift wrap in blue paper",
    "no plastic if possible",
    "call before delivery",
    "second floor on the left",
    "fragile",
    "a birthday present for our daughter",
    "same as last time",
    "invoice to the office",
    "only after five",
    "use the side entrance behind the garage",
    "thank you",
    "not at the weekend",
    "the bell does not work",
    "no hurry",
];

const FIRST_NAMES: &[&str] = &[
    "ada", "grace", "alan", "edsger", "barbara", "donald", "frances", "john", "margaret",
    "niklaus", "radia", "tony", "karen", "dennis", "shafi", "leslie", "adele", "ken", "lynn",
    "vint", "mary", "robin", "hedy", "emil",
];

const LAST_NAMES: &[&str] = &[
    "berger", "costa", "dubois", "evans", "fischer", "garcia", "hansen", "ito", "jansen",
    "kowalski", "larsen", "martin", "novak", "olsen", "petrov", "quinn", "rossi", "smith",
    "tanaka", "ueda", "vogel", "weber", "young",
];

const MAIL_HOSTS: Weighted = &[
    ("example.com", 600),
    ("example.org", 250),
    ("mail.example.net", 120),
    ("post.example.co.uk", 30),
];

const CUSTOMERS: u64 = 200_000;

/// The first columns, whose cells are never quoted.
const UNQUOTED: u64 = 8;

/// A sequence of orders, determined by a seed.
#[derive(Debug)]
pub(super) struct Orders {
    random: Random,
    /// Of its own, so that the orders do not depend on which of them are damaged.
    damage: Random,
    /// The share of bad records, 0 to 1.
    bad: f64,
    rows: u64,
    /// Of the last order, since 1970.
    second: u64,
}

impl Orders {
    pub(super) fn new(seed: u64, bad: f64) -> Self {
        Self {
            random: Random::new(seed),
            damage: Random::new(!seed),
            bad,
            rows: 0,
            second: 1_704_067_200, // 2024-01-01T00:00:00Z
        }
    }

    /// Appends the next order to `csv`; a share of them as bad records.
    pub(super) fn append_next(&mut self, csv: &mut Vec<u8>) {
        let start = csv.len();
        self.rows += 1;
        self.second += self.random.below(60) + 1;
        order(csv, &mut self.random, self.rows, self.second);
        if self.damage.is_in(self.bad) {
            damage(csv, start, &mut self.damage);
        }
    }
}

/// Gives the record that begins at `start` a cell too many, or cuts it off after one of its first cells.
fn damage(csv: &mut Vec<u8>, start: usize, random: &mut Random) {
    csv.pop();
    if random.below(2) == 0 {
        csv.push(b',');
    } else {
        let cells = random.below(UNQUOTED) as usize;
        let mut commas = (start..csv.len()).filter(|&at| csv[at] == b',');
        let end = commas.nth(cells).unwrap_or(csv.len());
        csv.truncate(end);
    }
    csv.push(b'\n');
}

fn order(row: &mut Vec<u8>, random: &mut Random, id: u64, second: u64) {
    // The lower of two draws: some customers come often.
    let customer = random.below(CUSTOMERS).min(random.below(CUSTOMERS));
    let mut person = Random::new(customer.wrapping_mul(0x5851_f42d_4c95_7f2d));
    number(row, 1_000_000 + id);
    row.push(b',');
    uuid(row, &mut person);
    row.push(b',');
    timestamp(row, second);
    row.push(b',');
    row.extend_from_slice(person.draw(COUNTRIES).as_bytes());
    row.push(b',');
    row.extend_from_slice(random.draw(CATEGORIES).as_bytes());
    row.push(b',');
    number(row, 1 + u64::from(random.next().trailing_zeros().min(19)));
    row.push(b',');
    price(row, random);
    row.push(b',');
    row.extend_from_slice(random.draw(DISCOUNTS).as_bytes());
    row.push(b',');
    note(row, random);
    row.push(b',');
    email(row, &mut person, customer);
    row.push(b'\n');
}

fn number(row: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    row.extend_from_slice(&digits[at..]);
}

fn two(row: &mut Vec<u8>, number: u64) {
    row.extend_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
}

fn uuid(row: &mut Vec<u8>, random: &mut Random) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // Version 4, variant 1.
    let high = random.next() & !0xf000 | 0x4000;
    let low = random.next() >> 2 | 1 << 63;
    for (at, byte) in high
        .to_be_bytes()
        .into_iter()
        .chain(low.to_be_bytes())
        .enumerate()
    {
        if matches!(at, 4 | 6 | 8 | 10) {
            row.push(b'-');
        }
        row.extend_from_slice(&[
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]);
    }
}

/// Seconds since 1970 as 2006-01-02T15:04:05Z, by H. Hinnant's `civil_from_days`.
fn timestamp(row: &mut Vec<u8>, second: u64) {
    let (days, time) = (second / 86_400 + 719_468, second % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153; // months from March on
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    number(row, year_of_era + era * 400 + u64::from(month <= 2));
    for (mark, part) in [(b'-', month), (b'-', day)] {
        row.push(mark);
        two(row, part);
    }
    for (mark, part) in [
        (b'T', time / 3_600),
        (b':', time / 60 % 60),
        (b':', time % 60),
    ] {
        row.push(mark);
        two(row, part);
    }
    row.push(b'Z');
}

/// From 1.28 to 5242.87, each doubling as likely as the next but the highest ones rarer.
fn price(row: &mut Vec<u8>, random: &mut Random) {
    let doublings = random.below(12).min(random.below(16));
    let cents = (128 + random.below(128)) << doublings | random.below(1 << doublings);
    let cents = if random.below(3) == 0 {
        cents
    } else {
        cents / 100 * 100 + 99
    };
    number(row, cents / 100);
    row.push(b'.');
    two(row, cents % 100);
}

fn note(row: &mut Vec<u8>, random: &mut Random) {
    match random.below(20) {
        0 => awkward_note(row, random),
        1..=5 => {}
        6..=11 => phrases(row, random, " and "),
        _ => row.extend_from_slice(random.pick(PHRASES).as_bytes()),
    }
}

fn phrases(row: &mut Vec<u8>, random: &mut Random, between: &str) {
    row.extend_from_slice(random.pick(PHRASES).as_bytes());
    row.extend_from_slice(between.as_bytes());
    row.extend_from_slice(random.pick(PHRASES).as_bytes());
}

/// Commas, a quotation, and a line feed.
fn awkward_note(row: &mut Vec<u8>, random: &mut Random) {
    row.push(b'"');
    phrases(row, random, ", ");
    row.extend_from_slice(b":\nthe card says \"\"");
    row.extend_from_slice(random.pick(PHRASES).as_bytes());
    row.extend_from_slice(b"\"\", please\"");
}

fn email(row: &mut Vec<u8>, person: &mut Random, customer: u64) {
    row.extend_from_slice(person.pick(FIRST_NAMES).as_bytes());
    row.push(b'.');
    row.extend_from_slice(person.pick(LAST_NAMES).as_bytes());
    number(row, customer);
    row.push(b'@');
    row.extend_from_slice(person.draw(MAIL_HOSTS).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rows` orders, each record on its own.
    fn records(rows: usize, seed: u64, bad: f64) -> Vec<Vec<u8>> {
        let mut orders = Orders::new(seed, bad);
        let record = || {
            let mut csv = Vec::new();
            orders.append_next(&mut csv);
            csv
        };
        std::iter::repeat_with(record).take(rows).collect()
    }

    fn cells(record: &[u8]) -> usize {
        let mut reader = csv::ReaderBuilder::new();
        let mut reader = reader.has_headers(false).from_reader(record);
        reader.byte_records().next().unwrap().unwrap().len()
    }

    #[test]
    fn bad_records_have_too_few_or_too_many_cells_and_take_the_place_of_orders() {
        let columns = cells(HEADER);
        let good = records(20_000, 7, 0.0);
        assert!(good.iter().all(|record| cells(record) == columns));
        let mut bad = records(20_000, 7, 0.01);
        let mut originals = good.iter();
        bad.retain(|record| Some(record) != originals.next());
        assert!((100..300).contains(&bad.len()), "{}", bad.len());
        let too_many = bad.iter().filter(|record| cells(record) == columns + 1);
        let too_few = bad.iter().filter(|record| cells(record) < columns);
        let (too_many, too_few) = (too_many.count(), too_few.count());
        assert_eq!(too_many + too_few, bad.len());
        assert!(too_many > 0 && too_few > 0);
        let all = records(1000, 7, 1.0);
        assert!(all.iter().all(|record| cells(record) != columns));
    }

    #[test]
    fn the_seed_determines_the_orders() {
        assert_eq!(records(100, 7, 0.1), records(100, 7, 0.1));
        assert_ne!(records(100, 7, 0.1), records(100, 8, 0.1));
    }
}
