//! The event loop: turns input, network events and ticks into messages, performs effects, and redraws
//! the screen on change. It never waits for the network.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::error::TuiError;
use crate::feed::{Feed, FeedControl, NETWORK_QUEUE_LEN};
use crate::keys::{Keyboard, Mode, action};
use crate::message::{Action, Effect, Msg, NetworkEvent};
use crate::model::Model;
use crate::once;
use crate::request::Request;
use crate::request_task::{self, REQUEST_QUEUE_LEN};
use crate::terminal::{Input, Screen};
use crate::theme::Theme;
use crate::update::update;
use crate::view::tab_at;

/// At most 30 frames a second.
const FRAME_INTERVAL: Duration = Duration::from_millis(33);

/// Lines per notch of the mouse wheel.
const LINES_PER_NOTCH: isize = 3;

/// Shows the dashboard until the user quits or `shutdown` is cancelled; with `once`, prints one screen.
///
/// The caller turns signals into `shutdown`. The terminal is restored before this returns.
///
/// # Errors
///
/// If there is no terminal or it fails; with `once`, if the master sends no data. Without `once` an
/// unreachable master is no error: the dashboard reconnects.
pub fn run(
    config: Config,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<(), TuiError>> {
    // Boxed: the callers do not compile the dashboard once more.
    Box::pin(run_until(config, shutdown))
}

async fn run_until(config: Config, shutdown: CancellationToken) -> Result<(), TuiError> {
    if config.once {
        return once::print(config, shutdown).await;
    }
    let mut screen = Screen::open()?;
    let clock = Clock::start();
    let theme = Theme::new(config.charset, config.colour);
    let mut model = Model::new(theme, &config.source.name(), config.tab, clock.now_ms());
    model.read_only = config.read_only;
    model.size = screen.size().map_err(TuiError::Terminal)?;
    // The master sends an event every second, or at the rate requested if that is lower.
    model.max_age_ms = model.max_age_ms.max((2500.0 / config.rate_hz) as u64);

    let (control, control_receiver) = watch::channel(FeedControl::default());
    let (network_sender, network_events) = mpsc::channel(NETWORK_QUEUE_LEN);
    let (requests, waiting_requests) = mpsc::channel(REQUEST_QUEUE_LEN);
    let sending = request_task::run(
        config.source.clone(),
        waiting_requests,
        network_sender.clone(),
    );
    let feed = Feed {
        source: config.source,
        rate_hz: config.rate_hz,
        clock,
        control: control_receiver,
        network_events: network_sender,
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(feed.run());
    let mut request_tasks = JoinSet::new();
    request_tasks.spawn(sending);

    let mut dashboard = Dashboard {
        model,
        clock,
        control,
        network_events,
        tasks,
        requests,
        _request_tasks: request_tasks,
        files: JoinSet::new(),
        shutdown,
    };
    dashboard.run(EventStream::new(), &mut screen).await
}

/// The output of the event loop: the terminal, or a counter in tests.
pub(crate) trait Renderer {
    fn render(&mut self, model: &Model) -> io::Result<()>;
    fn copy(&mut self, text: &str) -> io::Result<()>;
}

impl Renderer for Screen {
    fn render(&mut self, model: &Model) -> io::Result<()> {
        Self::render(self, model)
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        Self::copy(self, text)
    }
}

struct Dashboard {
    model: Model,
    clock: Clock,
    control: watch::Sender<FeedControl>,
    network_events: mpsc::Receiver<NetworkEvent>,
    tasks: JoinSet<()>,
    requests: mpsc::Sender<Request>,
    /// Aborted when the dashboard is dropped.
    _request_tasks: JoinSet<()>,
    /// Writes of exported files; each returns the file's name or an error message.
    files: JoinSet<Result<String, String>>,
    shutdown: CancellationToken,
}

impl Dashboard {
    async fn run<R: Renderer>(
        &mut self,
        mut input: impl Stream<Item = io::Result<Event>> + Unpin,
        renderer: &mut R,
    ) -> Result<(), TuiError> {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut drawn = Instant::now() - FRAME_INTERVAL;
        let mut changed = true;
        loop {
            // Before the select, so that a flood of input or network events cannot delay the redraw.
            if changed && drawn.elapsed() >= FRAME_INTERVAL {
                renderer.render(&self.model).map_err(TuiError::Terminal)?;
                (drawn, changed) = (Instant::now(), false);
            }
            // Biased: shutdown, input, network events, redraw, tick. Each branch is cancel-safe.
            let msg = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Ok(()),
                event = input.next() => match event {
                    // The terminal is gone.
                    None => return Ok(()),
                    Some(event) => self.message_for(&event.map_err(TuiError::Terminal)?),
                },
                Some(event) = self.network_events.recv() => Some(Msg::Network(event)),
                Some(ended) = self.tasks.join_next() => return ended.map_err(TuiError::Feed),
                Some(saved) = self.files.join_next() => {
                    let saved = saved.unwrap_or_else(|panic| Err(panic.to_string()));
                    Some(Msg::Saved(saved))
                }
                () = sleep_until(drawn + FRAME_INTERVAL), if changed => continue,
                _ = second.tick() => Some(Msg::Tick),
            };
            let Some(msg) = msg else { continue };
            changed = true;
            match update(&mut self.model, msg, self.clock.now_ms()) {
                Effect::None => {}
                Effect::Quit => return Ok(()),
                Effect::Watch(job_id) => {
                    self.control.send_modify(|control| control.job_id = job_id);
                }
                Effect::Reconnect => self.control.send_modify(|control| control.reconnects += 1),
                Effect::Request(request) => self.send(request),
                Effect::Save { name, bytes } => {
                    self.files.spawn_blocking(move || save(&name, &bytes));
                }
                Effect::Copy(text) => renderer.copy(&text).map_err(TuiError::Terminal)?,
            }
        }
    }

    /// The message for an event of the terminal, if it has one.
    fn message_for(&self, event: &Event) -> Option<Msg> {
        let model = &self.model;
        Some(match Input::from_event(event)? {
            Input::Key(key) => {
                let keyboard = Keyboard {
                    tab: model.tab,
                    mode: mode(model),
                    read_only: model.is_read_only(),
                };
                Msg::Action(action(key, keyboard)?)
            }
            Input::Resize(columns, lines) => Msg::Resize(columns, lines),
            Input::Wheel(notches) => Msg::Action(Action::MoveDown(notches * LINES_PER_NOTCH)),
            Input::Click(column, 0) => {
                Msg::Action(Action::ShowTab(tab_at(model.tab, column, model.size.0)?))
            }
            // While a question is open, clicks select nothing.
            Input::Click(..) if model.question.is_some() => return None,
            Input::Click(_, line) => Msg::Action(Action::SelectLine(line)),
        })
    }

    /// Queues `request`; if the queue is full, shows a notice.
    fn send(&mut self, request: Request) {
        if self.requests.try_send(request).is_err() {
            let notice = "the master has not answered yet; try again".to_owned();
            self.model.notice = Some((notice, self.clock.now_ms() + 3000));
        }
    }
}

fn mode(model: &Model) -> Mode {
    if model.question.is_some() {
        Mode::Confirm
    } else if model.filter().typing {
        Mode::Typing
    } else if model.help {
        Mode::Help
    } else {
        Mode::Normal
    }
}

/// Writes a new file in the working directory, with a number in its name if the file exists already.
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
    Err(format!("{name} and 98 numbered copies exist already"))
}

#[cfg(test)]
mod tests;
