//! Messages that the master cannot use, listed and shown by `rowmill dead`.

use std::io::Write;

use access::Client;
use cli::{Exit, Failure, OrUnwritable, STDOUT};
use cli::{format, text};
use proto::v1::{
    DropUnreadableRequest, GetUnreadableRequest, GetUnreadableResponse, ListUnreadableRequest,
    UnreadableMessage,
};
use serde::Serialize;

use crate::dead::say_dropped;
use report::json::write_line as json_line;
use report::{Align, Table};

use crate::output::width;
use crate::query::request_failure;

/// Maximum number of lines of a body that are shown, and of bytes per line.
const LINES_SHOWN: usize = 10;
const LINE_BYTES: usize = 400;

const COLUMNS: [(&str, Align); 8] = [
    ("message", Align::Right),
    ("type", Align::Left),
    ("content type", Align::Left),
    ("from", Align::Left),
    ("queue", Align::Left),
    ("bytes", Align::Right),
    ("received", Align::Right),
    ("reason", Align::Left),
];

/// A message as JSON. A stable format: no field changes its meaning.
#[derive(Debug, Serialize)]
struct MessageJson {
    /// The number of the message. Chunks do not have this field.
    message: u64,
    r#type: String,
    content_type: String,
    message_id: String,
    correlation_id: String,
    app_id: String,
    queue: String,
    reason: String,
    received_unix_ms: u64,
    body_bytes: u64,
    times: u64,
}

/// A message with its body.
#[derive(Debug, Serialize)]
struct MessageBodyJson {
    #[serde(flatten)]
    message: MessageJson,
    /// The beginning of the body; malformed UTF-8 is replaced by U+FFFD.
    body: String,
}

/// Lists the messages after the dead chunks, and returns their number.
pub(crate) async fn list(
    client: &mut Client,
    out: &mut impl Write,
    json: bool,
) -> Result<usize, Failure> {
    let answer = client.list_unreadable(ListUnreadableRequest {}).await;
    let list = answer
        .map_err(|status| request_failure(&status))?
        .into_inner();
    let count = list.messages.len();
    if json {
        for message in list.messages {
            json_line(out, &MessageJson::from(message)).or_unwritable(STDOUT)?;
        }
        return Ok(count);
    }
    if count > 0 {
        let mut table = Table::new(&COLUMNS);
        for message in &list.messages {
            table.row(cells(message));
        }
        table.write(out, width()).or_unwritable(STDOUT)?;
        cli::stderr_line!(
            "rowmill: messages that cannot be used: {count}; to see one: rowmill dead show message \
             NUMBER; to delete it: rowmill dead drop message NUMBER"
        );
    }
    if list.forgotten > 0 {
        cli::stderr_line!(
            "rowmill: {} older messages that could not be used were deleted: the newest 1,000 are kept, \
             of at most 67 MB",
            format::grouped(list.forgotten)
        );
    }
    Ok(count)
}

/// Shows one message with its first bytes.
pub(crate) async fn show(client: &mut Client, number: u64, json: bool) -> Result<Exit, Failure> {
    let answer = client.get_unreadable(GetUnreadableRequest { number }).await;
    let shown = answer
        .map_err(|status| request_failure(&status))?
        .into_inner();
    let mut out = std::io::stdout().lock();
    if json {
        let body = String::from_utf8_lossy(&shown.body).into_owned();
        let message = shown.message.unwrap_or_default().into();
        json_line(&mut out, &MessageBodyJson { message, body }).or_unwritable(STDOUT)?;
    } else {
        write(&mut out, &shown).or_unwritable(STDOUT)?;
    }
    Ok(Exit::Ok)
}

/// Deletes the given messages; all if none is given.
pub(crate) async fn drop(
    client: &mut Client,
    numbers: Vec<u64>,
    json: bool,
) -> Result<Exit, Failure> {
    let answer = client
        .drop_unreadable(DropUnreadableRequest { numbers })
        .await;
    let dropped = answer
        .map_err(|status| request_failure(&status))?
        .into_inner();
    say_dropped(dropped.dropped, json)
}

fn cells(message: &UnreadableMessage) -> [String; 8] {
    [
        message.number.to_string(),
        message.r#type.clone(),
        message.content_type.clone(),
        message.app_id.clone(),
        message.queue.clone(),
        format::grouped(message.body_bytes),
        received(message),
        message.reason.clone(),
    ]
}

fn received(message: &UnreadableMessage) -> String {
    let age_ms = proto::unix_ms().saturating_sub(message.received_unix_ms);
    let ago = format!("{} ago", format::duration(age_ms));
    match message.times {
        0 | 1 => ago,
        times => format!("{ago}, {} times", format::grouped(times)),
    }
}

/// Writes the message's fields and the first lines of its body, with control characters made visible.
fn write(out: &mut impl Write, shown: &GetUnreadableResponse) -> std::io::Result<()> {
    let message = shown.message.clone().unwrap_or_default();
    let facts = [
        ("message", message.number.to_string()),
        ("reason", message.reason.clone()),
        ("type", message.r#type.clone()),
        ("content type", message.content_type.clone()),
        ("message id", message.message_id.clone()),
        ("correlation", message.correlation_id.clone()),
        ("from", message.app_id.clone()),
        ("queue", message.queue.clone()),
        ("received", received(&message)),
        ("bytes", format::grouped(message.body_bytes)),
    ];
    for (name, value) in facts {
        writeln!(out, "{name:<12} {}", text::visible(&value))?;
    }
    writeln!(out)?;
    let body = String::from_utf8_lossy(&shown.body);
    for line in body.lines().take(LINES_SHOWN) {
        let mut line = line.to_owned();
        proto::bounds::cut(&mut line, LINE_BYTES);
        writeln!(out, "{}", text::visible(&line))?;
    }
    if body.lines().count() > LINES_SHOWN || message.body_bytes > shown.body.len() as u64 {
        writeln!(out, "...")?;
    }
    out.flush()
}

impl From<UnreadableMessage> for MessageJson {
    fn from(message: UnreadableMessage) -> Self {
        Self {
            message: message.number,
            r#type: message.r#type,
            content_type: message.content_type,
            message_id: message.message_id,
            correlation_id: message.correlation_id,
            app_id: message.app_id,
            queue: message.queue,
            reason: message.reason,
            received_unix_ms: message.received_unix_ms,
            body_bytes: message.body_bytes,
            times: message.times,
        }
    }
}
