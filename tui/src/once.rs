//! One plain screen on standard output, for scripts and where there is no terminal.

use std::io::{self, Write};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio_util::sync::CancellationToken;

use crate::args::Config;
use crate::clock::Clock;
use crate::errand::answer;
use crate::error::TuiError;
use crate::feed::{Ended, check_protocol, connect, next, subscribe};
use crate::message::{Effect, Link, Msg, News};
use crate::model::Model;
use crate::text::width;
use crate::theme::Theme;
use crate::update::update;
use crate::view::draw;

/// Waits for one snapshot, and prints the screen that it makes.
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
        .write_all(plain(&buffer).as_bytes())
        .and_then(|()| out.flush())
    {
        // Whoever read has read enough.
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
    let link = Msg::News(News::Link(Link::Connected));
    update(&mut model, link, clock.now_ms());
    // The first snapshot tells which job is the newest; where more of that one is shown, a second one
    // brings it, and what no snapshot brings is asked for.
    let mut wanted = Effect::Watch(String::new());
    loop {
        let news = match wanted {
            Effect::Watch(job_id) => {
                let event = first(&mut client, &job_id, config.rate_hz).await;
                let event = event.map_err(|ended| match ended {
                    Ended::Connect(error) => TuiError::Unreachable(error),
                    ended => TuiError::NoData {
                        address: address.clone(),
                        reason: ended.to_string(),
                    },
                })?;
                News::Event {
                    job_id,
                    event: Box::new(event),
                }
            }
            Effect::Errand(errand) => News::Answer(answer(&config.source, errand).await),
            _ => return Ok(model),
        };
        wanted = update(&mut model, Msg::News(news), clock.now_ms());
    }
}

async fn first(
    client: &mut access::Client,
    job_id: &str,
    rate_hz: f64,
) -> Result<proto::v1::WatchEvent, Ended> {
    let mut stream = subscribe(client, job_id, rate_hz).await?;
    let event = next(&mut stream, true).await?;
    check_protocol(&event)?;
    Ok(event)
}

/// What `COLUMNS` and `LINES` say, 80 by 24 where they say nothing that can be drawn on.
fn size() -> (u16, u16) {
    let said = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let sound = |size: Option<u16>, least: u16, usual: u16| {
        size.filter(|size| (least..=1000).contains(size))
            .unwrap_or(usual)
    };
    let (columns, lines) = crate::view::LEAST;
    (
        sound(said("COLUMNS"), columns, 80),
        sound(said("LINES"), lines, 24),
    )
}

/// The text of `buffer`, a line each, without spaces at the ends of lines.
pub(crate) fn plain(buffer: &Buffer) -> String {
    let area = *buffer.area();
    let mut text = String::new();
    for y in area.top()..area.bottom() {
        let start = text.len();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer[(x, y)].symbol();
            text.push_str(symbol);
            // What a wide character covers is not a place of its own.
            x += (width(symbol) as u16).max(1);
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    }
    text
}
