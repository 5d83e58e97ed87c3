//! A profile as one self-contained HTML page: styles and charts are inline, it loads nothing from the
//! network, and it has no scripts.

#![allow(clippy::format_collect)] // a page is made once, and markup reads best piece by piece

mod card;
mod chart;
mod escape;
mod overview;
mod rules;

use crate::result_text;
use cli::format;
use cli::text::Charset;
use proto::v1::{GetJobResponse, Job, Profile, ValidateReport};

use self::escape::escaped;
use crate::summary::partial_label;

/// The page of a profile.
pub(crate) fn profile_page(response: &GetJobResponse, profile: &Profile) -> String {
    let job = response.job.clone().unwrap_or_default();
    let cards: String = profile
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| card::card(at, column))
        .collect();
    let head = head(&job, profile, response.partial);
    let overview = overview::overview(profile);
    document(&job, "profile", &format!("{head}{overview}{cards}"))
}

/// The page of a validation report.
pub(crate) fn rules_page(response: &GetJobResponse, report: &ValidateReport) -> String {
    let job = response.job.clone().unwrap_or_default();
    rules::page(&job, report, response.partial)
}

/// An HTML document with this title and body.
fn document(job: &Job, what: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{name}: {what}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n\
         <h1>{name}</h1>\n{body}{foot}</main>\n</body>\n</html>\n",
        name = escaped(&job.name),
        style = include_str!("style.css"),
        foot = foot(job),
    )
}

/// The time, the publisher, a label if the numbers are not final, and the counts of the table.
fn head(job: &Job, profile: &Profile, is_partial: bool) -> String {
    head_with("Profiled", job, is_partial, tiles(job, profile))
}

/// Like [`head`], for any result, with these counts.
fn head_with(
    what: &str,
    job: &Job,
    is_partial: bool,
    tiles: Vec<(&'static str, String)>,
) -> String {
    let mut head = format!(
        "<p class=\"faint\">{what} {} by {}</p>\n",
        moment(job.opened_unix_ms),
        escaped(&job.publisher)
    );
    if is_partial {
        let label = escaped(&partial_label(job));
        head += &format!("<p class=\"partial\">Not all of the file: {label}.</p>\n");
    }
    let tiles: String = tiles
        .into_iter()
        .map(|(what, value)| format!("<div><dt>{what}</dt><dd>{}</dd></div>", escaped(&value)))
        .collect();
    head + &format!("<dl class=\"tiles\">{tiles}</dl>\n")
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
        // For an estimate of 0, the error is the number that there may be nevertheless.
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

fn foot(job: &Job) -> String {
    format!(
        "<footer>Job {} &middot; rowmill {}</footer>\n",
        escaped(&job.job_id),
        proto::VERSION
    )
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
