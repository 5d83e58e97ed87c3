//! How a process logs: how much, and as what.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

use crate::journald::{self, Prefixed};

/// How much a command says on stderr when `ROWMILL_LOG` is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// A service: what it does, a line an event.
    Service(LogFormat),
    /// A command that a person waits for: warnings only.
    Command,
    /// A screen: nothing, since it would be written over.
    Silent,
}

/// How a service writes an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object, for whatever collects logs: `timestamp`, `level`, `message`, and the event's own fields.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("text or json is expected"),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// How a service logs.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct LogArgs {
    /// How to log.
    #[arg(
        help = "How to log: text, or json with one object a line; ROWMILL_LOG says how much (warn, info, debug, or \
                by module as in info,broker=debug) [default: text]",
        long,
        value_name = "FORMAT",
        env = "ROWMILL_LOG_FORMAT",
        default_value_t,
        hide_default_value = true
    )]
    log_format: LogFormat,
}

impl LogArgs {
    /// What a service does that logs so.
    pub fn service(self) -> Log {
        Log::Service(self.log_format)
    }
}

/// Starts to log to stderr; for systemd's journal, with the priority of each line.
pub(crate) fn start_log(log: Log) {
    let default = match log {
        Log::Service(_) => "info",
        Log::Command => "warn",
        Log::Silent => "off",
    };
    let filter = EnvFilter::try_from_env("ROWMILL_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("{default},lapin=off")));
    let to_journal = journald::reads_stderr();
    if to_journal {
        journald::prefix_panics();
    }
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        // It would panic where stderr cannot be written.
        .log_internal_errors(false);
    let is_json = matches!(log, Log::Service(LogFormat::Json));
    let started = match (is_json, to_journal) {
        (true, true) => logger
            .fmt_fields(JsonFields::new())
            .event_format(Prefixed(JsonLine))
            .try_init(),
        (true, false) => logger
            .fmt_fields(JsonFields::new())
            .event_format(JsonLine)
            .try_init(),
        // The journal has its own time of every line.
        (false, true) => logger
            .event_format(Prefixed(
                Format::default().without_time().with_target(false),
            ))
            .try_init(),
        (false, false) => logger.try_init(),
    };
    if started.is_err() {
        crate::stderr_line!("rowmill: a logger was installed already");
    }
}

/// An event as one object: its own fields, and those of what it is about, side by side.
struct JsonLine;

impl<S> FormatEvent<S, JsonFields> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Map::new();
        line.insert("timestamp".into(), time.into());
        line.insert("level".into(), event.metadata().level().as_str().into());
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<FormattedFields<JsonFields>>() {
                line.extend(object(fields));
            }
        }
        let mut own = String::new();
        context.format_fields(Writer::new(&mut own), event)?;
        line.extend(object(&own));
        writeln!(writer, "{}", Value::from(line))
    }
}

/// What a formatter of JSON has written; it writes nothing but objects.
fn object(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap_or_default()
}
