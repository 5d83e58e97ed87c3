//! Observability: scraped metrics, the page that lists them, the Grafana dashboard, a real Prometheus, and spans at
//! an OpenTelemetry collector.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

#[path = "../support/mod.rs"]
mod support;

mod prometheus;
#[cfg(feature = "otlp")]
mod traces;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::{PATIENCE, Process, Stage, finished, published, rowmill, stderr};
use telemetry::{Catalog, MetricKind};

/// The metrics address (`HOST:PORT`) of the service that logged the line `said`.
fn metrics_address(said: &str) -> &str {
    let (_, url) = said.split_once("http://").unwrap();
    url.split('/').next().unwrap()
}

/// Scrapes the service that logged `said`: the head and the text.
fn scrape(said: &str, path: &str) -> (String, String) {
    get(metrics_address(said), path, "*/*")
}

/// The head and the body of a response. In HTTP/1.0 it comes in one piece.
fn get(address: &str, path: &str, accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), text.to_owned())
}

/// The value of one series. `None` if the series is missing.
fn value(text: &str, series: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        (name == series).then(|| value.parse().unwrap())
    })
}

/// Waits until a scrape has these values. A job can be finished before its worker has counted its last chunk.
async fn scraped(said: &str, expected: &[(&str, u64)]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, text) = scrape(said, "/metrics");
        let other = expected
            .iter()
            .find(|(series, expected)| value(&text, series) != Some(*expected));
        let Some((series, expected)) = other else {
            return;
        };
        assert!(
            Instant::now() < deadline,
            "{series} is not {expected}:\n{text}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_scraped() {
    let stage = Stage::new();
    let master = stage.master_with(&["--metrics", "127.0.0.1:0"]);
    let master_said = master.wait_for("metrics at");
    let mut worker = stage.command(&["worker", "--threads", "3", "--allow", "fail=false"]);
    let worker = Process::start(worker.env("ROWMILL_METRICS", "127.0.0.1:0"));
    let worker_said = worker.wait_for("metrics at");

    let mut csv = String::from("a,b\n");
    (0..1000).for_each(|row| csv += &format!("{row},x\n"));
    csv += "ragged\n";
    let path = stage.file("in.csv", csv.as_bytes());
    let good = published(&mut stage.command(&[
        "publish",
        "--chunk-bytes",
        "1024",
        path.to_str().unwrap(),
    ]));
    let mut client = stage.client().await;
    let job = finished(&mut client, &good).await.job.unwrap();
    let path = stage.file("bad.csv", b"a\n1\n");
    let args = ["publish", "--exec", "fail", path.to_str().unwrap()];
    let bad = published(&mut stage.command(&args[..]));
    assert_eq!(
        finished(&mut client, &bad).await.job.unwrap().chunks_dead,
        1
    );

    let (head, _) = scrape(&worker_said, "/metrics");
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{head}"
    );
    let chunks = job.chunks_done;
    assert!(chunks > 3, "{chunks}");
    let of_worker = [
        ("rowmill_worker_rows_total", 1000),
        ("rowmill_worker_rejects_total", 1),
        ("rowmill_worker_bytes_total", job.bytes),
        ("rowmill_worker_chunks_total", chunks),
        ("rowmill_worker_dead_chunks_total", 1),
        ("rowmill_worker_retries_total", 2),
        ("rowmill_worker_duplicates_total", 0),
        ("rowmill_worker_queue_wait_seconds_count", chunks + 1),
        (
            "rowmill_worker_processing_seconds_count{operation=\"profile\"}",
            chunks,
        ),
        (
            "rowmill_worker_processing_seconds_count{operation=\"exec\"}",
            3,
        ),
        ("rowmill_worker_threads", 3),
        ("rowmill_worker_connected", 1),
        ("rowmill_worker_in_hand_chunks", 0),
    ];
    scraped(&worker_said, &of_worker).await;
    let of_master = [
        ("rowmill_master_rows_total", 1000),
        ("rowmill_master_rejects_total", 1),
        ("rowmill_master_chunks_total", chunks),
        ("rowmill_master_dead_chunks_total", 1),
        ("rowmill_master_jobs_finished_total", 2),
        // The opening and the seal of both jobs, and the outcome of each chunk.
        ("rowmill_master_messages_total", chunks + 5),
        ("rowmill_master_commit_latency_seconds_count", chunks + 1),
        ("rowmill_master_duplicates_total", 0),
        // Gauges follow when the master next checks the broker.
        ("rowmill_master_jobs{state=\"done_with_failures\"}", 1),
        ("rowmill_master_jobs{state=\"done\"}", 1),
        ("rowmill_master_workers{state=\"running\"}", 1),
        ("rowmill_master_broker{state=\"connected\"}", 1),
        ("rowmill_master_queue_messages{queue=\"tasks\"}", 0),
    ];
    scraped(&master_said, &of_master).await;
    assert!(scrape(&master_said, "/").0.starts_with("HTTP/1.0 404"));
    stage.erase().await;
}

