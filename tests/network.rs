//! A bad network between the processes: connections to the broker and to the master are cut, stalled half-open,
//! delayed and sliced. Every process reconnects, and the result equals the oracle's.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

#[path = "../tui/tests/pty/mod.rs"]
mod pty;
mod support;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{ChildStdin, Stdio};
use std::time::Duration;

use access::Client;
use pty::Pty;
use random::Random;
use support::proxy::Proxy;
use support::seed::seed;
use support::truth::{Outcome, Truth};
use support::{Process, Stage, begun, finished, job_when, orders};

/// The socket address in `AMQP_URL`, and the text before and after it.
fn broker() -> (String, SocketAddr, String) {
    let url = std::env::var("AMQP_URL").unwrap();
    let (before, rest) = url.rsplit_once('@').unwrap();
    let (host, vhost) = rest.split_once('/').unwrap();
    let address = std::net::ToSocketAddrs::to_socket_addrs(host)
        .unwrap()
        .next();
    (format!("{before}@"), address.unwrap(), format!("/{vhost}"))
}

/// A publisher, a worker and a master, each behind its own proxy, half-way through a job.
struct Scene {
    stage: Stage,
    truth: Truth,
    proxies: [Proxy; 3],
    publisher: Process,
    stdin: ChildStdin,
    _others: [Process; 2],
    client: Client,
    job_id: String,
}

impl Scene {
    /// Begins a job of about `bytes`, and returns when some of its chunks are done.
    async fn begin(bytes: u64, weather: impl Fn(&Proxy)) -> Self {
        let seed = seed();
        println!("ROWMILL_SEED={seed}");
        let truth = Truth::new(&orders(bytes, seed), &mut Random::new(seed));
        let stage = Stage::new();
        let (before, target, after) = broker();
        let proxies = [
            Proxy::start(target).await,
            Proxy::start(target).await,
            Proxy::start(target).await,
        ];
        proxies.iter().for_each(weather);
        let start = |proxy: &Proxy, args: &[&str]| {
            let url = format!("{before}{}{after}", proxy.address());
            let mut command = stage.command(args);
            Process::start(command.env("AMQP_URL", url).stdin(Stdio::piped()))
        };
        let data = stage.dir.path().join("master");
        let data = data.to_str().unwrap();
        let master = start(
            &proxies[2],
            &["master", "--listen", stage.address(), "--data", data],
        );
        master.wait_for("connected");
        let worker = start(&proxies[1], &["worker", "--threads", "1"]);
        let mut publisher = start(&proxies[0], &["publish", "--chunk-bytes", "8000", "-"]);
        let mut stdin = publisher.stdin();
        stdin.write_all(&truth.csv[..truth.csv.len() / 2]).unwrap();
        let mut client = stage.client().await;
        let job_id = begun(&mut client, 5).await;
        Self {
            stage,
            truth,
            proxies,
            publisher,
            stdin,
            _others: [worker, master],
            client,
            job_id,
        }
    }

    /// Disturbs every proxy, and waits until every process has reconnected.
    async fn disturb(&self, disturb: impl Fn(&Proxy)) {
        let before: Vec<u64> = self.proxies.iter().map(Proxy::accepted).collect();
        self.proxies.iter().for_each(disturb);
        for (proxy, before) in self.proxies.iter().zip(before) {
            proxy.has_accepted_more_than(before).await;
        }
    }

    /// Publishes the other half, and compares the result with the oracle's.
    async fn end(mut self) {
        self.stdin
            .write_all(&self.truth.csv[self.truth.csv.len() / 2..])
            .unwrap();
        drop(self.stdin);
        let (printed, exit) = self.publisher.end();
        assert_eq!((printed.trim(), exit), (self.job_id.as_str(), 0));
        let result = finished(&mut self.client, &self.job_id).await;
        let came = Outcome::read(&mut self.client, &result).await.unwrap();
        assert_eq!(came, self.truth.result);
        assert_eq!(came.sha256(), self.truth.result.sha256());
        println!("{} duplicates", result.job.unwrap().duplicates);
        self.stage.erase().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_the_broker_that_are_cut_again_and_again_are_made_again() {
    let scene = Scene::begin(1_000_000, |_| {}).await;
    for _ in 0..3 {
        scene.disturb(Proxy::cut).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_the_broker_that_fall_silent_are_given_up_and_made_again() {
    let scene = Scene::begin(1_000_000, |_| {}).await;
    scene.disturb(Proxy::stall).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_network_that_slices_everything_changes_nothing() {
    let slow = |proxy: &Proxy| proxy.slow_down(97, Duration::from_millis(2));
    let scene = Scene::begin(300_000, slow).await;
    scene.disturb(Proxy::cut).await;
    scene.end().await;
}

/// A master with a job that no worker processes, and a proxy in front of it.
async fn waiting_master() -> (Stage, Process, Proxy, String) {
    let stage = Stage::new();
    let master = stage.master();
    let proxy = Proxy::start(stage.address().parse().unwrap()).await;
    let job_id = stage.publish(&stage.file("a.csv", b"a\n1\n"));
    let mut client = stage.client().await;
    job_when(&mut client, &job_id, |r| {
        r.job.as_ref().is_some_and(|j| j.chunks_total.is_some())
    })
    .await;
    (stage, master, proxy, job_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_outlives_a_cut_and_a_silent_connection_to_the_master() {
    let (stage, _master, proxy, job_id) = waiting_master().await;
    let mut wait = stage.command(&["wait", "--quiet", "--json", &job_id]);
    let wait = Process::start(wait.env("ROWMILL_MASTER", proxy.address()));
    // Several responses between faults, so that a fault can interrupt a request.
    proxy.has_answered(10).await;
    for disturb in [Proxy::cut, Proxy::cut, Proxy::cut, Proxy::stall, Proxy::cut] {
        let before = proxy.accepted();
        disturb(&proxy);
        proxy.has_accepted_more_than(before).await;
        proxy.has_answered(10).await;
    }
    proxy.slow_down(50, Duration::from_millis(1));
    let _worker = stage.worker();
    let (printed, exit) = wait.end();
    assert_eq!(exit, 0);
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        (&printed["state"], &printed["rows"]),
        (&"done".into(), &1.into())
    );
    stage.erase().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_outlives_a_cut_and_a_silent_connection_to_the_master() {
    let (stage, _master, proxy, _job_id) = waiting_master().await;
    let address = proxy.address();
    let args = ["tui", "--master", &address];
    let mut pty = Pty::run(env!("CARGO_BIN_EXE_rowmill"), &args, (100, 30));
    pty.until(|screen| screen.contains("● connected") && screen.contains("a.csv"))
        .await;
    for disturb in [Proxy::cut, Proxy::stall] {
        let (before, shown) = (proxy.accepted(), pty.screens());
        disturb(&proxy);
        // It may reconnect before this test reads the screen.
        pty.showed(shown, |screen| screen.contains("DISCONNECTED"))
            .await;
        proxy.has_accepted_more_than(before).await;
        pty.until(|screen| screen.contains("● connected") && !screen.contains("DISCONNECTED"))
            .await;
    }
    // Data from here on comes through the new connection.
    let _worker = stage.worker();
    pty.until(|screen| screen.contains("done")).await;
    pty.press("q");
    assert!(pty.ended().await);
    stage.erase().await;
}
