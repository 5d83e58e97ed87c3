//! A broker, a master and two workers that are killed and restarted while they process jobs.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use broker::{Broker, Queue, RabbitConfig};
use proto::JobId;
use proto::v1::{GetJobRequest, GetJobResponse, JobState};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::plan::{Kind, Plan};
use crate::role::{Fate, Role};
use crate::support::node::{self, Node};
use crate::support::truth::{Outcome, Truth};
use crate::support::{Stage, finished};
use crate::tally::Tally;
use random::Random;

/// Longer than any job takes here, with kills of every process.
const PATIENCE: Duration = Duration::from_secs(240);
/// The interval at which the processes are checked.
const GLANCE: Duration = Duration::from_millis(3);
/// One kill of the broker per this many other kills, since its restart takes seconds.
const KILLS_A_BROKER: u64 = 30;

pub(crate) struct Mill {
    stage: Stage,
    node: Node,
    /// The kill and restart of the broker, while in progress.
    restarting: Option<JoinHandle<()>>,
    random: Random,
    roles: Vec<Role>,
    done: Vec<(String, Outcome)>,
    pub(crate) tally: Tally,
}

impl Mill {
    /// Starts a broker node, a master and two workers.
    pub(crate) async fn start(seed: u64) -> Self {
        let node = Node::start();
        let stage = Stage::at(node.url().to_owned());
        let mut mill = Self {
            stage,
            node,
            restarting: None,
            random: Random::new(seed),
            roles: Vec::new(),
            done: Vec::new(),
            tally: Tally::new(seed),
        };
        for kind in [Kind::Master, Kind::Worker, Kind::Worker] {
            let role = mill.role(kind, Plan::Live);
            mill.roles.push(role);
        }
        mill.node.has_registered(mill.stage.namespace()).await;
        mill
    }

    /// Starts a worker or the master.
    fn role(&self, kind: Kind, plan: Plan) -> Role {
        let data = self.stage.dir.path().join("master");
        let (address, data) = (self.stage.address(), data.to_str().unwrap());
        let args = if kind == Kind::Master {
            vec!["master", "--listen", address, "--data", data]
        } else {
            vec!["worker", "--threads", "1"]
        };
        let mut command = self.stage.command(&args);
        Role::start(kind, plan, &mut command, &self.tally.redelivered)
    }

    /// Runs one job, from its file to its result, with kills all the while.
    pub(crate) async fn job(&mut self, orders: &str) {
        let truth = Truth::new(orders, &mut self.random);
        let file = self.stage.file("orders.csv", &truth.csv);
        let chunk_bytes = self.random.between(4_000, 12_000).to_string();
        let args = [
            "publish",
            "--chunk-bytes",
            &chunk_bytes,
            file.to_str().unwrap(),
        ];
        let job_id = self.published(&args).await;
        let (stage_address, id) = (self.stage.address().to_owned(), job_id.clone());
        let mut finishing = tokio::spawn(async move { until_finished(&stage_address, &id).await });
        self.until("the job's end", |_| finishing.is_finished())
            .await;
        (&mut finishing).await.unwrap();
        self.check(job_id, truth.result).await;
    }

    /// Runs publishers one after the other, each resuming the publish that was killed before, until one completes;
    /// returns the job's id.
    async fn published(&mut self, first: &[&str]) -> String {
        self.arm();
        let mut job_id: Option<String> = None;
        loop {
            let plan = Plan::draw(Kind::Publisher, &mut self.random);
            let mut command = match &job_id {
                Some(job_id) => self.stage.command(&["publish", "--resume", job_id]),
                None => self.stage.command(first),
            };
            // The broker may be down when a publisher starts.
            command.args(["--connect-timeout", "120"]);
            command.env("ROWMILL_JOURNAL", self.journal());
            let redelivered = &self.tally.redelivered;
            let mut publisher = Role::start(Kind::Publisher, plan, &mut command, redelivered);
            let mut fate = Fate::Lives;
            self.until("the publisher's end", |mill| {
                fate = publisher.look(mill.restarting.is_none());
                fate != Fate::Lives
            })
            .await;
            // The journal is written before the opening is sent, and the id is printed after that.
            let printed = publisher.printed().trim().to_owned();
            let printed = Some(printed).filter(|printed| !printed.is_empty());
            job_id = self.unfinished().or(printed).or(job_id);
            match fate {
                Fate::Lives | Fate::Dead => self.tally.kill(Kind::Publisher.name(), plan),
                Fate::Done => return job_id.unwrap(),
            }
        }
    }

    fn journal(&self) -> PathBuf {
        self.stage.dir.path().join("journal")
    }

    /// The job that has a journal.
    fn unfinished(&self) -> Option<String> {
        let entries = std::fs::read_dir(self.journal()).ok()?;
        let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.find(|name| name.parse::<JobId>().is_ok())
    }