#[test]
fn metrics_that_other_hosts_could_reach_are_refused_until_that_is_wanted() {
    let refused = |code, args: &[&str]| {
        let output = rowmill().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        stderr(&output)
    };
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    for role in [
        &["worker"][..],
        &["master", "--listen", "127.0.0.1:0", "--data", data],
    ] {
        let said = refused(2, &[role, &["--metrics", "0.0.0.0:0"]].concat());
        assert!(said.contains("--metrics-allow-remote"), "{said}");
        assert!(said.contains("ROWMILL_METRICS_ALLOW_REMOTE=true"), "{said}");
    }
    // With the flag, the start fails for another reason: the address is in use.
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refused(
        71,
        &["worker", "--metrics", &address, "--metrics-allow-remote"],
    );
    assert!(said.contains("in use"), "{said}");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = rowmill()
        .args(["worker", "--metrics", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(71));
    assert!(
        stderr(&output).contains(&format!("--metrics {address}: ")),
        "{}",
        stderr(&output)
    );
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn catalogs() -> [(&'static str, Catalog); 2] {
    [("Master", master::catalog()), ("Worker", worker::catalog())]
}

/// The page `docs/metrics.md` as the code generates it.
fn page() -> String {
    let mut page = include_str!("metrics_head.md").to_owned();
    for (role, catalog) in catalogs() {
        page += &format!(
            "\n## {role}\n\n| metric | kind | labels | what it is |\n| --- | --- | --- | --- |\n"
        );
        for entry in catalog.metrics() {
            let kind = match entry.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
                MetricKind::Histogram => "histogram",
            };
            page += &format!(
                "| `{}` | {kind} | {} | {} |\n",
                entry.name, entry.label, entry.help
            );
        }
    }
    page
}

/// `ROWMILL_WRITE_DOCS=1` writes the page.
#[test]
fn the_page_of_metrics_is_what_the_code_has() {
    let path = repository("docs/metrics.md");
    if std::env::var_os("ROWMILL_WRITE_DOCS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == page(),
        "docs/metrics.md differs from the code; write it with: ROWMILL_WRITE_DOCS=1 scripts/test the_page_of_metrics"
    );
}

#[test]
fn the_dashboard_for_grafana_asks_for_metrics_that_there_are() {
    let text = std::fs::read_to_string(repository("deploy/grafana/rowmill.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(json["panels"].as_array().unwrap().len() > 5);
    let known: BTreeSet<String> = catalogs()
        .iter()
        .flat_map(|(_, catalog)| catalog.metrics())
        .map(|entry| entry.name.clone())
        .collect();
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let asked = text.split(word).filter(|name| name.starts_with("rowmill_"));
    let asked: BTreeSet<&str> = asked.map(|name| name.trim_end_matches("_bucket")).collect();
    assert!(asked.len() > 10, "{asked:?}");
    for name in asked {
        assert!(known.contains(name), "{name} in {known:?}");
    }
}
