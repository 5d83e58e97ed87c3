//! The dashboard: watches a master's stream and shows it in a terminal. It knows only what the
//! master says, changes only what a person asks it to, and remembers nothing beyond its own run.
//!
//! Key → `Msg` → `update` → `Effect`, then `view` draws what the model says. The network is a task
//! of its own (`feed`), as is what it asks beside the stream (`errand`); the event loop (`run`) never waits
//! for either. A further tab is a variant of [`Tab`], a file in `view/`, and its keys in `keys`.

mod args;
mod clock;
mod dead;
mod errand;
mod error;
mod export;
#[cfg(test)]
#[path = "../tests/fake/mod.rs"]
mod fake;
mod feed;
mod history;
mod keys;
mod message;
mod model;
mod once;
#[cfg(test)]
#[path = "../tests/pty/mod.rs"]
mod pty;
mod run;
mod sheet;
mod state;
mod terminal;
mod theme;
mod update;
mod view;
pub mod words;

pub use args::{Args, Config, Source, Tab, failure};
pub use cli::{format, text};
pub use error::TuiError;
pub use run::run;
