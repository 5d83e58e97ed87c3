//! The keys of a chunk's rows, as they are on the wire.

use proto::v1::RowKeys;
use xxhash_rust::xxh3::xxh3_128;

use crate::records::Record;
use crate::validate::rule::{Column, RuleSet};

/// The bytes of one key of one row.
pub(super) const HASH_BYTES: usize = 16;

/// Collects the keys of valid rows.
#[derive(Debug)]
pub(crate) struct RowKeysBuilder {
    keys: RowKeys,
    /// One list per key, as in `keys`.
    hashes: Vec<Vec<u8>>,
    /// The position of the previous row: record, line, byte.
    before: [u64; 3],
    places: Vec<u8>,
    bytes: Vec<u8>,
}

impl RowKeysBuilder {
    /// `None` if there are no unique keys.
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

    /// Adds a valid row at this record, line and byte.
    pub(crate) fn add(&mut self, rules: &RuleSet, record: &Record<'_>, place: [u64; 3]) {
        for (key, hashes) in rules.keys.iter().zip(&mut self.hashes) {
            self.bytes.clear();
            let columns = key.columns.iter().map(|&at| &rules.columns[at]);
            let is_whole = canonical(columns, record, &mut self.bytes);
            let hash = if is_whole {
                // 0 stands for a missing key.
                xxh3_128(&self.bytes).max(1)
            } else {
                0
            };
            hashes.extend_from_slice(&hash.to_be_bytes());
        }
        for (now, before) in place.into_iter().zip(&mut self.before) {
            // Positions ascend.
            prost::encode_length_delimiter(now.saturating_sub(*before) as usize, &mut self.places)
                .unwrap_or_default(); // a vector has room
            *before = now;
        }
    }

    /// The size in bytes.
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

/// Appends the canonical values of the cells of a key. Returns false if one is a missing value.
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

/// Checks that `keys` has one hash per key and one position for each of `rows` rows.
///
/// # Errors
///
/// The reason why they do not fit.
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

/// Reads the positions of rows, each encoded as a difference from the previous one.
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
