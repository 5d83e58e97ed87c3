//! Compression of files.

use std::io::Write;

use super::{Files, refused, result, run, stderr};

fn text(rows: u32) -> String {
    let row = |n: u32| format!("{n},{}\n", n.wrapping_mul(2_654_435_761));
    format!("id,hash\n{}", (0..rows).map(row).collect::<String>())
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;
const ALL: [(&str, Pack); 4] = [("gzip", gzip), ("zstd", zstd), ("bzip2", bzip2), ("xz", xz)];

#[test]
fn gzip_zstd_bzip2_or_xz() {
    for (name, pack) in ALL {
        let result = result(&["--chunk-bytes", "1000"], &pack(text(5000).as_bytes()));
        assert_eq!(result["rows"], 5000, "{name}");
        assert_eq!(result["input"]["compression"], name);
    }
}

#[test]
fn several_members_in_one_packed_file() {
    for (name, pack) in ALL {
        let whole = [pack(text(100).as_bytes()), pack(b"x,y\n")].concat();
        assert_eq!(result(&[], &whole)["rows"], 101, "{name}");
    }
}

#[test]
fn a_name_that_says_something_else() {
    let files = Files::new(&[("a.gz", b"a\n1\n"), ("a.csv", &gzip(b"a\n1\n"))]);
    assert_eq!(files.result(&["run", "a.gz", "a.csv"])["rows"], 2);
}

#[test]
fn packed_data_that_is_cut_off() {
    for (name, pack) in ALL {
        let packed = pack(text(50_000).as_bytes());
        let said = format!("cannot read a: its {name} data ends too early, at byte ");
        let files = Files::new(&[("a", &packed[..packed.len() * 2 / 3])]);
        refused(&files.rowmill(&["run", "a"]), &said);
    }
}

#[test]
fn packed_data_that_is_damaged() {
    let mut packed = gzip(text(50_000).as_bytes());
    let middle = packed.len() / 2;
    packed[middle..middle + 50].fill(0x55);
    let files = Files::new(&[("a.csv", &packed)]);
    refused(
        &files.rowmill(&["run", "a.csv"]),
        "cannot read a.csv: its gzip data is damaged near byte ",
    );
}

#[test]
fn zeros_behind_packed_data() {
    for (name, pack) in ALL {
        let mut packed = pack(text(100).as_bytes());
        packed.resize(packed.len() + 4096, 0);
        assert_eq!(result(&[], &packed)["rows"], 100, "{name}");
    }
}

#[test]
fn other_bytes_behind_packed_data() {
    for (name, pack) in ALL {
        let packed = pack(text(100).as_bytes());
        let end = packed.len();
        let files = Files::new(&[("a", &[&packed[..], b"garbage"].concat())]);
        let said = format!(
            "cannot read a: its {name} data ends at byte {end}, and there are 7 bytes behind it that are no {name} \
             data"
        );
        refused(&files.rowmill(&["run", "a"]), &said);
        let output = files.rowmill(&["run", "a", "--ignore-trailing"]);
        let said = stderr(&output);
        assert!(output.status.success(), "{said}");
        let remark =
            format!("a: its {name} data ends at byte {end}, and there are 7 bytes behind it");
        assert_eq!(said.matches(&remark).count(), 1, "{said}");
    }
}

#[test]
fn a_window_above_128_mib() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(text(1000).as_bytes()).unwrap();
    let output = run(&[], &encoder.finish().unwrap());
    refused(&output, "needs a window of more than 128 MiB");
}

#[test]
fn a_packed_file_in_another_encoding() {
    let text: Vec<u8> = "a;b\n1;ü\n"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let output = run(&[], &gzip(&text));
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("encoding UTF-16BE") && said.contains("gzip"),
        "{said}"
    );
}
