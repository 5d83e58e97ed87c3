//! The dashboard: subscribes to a master's stream and shows it in a terminal. All its data comes from
//! the master; it changes only what the user commands, and stores nothing.
//!
//! Key → `Msg` → `update` → `Effect`, then `view` draws the model. The stream (`feed`) and the unary
//! requests (`request_task`) run in tasks of their own; the event loop (`run`) never waits for the network.
//! A new tab needs a variant of [`Tab`], a file in `view/`, and its bindings in `keys`.

mod args;
mod clock;
mod config;
mod connection;
mod dead;
mod error;
mod export;
#[cfg(test)]
#[path = "../tests/fake/mod.rs"]
mod fake;
mod feed;
mod history;
mod keys;
mod layout;
mod message;
mod model;
mod once;
#[cfg(test)]
#[path = "../tests/pty/mod.rs"]
mod pty;
mod records;
mod request;
mod request_task;
mod rows_view;
mod run;
mod state;
mod tab;
mod terminal;
mod theme;
mod update;
mod view;

pub use args::{Args, failure};
pub use config::{Config, Source};
pub use error::TuiError;
pub use run::run;
pub use tab::Tab;
