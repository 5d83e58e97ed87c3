//! What columns are called where people read of them. On the wire and between pieces they are the
//! header's cells as they stand, kept apart by their position.

use std::collections::{HashMap, HashSet};

/// The names of columns for people, one for each of `names`, all different: an empty one becomes
/// "column 7" (from 1), and one that was there before "name#2", "name#3", … A name that is made up is
/// never one that another column has of itself.
pub fn display_names(names: &[String]) -> Vec<String> {
    let mut allocator = NameAllocator {
        raw: names.iter().map(String::as_str).collect(),
        ..NameAllocator::default()
    };
    let numbered = names.iter().enumerate();
    numbered
        .map(|(at, name)| allocator.allocate(at, name))
        .collect()
}

/// What is known while names are made up, from the first column to the last.
#[derive(Default)]
struct NameAllocator<'n> {
    /// The header's cells.
    raw: HashSet<&'n str>,
    /// Those of them that a column before has as they stand.
    seen: HashSet<&'n str>,
    /// Names that were made up.
    made: HashSet<String>,
    /// The number last tried for a name.
    numbers: HashMap<String, u64>,
}

impl<'n> NameAllocator<'n> {
    fn allocate(&mut self, at: usize, name: &'n str) -> String {
        if name.is_empty() {
            let name = format!("column {}", at + 1);
            let is_free = !self.raw.contains(name.as_str()) && self.made.insert(name.clone());
            return if is_free { name } else { self.number(&name) };
        }
        if self.seen.insert(name) {
            return name.to_owned();
        }
        self.number(name)
    }

    /// The first of "name#2", "name#3", … that is free.
    fn number(&mut self, name: &str) -> String {
        let number = self.numbers.entry(name.to_owned()).or_insert(1);
        loop {
            *number += 1;
            let numbered = format!("{name}#{number}");
            if !self.raw.contains(numbered.as_str()) && self.made.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_of<const N: usize>(names: [&str; N]) -> Vec<String> {
        display_names(&names.map(str::to_owned))
    }

    #[test]
    fn duplicate_and_empty_names_are_told_apart() {
        assert_eq!(
            shown_of(["a", "", "a", "b", "", "a"]),
            ["a", "column 2", "a#2", "b", "column 5", "a#3"]
        );
    }

    #[test]
    fn a_made_up_name_is_never_that_of_another_column() {
        assert_eq!(
            shown_of(["a", "a", "a#2", "", "column 4", "a#2"]),
            ["a", "a#3", "a#2", "column 4#2", "column 4", "a#2#2"]
        );
        assert_eq!(
            shown_of(["", "column 1", "column 1"])[1..],
            ["column 1", "column 1#3"]
        );
    }

    #[test]
    fn many_equal_names_are_numbered_in_no_time() {
        let names = display_names(&vec!["x".to_owned(); 16_384]);
        assert_eq!(names[16_383], "x#16384");
    }
}
