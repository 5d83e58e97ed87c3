//! Results of jobs for people and programs: tables, JSON, CSV, Markdown, HTML pages, and the differences of two
//! profiles. Texts about jobs and columns are the same here and on the dashboard. It does no I/O of its own: it
//! writes to the writer that it is given.

mod column_counts;
mod column_json;
mod csv;
pub mod diff;
mod exec;
mod formulas;
mod html;
mod job_json;
pub mod json;
mod markdown;
pub mod number;
mod profile;
mod remarks;
mod render;
pub mod result_text;
#[cfg(test)]
mod sample;
mod summary;
mod table;
mod validate;
mod write;

pub use formulas::Formulas;
pub use job_json::{JobJson, SniffedJson, read as read_json, state_name};
pub use profile::profile_of;
pub use render::{Render, html_page, renderer, texts};
pub use summary::summary;
pub use table::{Align, Column, Table};
pub use validate::sorted as sorted_rules;
pub use write::{Format, write};
