//! A model of the disk with the spill files, for the simulation. It tracks for every byte whether a sync made it
//! durable, injects faults, and loses bytes that were not durable in a crash. The caller makes the random choices.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use proto::JobId;

use super::disk::Disk;
use super::error::StoreError;
use super::generation::Generation;
use super::loss::Orphans;
use super::spill_file::SpillFile;

/// The files of one disk.
#[derive(Debug, Default)]
pub struct ModelDisk {
    files: BTreeMap<SpillFile, ModelFile>,
    fault: Option<DiskFault>,
    /// The generations that may be found after a crash: the last synced one, and the later ones. Empty before the
    /// first.
    generations: Vec<Generation>,
    /// Whether a generation was synced since the last crash.
    has_synced_generation: bool,
    /// Whether the last failed operation was a crash of the machine.
    died: bool,
}

/// The content of one file, and which of its bytes would survive a crash.
#[derive(Debug, Default)]
struct ModelFile {
    bytes: Vec<u8>,
    /// The state of each byte.
    states: Vec<ByteState>,
    /// The greatest length after a crash: a truncation that was not synced may be undone.
    longest: usize,
}

/// Whether a byte is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByteState {
    Durable,
    /// The next sync makes it durable.
    Written,
    /// A sync of it failed. The system has dropped the dirty page, so no later sync makes it durable; only writing it
    /// again does.
    Forgotten,
}

/// A fault of one of the next operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskFault {
    /// How many writes and syncs succeed before it.
    pub after: u32,
    /// How many bytes of a failing write are written.
    pub written: usize,
    /// Whether the machine crashes. If not, the disk is full.
    pub crashes: bool,
}

impl ModelDisk {
    /// Sets the fault of one of the next operations, in place of a pending one. `None` removes it.
    pub fn set_fault(&mut self, fault: Option<DiskFault>) {
        self.fault = fault;
    }

    /// Whether the machine crashed. Then call [`crash`](Self::crash), and open the store again.
    pub fn died(&self) -> bool {
        self.died
    }

    /// Crashes and restarts the machine. `pick(n)` returns a number below `n`. It chooses for each file how many bytes
    /// that were not durable are left, how many of those are as written, and the values of the others. Returns how many
    /// files have a torn tail afterwards.
    pub fn crash(&mut self, mut pick: impl FnMut(u64) -> u64) -> u64 {
        self.fault = None;
        self.died = false;
        if !self.generations.is_empty() {
            let at = pick(self.generations.len() as u64) as usize;
            self.generations = vec![self.generations.swap_remove(at)];
        }
        self.has_synced_generation = false;
        self.files
            .values_mut()
            .map(|file| u64::from(file.crash(&mut pick)))
            .sum()
    }

    fn write(&mut self, file: SpillFile, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let fault = self.next_fault();
        let content = self.files.entry(file).or_default();
        let Some(fault) = fault else {
            content.write(offset as usize, bytes);
            return Ok(());
        };
        content.write(offset as usize, &bytes[..fault.written.min(bytes.len())]);
        Err(self.fail(file, fault))
    }

    fn sync(&mut self, file: SpillFile) -> Result<(), StoreError> {
        let fault = self.next_fault();
        let content = self.files.entry(file).or_default();
        let Some(fault) = fault else {
            content.set_written(ByteState::Durable);
            content.longest = content.bytes.len();
            return Ok(());
        };
        content.set_written(ByteState::Forgotten);
        Err(self.fail(file, fault))
    }

    fn next_fault(&mut self) -> Option<DiskFault> {
        let fault = self.fault.as_mut()?;
        if fault.after == 0 {
            return self.fault.take();
        }
        fault.after -= 1;
        None
    }

    fn fail(&mut self, file: SpillFile, fault: DiskFault) -> StoreError {
        self.died = fault.crashes;
        // In both cases an error of the whole disk, so that the store commits nothing.
        let reason = if fault.crashes {
            "the machine crashed"
        } else {
            "no space left"
        };
        StoreError::file(self.path(file))(io::Error::new(io::ErrorKind::StorageFull, reason))
    }
}

impl Disk for ModelDisk {
    fn append(&mut self, file: SpillFile, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(file, offset, bytes)?;
        self.sync(file)
    }

    fn check_others(&mut self, _file: SpillFile) -> Result<(), StoreError> {
        Ok(())
    }

