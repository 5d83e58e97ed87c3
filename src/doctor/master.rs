//! Checks the master: connection, protocol version, clocks and incomplete jobs.

use std::collections::BTreeMap;
use std::time::Instant;

use access::{Client, Target};
use broker::RabbitConfig;
use proto::v1::{
    BrokerState, GetMasterRequest, GetMasterResponse, ListJobsRequest, ListWorkersRequest, Scope,
    Worker, WorkerState,
};
use report::result_text::incomplete_reason;
use tonic::Code;

use super::finding::Finding;

/// Ages and rates are computed from two clocks; a larger difference becomes visible.
const MAX_SKEW_MS: u64 = 2000;
/// Number of jobs checked, and of jobs named in the report.
const JOBS_CHECKED: u32 = 1000;
const JOBS_NAMED: usize = 10;

pub(super) async fn check(target: &Target, broker: &RabbitConfig) -> Vec<Finding> {
    let address = target.address();
    let mut client = match target.connect().await {
        Ok(client) => client,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let said = match cause {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            };
            return vec![Finding::unreachable("master", said, "rowmill master")];
        }
    };
    let asked = Instant::now();
    let request = GetMasterRequest {
        protocol: proto::PROTOCOL,
    };
    match client.get_master(request).await {
        Ok(response) => {
            let half_ms = asked.elapsed().as_millis() as u64 / 2;
            let mut findings = found(address, &response.into_inner(), half_ms, broker);
            findings.extend(incomplete(&mut client).await);
            if let Ok(workers) = client.list_workers(ListWorkersRequest::default()).await {
                findings.extend(clocks(&workers.into_inner().workers));
            }
            findings
        }
        Err(status) if status.code() == Code::FailedPrecondition => {
            let run = "install the same rowmill on all hosts";
            vec![Finding::fail("protocol", status.message(), run)]
        }
        Err(status) => {
            let run = match status.code() {
                Code::Unauthenticated => {
                    "on the master's host: rowmill token new NAME --tokens FILE"
                }
                _ => "",
            };
            vec![Finding::fail("master", status.message(), run)]
        }
    }
}

fn found(
    address: &str,
    response: &GetMasterResponse,
    half_ms: u64,
    ours: &RabbitConfig,
) -> Vec<Finding> {
    let master = response.master.clone().unwrap_or_default();
    let may = match response.scope() {
        Scope::Read => "; this token has read-only access",
        Scope::Admin | Scope::Unspecified => "",
    };
    let mut findings = vec![
        Finding::ok("master", format!("{address} answers: {}{may}", master.host)),
        Finding::ok(
            "protocol",
            format!(
                "{} on both sides, the master's rowmill is {}",
                master.protocol, master.version
            ),
        ),
        clock(
            response.now_unix_ms,
            proto::unix_ms().saturating_sub(half_ms),
        ),
    ];
    findings.extend(super::disk::losses(&master.losses));
    if !master.store_trouble.is_empty() {
        findings.push(Finding::fail(
            "storing",
            format!("{}; they wait at the broker", master.store_trouble),
            "make room on the master's disk: it continues by itself",
        ));
    }
    let broker = master.broker.unwrap_or_default();
    findings.push(match broker.state() {
        BrokerState::Connected if broker.address != ours.address() => Finding::warn(
            "same broker",
            format!(
                "the master's is {}, ours {}",
                broker.address,
                ours.address()
            ),
            "all roles need the same broker, under any name",
        ),
        BrokerState::Connected => Finding::ok("same broker", "the master has the same one"),
        _ => Finding::warn(
            "same broker",
            format!("the master has none now: {}", broker.detail),
            "rowmill doctor on the master's host",
        ),
    });
    findings
}

