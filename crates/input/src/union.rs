//! The columns of a job of several files: the same in all, or their union.

use std::collections::{HashMap, HashSet};

/// For each of the job's columns, its index in the file. `None` if the file lacks it.
pub(crate) type ColumnMap = Vec<Option<usize>>;

/// A column's name, and its occurrence: equal names are distinguished by position.
type Key<'a> = (&'a str, usize);

/// The union of several headers, in order of first occurrence.
#[derive(Debug, Default)]
pub(crate) struct ColumnUnion {
    columns: Vec<String>,
    places: HashMap<(String, usize), usize>,
}

impl ColumnUnion {
    /// Adds a file's header.
    pub(crate) fn add(&mut self, header: &[String]) {
        for (name, nth) in keys(header) {
            if !self.places.contains_key(&(name.to_owned(), nth)) {
                self.places
                    .insert((name.to_owned(), nth), self.columns.len());
                self.columns.push(name.to_owned());
            }
        }
    }

    /// The columns so far.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }
}

/// The index in a file of each job column. `None` if the file has exactly these columns, in this order.
pub(crate) fn places(job: &[String], header: &[String]) -> Option<ColumnMap> {
    if job == header {
        return None;
    }
    let known: HashMap<Key<'_>, usize> = keys(header).zip(0..).collect();
    Some(keys(job).map(|key| known.get(&key).copied()).collect())
}

/// The difference of a header from the first one, for the user. Names are escaped, because they come from the files.
pub(crate) fn difference(first: &[String], other: &[String]) -> String {
    let without = |from: &[String], these: &[String]| -> Vec<String> {
        let these: HashSet<Key<'_>> = keys(these).collect();
        keys(from)
            .filter(|key| !these.contains(key))
            .map(|(name, _)| format!("{name:?}"))
            .collect()
    };
    let (missing, extra) = (without(first, other), without(other, first));
    let mut reason = Vec::new();
    if !missing.is_empty() {
        reason.push(format!("it lacks {}", list(&missing)));
    }
    if !extra.is_empty() {
        reason.push(format!("it has {} more: {}", extra.len(), list(&extra)));
    }
    if reason.is_empty() {
        let names: Vec<String> = other.iter().map(|name| format!("{name:?}")).collect();
        reason.push(format!(
            "its columns are in another order: {}",
            list(&names)
        ));
    }
    if other.len() == 1 && first.len() > 1 {
        return format!(
            "{} (is another delimiter between its fields?)",
            reason.join(" and ")
        );
    }
    format!("{}; --union combines such files", reason.join(" and "))
}

/// The first names, and the number of the others.
fn list(names: &[String]) -> String {
    const MOST: usize = 8;
    let shown = names[..names.len().min(MOST)].join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn keys(header: &[String]) -> impl Iterator<Item = Key<'_>> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    header.iter().map(move |name| {
        let nth = seen.entry(name).or_default();
        *nth += 1;
        (name.as_str(), *nth)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &str) -> Vec<String> {
        names.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn a_union_has_every_column_once_and_equal_names_by_position() {
        let mut union = ColumnUnion::default();
        union.add(&header("id,x,x"));
        union.add(&header("x,id,y"));
        assert_eq!(union.columns(), header("id,x,x,y"));
        assert_eq!(places(union.columns(), &header("id,x,x,y")), None);
        assert_eq!(
            places(union.columns(), &header("x,id,y")),
            Some(vec![Some(1), Some(0), None, Some(2)])
        );
    }

    #[test]
    fn a_difference_names_the_columns() {
        let first = header("id,name,age");
        assert_eq!(
            difference(&first, &header("id,age,\u{1b}x")),
            "it lacks \"name\" and it has 1 more: \"\\u{1b}x\"; --union combines such files"
        );
        assert!(
            difference(&first, &header("age,id,name"))
                .starts_with("its columns are in another order: \"age\", \"id\", \"name\"")
        );
        assert!(difference(&first, &header("id;name;age")).contains("another delimiter"));
    }
}
