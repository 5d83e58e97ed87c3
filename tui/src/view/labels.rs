//! Texts that several tabs and screens share.

use cli::format::{grouped, plural};
use cli::text::visible_in;
use proto::v1::Job;

use super::canvas::StyledText;
use crate::model::Model;
use crate::theme::TextStyle;

/// The title of a list: the range shown, the total, and the filter, which `len` of `total` items match.
pub(super) fn list_title(
    model: &Model,
    what: &str,
    shown: &std::ops::Range<usize>,
    len: usize,
    total: u64,
) -> Vec<StyledText> {
    let mut title = vec![(what.to_owned(), TextStyle::Strong)];
    let filter = model.filter();
    if filter.is_shown() {
        let text = visible_in(&filter.text, model.theme.charset);
        let cursor = if filter.typing { "_" } else { "" };
        title.push((format!(" {len} of {}", grouped(total)), TextStyle::Plain));
        title.push((format!("  / {text}{cursor}"), TextStyle::Accent));
    } else if shown.len() as u64 == total {
        title.push((format!(" {total}"), TextStyle::Plain));
    } else {
        let range = model.theme.range(shown.start + 1, shown.end);
        title.push((format!(" {range} of {}", grouped(total)), TextStyle::Plain));
    }
    title
}

/// The job's name for a list; a job from standard input is named `-`.
pub(super) fn name(job: &Job) -> &str {
    match job.name.as_str() {
        "-" => "(stdin)",
        "" => "(no name)",
        name => name,
    }
}

/// The number of unusable messages, with the command that lists them.
pub(super) fn unusable(model: &Model) -> Vec<StyledText> {
    let state = model.state.as_ref();
    match state.map_or(0, |state| state.master().unreadable) {
        0 => Vec::new(),
        count => {
            let messages = plural(count, "unusable message");
            vec![(format!("{messages}: rowmill dead list"), TextStyle::Warn)]
        }
    }
}
