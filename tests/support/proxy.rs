//! A TCP proxy that simulates a bad network: it cuts connections, stalls them half-open, delays data and splits it
//! into small writes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::PATIENCE;

/// The state of the simulated network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Weather {
    /// The number of times that all connections were cut.
    cuts: u64,
    /// The number of times that all connections were stalled.
    stalls: u64,
    /// Data is forwarded in writes of 1 to `slice` bytes, in turn. 0: whole.
    slice: usize,
    /// The delay of each read before it is forwarded.
    delay: Duration,
}

/// The proxy. Drop closes its connections.
pub(crate) struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    /// The number of accepted connections.
    accepted: watch::Receiver<u64>,
    /// The number of reads from the target.
    answers: watch::Sender<u64>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// Starts a proxy in front of `target`, without faults.
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, forecast) = watch::channel(Weather::default());
        let (count, accepted) = watch::channel(0);
        let answers = watch::Sender::new(0);
        let heard = answers.clone();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                // Cuts and stalls from here on apply to this connection.
                let met = *forecast.borrow();
                connections.spawn(connection(
                    near,
                    target,
                    met,
                    forecast.clone(),
                    heard.clone(),
                ));
                count.send_modify(|count| *count += 1);
            }
        });
        Self {
            address,
            weather,
            accepted,
            answers,
            _accepting: accepting,
        }
    }

    /// `HOST:PORT`
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Cuts every open connection; new ones pass.
    pub(crate) fn cut(&self) {
        self.weather.send_modify(|weather| weather.cuts += 1);
    }

    /// Stalls every open connection without closing it, as a firewall does that has dropped its state; new ones pass.
    pub(crate) fn stall(&self) {
        self.weather.send_modify(|weather| weather.stalls += 1);
    }

    /// From now on, delays data and splits it into writes of 1 to `slice` bytes.
    pub(crate) fn slow_down(&self, slice: usize, delay: Duration) {
        self.weather.send_modify(|weather| {
            weather.slice = slice;
            weather.delay = delay;
        });
    }

    /// The number of connections accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        *self.accepted.borrow()
    }

    /// Waits until the proxy has forwarded data from the target `times` more times.
    pub(crate) async fn has_answered(&self, times: u64) {
        let mut answers = self.answers.subscribe();
        let due = *answers.borrow() + times;
        let answered = tokio::time::timeout(PATIENCE, answers.wait_for(|count| *count >= due));
        assert!(answered.await.is_ok(), "the target sends nothing");
    }

    /// Waits until more than `before` connections were accepted.
    pub(crate) async fn has_accepted_more_than(&self, before: u64) {
        let mut accepted = self.accepted.clone();
        let more = accepted.wait_for(|count| *count > before);
        let waited = tokio::time::timeout(PATIENCE, more).await;
        assert!(waited.is_ok(), "no client reconnects");
    }
}

/// Forwards one connection until it ends or is cut. `met`: the network's state when it was accepted.
async fn connection(
    near: TcpStream,
    target: SocketAddr,
    met: Weather,
    mut weather: watch::Receiver<Weather>,
    answers: watch::Sender<u64>,
) {
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    // Otherwise the kernel would join the slices again.
    if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
        return;
    }
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::select! {
        () = pass(near_read, far_write, met, weather.clone(), || {}) => {}
        () = pass(far_read, near_write, met, weather.clone(), || answers.send_modify(|count| *count += 1)) => {}
        _ = weather.wait_for(|weather| weather.cuts > met.cuts) => {}
    }
}

/// Forwards one direction until one side ends; calls `passed` after each forwarded read.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    met: Weather,
    mut weather: watch::Receiver<Weather>,
    passed: impl Fn(),
) {
    let mut buffer = vec![0; 16 << 10];
    let mut turn = 0;
    loop {
        let stalled = async {
            let stall = weather.wait_for(|weather| weather.stalls > met.stalls);
            drop(stall.await);
        };
        let read = tokio::select! {
            () = stalled => None,
            read = from.read(&mut buffer) => Some(read),
        };
        let Some(read) = read else {
            // Stalled, but open.
            return std::future::pending().await;
        };
        let Ok(bytes @ 1..) = read else { return };
        let Weather { slice, delay, .. } = *weather.borrow();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut rest = &buffer[..bytes];
        while !rest.is_empty() {
            turn += 1;
            let length = if slice == 0 {
                rest.len()
            } else {
                (turn % slice + 1).min(rest.len())
            };
            if to.write_all(&rest[..length]).await.is_err() {
                return;
            }
            rest = &rest[length..];
        }
        passed();
    }
}
