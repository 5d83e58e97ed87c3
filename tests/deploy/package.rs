//! The Debian package.

use std::path::Path;

/// `scripts/deb` builds the package; this test checks that every packed file exists.
#[test]
fn what_is_packed_is_there() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(repository.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let assets = &manifest["package"]["metadata"]["deb"]["assets"];
    let sources = assets
        .as_array()
        .unwrap()
        .iter()
        .map(|asset| asset[0].as_str().unwrap());
    let (made, kept): (Vec<_>, Vec<_>) = sources.partition(|source| source.starts_with("target/"));
    assert!(made.len() >= 5 && kept.len() >= 5, "{made:?} {kept:?}");
    for source in kept {
        let (directory, name) = source.rsplit_once('/').unwrap_or(("", source));
        let (start, end) = name.split_once('*').unwrap_or((name, ""));
        let files = std::fs::read_dir(repository.join(directory)).unwrap();
        let mut names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        assert!(
            names.any(|name| name.starts_with(start) && name.ends_with(end)),
            "{source}"
        );
    }
}
