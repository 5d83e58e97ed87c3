//! Rows that came of one chunk, in what they travel and are kept in: packed, and with a hash.

use bytes::Bytes;
use proto::v1::Output;

use crate::packed::{Damage, Packed, Packing, Which};

/// The most that the rows of one chunk may come to, in bytes: with what is around them, and however
/// badly they pack, they fit into 16 MiB, which is what RabbitMQ 4 takes in one message.
pub const MAX_OUTPUT_BYTES: u64 = 15 << 20;

/// So many records of CSV, ready to be carried.
pub fn pack(body: Bytes, rows: u64, packing: Packing) -> Output {
    let packed = Packed::new(body, packing);
    Output {
        body: packed.bytes,
        compression: packed.compression,
        body_bytes: packed.unpacked,
        body_hash: packed.hash,
        rows,
    }
}

/// The rows of chunk `seq` as they were made.
///
/// # Errors
///
/// When they are not those that were sent.
pub fn unpack(output: &Output, seq: u64) -> Result<Bytes, Damage> {
    let packed = Packed {
        bytes: output.body.clone(),
        compression: output.compression,
        unpacked: output.body_bytes,
        hash: output.body_hash,
    };
    packed.checked(Which {
        what: "output",
        seq,
        most: MAX_OUTPUT_BYTES,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_as_they_were_and_damage_is_found() {
        let rows = "a,b\n".repeat(1000);
        for packing in [Packing::Nothing, Packing::Hash, Packing::Zstd] {
            let output = pack(rows.clone().into(), 1000, packing);
            assert_eq!(unpack(&output, 3).unwrap(), rows, "{packing:?}");
            assert_eq!(output.rows, 1000);
        }
        let mut output = pack(rows.into(), 1000, Packing::Hash);
        output.body = "b,b\n".repeat(1000).into();
        let said = unpack(&output, 3).unwrap_err().to_string();
        assert!(said.contains("the output of chunk 3"), "{said}");
    }
}
