//! Runs a command on a pseudo-terminal and reads its screen.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test that includes this file uses a part of it"
)]
#![allow(clippy::unwrap_used, reason = "only tests include this file")]

use std::io::{Read, Write};
use std::num::NonZero;
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tokio::sync::watch;
use tokio::time::timeout;

/// Timeout of waits, long enough for a busy machine.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(240);

/// A running command and its terminal.
pub struct Pty {
    // Closing it would send SIGHUP to the command.
    _master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: watch::Receiver<Seen>,
}

/// The output so far.
#[derive(Clone, Default)]
struct Seen {
    text: String,
    /// Every screen so far, in order.
    screens: Vec<String>,
    raw: Vec<u8>,
    alternate: bool,
    cursor_hidden: bool,
    ended: bool,
}

impl Pty {
    pub fn run(program: &str, args: &[&str], (columns, lines): (u16, u16)) -> Self {
        let size = PtySize {
            rows: lines,
            cols: columns,
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env("LC_ALL", "C.UTF-8");
        command.env("TERM", "xterm-256color");
        // A backtrace would scroll the expected text off the screen.
        command.env("RUST_BACKTRACE", "0");
        let child = pair.slave.spawn_command(command).unwrap();
        let reader = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let (sender, seen) = watch::channel(Seen::default());
        // Reads of a pseudo-terminal block; the thread ends with the command.
        std::thread::spawn(move || read(reader, columns, lines, &sender));
        Self {
            _master: pair.master,
            keys,
            child,
            seen,
        }
    }

    /// Types `keys`.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until `done` is true for the screen's text.
    pub async fn until(&mut self, done: impl Fn(&str) -> bool) {
        let waited = timeout(
            RESPONSE_TIMEOUT,
            self.seen.wait_for(|seen| done(&seen.text)),
        )
        .await;
        let came = waited.is_ok_and(|seen| seen.is_ok());
        assert!(came, "the screen stayed:\n{}", self.seen.borrow().text);
    }

    /// Number of screens so far.
    pub fn screens(&self) -> usize {
        self.seen.borrow().screens.len()
    }

    /// Waits until `done` is true for the text of a screen after the first `before`, which may be gone by then.
    pub async fn showed(&mut self, before: usize, done: impl Fn(&str) -> bool) {
        let shows = |seen: &Seen| seen.screens[before..].iter().any(|screen| done(screen));
        let waited = timeout(RESPONSE_TIMEOUT, self.seen.wait_for(shows)).await;
        let came = waited.is_ok_and(|seen| seen.is_ok());
        assert!(came, "the screen stayed:\n{}", self.seen.borrow().text);
    }

    /// Waits for more than `bytes` bytes of output.
    pub async fn more_than(&mut self, bytes: usize) {
        let waited = timeout(
            RESPONSE_TIMEOUT,
            self.seen.wait_for(|seen| seen.raw.len() > bytes),
        )
        .await;
        waited.unwrap().unwrap();
    }

    /// Number of bytes of output.
    pub fn bytes(&self) -> usize {
        self.seen.borrow().raw.len()
    }

    /// Whether the command uses the full screen: alternate screen, hidden cursor.
    pub fn is_taken(&self) -> bool {
        let seen = self.seen.borrow();
        assert_eq!(
            seen.alternate, seen.cursor_hidden,
            "full screen and hidden cursor go together"
        );
        seen.alternate
    }

    /// Whether the command ever used the full screen.
    pub fn was_taken(&self) -> bool {
        let enter = b"\x1b[?1049h";
        self.seen
            .borrow()
            .raw
            .windows(enter.len())
            .any(|bytes| bytes == enter)
    }

    pub fn terminate(&self) {
        let pid = self.child.process_id().unwrap();
        let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for the command's end and all its output. Returns whether it succeeded.
    pub async fn ended(&mut self) -> bool {
        let waited = timeout(RESPONSE_TIMEOUT, self.seen.wait_for(|seen| seen.ended)).await;
        waited.unwrap().unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // The command may have ended already.
        drop(self.child.kill());
    }
}

fn sound(size: u16) -> NonZero<u16> {
    NonZero::new(size).unwrap()
}

fn read(mut reader: Box<dyn Read + Send>, columns: u16, lines: u16, seen: &watch::Sender<Seen>) {
    let mut emulator = vt100::Parser::new(sound(lines), sound(columns), 0);
    let mut buffer = [0; 4096];
    // The end is reported as end of file or as an error, depending on the operating system.
    while let Ok(n @ 1..) = reader.read(&mut buffer) {
        emulator.process(&buffer[..n]);
        let screen = emulator.screen();
        seen.send_modify(|seen| {
            seen.text = screen.contents();
            seen.screens.push(seen.text.clone());
            seen.raw.extend_from_slice(&buffer[..n]);
            seen.alternate = screen.alternate_screen();
            seen.cursor_hidden = screen.hide_cursor();
        });
    }
    seen.send_modify(|seen| seen.ended = true);
}
