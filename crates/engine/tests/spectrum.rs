//! The twelve files of csv-spectrum parse to their JSON: through the splitter at several sizes, then field by field.
//! Skipped with a message if the files are missing.

#![allow(clippy::unwrap_used)] // a helper of a test may panic
#![allow(clippy::disallowed_macros)] // eprintln!: the harness captures output

use std::fs;
use std::path::{Path, PathBuf};

use engine::records::Records;
use engine::{Dialect, Limits, Splitter};
use serde_json::{Map, Value};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/csv-spectrum")
}

/// One object per record, as in the JSON files.
fn parse(input: &[u8], target_bytes: usize) -> Value {
    let limits = Limits {
        target_bytes,
        ..Limits::default()
    };
    let dialect = Dialect::default();
    let mut splitter = Splitter::new(dialect, limits);
    splitter.push(input);
    splitter.finish();
    let mut objects = Vec::new();
    while let Some(piece) = splitter.next_piece().unwrap() {
        let names = splitter.header().unwrap();
        let mut records = Records::new(&dialect, &piece.body);
        while let Some(record) = records.read() {
            assert_eq!(record.len(), names.len());
            let cell = |cell: &[u8]| Value::from(std::str::from_utf8(cell).unwrap());
            let cells = names.iter().cloned().zip(record.iter().map(cell));
            objects.push(Value::Object(cells.collect::<Map<_, _>>()));
        }
    }
    Value::Array(objects)
}

/// The text of the CSV file. Copies of the collection often have lost the carriage returns that some of the files are
/// about; they are restored here.
fn input(name: &str, csv: Vec<u8>) -> Vec<u8> {
    if !name.ends_with("_crlf") || csv.contains(&b'\r') {
        return csv;
    }
    let text = String::from_utf8(csv).unwrap();
    text.replace('\n', "\r\n").into_bytes()
}

/// The content of the JSON file, always as a list. One file of the collection differs from its CSV: the telephone
/// number of `location_coordinates` was anonymized in the JSON only.
fn expected(name: &str, json: Value) -> Value {
    let Value::Object(mut object) = json else {
        return json;
    };
    if name == "location_coordinates" {
        let number = object.insert("Contact Phone Number".into(), "2095257564".into());
        assert_eq!(number, Some("1234567890".into()));
    }
    Value::Array(vec![Value::Object(object)])
}

#[test]
fn the_twelve_files_parse_to_their_json() {
    let folder = folder();
    let Ok(files) = fs::read_dir(folder.join("csvs")) else {
        eprintln!("skipped: {} is absent", folder.display());
        return;
    };
    let mut seen = 0;
    for file in files {
        let csv = file.unwrap().path();
        let name = csv.file_stem().unwrap().to_str().unwrap();
        let json = fs::read(folder.join("json").join(format!("{name}.json"))).unwrap();
        let expected = expected(name, serde_json::from_slice(&json).unwrap());
        let input = input(name, fs::read(&csv).unwrap());
        for target_bytes in [1, 7, 20, 64, 1 << 20] {
            assert_eq!(
                parse(&input, target_bytes),
                expected,
                "{name} by {target_bytes}"
            );
        }
        seen += 1;
    }
    assert_eq!(seen, 12);
}
