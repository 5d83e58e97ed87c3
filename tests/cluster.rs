//! Three RabbitMQ nodes; the node that leads the queues is killed in the middle of a job.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

mod support;

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use random::Random;
use support::node::Node;
use support::seed::seed;
use support::truth::{Outcome, Truth};
use support::{PATIENCE, Process, Stage, begun, finished, job_when, orders};

/// The host and port in a node's URL: `127.0.0.1:5672`.
fn host(node: &Node) -> &str {
    let (_, rest) = node.url().rsplit_once('@').unwrap();
    rest.split_once('/').unwrap().0
}

/// One URL for all nodes.
fn together(nodes: &[Node]) -> String {
    let hosts: Vec<&str> = nodes.iter().map(host).collect();
    nodes[0].url().replace(hosts[0], &hosts.join(","))
}

/// The members of a quorum queue.
#[derive(Debug)]
struct Members {
    leader: String,
    size: usize,
    online: usize,
}

/// The members of a queue as a node reports them; `None` while the queue has no leader.
fn members(node: &Node, queue: &str) -> Option<Members> {
    let table = node.ctl(&[
        "-q",
        "--no-table-headers",
        "list_queues",
        "name",
        "leader",
        "members",
        "online",
    ]);
    let line = table
        .lines()
        .find(|line| line.split('\t').next() == Some(queue))?;
    let cells: Vec<&str> = line.split('\t').collect();
    let count = |text: &str| text.matches("rowmill-").count();
    Some(Members {
        leader: Some(cells[1])
            .filter(|leader| !leader.is_empty())?
            .to_owned(),
        size: count(cells[2]),
        online: count(cells[3]),
    })
}

/// The node with the name `rowmill-PORT@localhost`.
fn named<'a>(nodes: &'a [Node], name: &str) -> &'a Node {
    let named = |node: &&Node| name.contains(host(node).rsplit(':').next().unwrap());
    nodes.iter().find(named).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and three brokers: scripts/cluster-test"]
async fn the_leader_of_the_queues_is_killed_in_the_middle_and_nothing_is_lost() {
    let (seed, began) = (seed(), Instant::now());
    let say = |what: &str| println!("cluster: {:>5.1} s  {what}", began.elapsed().as_secs_f64());
    say(&format!("ROWMILL_SEED={seed}"));
    let first = Node::start();
    let (second, third) = (Node::join(&first), Node::join(&first));
    let nodes = [first, second, third];
    let stage = Stage::at(together(&nodes));
    say("three nodes run as one cluster");
    let (_master, _one, _two) = (stage.master(), stage.worker(), stage.worker());
    let tasks = format!("{}.v2.tasks", stage.namespace());
    let results = format!("{}.v2.results", stage.namespace());
    for queue in [&tasks, &results] {
        let found = members(&nodes[0], queue).unwrap();
        assert_eq!((found.size, found.online), (3, 3), "{queue}: {found:?}");
    }

    let truth = Truth::new(&orders(2_000_000, seed), &mut Random::new(seed));
    let mut publish = Process::start(
        stage
            .command(&["publish", "--chunk-bytes", "10000", "-"])
            .stdin(Stdio::piped()),
    );
    let mut stdin = publish.stdin();
    stdin.write_all(&truth.csv[..truth.csv.len() / 2]).unwrap();
    let mut client = stage.client().await;
    let job_id = begun(&mut client, 10).await;

    let leader = members(&nodes[0], &tasks).unwrap().leader;
    let done = job_when(&mut client, &job_id, |_| true)
        .await
        .job
        .unwrap()
        .chunks_done;
    say(&format!(
        "{leader} leads the tasks; SIGKILL after {done} chunks"
    ));
    let killed = named(&nodes, &leader);
    killed.script("kill");
    let alive = nodes
        .iter()
        .find(|node| host(node) != host(killed))
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    let next = loop {
        match members(alive, &tasks) {
            Some(found) if found.leader != leader => break found,
            found => assert!(Instant::now() < deadline, "no new leader: {found:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((next.size, next.online), (3, 2));
    say(&format!(
        "{} leads the tasks now, two members of three are up",
        next.leader
    ));

    stdin.write_all(&truth.csv[truth.csv.len() / 2..]).unwrap();
    drop(stdin);
    let (printed, exit) = publish.end();
    assert_eq!((printed.trim(), exit), (job_id.as_str(), 0));
    let result = finished(&mut client, &job_id).await;
    let came = Outcome::read(&mut client, &result).await.unwrap();
    assert_eq!(came, truth.result);
    assert_eq!(came.sha256(), truth.result.sha256());
    let job = result.job.unwrap();
    say(&format!(
        "done: {} chunks, {} rows, {} rejects, equal to the oracle; {} duplicates without effect",
        job.chunks_done, job.rows, job.rejects, job.duplicates
    ));
    // Every queue must have all its members when the nodes are stopped.
    killed.script("start");
    say("the killed node is back");
}
