//! Keys that may come once in a whole job: what a worker says of a chunk's rows, and what is made of it
//! when the chunks before it are known. Rows are looked at in input order; one of which a key came before
//! is invalid, and remembers none of its keys. When that is, and where keys are kept, is for others.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use proto::v1::{Reject, RowKeys, ValidateSpec, Violation};
use xxhash_rust::xxh3::xxh3_128;

use crate::dialect::Dialect;
use crate::partial::PartialError;
use crate::records::reject::{self, Rejects};
use crate::records::{Record, Records};
use crate::validate::rule::key::UniqueKey;
use crate::validate::rule::rules;
use crate::validate::rule::{Column, RuleSet};
use crate::validate::state::ValidateState;

/// Bytes of one key of one row.
const HASH_BYTES: usize = 16;

/// Gathers the keys of valid rows.
#[derive(Debug)]
pub(crate) struct RowKeysBuilder {
    keys: RowKeys,
    /// One a key, each as it will be in `keys`.
    hashes: Vec<Vec<u8>>,
    /// Of the row before: record, line, byte.
    before: [u64; 3],
    places: Vec<u8>,
    bytes: Vec<u8>,
}

impl RowKeysBuilder {
    /// Absent: the plan has no keys.
    pub(crate) fn new(rules: &RuleSet, file: &str) -> Option<Self> {
        (!rules.keys.is_empty()).then(|| Self {
            keys: RowKeys {
                file: file.to_owned(),
                ..RowKeys::default()
            },
            hashes: vec![Vec::new(); rules.keys.len()],
            before: [0; 3],
            places: Vec::new(),
            bytes: Vec::new(),
        })
    }

    /// Takes a valid row, which stands at this record, line and byte.
    pub(crate) fn add(&mut self, rules: &RuleSet, record: &Record<'_>, place: [u64; 3]) {
        for (key, hashes) in rules.keys.iter().zip(&mut self.hashes) {
            self.bytes.clear();
            let columns = key.columns.iter().map(|&at| &rules.columns[at]);
            let is_whole = canonical(columns, record, &mut self.bytes);
            let hash = if is_whole {
                // None is the hash of no key.
                xxh3_128(&self.bytes).max(1)
            } else {
                0
            };
            hashes.extend_from_slice(&hash.to_be_bytes());
        }
        for (now, before) in place.into_iter().zip(&mut self.before) {
            // A row stands behind the one before it.
            prost::encode_length_delimiter(now.saturating_sub(*before) as usize, &mut self.places)
                .unwrap_or_default(); // a vector has room
            *before = now;
        }
    }

    /// How many bytes it comes to.
    pub(crate) fn len(&self) -> usize {
        self.hashes.iter().map(Vec::len).sum::<usize>() + self.places.len()
    }

    pub(crate) fn finish(self) -> RowKeys {
        RowKeys {
            hashes: self.hashes,
            places: self.places,
            ..self.keys
        }
    }
}

/// Appends what the cells of a key are worth; false where one stands for a missing value.
fn canonical<'p>(
    columns: impl Iterator<Item = &'p Column>,
    record: &Record<'_>,
    bytes: &mut Vec<u8>,
) -> bool {
    for column in columns {
        let cell = record.get(column.at).unwrap_or_default();
        if column.is_missing(cell) {
            return false;
        }
        match column.field_type.read(cell) {
            Some(value) if column.field_type.has_values() => value.canonical(bytes),
            _ => {
                bytes.extend_from_slice(&(cell.len() as u64).to_le_bytes());
                bytes.extend_from_slice(cell);
            }
        }
    }
    true
}

/// Every key that came so far, of each constraint. By default, of as many as the first chunk has.
#[derive(Debug, Default)]
pub struct SeenKeys {
    keys: Vec<HashSet<u128, BuildHasherDefault<IdentityHasher>>>,
}

/// What became of a chunk's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DuplicateRows {
    /// The rows that are invalid after all, by their place among the valid ones, ascending.
    pub left_out: Vec<u64>,
    /// For each of them, the constraints that it breaks, as places among them.
    broken: Vec<Vec<usize>>,
}

/// Whether `keys` are of so many rows: one key of each rule, and one place, a row.
///
/// # Errors
///
/// What is wrong with them.
pub(crate) fn check_keys(keys: &RowKeys, rows: usize) -> Result<(), &'static str> {
    let is_whole = |hashes: &Vec<u8>| hashes.len() == rows * HASH_BYTES;
    if !keys.hashes.iter().all(is_whole) {
        return Err("there are not 16 bytes a row");
    }
    let mut places = RowPositions(&keys.places);
    let mut place = [0; 3];
    for _ in 0..rows {
        place = places.next(place).ok_or("a row has no place")?;
    }
    if places.0.is_empty() {
        Ok(())
    } else {
        Err("there are more places than rows")
    }
}

impl SeenKeys {
    /// Of a job of which each result has so many lists of keys.
    pub fn new(rules: usize) -> Self {
        let mut keys = Vec::new();
        keys.resize_with(rules, HashSet::default);
        Self { keys }
    }