    fn read(&self, file: SpillFile, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        let range = offset as usize..(offset + length) as usize;
        let bytes = self.files.get(&file).and_then(|file| file.bytes.get(range));
        bytes
            .map(<[u8]>::to_vec)
            .ok_or_else(|| StoreError::file(self.path(file))(io::ErrorKind::UnexpectedEof.into()))
    }

    fn length(&self, file: SpillFile) -> Result<u64, StoreError> {
        let content = self.files.get(&file);
        Ok(content.map_or(0, |content| content.bytes.len() as u64))
    }

    fn truncate(&mut self, file: SpillFile, length: u64) -> Result<(), StoreError> {
        let content = self.files.entry(file).or_default();
        content.bytes.truncate(length as usize);
        content.states.truncate(length as usize);
        Ok(())
    }

    fn forget(&mut self, file: SpillFile) -> Option<PathBuf> {
        self.files.remove(&file);
        None
    }

    fn path(&self, file: SpillFile) -> PathBuf {
        PathBuf::from(file.to_string())
    }

    fn orphans(&self, _is_known: impl Fn(JobId) -> bool) -> Result<Orphans, StoreError> {
        Ok(Orphans::default())
    }

    fn generation(&self) -> Result<Option<Generation>, StoreError> {
        Ok(self.generations.last().cloned())
    }

    fn record_generation(&mut self, generation: &Generation) -> Result<(), StoreError> {
        if !std::mem::replace(&mut self.has_synced_generation, true) {
            self.generations.clear();
        }
        self.generations.push(generation.clone());
        Ok(())
    }
}

impl ModelFile {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
            self.states.resize(end, ByteState::Written);
        }
        self.bytes[offset..end].copy_from_slice(bytes);
        self.states[offset..end].fill(ByteState::Written);
        self.longest = self.longest.max(self.bytes.len());
    }

    fn set_written(&mut self, state: ByteState) {
        for byte in self
            .states
            .iter_mut()
            .filter(|state| **state == ByteState::Written)
        {
            *byte = state;
        }
    }

    /// Returns whether a torn tail is left.
    fn crash(&mut self, pick: &mut impl FnMut(u64) -> u64) -> bool {
        let durable = self
            .states
            .iter()
            .rposition(|state| *state == ByteState::Durable);
        let least = durable.map_or(0, |last| last + 1);
        let length = least + pick((self.longest - least + 1) as u64) as usize;
        // Bytes up to here are as written. Later ones that were not durable may have any value.
        let whole = pick(length as u64 + 1) as usize;
        self.bytes.resize(length, 0);
        self.states.resize(length, ByteState::Written);
        for (at, (byte, state)) in self.bytes.iter_mut().zip(&self.states).enumerate() {
            if at >= whole && *state != ByteState::Durable {
                *byte = pick(256) as u8;
            }
        }
        self.states.fill(ByteState::Durable);
        self.longest = length;
        length > least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_spares_what_was_synced_and_only_that() {
        let rows = SpillFile::rows(JobId::new());
        let mut disk = ModelDisk::default();
        disk.write(rows, 0, b"safe").unwrap();
        disk.sync(rows).unwrap();
        disk.write(rows, 4, b"tail").unwrap();
        // The full length, but none of the bytes written last.
        let torn = disk.crash(|n| if n == 5 { 4 } else { 0 });
        assert_eq!((torn, disk.length(rows).unwrap()), (1, 8));
        assert_eq!(disk.read(rows, 0, 8).unwrap(), b"safe\0\0\0\0");
        disk.truncate(rows, 4).unwrap();
        assert_eq!(disk.crash(|_| 0), 0);
        assert_eq!(disk.length(rows).unwrap(), 4);
    }

    #[test]
    fn what_a_failed_sync_forgot_is_durable_only_when_it_is_written_again() {
        let rows = SpillFile::rows(JobId::new());
        let full = DiskFault {
            after: 1,
            written: 0,
            crashes: false,
        };
        let mut disk = ModelDisk::default();
        disk.set_fault(Some(full));
        disk.write(rows, 0, b"ab").unwrap();
        assert!(disk.sync(rows).is_err() && !disk.died());
        disk.write(rows, 0, b"c").unwrap();
        disk.sync(rows).unwrap();
        disk.crash(|_| 0);
        assert_eq!(disk.length(rows).unwrap(), 1);
        assert_eq!(disk.read(rows, 0, 1).unwrap(), b"c");
    }
}
