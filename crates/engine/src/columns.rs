//! The names of columns as users see them. On the wire and between pieces columns have the cells of the header, and are
//! identified by their index.

use std::collections::{HashMap, HashSet};

/// Distinct names for users, one for each of `names`: an empty name becomes "column 7" (from 1), and a repeated one
/// "name#2", "name#3", … A generated name never equals the name of another column.
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

/// The state while names are generated, from the first column to the last.
#[derive(Default)]
struct NameAllocator<'n> {
    /// The header's cells.
    raw: HashSet<&'n str>,
    /// The cells that an earlier column uses as its name.
    seen: HashSet<&'n str>,
    /// The generated names.
    made: HashSet<String>,
    /// The last number that was tried for a name.
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

    /// The first free name of "name#2", "name#3", …
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
    fn duplicate_and_empty_names_become_distinct() {
        assert_eq!(
            shown_of(["a", "", "a", "b", "", "a"]),
            ["a", "column 2", "a#2", "b", "column 5", "a#3"]
        );
    }

    #[test]
    fn a_generated_name_never_equals_that_of_another_column() {
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
    fn many_equal_names_are_numbered_fast() {
        let names = display_names(&vec!["x".to_owned(); 16_384]);
        assert_eq!(names[16_383], "x#16384");
    }
}