    /// Settles the next chunk: which of its rows have a key that came before, in it or in those before.
    ///
    /// # Errors
    ///
    /// When the keys are not what a worker says of as many rows in each constraint.
    pub fn find_duplicates(&mut self, keys: &RowKeys) -> Result<DuplicateRows, PartialError> {
        let rows = self.rows(keys)?;
        let mut duplicates = DuplicateRows::default();
        for row in 0..rows {
            let hashes = keys.hashes.iter().map(|hashes| hash_at(hashes, row));
            let came = hashes.clone().zip(&self.keys).enumerate();
            let came = came.filter(|(_, (hash, seen))| *hash != 0 && seen.contains(hash));
            let broken: Vec<usize> = came.map(|(at, _)| at).collect();
            if broken.is_empty() {
                for (hash, seen) in hashes.zip(&mut self.keys) {
                    seen.insert(hash);
                }
            } else {
                duplicates.left_out.push(row as u64);
                duplicates.broken.push(broken);
            }
        }
        Ok(duplicates)
    }

    /// Remembers the keys of a chunk that was duplicates before, without those of the rows that were left
    /// out.
    ///
    /// # Errors
    ///
    /// As [`find_duplicates`](Self::find_duplicates).
    pub fn insert(&mut self, keys: &RowKeys, left_out: &[u64]) -> Result<(), PartialError> {
        let rows = self.rows(keys)?;
        let mut left_out = left_out.iter().peekable();
        for row in 0..rows {
            if left_out.next_if(|out| **out == row as u64).is_some() {
                continue;
            }
            for (hashes, seen) in keys.hashes.iter().zip(&mut self.keys) {
                seen.insert(hash_at(hashes, row));
            }
        }
        Ok(())
    }

    /// How many rows there are.
    fn rows(&mut self, keys: &RowKeys) -> Result<usize, PartialError> {
        let rows = keys.hashes.first().map_or(0, Vec::len) / HASH_BYTES;
        let is_whole = |hashes: &Vec<u8>| hashes.len() == rows * HASH_BYTES;
        if self.keys.is_empty() {
            self.keys.resize_with(keys.hashes.len(), HashSet::default);
        }
        if keys.hashes.len() != self.keys.len() || !keys.hashes.iter().all(is_whole) {
            return Err(PartialError::Malformed(
                "its keys are not those of its rows",
            ));
        }
        Ok(rows)
    }
}

fn hash_at(hashes: &[u8], row: usize) -> u128 {
    let bytes = &hashes[row * HASH_BYTES..][..HASH_BYTES];
    bytes.try_into().map_or(0, u128::from_be_bytes)
}

impl DuplicateRows {
    /// What changes in the job's counts, and the rejects that come of it; `rows` are the chunk's valid
    /// rows as they were sent.
    ///
    /// # Errors
    ///
    /// When the schema cannot be used, or `keys` are of other rows.
    pub fn rejects(
        &self,
        spec: &ValidateSpec,
        columns: &[String],
        keys: &RowKeys,
        rows: &[u8],
    ) -> Result<(ValidateState, Vec<Reject>), PartialError> {
        const UNUSABLE: PartialError = PartialError::Malformed("the job's schema cannot be used");
        const OTHERS: PartialError = PartialError::Malformed("its keys are not those of its rows");
        let rules = rules(spec, columns, false).map_err(|_| UNUSABLE)?;
        let mut merged = ValidateState {
            duplicates: self.left_out.len() as u64,
            broken: vec![0; rules.rules().len()],
            ..ValidateState::default()
        };
        let mut rejects = Rejects::default();
        let mut places = RowPositions(&keys.places);
        let mut place = [0; 3];
        let dialect = Dialect::default();
        let mut records = Records::new(&dialect, rows);
        let mut next = 0;
        for (&row, broken) in self.left_out.iter().zip(&self.broken) {
            let record = loop {
                let record = records.read().ok_or(OTHERS)?;
                place = places.next(place).ok_or(OTHERS)?;
                next += 1;
                if next > row {
                    break record;
                }
            };
            let broken: Vec<&UniqueKey> =
                broken.iter().filter_map(|&at| rules.keys.get(at)).collect();
            for key in &broken {
                merged.broken[key.rule] += 1;
            }
            let raw = &rows[record.start()..record.end()];
            rejects.add(|| reject(&rules, &record, &broken, (place, &keys.file), raw));
        }
        Ok((merged, rejects.kept))
    }
}

fn reject(
    rules: &RuleSet,
    record: &Record<'_>,
    broken: &[&UniqueKey],
    ([number, line, byte], file): ([u64; 3], &str),
    raw: &[u8],
) -> Reject {
    let described = broken
        .iter()
        .map(|key| rules.describe_duplicate(key, record));
    let (messages, violations): (Vec<String>, Vec<Violation>) = described.unzip();
    Reject {
        record: number,
        line,
        byte,
        reason: messages.join("; "),
        raw: reject::raw(raw),
        file: file.to_owned(),
        violations,
    }
}

/// Where each row stands, as steps from the one before.
struct RowPositions<'p>(&'p [u8]);

impl RowPositions<'_> {
    fn next(&mut self, before: [u64; 3]) -> Option<[u64; 3]> {
        let mut now = before;
        for number in &mut now {
            let step = prost::decode_length_delimiter(&mut self.0).ok()?;
            *number = number.checked_add(step as u64)?;
        }
        Some(now)
    }
}

/// Keys are hashes already: some of their bits will do.
#[derive(Debug, Default, Clone, Copy)]
struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, number: u128) {
        self.0 = number as u64 ^ (number >> 64) as u64;
    }
}
