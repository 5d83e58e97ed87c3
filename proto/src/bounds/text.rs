//! Truncates texts at a character boundary, with a mark.

const MARK: &str = "…";

/// Truncates a text to at most `most` bytes: keeps its beginning, with a mark after it.
pub fn cut(text: &mut String, most: usize) {
    if text.len() <= most {
        return;
    }
    let end = text.floor_char_boundary(most.saturating_sub(MARK.len()));
    text.truncate(end);
    text.push_str(MARK);
    text.shrink_to_fit();
}

/// Truncates a text to at most `most` bytes: keeps its end, with a mark before it.
pub fn cut_front(text: &mut String, most: usize) {
    if text.len() <= most {
        return;
    }
    let from = text.len() - most.saturating_sub(MARK.len());
    let from = text.ceil_char_boundary(from);
    *text = format!("{MARK}{}", &text[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_marked() {
        let of = |cut: fn(&mut String, usize), text: &str, most| {
            let mut text = text.to_owned();
            cut(&mut text, most);
            text
        };
        assert_eq!(of(cut, "abcdef", 6), "abcdef");
        assert_eq!(of(cut, "abcdefg", 6), "abc…");
        assert_eq!(of(cut, "ééé", 5), "é…");
        assert_eq!(of(cut_front, "abcdef", 6), "abcdef");
        assert_eq!(of(cut_front, "abcdefg", 6), "…efg");
        assert_eq!(of(cut_front, "ééé", 5), "…é");
    }
}
