//! The event loop: input, news and time become messages; effects are carried out; the screen is
//! drawn when something changed. It waits for the network in no place.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures_util::{Stream, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::args::Config;
use crate::clock::Clock;
use crate::errand::{self, ERRANDS_WAITING, Errand};
use crate::error::TuiError;
use crate::feed::{Feed, NEWS_WAITING, Wish};
use crate::keys::{Keyboard, Mode, ask};
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
    model.read_only = config.read_only;
    model.size = screen.size().map_err(TuiError::Terminal)?;
    // A master speaks once a second at least, or as seldom as it is asked to.
    model.fresh_ms = model.fresh_ms.max((2500.0 / config.rate_hz) as u64);

    let (wish, wishes) = watch::channel(Wish::default());
    let (news_sender, news) = mpsc::channel(NEWS_WAITING);
    let (errands, errands_waiting) = mpsc::channel(ERRANDS_WAITING);
    let errands_task = errand::run(config.source.clone(), errands_waiting, news_sender.clone());
    let feed = Feed {
        source: config.source,
        rate_hz: config.rate_hz,
        clock,
        wish: wishes,
        news: news_sender,
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(feed.run());
    let mut runner = JoinSet::new();
    runner.spawn(errands_task);

    let mut dashboard = Dashboard {
        model,
        clock,
        wish,
        news,
        tasks,
        errands,
        _runner: runner,
        files: JoinSet::new(),
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
    tasks: JoinSet<()>,
    errands: mpsc::Sender<Errand>,
    /// It goes with the dashboard.
    _runner: JoinSet<()>,
    /// Files that are being written, and what came of it.
    files: JoinSet<Result<String, String>>,
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
                Some(news) = self.news.recv() => Some(Msg::News(news)),
                Some(ended) = self.tasks.join_next() => return ended.map_err(TuiError::Feed),
                Some(saved) = self.files.join_next() => {
                    let saved = saved.unwrap_or_else(|panic| Err(panic.to_string()));
                    Some(Msg::Saved(saved))
                }
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
                Effect::Errand(errand) => self.send(errand),
                Effect::Save { name, bytes } => {
                    self.files.spawn_blocking(move || save(&name, &bytes));
                }
                Effect::Copy(text) => canvas.copy(&text).map_err(TuiError::Terminal)?,
            }
        }
    }

    /// What the terminal's event asks for.
    fn heed(&self, event: &Event) -> Option<Msg> {
        let model = &self.model;
        Some(match Input::of(event)? {
            Input::Key(key) => {
                let keyboard = Keyboard {
                    tab: model.tab,
                    mode: mode(model),
                    read_only: model.is_read_only(),
                };
                Msg::Ask(ask(key, keyboard)?)
            }
            Input::Resize(columns, lines) => Msg::Resize(columns, lines),
            Input::Wheel(notches) => Msg::Ask(Ask::Down(notches * NOTCH)),
            Input::Click(column, 0) => {
                Msg::Ask(Ask::Show(tab_at(model.tab, column, model.size.0)?))
            }
            // A click does not answer a question.
            Input::Click(..) if model.question.is_some() => return None,
            Input::Click(_, line) => Msg::Ask(Ask::Point(line)),
        })
    }

    /// A person who asks faster than the master answers is asked to wait.
    fn send(&mut self, errand: Errand) {
        if self.errands.try_send(errand).is_err() {
            let notice = "the master has not answered yet; try again".to_owned();
            self.model.notice = Some((notice, self.clock.now_ms() + 3000));
        }
    }
}

fn mode(model: &Model) -> Mode {
    if model.question.is_some() {
        Mode::Asked
    } else if model.filter().typing {
        Mode::Typing
    } else if model.help {
        Mode::Help
    } else {
        Mode::Plain
    }
}

/// Writes a new file in the directory that the dashboard was started in; with a number in its name
/// where there is one already.
fn save(name: &str, bytes: &[u8]) -> Result<String, String> {
    for number in 1..100 {
        let name = match number {
            1 => name.to_owned(),
            number => name.replace(".csv", &format!("-{number}.csv")),
        };
        match std::fs::File::create_new(&name) {
            Ok(mut file) => {
                let written = io::Write::write_all(&mut file, bytes);
                return written
                    .map(|()| name.clone())
                    .map_err(|error| format!("cannot write {name}: {error}"));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("cannot write {name}: {error}")),
        }
    }
    Err(format!("{name} and ninety-eight like it are there already"))
}

#[cfg(test)]
mod tests;
