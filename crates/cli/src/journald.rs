//! Output to systemd's journal by stderr: every line begins with its priority (sd-daemon(3)), since the
//! journal stores a line without one as "info".

use std::fmt::Write as _;
use std::panic;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The priority of a line, with the numbers of syslog(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    Error = 3,
    Warning = 4,
    Info = 6,
    Debug = 7,
}

impl From<&Level> for Priority {
    fn from(level: &Level) -> Self {
        match *level {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warning,
            Level::INFO => Self::Info,
            // The journal has no lower priority.
            Level::DEBUG | Level::TRACE => Self::Debug,
        }
    }
}

/// Whether stderr is connected to the journal. `JOURNAL_STREAM` contains the device and inode of the journal's
/// socket (systemd.exec(5)); a process with redirected stderr inherits the variable, but has another file.
pub(crate) fn reads_stderr() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    rustix::fs::fstat(std::io::stderr())
        .is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// `text` with `priority` in front of each line.
pub(crate) fn prefixed(priority: Priority, text: &str) -> String {
    let mut lines = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        // Writing into a String cannot fail.
        let written = writeln!(lines, "<{}>{line}", priority as u8);
        debug_assert!(written.is_ok());
    }
    lines
}

/// Writes an error to stderr; for the journal with its priority.
pub(crate) fn say_error(text: &str) {
    if reads_stderr() {
        let lines = prefixed(Priority::Error, text);
        crate::stderr_line!("{}", lines.trim_end_matches('\n'));
    } else {
        crate::stderr_line!("{}", text.trim_end_matches('\n'));
    }
}

/// Writes panics to the journal with the priority of errors on every line.
pub(crate) fn prefix_panics() {
    panic::set_hook(Box::new(|info| {
        let backtrace = std::backtrace::Backtrace::capture();
        let mut text = info.to_string();
        if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
            text.push_str(&format!("\n{backtrace}"));
        }
        say_error(&text);
    }));
}

/// Puts an event's priority in front of each line written by another format.
pub(crate) struct Prefixed<F>(pub(crate) F);

impl<S, N, F> FormatEvent<S, N> for Prefixed<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut text = String::new();
        self.0
            .format_event(context, Writer::new(&mut text), event)?;
        writer.write_str(&prefixed(event.metadata().level().into(), &text))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing_subscriber::fmt::format::Format;

    use super::*;

    #[test]
    fn every_line_of_an_event_has_its_priority() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_writer(Arc::new(file.reopen().unwrap()))
            .with_ansi(false)
            .event_format(Prefixed(
                Format::default().without_time().with_target(false),
            ))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("one\ntwo");
            tracing::warn!(rows = 3, "three");
            tracing::info!("four");
            tracing::debug!("five");
            tracing::trace!("six");
        });
        assert_eq!(
            std::fs::read_to_string(file.path()).unwrap(),
            "<3>ERROR one\n<3>two\n<4> WARN three rows=3\n<6> INFO four\n<7>DEBUG five\n<7>TRACE six\n"
        );
    }
}
