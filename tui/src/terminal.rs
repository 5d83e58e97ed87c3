//! Terminal setup and restoration. However the dashboard ends (return, error, panic, signal), the
//! terminal is restored.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::panic;
use std::sync::Arc;

use crossterm::event::{Event, KeyEventKind, MouseEventKind};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{Command, cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::error::TuiError;
use crate::model::Model;
use crate::view::view;

/// Large enough for a whole screen, so that a frame is one write.
const FRAME_BYTES: usize = 64 * 1024;

type PanicHook = Arc<dyn Fn(&panic::PanicHookInfo<'_>) + Send + Sync>;

/// The terminal in raw mode on the alternate screen; restored on drop.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    hook: PanicHook,
}

/// Enables clicks and the wheel, in SGR encoding. crossterm's own command also enables movement
/// events, which would be one message for each column that the mouse passes.
struct EnableMouse;
struct DisableMouse;

impl Command for EnableMouse {
    fn write_ansi(&self, f: &mut impl std::fmt::Write) -> std::fmt::Result {
        f.write_str("\x1b[?1000h\x1b[?1006h")
    }
}

impl Command for DisableMouse {
    fn write_ansi(&self, f: &mut impl std::fmt::Write) -> std::fmt::Result {
        f.write_str("\x1b[?1006l\x1b[?1000l")
    }
}

impl Screen {
    /// Sets up the terminal.
    ///
    /// # Errors
    ///
    /// If standard output is not a terminal, or if setting raw mode fails.
    pub(crate) fn open() -> Result<Self, TuiError> {
        if !io::stdout().is_terminal() {
            return Err(TuiError::NotATerminal);
        }
        // First, so that a panic from here on restores the terminal.
        let hook: PanicHook = Arc::from(panic::take_hook());
        let before = Arc::clone(&hook);
        panic::set_hook(Box::new(move |info| {
            restore();
            before(info);
        }));
        match enter() {
            Ok(terminal) => Ok(Self { terminal, hook }),
            Err(error) => {
                restore();
                panic::set_hook(Box::new(move |info| hook(info)));
                Err(TuiError::Terminal(error))
            }
        }
    }

    pub(crate) fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Draws the model, as one synchronised update on terminals that support it.
    pub(crate) fn render(&mut self, model: &Model) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| view(model, frame))?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// Copies `text` to the clipboard, also over ssh (OSC 52). Terminals without OSC 52 ignore it.
    pub(crate) fn copy(&mut self, text: &str) -> io::Result<()> {
        let backend = self.terminal.backend_mut();
        write!(backend, "\x1b]52;c;{}\x07", base64(text.as_bytes()))?;
        io::Write::flush(backend)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
        // The hook cannot be changed while panicking; the process is ending then.
        if !std::thread::panicking() {
            let hook = Arc::clone(&self.hook);
            panic::set_hook(Box::new(move |info| hook(info)));
        }
    }
}

fn enter() -> io::Result<Terminal<CrosstermBackend<BufWriter<Stdout>>>> {
    enable_raw_mode()?;
    let mut out = BufWriter::with_capacity(FRAME_BYTES, io::stdout());
    execute!(out, EnterAlternateScreen, EnableMouse, cursor::Hide)?;
    Terminal::new(CrosstermBackend::new(out))
}

/// Restores the terminal. Idempotent; errors are ignored since there is nowhere to report them.
fn restore() {
    let mut out = io::stdout();
    drop(execute!(
        out,
        EndSynchronizedUpdate,
        DisableMouse,
        LeaveAlternateScreen,
        cursor::Show
    ));
    drop(disable_raw_mode());
}

/// The terminal events that the dashboard handles.
pub(crate) enum Input {
    Key(crossterm::event::KeyEvent),
    /// A click at column, line.
    Click(u16, u16),
    /// Number of notches down.
    Wheel(isize),
    Resize(u16, u16),
}

impl Input {
    pub(crate) fn from_event(event: &Event) -> Option<Self> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => Some(Self::Key(*key)),
            Event::Resize(columns, lines) => Some(Self::Resize(*columns, *lines)),
            Event::Mouse(mouse) => match mouse.kind {
                MouseEventKind::Down(_) => Some(Self::Click(mouse.column, mouse.row)),
                MouseEventKind::ScrollUp => Some(Self::Wheel(-1)),
                MouseEventKind::ScrollDown => Some(Self::Wheel(1)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            if i <= three.len() {
                out.push(char::from(DIGITS[(bits >> (18 - 6 * i)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pty::Pty;

    #[test]
    fn base64_is_rfc_4648() {
        let known = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in known {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    /// Not a test: run by the test below on a pseudo-terminal.
    #[test]
    #[ignore = "panics on purpose, on a terminal of its own"]
    fn panics_on_purpose() {
        let mut screen = Screen::open().unwrap();
        let theme = crate::theme::Theme::new(cli::text::Charset::Utf8, true);
        let model = Model::new(theme, "here", crate::tab::Tab::Jobs, 0);
        screen.render(&model).unwrap();
        panic!("on purpose");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_restores_the_terminal_and_is_readable() {
        let program = std::env::current_exe().unwrap();
        let args = [
            "--exact",
            "terminal::tests::panics_on_purpose",
            "--ignored",
            "--nocapture",
        ];
        let mut pty = Pty::run(&program.to_string_lossy(), &args, (80, 24));
        assert!(!pty.ended().await);
        assert!(pty.was_taken());
        assert!(!pty.is_taken());
        pty.until(|screen| screen.contains("on purpose")).await;
    }
}
