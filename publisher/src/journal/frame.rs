//! The framing of records in a journal file: length, checksum, record, one after the other. A torn record and
//! everything behind it is ignored. Pure: bytes in, records out.

use prost::Message;

use super::record::Record;

/// A length of 4 bytes and a checksum of 8, both little-endian.
const HEAD_BYTES: usize = 12;
/// Longer than the longest record, which holds a header of 1 MiB.
const MAX_BYTES: usize = 16 << 20;

/// Encodes `record` as one frame.
pub(super) fn encode(record: &Record) -> Vec<u8> {
    let payload = record.encode_to_vec();
    let mut frame = Vec::with_capacity(HEAD_BYTES + payload.len());
    frame.extend((payload.len() as u32).to_le_bytes());
    frame.extend(engine::chunk::hash(&payload).to_le_bytes());
    frame.extend(payload);
    frame
}

/// The valid records at the start of `bytes`, and their length in bytes.
pub(super) fn decode(bytes: &[u8]) -> (Vec<Record>, usize) {
    let mut records = Vec::new();
    let mut rest = bytes;
    while let Some((record, behind)) = decode_one(rest) {
        records.push(record);
        rest = behind;
    }
    (records, bytes.len() - rest.len())
}

fn decode_one(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (hash, rest) = rest.split_first_chunk()?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_BYTES || length > rest.len() {
        return None;
    }
    let (payload, rest) = rest.split_at(length);
    if engine::chunk::hash(payload) != u64::from_le_bytes(*hash) {
        return None;
    }
    Some((Record::decode(payload).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::super::record::Checkpoint;
    use super::*;

    fn checkpoint(chunks: u64) -> Record {
        Checkpoint {
            chunks,
            byte: chunks * 1000,
            ..Checkpoint::default()
        }
        .into()
    }

    #[test]
    fn records_before_a_torn_one_are_read() {
        let records: Vec<_> = (0..3).map(checkpoint).collect();
        let frames: Vec<_> = records.iter().map(encode).collect();
        let (whole, last) = (frames.concat(), frames[2].len());
        assert_eq!(decode(&whole), (records.clone(), whole.len()));
        for left in 0..last {
            let end = whole.len() - last;
            let (read, taken) = decode(&whole[..end + left]);
            assert_eq!(
                (&read[..], taken),
                (&records[..2], end),
                "{left} bytes left"
            );
        }
    }

    #[test]
    fn a_flipped_bit_ends_decoding() {
        let frames = [encode(&checkpoint(1)), encode(&checkpoint(2))].concat();
        let first = encode(&checkpoint(1)).len();
        for at in first..frames.len() {
            let mut damaged = frames.clone();
            damaged[at] ^= 4;
            assert_eq!(decode(&damaged), (vec![checkpoint(1)], first), "byte {at}");
        }
    }

    #[test]
    fn a_huge_length_is_refused() {
        let huge = [&u32::MAX.to_le_bytes()[..], &[0; 100]].concat();
        assert_eq!(decode(&huge), (vec![], 0));
    }
}
