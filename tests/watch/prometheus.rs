//! A real Prometheus, as Debian packages it (`scripts/debian-tool`): promtool checks a scrape, and each query of the
//! Grafana dashboard must find data after a scrape of a master and two workers.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{PATIENCE, Process, Stage, finished, published, run_with_input, stderr};
use crate::{get, metrics_address, repository, scrape};

/// The directory with `prometheus` and `promtool`. `None`, with a message, if they are not available; in CI that is a
/// failure.
#[allow(clippy::disallowed_macros)] // eprintln!: the harness captures a test's output
fn programs() -> Option<PathBuf> {
    let programs = std::env::var_os("ROWMILL_TEST_PROMETHEUS").filter(|dir| !dir.is_empty());
    if programs.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "no Prometheus; scripts/test says why"
        );
        eprintln!(
            "NOT TESTED with Prometheus, which ROWMILL_TEST_PROMETHEUS does not name; scripts/test says why"
        );
    }
    programs.map(PathBuf::from)
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_what_curl_gets() {
    let Some(programs) = programs() else { return };
    let stage = Stage::new();
    let master = stage.master_with(&["--metrics", "127.0.0.1:0"]);
    let worker = Process::start(&mut stage.command(&["worker", "--metrics", "127.0.0.1:0"]));
    // Creates a series of each label.
    let csv = stage.file("in.csv", b"a\n1\n");
    let job = stage.publish(&csv);
    let (master_said, worker_said) = (master.wait_for("metrics at"), worker.wait_for("metrics at"));
    finished(&mut stage.client().await, &job).await;
    for said in [master_said, worker_said] {
        let (_, text) = scrape(&said, "/metrics");
        let check = run_with_input(
            Command::new(programs.join("promtool")).args(["check", "metrics"]),
            text.as_bytes(),
        );
        let found = stderr(&check);
        assert!(
            check.status.success() && found.is_empty(),
            "{found}\n{text}"
        );
    }
    stage.erase().await;
}

/// Prometheus, scraping `targets` at short intervals.
struct Prometheus {
    _process: Process,
    address: String,
}

impl Prometheus {
    fn start(programs: &std::path::Path, stage: &Stage, targets: &[&str]) -> Self {
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs: [{{job_name: rowmill, static_configs: [{{targets: {targets:?}}}]}}]\n"
        );
        let config = stage.file("prometheus.yml", config.as_bytes());
        let mut command = Command::new(programs.join("prometheus"));
        command
            .arg("--config.file")
            .arg(config)
            .arg("--storage.tsdb.path")
            .arg(stage.dir.path().join("prometheus"))
            .args(["--web.listen-address", "127.0.0.1:0"])
            .stdin(Stdio::null());
        let process = Process::start(&mut command);
        let said = process.wait_for("msg=\"Listening on\"");
        let (_, address) = said.rsplit_once("address=").unwrap();
        let address = address.trim().to_owned();
        process.wait_for("Server is ready");
        Self {
            _process: process,
            address,
        }
    }

    /// The result of a query: the value of each series.
    fn query(&self, query: &str) -> Vec<f64> {
        let mut encoded = String::new();
        query
            .bytes()
            .for_each(|byte| encoded += &format!("%{byte:02X}"));
        let (head, body) = get(
            &self.address,
            &format!("/api/v1/query?query={encoded}"),
            "*/*",
        );
        assert!(head.starts_with("HTTP/1.0 200"), "{query}: {head}\n{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        let series = answer["data"]["result"].as_array().unwrap();
        let value = |series: &Value| series["value"][1].as_str().unwrap().parse().unwrap();
        series.iter().map(value).collect()
    }

    /// Waits until `is_so` accepts the result of a query; calls `meanwhile` before each further query.
    async fn finds(&self, query: &str, meanwhile: impl Fn(), is_so: impl Fn(&[f64]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.query(query);
            if is_so(&found) {
                return;
            }
            assert!(Instant::now() < deadline, "{query} finds {found:?}");
            meanwhile();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Every query of the dashboard, with its template variables filled in.
fn queries() -> BTreeSet<String> {
    let text = std::fs::read_to_string(repository("deploy/grafana/rowmill.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let queries = targets.map(|target| {
        target["expr"]
            .as_str()
            .unwrap()
            .replace("$__rate_interval", "1m")
    });
    let queries: BTreeSet<String> = queries.collect();
    assert!(
        queries.iter().all(|query| !query.contains('$')),
        "{queries:?}"
    );
    queries
}

#[tokio::test(flavor = "multi_thread")]
async fn each_query_of_the_dashboard_finds_what_prometheus_has_scraped() {
    let Some(programs) = programs() else { return };
    let stage = Stage::new();
    let master = stage.master_with(&["--metrics", "127.0.0.1:0"]);
    let worker = || {
        let args = [
            "worker",
            "--allow",
            "fail=false",
            "--metrics",
            "127.0.0.1:0",
        ];
        Process::start(&mut stage.command(&args))
    };
    let workers = [worker(), worker()];
    let said = [&master, &workers[0], &workers[1]].map(|process| process.wait_for("metrics at"));
    for process in [&master, &workers[0], &workers[1]] {
        process.wait_for("connected");
    }
    let targets = said.each_ref().map(|said| metrics_address(said));
    let prometheus = Prometheus::start(&programs, &stage, &targets);
    // Events from here on raise counters that Prometheus already has.
    prometheus.finds("up", || (), |up| up == [1.0; 3]).await;

    let mut client = stage.client().await;
    let bad = stage.file("bad.csv", b"a\n1\n");
    let bad = ["publish", "--exec", "fail", bad.to_str().unwrap()];
    finished(&mut client, &published(&mut stage.command(&bad))).await;
    let good = stage.file("good.csv", b"a,b\n1,2\nragged\n");
    let good = ["publish", good.to_str().unwrap()];
    let duplicate = || {
        let mut publish = stage.command(&good);
        let killed = publish
            .env("ROWMILL_FAILPOINT", "publisher.after-seal:1")
            .output()
            .unwrap();
        assert!(!killed.status.success());
        // The journal does not have the sent seal: the second one is a duplicate.
        published(&mut stage.command(&["publish", "--resume", "last"]));
    };

    for query in queries() {
        // A rate needs changes between scrapes of the last minute, and a series may be scraped first after its event
        // has happened.
        let more = || {
            published(&mut stage.command(&bad));
            published(&mut stage.command(&good));
            if query.contains("duplicates") {
                duplicate();
            }
        };
        let happened = ["retries", "dead_chunks", "rejects", "duplicates"];
        let must_have_happened = happened.iter().any(|event| query.contains(event));
        let is_by_worker = query.contains("by (instance)");
        prometheus
            .finds(&query, more, |found| {
                let enough = if is_by_worker {
                    found.len() == 2
                } else {
                    !found.is_empty()
                };
                enough
                    && found.iter().all(|value| value.is_finite())
                    && (!must_have_happened || found.iter().any(|&value| value > 0.0))
            })
            .await;
    }
    stage.erase().await;
}
