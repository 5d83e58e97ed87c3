//! A profile as one self-contained HTML page: styles and charts are inline, it loads nothing from the
//! network, and it has no scripts.

mod card;
mod chart;
mod overview;
mod rules;
use std::borrow::Cow;

use cli::format;
use cli::text::{Charset, brief};
use maud::{Markup, PreEscaped, html};
use proto::v1::{GetJobResponse, Job, Profile, ValidateReport};

use crate::result_text;
use crate::summary::partial_label;

/// Longer text is cut; JSON has all of it.
const TEXT_WIDTH: usize = 300;

/// The page of a profile.
pub(crate) fn profile_page(response: &GetJobResponse, profile: &Profile) -> String {
    let job = response.job.clone().unwrap_or_default();
    let body = html! {
        (head("Profiled", &job, response.partial, tiles(&job, profile)))
        (overview::overview(profile))
        @for (at, column) in profile.columns.iter().enumerate() { (card::card(at, column)) }
    };
    document(&job, "profile", &body)
}

/// The page of a validation report.
pub(crate) fn rules_page(response: &GetJobResponse, report: &ValidateReport) -> String {
    let job = response.job.clone().unwrap_or_default();
    rules::page(&job, report, response.partial)
}

/// An HTML document with this title and body.
fn document(job: &Job, what: &str, body: &Markup) -> String {
    let name = shown(&job.name);
    let page = html! {
        (PreEscaped("<!doctype html>\n"))
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'";
                title { (name) ": " (what) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                main {
                    h1 { (name) }
                    (body)
                    footer { "Job " (shown(&job.job_id)) " · rowmill " (proto::VERSION) }
                }
            }
        }
        "\n"
    };
    page.into_string()
}

/// Untrusted text, with control, bidirectional and invisible characters made visible, and cut if it is long.
/// `html!` escapes its markup.
fn shown(text: &str) -> Cow<'_, str> {
    brief(text, TEXT_WIDTH, Charset::Utf8)
}

/// The time, the publisher, a label if the numbers are not final, and counts.
fn head(what: &str, job: &Job, is_partial: bool, tiles: Vec<(&'static str, String)>) -> Markup {
    html! {
        p.faint { (what) " " (moment(job.opened_unix_ms)) " by " (shown(&job.publisher)) }
        @if is_partial {
            p.partial { "Not all of the file: " (partial_label(job)) "." }
        }
        dl.tiles {
            @for (what, value) in tiles { div { dt { (what) } dd { (value) } } }
        }
    }
}

fn tiles(job: &Job, profile: &Profile) -> Vec<(&'static str, String)> {
    let mut tiles = vec![
        ("rows", format::grouped(profile.rows)),
        ("columns", format::grouped(profile.columns.len() as u64)),
        (
            "bytes",
            format::bytes(job.source_bytes.unwrap_or(job.bytes)),
        ),
    ];
    if let Some(duplicates) = &profile.duplicate_rows {
        // If the estimate is 0, its error is the number of duplicates that may exist nevertheless.
        let none_seen = duplicates.count == 0 && duplicates.error > 0.0;
        let count = result_text::estimate(duplicates, Charset::Utf8);
        tiles.push((
            "duplicate rows",
            if none_seen {
                "none seen".to_owned()
            } else {
                count
            },
        ));
    }
    tiles.push(("bad records left out", format::grouped(job.rejects)));
    if job.chunks_dead > 0 {
        tiles.push(("dead chunks", format::grouped(job.chunks_dead)));
    }
    tiles
}

/// `2026-07-28 12:34 UTC`. The date is computed as by `civil_from_days` in H. Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", for days from 1970 on.
fn moment(unix_ms: u64) -> String {
    let minutes = unix_ms / 60_000;
    let days = minutes / 1440 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (minutes / 60 % 24, minutes % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn moments_are_those_of_the_calendar() {
        assert_eq!(moment(0), "1970-01-01 00:00 UTC");
        assert_eq!(moment(951_782_400_000), "2000-02-29 00:00 UTC");
        assert_eq!(moment(1_735_689_599_999), "2024-12-31 23:59 UTC");
        assert_eq!(moment(4_107_542_400_000), "2100-03-01 00:00 UTC");
    }

    #[test]
    fn nothing_is_markup_and_nothing_is_hidden() {
        let hostile = "</title><script>\"&\u{202e}\0";
        assert_eq!(
            html! { (shown(hostile)) }.into_string(),
            "&lt;/title&gt;&lt;script&gt;&quot;&amp;\\u{202e}␀"
        );
        assert!(shown(&"x".repeat(10_000)).len() < 400);
    }

    #[test]
    fn whatever_a_file_says_stays_text() {
        let page = profile_page(&sample::response(), &sample::profile());
        for hostile in ["<script", "<img", "<b>", "\u{1b}", "\u{202e}", "\u{7}"] {
            assert!(!page.contains(hostile), "{hostile:?}");
        }
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    }

    #[test]
    fn the_page_needs_nobody_else() {
        let page = profile_page(&sample::response(), &sample::profile());
        for outside in ["http:", "https:", "src=", "url(", "@import", "javascript:"] {
            let found = page.replace("src=x onerror", "").contains(outside);
            assert!(!found, "{outside}");
        }
    }

    #[test]
    fn every_tag_is_closed() {
        let page = profile_page(&sample::response(), &sample::profile());
        for tag in [
            "div", "section", "table", "tr", "td", "th", "svg", "h2", "ul", "li", "dl", "p",
            "small",
        ] {
            let opened = page.matches(&format!("<{tag}>")).count()
                + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
