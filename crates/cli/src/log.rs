//! Logging: levels and formats.

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

/// The log level of a command on stderr if `ROWMILL_LOG` is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// A service: one line per event.
    Service(LogFormat),
    /// An interactive command: warnings only.
    Command,
    /// A full-screen command: nothing, since log lines would corrupt the screen.
    Silent,
}

/// The format of a service's log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    #[default]
    Text,
    /// JSON for log collectors, one object per event: `timestamp`, `level`, `message`, and the event's fields.
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

/// Log arguments of a service.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct LogArgs {
    /// The format of the log.
    #[arg(
        help = "Log format: text, or json with one object per line; ROWMILL_LOG sets the level (warn, info, debug, or \
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
    /// The log settings of a service with these arguments.
    pub fn service(self) -> Log {
        Log::Service(self.log_format)
    }
}

/// Starts logging to stderr; for systemd's journal, with a priority on each line.
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
        // Reporting a failed write would panic if stderr cannot be written.
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
        // The journal records the time of every line itself.
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

/// Formats an event as one flat object with its own fields and those of its spans.
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

/// Parses the output of a JSON formatter, which writes only objects.
fn object(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap_or_default()
}
