//! Checks the broker: connection, version, limits, topology and permissions.

use std::time::{Duration, Instant};

use access::is_loopback;
use broker::{Broker, BrokerError, ClientRole, Depth, Diagnostics, Queue, Rabbit, RabbitConfig};

use super::finding::Finding;

/// The first version whose quorum queues dead-letter at least once
/// (`x-dead-letter-strategy: at-least-once`).
const MIN_VERSION: (u32, u32) = (3, 10);
/// A longer round trip makes every confirm slow.
const SLOW_ROUND_TRIP: Duration = Duration::from_millis(100);
/// RabbitMQ's default; smaller frames cost more frames per chunk.
const DEFAULT_FRAME_MAX: u32 = 131_072;

pub(super) async fn check(config: &RabbitConfig, needs: &[ClientRole]) -> Vec<Finding> {
    let Broker::Rabbit(rabbit) = Broker::rabbit(config.clone()) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    if let Err(finding) = reach(&rabbit, config, &mut findings).await {
        findings.push(finding);
        return findings;
    }
    let checkup = match rabbit.diagnose().await {
        Ok(checkup) => checkup,
        Err(error) => {
            findings.push(Finding::fail("user", error.to_string(), ""));
            return findings;
        }
    };
    findings.push(limits(&checkup));
    findings.extend(topology(&checkup, config, needs).await);
    findings.extend(leftovers(&checkup).await);
    for &need in needs {
        findings.push(permission(&checkup, need, config).await);
    }
    checkup.close().await;
    findings
}

async fn reach(
    rabbit: &Rabbit,
    config: &RabbitConfig,
    findings: &mut Vec<Finding>,
) -> Result<(), Finding> {
    let began = Instant::now();
    let greeting = rabbit.server_properties().await.map_err(|error| {
        let run = "is it this address? (--broker, ROWMILL_BROKER, AMQP_URL)\n\
                   on its host: rabbitmqctl status";
        Finding::unreachable("broker", error.to_string(), run)
    })?;
    let took = began.elapsed();
    let said = format!("{} answers after {} ms", config.address(), took.as_millis());
    findings.push(if took > SLOW_ROUND_TRIP {
        Finding::warn("broker", said, "publishers and workers do best near it")
    } else {
        Finding::ok("broker", said)
    });
    findings.push(version(&greeting));
    findings.push(encryption(config));
    Ok(())
}

fn version(greeting: &broker::ServerProperties) -> Finding {
    let said = format!("{} {}", greeting.product, greeting.version);
    let mut parts = greeting.version.split('.').map(|part| part.parse().ok());
    let (major, minor) = (parts.next().flatten(), parts.next().flatten());
    match (greeting.product.as_str(), major.zip(minor)) {
        ("RabbitMQ", Some(version)) if version >= MIN_VERSION => Finding::ok("version", said),
        ("RabbitMQ", Some(_)) => {
            let (major, minor) = MIN_VERSION;
            let run = format!("rowmill needs RabbitMQ {major}.{minor} or newer");
            Finding::fail("version", said, run)
        }
        _ => Finding::warn("version", said, "rowmill is tried with RabbitMQ alone"),
    }
}

fn encryption(config: &RabbitConfig) -> Finding {
    if config.is_encrypted() {
        return Finding::ok("encryption", "TLS");
    }
    let is_here = config
        .hosts()
        .all(|host| is_loopback(host.rsplit_once(':').map_or(host, |(name, _)| name)));
    if is_here {
        return Finding::ok("encryption", "none is needed on this host");
    }
    let said = "none: password and rows cross the network in the clear";
    Finding::warn("encryption", said, "use amqps:// (docs/broker.md, TLS)")
}

fn limits(checkup: &Diagnostics) -> Finding {
    let agreed = checkup.connection_limits();
    let frame = match agreed.frame_max {
        0 => "frames of any size".to_owned(),
        bytes => format!("frames of {} KiB", bytes >> 10),
    };
    let channels = match agreed.channel_max {
        0 => "channels without limit".to_owned(),
        channels => format!("{channels} channels"),
    };
    let said = format!(
        "{frame}, {channels}, a sign of life every {} s",
        agreed.heartbeat
    );
    // A publisher uses one channel per unconfirmed message, at most 256.
    if (1..300).contains(&agreed.channel_max) {
        let run = "rabbitmq.conf: channel_max = 2047";
        return Finding::fail("limits", said, run);
    }
    if (1..DEFAULT_FRAME_MAX).contains(&agreed.frame_max) {
        return Finding::warn(
            "limits",
            said,
            format!("rabbitmq.conf: frame_max = {DEFAULT_FRAME_MAX}"),
        );
    }
    Finding::ok("limits", said)
}

/// Checks the queues of the roles, and declares all of them, as every role with permission does.
async fn topology(
    checkup: &Diagnostics,
    config: &RabbitConfig,
    needs: &[ClientRole],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut waiting = Vec::new();
    let mut unseen = Vec::new();
    let mut may_declare = true;
    for queue in Queue::ALL {
        // After a refusal it is not tried again: each try is an error in the broker's log.
        if may_declare {
            match checkup.declare(queue).await {
                Ok(()) => {}
                Err(BrokerError::Forbidden { .. }) => may_declare = false,
                Err(error) => {
                    let name = checkup.name(queue);
                    let run = format!("rabbitmqctl delete_queue {name}   # with all that is in it");
                    findings.push(Finding::fail("queues", error.to_string(), run));
                    continue;
                }
            }
        }
        if !needs.iter().any(|need| need.uses(queue)) {
            continue;
        }
        match checkup.depth(queue).await {
            Ok(Some(depth)) => waiting.push((queue, depth)),
            Ok(None) => findings.push(missing(&checkup.name(queue), config)),
            Err(BrokerError::Forbidden { .. }) => unseen.push(checkup.name(queue)),
            Err(error) => findings.push(Finding::fail("queues", error.to_string(), "")),
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("queues", as_declared(&waiting, &unseen, needs)));
    }
    findings.extend(stuck(&waiting));
    findings
}

