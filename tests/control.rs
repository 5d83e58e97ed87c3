//! Cancel, pause, resume and standby, with real processes and a real RabbitMQ.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

mod support;

use std::time::Duration;

use broker::Queue;
use proto::v1::{BrokerState, GetJobResponse, GetMasterRequest, JobState};
use support::{Process, Stage, finished, free_address, job_when, published, stderr, takes_results};

fn publish(stage: &Stage, name: &str) -> String {
    let rows: Vec<String> = (0..4000).map(|n| n.to_string()).collect();
    let path = stage.file(name, format!("n\n{}\n", rows.join("\n")).as_bytes());
    let args = ["publish", "--chunk-bytes", "2000", path.to_str().unwrap()];
    published(&mut stage.command(&args))
}

fn told(stage: &Stage, verb: &str, job_id: &str) {
    let output = stage.command(&[verb, job_id]).output().unwrap();
    assert!(output.status.success(), "{verb}: {}", stderr(&output));
}

fn is(state: JobState) -> impl Fn(&GetJobResponse) -> bool {
    move |response| response.job.as_ref().map(proto::v1::Job::state) == Some(state)
}

/// Waits until no chunk is ready in the tasks queue.
async fn tasks_are_gone(stage: &Stage) {
    let session = stage.broker().connect("test").await.unwrap();
    while session.depth(Queue::Tasks).await.unwrap().ready > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    session.close().await;
}

#[tokio::test]
async fn a_cancelled_jobs_chunks_are_skipped_by_workers_that_start_later_and_a_restart_keeps_it() {
    let stage = Stage::new();
    let mut master = stage.master();
    let job_id = publish(&stage, "a.csv");
    let mut client = stage.client().await;
    job_when(&mut client, &job_id, |r| {
        r.job.as_ref().is_some_and(|job| job.chunks_total.is_some())
    })
    .await;
    told(&stage, "cancel", &job_id);
    master.kill();
    let _master = stage.master();
    let mut client = stage.client().await;
    takes_results(&mut client).await;
    let _worker = stage.worker();
    tasks_are_gone(&stage).await;
    let other = publish(&stage, "b.csv");
    let job = finished(&mut client, &other).await.job.unwrap();
    assert_eq!((job.state(), job.rows), (JobState::Done, 4000));
    let job = job_when(&mut client, &job_id, is(JobState::Cancelled))
        .await
        .job
        .unwrap();
    assert_eq!((job.rows, job.chunks_done), (0, 0));
    let wait = stage.command(&["wait", &job_id]).output().unwrap();
    assert_eq!(wait.status.code(), Some(7), "{}", stderr(&wait));
    let resume = stage.command(&["resume", &job_id]).output().unwrap();
    assert_eq!(resume.status.code(), Some(2), "{}", stderr(&resume));
    stage.erase().await;
}

#[tokio::test]
async fn a_paused_job_lets_others_go_on_and_completes_when_it_is_resumed() {
    let stage = Stage::new();
    let mut master = stage.master();
    let paused = publish(&stage, "a.csv");
    let mut client = stage.client().await;
    job_when(&mut client, &paused, |r| {
        r.job.as_ref().is_some_and(|job| job.chunks_total.is_some())
    })
    .await;
    told(&stage, "pause", &paused);
    let _worker = stage.worker();
    let other = publish(&stage, "b.csv");
    let job = finished(&mut client, &other).await.job.unwrap();
    assert_eq!((job.state(), job.rows), (JobState::Done, 4000));
    let job = job_when(&mut client, &paused, is(JobState::Paused))
        .await
        .job
        .unwrap();
    assert_eq!((job.rows, job.chunks_dead), (0, 0));

    // Parked chunks persist across a restart of the master.
    master.kill();
    let _master = stage.master();
    let mut client = stage.client().await;
    job_when(&mut client, &paused, is(JobState::Paused)).await;
    told(&stage, "resume", &paused);
    let job = finished(&mut client, &paused).await.job.unwrap();
    assert_eq!(
        (job.state(), job.rows, job.chunks_dead, job.duplicates),
        (JobState::Done, 4000, 0, 0)
    );
    stage.erase().await;
}

#[tokio::test]
async fn a_standby_master_says_so_and_takes_over_when_the_first_is_killed() {
    let stage = Stage::new();
    let mut first = stage.master();
    takes_results(&mut stage.client().await).await;
    let address = free_address();
    let data = stage.dir.path().join("standby");
    let data = data.to_str().unwrap();
    let args = ["master", "--listen", &address, "--data", data];
    let standby = Process::start(&mut stage.command(&args));
    standby.wait_for("standby: another master consumes the results");
    let mut client = access::connect(&address).await.unwrap();
    let request = GetMasterRequest {
        protocol: proto::PROTOCOL,
    };
    let status = client.get_master(request).await.unwrap().into_inner();
    let standing = status.master.unwrap().broker.unwrap().state();
    assert_eq!(standing, BrokerState::Standby);

    first.kill();
    standby.wait_for("active: the other master has ended");
    let _worker = stage.worker();
    let job_id = publish(&stage, "a.csv");
    let job = finished(&mut client, &job_id).await.job.unwrap();
    assert_eq!((job.state(), job.rows), (JobState::Done, 4000));
    stage.erase().await;
}
