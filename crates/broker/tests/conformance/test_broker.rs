//! A broker for one test, cleaned up at its end, pass or fail.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use broker::{Broker, Confirm, Consumer, Delivery, Limit, Memory, Queue, RabbitConfig, Session};
use bytes::Bytes;
use proto::v1::Chunk;
use proto::{Envelope, JobId, Payload};
use secrecy::SecretString;

/// Longer than any test here takes on a slow machine.
const TEST_LIMIT: Duration = Duration::from_mins(4);

/// One broker under test.
#[derive(Clone)]
pub(crate) struct TestBroker {
    pub(crate) broker: Broker,
    pub(crate) namespace: String,
}

impl TestBroker {
    pub(crate) fn memory() -> Self {
        Self {
            broker: Broker::memory(),
            namespace: String::new(),
        }
    }

    /// The RabbitMQ that `scripts/test` starts, in a namespace of its own.
    pub(crate) fn rabbit() -> Self {
        Self::rabbit_at(&amqp_url())
    }

    pub(crate) fn rabbit_at(uri: &str) -> Self {
        let namespace = format!("test-{}", JobId::new());
        Self {
            broker: rabbit(uri, &namespace),
            namespace,
        }
    }

    /// The same queues at another address.
    pub(crate) fn by(&self, uri: &str) -> Self {
        Self {
            broker: rabbit(uri, &self.namespace),
            namespace: self.namespace.clone(),
        }
    }

    /// Runs one test, and cleans up whether it passes or not.
    pub(crate) async fn run<F>(self, test: impl FnOnce(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let tested = tokio::spawn(tokio::time::timeout(TEST_LIMIT, test(self.clone()))).await;
        self.broker.erase().await.unwrap();
        match tested {
            Ok(finished) => finished.expect("the test took too long"),
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }

    pub(crate) async fn session(&self) -> Session {
        self.broker.connect("conformance test").await.unwrap()
    }

    /// Makes `queue` refuse messages beyond `limit`. Returns false if that is impossible, because the tests do not own
    /// the broker.
    #[allow(clippy::disallowed_macros)] // eprintln!: the harness captures output
    pub(crate) fn refuse_beyond(&self, queue: Queue, limit: usize) -> bool {
        match &self.broker {
            Broker::Memory(memory) => {
                drop(Memory::clone(memory).with_limit(queue, Limit::Reject(limit)));
                true
            }
            Broker::Rabbit(_) => {
                let Some(directory) = std::env::var_os("ROWMILL_TEST_BROKER_DIR") else {
                    eprintln!("skipped: a policy is needed, and the broker is not scripts/test's");
                    return false;
                };
                let pattern = format!("^{}\\.v2\\.tasks$", self.namespace);
                let policy = format!("{{\"max-length\":{limit}}}");
                let arguments = ["-q", "set_policy", &self.namespace, &pattern, &policy];
                ctl(&PathBuf::from(directory), &arguments);
                true
            }
        }
    }
}

fn rabbit(uri: &str, namespace: &str) -> Broker {
    Broker::rabbit(RabbitConfig::new(SecretString::from(uri), namespace).unwrap())
}

/// The address of RabbitMQ.
pub(crate) fn amqp_url() -> String {
    std::env::var("AMQP_URL").expect("AMQP_URL is not set: run scripts/test, which starts a broker")
}

/// Runs `scripts/broker`, and returns its output.
pub(crate) fn scripts_broker(arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/broker");
    let output = Command::new(script).args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "broker {arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs rabbitmqctl on the node of `directory`.
pub(crate) fn ctl(directory: &Path, arguments: &[&str]) -> String {
    let mut all = vec!["ctl", directory.to_str().unwrap()];
    all.extend(arguments);
    scripts_broker(&all)
}

/// A chunk with the body `body` and the message id `id`.
pub(crate) fn chunk(id: &str, body: impl Into<Bytes>) -> Envelope {
    let chunk = Chunk {
        job_id: "job".into(),
        body: body.into(),
        ..Default::default()
    };
    Envelope::new(id, "job", Payload::Chunk(chunk))
}

/// Publishes a small chunk, which must be accepted.
pub(crate) async fn publish(session: &Session, queue: Queue, id: &str) {
    let confirm = session.publish(queue, &chunk(id, "a,b\n")).await.unwrap();
    assert_eq!(confirm, Confirm::Acked);
}

/// The next message's id and its delivery.
pub(crate) async fn next(consumer: &mut Consumer) -> (String, Delivery) {
    let delivery = consumer.next().await.unwrap();
    let id = delivery.message.as_ref().unwrap().message_id.clone();
    (id, delivery)
}

/// Whether no message arrives for half a second, which is much longer than any message in flight takes.
pub(crate) async fn is_quiet(consumer: &mut Consumer) -> bool {
    let wait = Duration::from_millis(500);
    tokio::time::timeout(wait, consumer.next()).await.is_err()
}