/// Messages in queues of an older version, which this version does not consume.
async fn leftovers(checkup: &Diagnostics) -> Vec<Finding> {
    let left = match checkup.old_queues().await {
        Ok(left) => left,
        Err(error) => return vec![Finding::fail("queues", error.to_string(), "")],
    };
    let finding = |(name, ready): (String, u64)| {
        let messages = if ready == 1 { "message" } else { "messages" };
        let said = format!("{name}, of an older version, holds {ready} {messages}");
        let run = format!(
            "run the older version until it is empty (docs/operations.md, Upgrade)\n\
             rabbitmqctl delete_queue {name}   # with all that is in it"
        );
        Finding::warn("queues", said, run)
    };
    left.into_iter().map(finding).collect()
}

fn missing(name: &str, config: &RabbitConfig) -> Finding {
    let said = format!("{name} is not there, and this user may not make it");
    let run = format!(
        "start rowmill master --namespace {} first, with its own user",
        config.namespace()
    );
    Finding::fail("queues", said, run)
}

/// The messages waiting in the queues of the roles, and the queues that this user may not inspect.
fn as_declared(waiting: &[(Queue, Depth)], unseen: &[String], needs: &[ClientRole]) -> String {
    if !unseen.is_empty() {
        let unseen = unseen.join(", ");
        return format!("this user may not ask for the depth of {unseen}");
    }
    let words = [
        (Queue::Tasks, "chunks"),
        (Queue::Results, "results"),
        (Queue::Dead, "dead chunks"),
    ];
    let counts = words
        .into_iter()
        .filter(|(queue, _)| needs.iter().any(|need| need.uses(*queue)))
        .map(|(queue, word)| {
            // Chunks wait in the task queue and in the retry queue.
            let is_one = |other: Queue| {
                other == queue || (queue == Queue::Tasks && other == Queue::Retry(None))
            };
            let found = waiting.iter().filter(|(other, _)| is_one(*other));
            let ready = found.map(|(_, depth)| depth.ready).sum::<u64>();
            format!("{ready} {word}")
        });
    let counts = counts.collect::<Vec<_>>().join(", ");
    format!("as they should be; waiting: {counts}")
}

/// Queues with messages and no consumer.
fn stuck(waiting: &[(Queue, Depth)]) -> Option<Finding> {
    let (queue, depth) = waiting
        .iter()
        // The retry queue has no consumers: workers take its messages one at a time.
        .filter(|(queue, _)| *queue != Queue::Retry(None))
        .find(|(_, depth)| depth.ready > 0 && depth.consumers == 0)?;
    let run = match queue {
        Queue::Tasks => "rowmill worker",
        _ => "rowmill master",
    };
    let said = format!("{} messages wait without a consumer", depth.ready);
    Some(Finding::warn("queues", said, run))
}

async fn permission(checkup: &Diagnostics, need: ClientRole, config: &RabbitConfig) -> Finding {
    let role = match need {
        ClientRole::Publisher => "publisher",
        ClientRole::Worker => "worker",
        ClientRole::Master => "master",
    };
    match checkup.check_permissions(need).await {
        Ok(()) => Finding::ok(role, format!("this user has the permissions of a {role}")),
        Err(error @ BrokerError::Forbidden { .. }) => {
            let run = format!(
                "docs/broker.md, Users, has the rabbitmqctl set_permissions of a {role}, for namespace {}",
                config.namespace()
            );
            Finding::fail(role, error.to_string(), run)
        }
        Err(error) => Finding::fail(role, error.to_string(), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let verdict = |product: &str, version: &str| {
            super::version(&broker::ServerProperties {
                product: product.into(),
                version: version.into(),
                cluster: String::new(),
            })
            .verdict
        };
        for good in ["3.10.8", "3.10", "3.13.7", "4.0.5"] {
            assert_eq!(verdict("RabbitMQ", good), Verdict::Ok, "{good}");
        }
        for old in ["3.9.29", "3.8", "2.99"] {
            assert_eq!(verdict("RabbitMQ", old), Verdict::Fail, "{old}");
        }
        assert_eq!(verdict("LavinMQ", "2.0.0"), Verdict::Warn);
        assert_eq!(verdict("RabbitMQ", "?"), Verdict::Warn);
    }

    #[test]
    fn only_what_leaves_the_host_should_be_encrypted() {
        let verdict = |uri: &str| {
            let config = RabbitConfig::new(uri.to_owned().into(), "x").unwrap();
            encryption(&config).verdict
        };
        assert_eq!(verdict("amqp://127.0.0.1"), Verdict::Ok);
        assert_eq!(verdict("amqp://[::1]:5672"), Verdict::Ok);
        assert_eq!(verdict("amqps://mq.example"), Verdict::Ok);
        assert_eq!(verdict("amqp://mq.example"), Verdict::Warn);
        assert_eq!(verdict("amqp://127.0.0.1,mq.example"), Verdict::Warn);
    }
}
