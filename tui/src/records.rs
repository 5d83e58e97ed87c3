//! A table for the export.

/// Records of cells.
pub(crate) type Records = Vec<Vec<String>>;

/// The titles, and the records below them.
pub(crate) fn titled(titles: &[&str], records: impl Iterator<Item = Vec<String>>) -> Records {
    let titles = titles.iter().map(|&title| title.to_owned()).collect();
    std::iter::once(titles).chain(records).collect()
}