    /// Plans a kill for each process that has none planned.
    fn arm(&mut self) {
        for at in 0..self.roles.len() {
            if self.roles[at].plan == Plan::Live {
                self.roles[at].plan =
                    Plan::After(Duration::from_millis(self.random.between(1, 300)));
            }
        }
    }

    /// Kills and restarts processes until `is_so`.
    async fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            self.glance().await;
            let words: String = self.roles.iter().map(Role::last_words).collect();
            assert!(
                Instant::now() < deadline,
                "timeout waiting for {what}\n{words}{}",
                self.tally
            );
            tokio::time::sleep(GLANCE).await;
        }
    }

    async fn glance(&mut self) {
        let broker_is_up = self.broker_is_up().await;
        for at in 0..self.roles.len() {
            if self.roles[at].look(broker_is_up) == Fate::Dead {
                let (kind, plan) = (self.roles[at].kind, self.roles[at].plan);
                self.tally.kill(kind.name(), plan);
                let next = Plan::draw(kind, &mut self.random);
                self.roles[at] = self.role(kind, next);
            }
        }
        let due = self.tally.kills() / KILLS_A_BROKER;
        if broker_is_up && self.tally.kills_of("broker") < due {
            self.tally.kill("broker", Plan::Live);
            let dir = self.node.path().to_owned();
            self.restarting = Some(tokio::task::spawn_blocking(move || {
                for verb in ["kill", "start"] {
                    let status = node::script(verb, &dir).stdout(Stdio::null()).status();
                    assert!(status.unwrap().success(), "scripts/broker {verb}");
                }
            }));
        }
    }

    async fn broker_is_up(&mut self) -> bool {
        if let Some(restarting) = self.restarting.take_if(|r| r.is_finished()) {
            restarting.await.unwrap();
        }
        self.restarting.is_none()
    }

    /// Compares a finished job with the truth, as a master reports it after a restart.
    async fn check(&mut self, job_id: String, truth: Outcome) {
        self.calm().await;
        let (response, came) = self.outcome(&job_id).await;
        let job = response.job.unwrap();
        assert_eq!(
            (job.state(), job.chunks_dead),
            (JobState::Done, 0),
            "{job:#?}"
        );
        self.tally.jobs += 1;
        self.tally.chunks += job.chunks_done;
        self.tally.rows += came.rows;
        self.tally.rejects += came.rejects.len() as u64;
        self.tally.duplicates += job.duplicates;
        self.tally.compare(came.rows, truth.rows);
        self.tally
            .compare(came.rejects.len() as u64, truth.rejects.len() as u64);
        assert_eq!(
            came, truth,
            "job {job_id}, ROWMILL_SEED={}",
            self.tally.seed
        );
        assert_eq!(came.sha256(), truth.sha256());
        self.done.push((job_id, truth));
    }

    /// Waits for the broker, and starts a master in place of the one that will be killed.
    async fn calm(&mut self) {
        while !self.broker_is_up().await {
            tokio::time::sleep(GLANCE).await;
        }
        self.roles[0].kill();
        self.tally.kill("master", Plan::Live);
        self.roles[0] = self.role(Kind::Master, Plan::Live);
    }

    async fn outcome(&self, job_id: &str) -> (GetJobResponse, Outcome) {
        let mut client = self.stage.client().await;
        let response = finished(&mut client, job_id).await;
        let outcome = Outcome::read(&mut client, &response).await.unwrap();
        (response, outcome)
    }

    /// Ends the kills: the queues must become empty, and every job must still have its result.
    pub(crate) async fn finish(&mut self) {
        self.calm().await;
        for at in 1..self.roles.len() {
            self.roles[at].kill();
            self.tally.kill("worker", Plan::Live);
            self.roles[at] = self.role(Kind::Worker, Plan::Live);
        }
        self.queues_run_empty().await;
        for (job_id, truth) in &self.done {
            let (_, came) = self.outcome(job_id).await;
            assert_eq!(
                came.sha256(),
                truth.sha256(),
                "job {job_id}, long after its end"
            );
        }
    }

    async fn queues_run_empty(&self) {
        let config = RabbitConfig::new(self.node.url().to_owned().into(), self.stage.namespace());
        let session = Broker::rabbit(config.unwrap())
            .connect("crash test")
            .await
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        for queue in [Queue::Tasks, Queue::Results, Queue::Dead] {
            while session.depth(queue).await.unwrap().ready > 0 {
                assert!(Instant::now() < deadline, "{queue:?} does not become empty");
                tokio::time::sleep(GLANCE).await;
            }
        }
        session.close().await;
    }
}

/// Polls the master across its restarts until the job is finished.
async fn until_finished(address: &str, job_id: &str) {
    loop {
        if let Ok(mut client) = access::connect(address).await {
            let request = GetJobRequest {
                job_id: job_id.to_owned(),
                wait_ms: 1000,
                no_result: false,
            };
            if let Ok(response) = client.get_job(request).await
                && response
                    .get_ref()
                    .job
                    .as_ref()
                    .is_some_and(|job| job.finished_unix_ms.is_some())
            {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
