//! The event loop: input, news and time become messages; effects are carried out; the screen is
//! drawn when something changed. It waits for the network in no place.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures_util::{Stream, StreamExt};
use proto::ConnectError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::args::{Config, Tab};
use crate::clock::Clock;
use crate::error::TuiError;
use crate::feed::{Feed, NEWS_WAITING, Wish};
use crate::keys::{Mode, ask};
use crate::message::{Ask, Effect, Msg, News};
use crate::model::Model;
use crate::once;
use crate::terminal::{Input, Screen};
use crate::theme::Theme;
use crate::update::update;
use crate::view::tab_at;

/// At most 30 frames a second.
const FRAME: Duration = Duration::from_millis(33);

/// Lines that one notch of the wheel moves.
const NOTCH: isize = 3;

/// Watches the master that `config` names until the person quits or `shutdown` is cancelled; with
/// `once`, prints one screen.
///
/// Whoever calls turns signals into `shutdown`. The terminal is given back before this returns.
///
/// # Errors
///
/// When there is no terminal, or it fails; with `once`, when the master gives no data. A master that
/// is away is no error otherwise: the dashboard waits for it.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), TuiError> {
    if config.once {
        return once::print(config, shutdown).await;
    }
    let mut screen = Screen::open()?;
    let clock = Clock::start();
    let theme = Theme::new(config.charset, config.colour);
    let mut model = Model::new(theme, &config.source.name(), config.tab, clock.now_ms());
    model.size = screen.size().map_err(TuiError::Terminal)?;
    // A master speaks once a second at least, or as seldom as it is asked to.
    model.fresh_ms = model.fresh_ms.max((2500.0 / config.rate_hz) as u64);

    let (wish, wishes) = watch::channel(Wish::default());
    let (news_sender, news) = mpsc::channel(NEWS_WAITING);
    let feed = Feed {
        source: config.source,
        rate_hz: config.rate_hz,
        clock,
        wish: wishes,
        news: news_sender,
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(feed.run());

    let mut dashboard = Dashboard {
        model,
        clock,
        wish,
        news,
        tasks,
        shutdown,
    };
    dashboard.run(EventStream::new(), &mut screen).await
}

/// What the loop draws on.
pub(crate) trait Canvas {
    fn paint(&mut self, model: &Model) -> io::Result<()>;
    fn copy(&mut self, text: &str) -> io::Result<()>;
}

impl Canvas for Screen {
    fn paint(&mut self, model: &Model) -> io::Result<()> {
        Self::paint(self, model)
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        Self::copy(self, text)
    }
}

struct Dashboard {
    model: Model,
    clock: Clock,
    wish: watch::Sender<Wish>,
    news: mpsc::Receiver<News>,
    tasks: JoinSet<Result<(), ConnectError>>,
    shutdown: CancellationToken,
}

impl Dashboard {
    async fn run<C: Canvas>(
        &mut self,
        mut input: impl Stream<Item = io::Result<Event>> + Unpin,
        canvas: &mut C,
    ) -> Result<(), TuiError> {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut drawn = Instant::now() - FRAME;
        let mut changed = true;
        loop {
            // Looked at before anything else, so that no flood of input or news keeps the screen.
            if changed && drawn.elapsed() >= FRAME {
                canvas.paint(&self.model).map_err(TuiError::Terminal)?;
                (drawn, changed) = (Instant::now(), false);
            }
            // In this order: to leave, to obey, to learn, to draw, to age. Each is cancel-safe.
            let msg = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Ok(()),
                event = input.next() => match event {
                    // The terminal is gone.
                    None => return Ok(()),
                    Some(event) => self.heed(&event.map_err(TuiError::Terminal)?),
                },
                news = self.news.recv() => match news {
                    Some(news) => Some(Msg::News(news)),
                    None => return self.feed_ended().await,
                },
                () = sleep_until(drawn + FRAME), if changed => continue,
                _ = second.tick() => Some(Msg::Tick),
            };
            let Some(msg) = msg else { continue };
            changed = true;
            match update(&mut self.model, msg, self.clock.now_ms()) {
                Effect::None => {}
                Effect::Quit => return Ok(()),
                Effect::Watch(job_id) => self.wish.send_modify(|wish| wish.job_id = job_id),
                Effect::Reconnect => self.wish.send_modify(|wish| wish.hurry += 1),
                Effect::Copy(text) => canvas.copy(&text).map_err(TuiError::Terminal)?,
            }
        }
    }

    /// What the terminal's event asks for.
    fn heed(&self, event: &Event) -> Option<Msg> {
        let model = &self.model;
        Some(match Input::of(event)? {
            Input::Key(key) => Msg::Ask(ask(key, model.tab, mode(model))?),
            Input::Resize(columns, lines) => Msg::Resize(columns, lines),
            Input::Wheel(notches) => Msg::Ask(Ask::Down(notches * NOTCH)),
            Input::Click(column, 0) => Msg::Ask(Ask::Show(tab_at(column, model.size.0)?)),
            Input::Click(..) => return None,
        })
    }

    /// The network task ends before the dashboard only if it died, or nothing could come of it.
    async fn feed_ended(&mut self) -> Result<(), TuiError> {
        match self.tasks.join_next().await {
            Some(Err(error)) => Err(TuiError::Feed(error)),
            Some(Ok(ended)) => Ok(ended?),
            None => Ok(()),
        }
    }
}

fn mode(model: &Model) -> Mode {
    if model.filter.typing && model.tab == Tab::Jobs {
        Mode::Typing
    } else if model.help {
        Mode::Help
    } else {
        Mode::Plain
    }
}

#[cfg(test)]
mod tests;
