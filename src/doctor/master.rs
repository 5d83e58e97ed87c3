//! The master: whether it answers, by which protocol, and whether its clock is ours.

use std::time::Instant;

use access::Target;
use broker::RabbitConfig;
use proto::v1::{BrokerState, GetMasterRequest, GetMasterResponse, Scope};
use tonic::Code;

use super::finding::Finding;

/// Ages and rates are told by two clocks; more than this is seen.
const SKEW_MS: u64 = 2000;

pub(super) async fn look(target: &Target, broker: &RabbitConfig) -> Vec<Finding> {
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
            found(address, &response.into_inner(), half_ms, broker)
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
        Scope::Read => "; this token may only look",
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
    let broker = master.broker.unwrap_or_default();
    findings.push(match broker.state() {
        BrokerState::Connected if broker.address != ours.address() => Finding::warn(
            "same broker",
            format!(
                "the master's is {}, ours {}",
                broker.address,
                ours.address()
            ),
            "all roles need one broker, by whatever name",
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

fn clock(theirs_ms: u64, ours_ms: u64) -> Finding {
    let skew_ms = theirs_ms.abs_diff(ours_ms);
    if skew_ms <= SKEW_MS {
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
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn clocks_that_differ_are_told_with_the_direction() {
        assert_eq!(clock(10_000, 11_900).verdict, Verdict::Ok);
        let ahead = clock(70_000, 10_000);
        assert!(ahead.said.contains("60 s ahead of"), "{}", ahead.said);
        let behind = clock(10_000, 70_000);
        assert!(behind.said.contains("60 s behind"), "{}", behind.said);
    }
}
