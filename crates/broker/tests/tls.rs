//! A broker that requires TLS and a client certificate. The test runs its own RabbitMQ node.

#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy.toml allows it in test functions, not in their helpers

#[path = "conformance/test_broker.rs"]
#[allow(dead_code)] // the conformance suite uses the rest
mod test_broker;

use std::path::Path;

use access::{CertificateAuthority, IssuedCertificate, Scope};
use broker::{Broker, BrokerArgs, BrokerError, Confirm, Queue, RabbitConfig, Tls};
use tempfile::TempDir;
use test_broker::{chunk, scripts_broker};

/// A node that is stopped at the end of the test.
struct Node {
    directory: TempDir,
    port: u16,
    authority: String,
    client: IssuedCertificate,
}

impl Node {
    fn start() -> Self {
        // scripts/test stops the nodes in this directory if this process is killed.
        let place =
            std::env::var_os("ROWMILL_TEST_DIR").map_or_else(std::env::temp_dir, Into::into);
        let directory = TempDir::new_in(place).unwrap();
        let authority = CertificateAuthority::open(&directory.path().join("certs")).unwrap();
        let broker = authority.issue_master(&["127.0.0.1".into()], 30).unwrap();
        let client = authority.issue_client("worker", Scope::Read, 30).unwrap();
        let path = |path: &Path| path.display().to_string();
        let config = format!(
            "listeners.ssl.1 = 127.0.0.1:FREE_PORT\n\
             ssl_options.cacertfile = {}\n\
             ssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\n\
             ssl_options.verify = verify_peer\n\
             ssl_options.fail_if_no_peer_cert = true\n",
            path(&authority.certificate_path()),
            path(&broker.certificate),
            path(&broker.key),
        );
        std::fs::write(directory.path().join("more.conf"), config).unwrap();
        scripts_broker(&["start", directory.path().to_str().unwrap()]);
        let config = std::fs::read_to_string(directory.path().join("rabbitmq.conf")).unwrap();
        let port = config
            .lines()
            .find_map(|line| line.strip_prefix("listeners.ssl.1 = 127.0.0.1:"))
            .expect("a TLS listener");
        Self {
            authority: std::fs::read_to_string(authority.certificate_path()).unwrap(),
            port: port.parse().unwrap(),
            directory,
            client,
        }
    }

    fn broker(&self, tls: Tls) -> Broker {
        let uri = format!("amqps://guest:guest@127.0.0.1:{}/%2f", self.port);
        let config = RabbitConfig::new(uri.into(), "tls").unwrap();
        Broker::rabbit(config.with_tls(tls))
    }

    fn identity(&self) -> (String, secrecy::SecretString) {
        let read = |path| std::fs::read_to_string(path).unwrap();
        (
            read(&self.client.certificate),
            read(&self.client.key).into(),
        )
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        scripts_broker(&["stop", self.directory.path().to_str().unwrap()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_are_sent_over_tls_to_a_broker_that_requires_a_certificate() {
    let node = Node::start();
    let all = Tls {
        authorities: Some(node.authority.clone()),
        identity: Some(node.identity()),
    };
    let session = node.broker(all.clone()).connect("tls").await.unwrap();
    let confirm = session
        .publish(Queue::Tasks, &chunk("tls.0", "1\n"))
        .await
        .unwrap();
    assert_eq!(confirm, Confirm::Acked);
    session.close().await;

    // The flags have the same effect.
    let args = BrokerArgs {
        broker: Some(format!("amqps://127.0.0.1:{}/%2f", node.port)),
        broker_ca: Some(node.directory.path().join("certs/ca.pem")),
        broker_cert: Some(node.client.certificate.clone()),
        broker_key: Some(node.client.key.clone()),
        ..BrokerArgs::default()
    };
    args.broker()
        .unwrap()
        .connect("tls")
        .await
        .unwrap()
        .close()
        .await;

    let strange = Tls {
        authorities: None,
        ..all.clone()
    };
    let error = node.broker(strange).connect("tls").await.unwrap_err();
    assert!(matches!(error, BrokerError::Unreachable { .. }), "{error}");
    let said = said(&error);
    assert!(said.contains("certificate"), "{said}");
    let bare = Tls {
        identity: None,
        ..all
    };
    let error = node.broker(bare).connect("tls").await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

/// An error with its causes.
fn said(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(said).unwrap_or_default();
    format!("{error}: {cause}")
}
