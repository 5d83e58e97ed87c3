//! Counts the entries of lists in the encoded message, since each decoded entry takes memory.

use prost::encoding::decode_key;

use super::Excess;

/// A list within a message.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// The name of its entries, for people.
    what: &'static str,
    /// The path of field tags to it, from the outermost.
    path: &'static [u32],
    /// The most entries, in total if a message on the path occurs several times.
    most: usize,
    /// Instead of a list: the lists within the message at `path`.
    within: &'static [&'static [List]],
}

impl List {
    pub(super) const fn new(what: &'static str, path: &'static [u32], most: usize) -> Self {
        Self {
            what,
            path,
            most,
            within: &[],
        }
    }

    /// The lists within the message at `path`.
    pub(super) const fn within(path: &'static [u32], within: &'static [&'static [Self]]) -> Self {
        Self {
            what: "",
            path,
            most: usize::MAX,
            within,
        }
    }
}

/// A list, and how many of its entries were counted.
struct Counted {
    path: Vec<u32>,
    what: &'static str,
    most: usize,
    entries: usize,
}

/// Checks that no list is too long.
pub(super) fn check(bytes: &[u8], lists: &[List]) -> Result<(), Excess> {
    let mut counted = Vec::new();
    flatten(&[], lists, &mut counted);
    count(bytes, &mut Vec::new(), &mut counted)
}

/// Adds the lists, whose paths start at `path`.
fn flatten(path: &[u32], lists: &[List], counted: &mut Vec<Counted>) {
    for list in lists {
        let path = [path, list.path].concat();
        if list.within.is_empty() {
            counted.push(Counted {
                path,
                what: list.what,
                most: list.most,
                entries: 0,
            });
        } else {
            for within in list.within {
                flatten(&path, within, counted);
            }
        }
    }
}

/// Counts up to the first malformed field. Decoding reports malformed fields.
fn count(mut bytes: &[u8], path: &mut Vec<u32>, lists: &mut [Counted]) -> Result<(), Excess> {
    while !bytes.is_empty() {
        let Some((tag, content)) = field(&mut bytes) else {
            return Ok(());
        };
        path.push(tag);
        let mut leads_on = false;
        for list in &mut *lists {
            if list.path == *path {
                list.entries += 1;
                if list.entries > list.most {
                    let (what, most) = (list.what, list.most);
                    return Err(Excess::Entries { what, most });
                }
            }
            leads_on |= list.path.len() > path.len() && list.path.starts_with(path);
        }
        if leads_on {
            count(content, path, lists)?;
        }
        path.pop();
    }
    Ok(())
}

/// Removes the first field. Returns its tag, and its content if it is length-delimited.
fn field<'b>(bytes: &mut &'b [u8]) -> Option<(u32, &'b [u8])> {
    let (tag, _) = decode_key(&mut &**bytes).ok()?;
    let content = super::field(bytes)?;
    Some((tag, content))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::v1::chunk_result::Partial;
    use crate::v1::{ChunkResult, ColumnPartial, ProfilePartial};

    #[test]
    fn entries_of_lists_within_messages_are_counted_before_they_are_decoded() {
        const LISTS: &[List] = &[List::new("columns", &[9, 2], 100)];
        let of = |columns| {
            let partial = ProfilePartial {
                columns: vec![ColumnPartial::default(); columns],
                ..ProfilePartial::default()
            };
            let result = ChunkResult {
                seq: 3,
                partial: Some(Partial::Profile(partial)),
                ..ChunkResult::default()
            };
            result.encode_to_vec()
        };
        assert_eq!(check(&of(100), LISTS), Ok(()));
        let (what, most) = ("columns", 100);
        let refused = Err(Excess::Entries { what, most });
        assert_eq!(check(&of(101), LISTS), refused);
        // Two occurrences of a message are merged.
        let twice = [of(60), of(60)].concat();
        assert_eq!(check(&twice, LISTS), refused);
        assert_eq!(check(b"no message", LISTS), Ok(()));
    }
}
