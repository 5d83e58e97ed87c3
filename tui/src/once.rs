//! `--once`: prints one plain screen on standard output, for scripts and without a terminal.

use std::io::{self, Write};

use cli::text::width;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::connection::Connection;
use crate::error::TuiError;
use crate::feed::{SessionError, check_protocol, connect, next_event, subscribe};
use crate::message::{Effect, Msg, NetworkEvent};
use crate::model::Model;
use crate::request_task::send_request;
use crate::theme::Theme;
use crate::update::update;
use crate::view::draw;

/// Waits for a snapshot and prints its screen.
pub(crate) async fn print(config: Config, shutdown: CancellationToken) -> Result<(), TuiError> {
    let model = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        model = snapshot(config) => model?,
    };
    let (columns, lines) = model.size;
    let area = Rect::new(0, 0, columns, lines);
    let mut buffer = Buffer::empty(area);
    draw(&model, &mut buffer, area);
    let mut out = io::stdout().lock();
    match out
        .write_all(plain_text(&buffer).as_bytes())
        .and_then(|()| out.flush())
    {
        // The reader has closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|source| {
            let name = cli::STDOUT.to_owned();
            cli::WriteError { name, source }.into()
        }),
    }
}

async fn snapshot(config: Config) -> Result<Model, TuiError> {
    let address = config.source.name();
    let clock = Clock::start();
    let theme = Theme::new(config.charset, false);
    let mut model = Model::new(theme, &address, config.tab, clock.now_ms());
    model.interactive = false;
    model.size = size();
    let mut client = connect(&config.source).await?;
    let connection = Msg::Network(NetworkEvent::Connection(Connection::Connected));
    update(&mut model, connection, clock.now_ms());
    // The first snapshot tells which job is the newest. A tab that shows more of that job needs a
    // second snapshot, subscribed to the job, and requests for what no snapshot contains.
    let mut effect = Effect::Watch(String::new());
    loop {
        let network_event = match effect {
            Effect::Watch(job_id) => {
                let event = first_event(&mut client, &job_id, config.rate_hz).await;
                let event = event.map_err(|error| match error {
                    SessionError::Connect(error) => TuiError::Unreachable(error),
                    error => TuiError::NoData {
                        address: address.clone(),
                        reason: error.to_string(),
                    },
                })?;
                NetworkEvent::Event {
                    job_id,
                    event: Box::new(event),
                }
            }
            Effect::Request(request) => {
                NetworkEvent::Response(send_request(&config.source, request).await)
            }
            _ => return Ok(model),
        };
        effect = update(&mut model, Msg::Network(network_event), clock.now_ms());
    }
}

async fn first_event(
    client: &mut access::Client,
    job_id: &str,
    rate_hz: f64,
) -> Result<proto::v1::WatchEvent, SessionError> {
    let mut stream = subscribe(client, job_id, rate_hz).await?;
    let event = next_event(&mut stream, true).await?;
    check_protocol(&event)?;
    Ok(event)
}

/// The size from `COLUMNS` and `LINES`; 80 by 24 if they are not set or out of range.
fn size() -> (u16, u16) {
    let from_env = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let valid_or = |size: Option<u16>, min: u16, default: u16| {
        size.filter(|size| (min..=1000).contains(size))
            .unwrap_or(default)
    };
    let (columns, lines) = crate::layout::MIN_SIZE;
    (
        valid_or(from_env("COLUMNS"), columns, 80),
        valid_or(from_env("LINES"), lines, 24),
    )
}

/// The text of `buffer`, a line each, without spaces at the ends of lines.
pub(crate) fn plain_text(buffer: &Buffer) -> String {
    let area = *buffer.area();
    let mut text = String::new();
    for y in area.top()..area.bottom() {
        let start = text.len();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer[(x, y)].symbol();
            text.push_str(symbol);
            // The cells covered by a wide character have no text of their own.
            x += (width(symbol) as u16).max(1);
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    }
    text
}
