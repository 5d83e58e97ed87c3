//! The keys of a chunk's rows, as they are on the wire.

use proto::v1::RowKeys;
use xxhash_rust::xxh3::xxh3_128;

use crate::records::Record;
use crate::validate::rule::{Column, RuleSet};

/// Bytes of one key of one row.
pub(super) const HASH_BYTES: usize = 16;

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

/// Where each row stands, as steps from the one before.
pub(super) struct RowPositions<'p>(pub(super) &'p [u8]);

impl RowPositions<'_> {
    pub(super) fn next(&mut self, before: [u64; 3]) -> Option<[u64; 3]> {
        let mut now = before;
        for number in &mut now {
            let step = prost::decode_length_delimiter(&mut self.0).ok()?;
            *number = number.checked_add(step as u64)?;
        }
        Some(now)
    }
}
