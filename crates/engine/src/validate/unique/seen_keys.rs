//! The keys of all rows so far.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use proto::v1::RowKeys;

use super::duplicates::DuplicateRows;
use super::row_keys::HASH_BYTES;
use crate::partial::PartialError;

/// The keys of all rows so far, by constraint. The default takes the number of constraints from the first chunk.
#[derive(Debug, Default)]
pub struct SeenKeys {
    keys: Vec<HashSet<u128, BuildHasherDefault<IdentityHasher>>>,
}

impl SeenKeys {
    /// For a job whose results have this number of lists of keys.
    pub fn new(rules: usize) -> Self {
        let mut keys = Vec::new();
        keys.resize_with(rules, HashSet::default);
        Self { keys }
    }

    /// Finds the rows of the next chunk that repeat a key of an earlier row, and adds the keys of the others.
    ///
    /// # Errors
    ///
    /// When the lists of keys do not fit each other or the job.
    pub fn find_duplicates(&mut self, keys: &RowKeys) -> Result<DuplicateRows, PartialError> {
        let rows = self.rows(keys)?;
        let mut duplicates = DuplicateRows::default();
        for row in 0..rows {
            let hashes = keys.hashes.iter().map(|hashes| hash_at(hashes, row));
            let repeated = hashes.clone().zip(&self.keys).enumerate();
            let repeated = repeated.filter(|(_, (hash, seen))| *hash != 0 && seen.contains(hash));
            let broken: Vec<usize> = repeated.map(|(at, _)| at).collect();
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

    /// Adds the keys of a chunk whose duplicates are already known; `left_out` are those rows.
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

    /// The number of rows.
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

/// Uses bits of the keys, which are hashes already.
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