/// Finds jobs that will not become complete by themselves, among the newest.
async fn incomplete(client: &mut Client) -> Vec<Finding> {
    let request = ListJobsRequest {
        page_size: JOBS_CHECKED,
        ..ListJobsRequest::default()
    };
    let Ok(response) = client.list_jobs(request).await else {
        return Vec::new();
    };
    let jobs = response.into_inner().jobs;
    let incomplete = jobs.iter().filter_map(|job| {
        let line = incomplete_reason(job)?;
        let run = format!(
            "on the host that published it: rowmill publish --resume {}",
            job.job_id
        );
        Some(Finding::fail("chunks", line, run))
    });
    incomplete.take(JOBS_NAMED).collect()
}

/// Compares the clocks of hosts with workers to the master's clock when it received their heartbeats.
fn clocks(workers: &[Worker]) -> Option<Finding> {
    let alive = workers
        .iter()
        .filter(|worker| matches!(worker.state(), WorkerState::Running | WorkerState::Draining));
    let wrong = alive.filter_map(|worker| {
        let beat = worker.heartbeat.as_ref()?;
        let (sent_ms, heard_ms) = (beat.sent_unix_ms, worker.heard_unix_ms);
        let seconds = sent_ms.abs_diff(heard_ms) / 1000;
        let which = if sent_ms > heard_ms {
            "ahead"
        } else {
            "behind"
        };
        (sent_ms.abs_diff(heard_ms) > MAX_SKEW_MS)
            .then(|| (&beat.host, format!("{seconds} s {which}")))
    });
    // All workers of a host share one clock.
    let hosts: BTreeMap<_, _> = wrong.collect();
    if hosts.is_empty() {
        return None;
    }
    let hosts = hosts.iter().map(|(host, skew)| format!("{host} {skew}"));
    let said = format!(
        "of workers, against the master's: {}",
        hosts.collect::<Vec<_>>().join(", ")
    );
    Some(Finding::warn(
        "clock",
        said,
        "there: timedatectl set-ntp true",
    ))
}

fn clock(theirs_ms: u64, ours_ms: u64) -> Finding {
    let skew_ms = theirs_ms.abs_diff(ours_ms);
    if skew_ms <= MAX_SKEW_MS {
        return Finding::ok("clock", "this host's and the master's are the same");
    }
    let (which, seconds) = if theirs_ms > ours_ms {
        ("ahead of", skew_ms / 1000)
    } else {
        ("behind", skew_ms / 1000)
    };
    let said = format!("the master's clock is {seconds} s {which} this host's: ages will be wrong");
    Finding::warn("clock", said, "timedatectl set-ntp true")
}

#[cfg(test)]
mod tests {
    use proto::v1::Heartbeat;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_workers_clock_is_told_once_a_host() {
        let worker = |host: &str, sent_unix_ms, state: WorkerState| Worker {
            heartbeat: Some(Heartbeat {
                host: host.into(),
                sent_unix_ms,
                ..Heartbeat::default()
            }),
            heard_unix_ms: 100_000,
            state: state.into(),
            ..Worker::default()
        };
        let running = WorkerState::Running;
        assert_eq!(
            clocks(&[worker("a", 99_000, running), worker("b", 101_500, running)]),
            None
        );
        // The last heartbeat of a lost worker is old, which does not show a wrong clock.
        assert_eq!(clocks(&[worker("a", 1000, WorkerState::Lost)]), None);
        let two = [worker("b", 40_000, running), worker("b", 40_001, running)];
        let told = clocks(&two).unwrap();
        assert!(told.said.contains("b 59 s behind"), "{}", told.said);
    }

    #[test]
    fn clocks_that_differ_are_told_with_the_direction() {
        assert_eq!(clock(10_000, 11_900).verdict, Verdict::Ok);
        let ahead = clock(70_000, 10_000);
        assert!(ahead.said.contains("60 s ahead of"), "{}", ahead.said);
        let behind = clock(10_000, 70_000);
        assert!(behind.said.contains("60 s behind"), "{}", behind.said);
    }
}
