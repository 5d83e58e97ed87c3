//! Fetches the properties of a broker before the login from AMQP's first frame, `connection.start`, which lapin does
//! not expose (AMQP 0-9-1, sections 2.3.5 and 4.2.3). Then it logs in and closes the connection, because a broker logs
//! a warning for every connection that ends otherwise.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lapin::types::parsing::parse_field_table;
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::transport::{connect_tcp, start_tls};
use crate::address::RabbitConfig;
use crate::error::BrokerError;

const PROTOCOL: &[u8] = b"AMQP\0\0\x09\x01";
/// Class and method of `connection.start`, whose arguments begin with the two protocol version numbers.
const START: [u8; 4] = [0, 10, 0, 10];
const START_OK: [u8; 4] = [0, 10, 0, 11];
const TUNE: [u8; 4] = [0, 10, 0, 30];
const TUNE_OK: [u8; 4] = [0, 10, 0, 31];
const OPEN: [u8; 4] = [0, 10, 0, 40];
const OPEN_OK: [u8; 4] = [0, 10, 0, 41];
const CLOSE: [u8; 4] = [0, 10, 0, 50];
const CLOSE_OK: [u8; 4] = [0, 10, 0, 51];
const METHOD_FRAME: u8 = 1;
const FRAME_END: u8 = 0xCE;
/// RabbitMQ's frame has about 500 bytes.
const MAX_FRAME_BYTES: usize = 64 << 10;
const SECONDS: u64 = 10;

/// Properties that a broker reports about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerProperties {
    /// Such as `RabbitMQ`.
    pub product: String,
    /// Such as `3.10.8`.
    pub version: String,
    /// Name of the cluster; empty if it is not reported.
    pub cluster: String,
}

/// Fetches them from the first node that answers.
pub(super) async fn fetch(config: &RabbitConfig) -> Result<ServerProperties, BrokerError> {
    let address = config.address();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for uri in config
        .uris()
        .map_err(|error| unreachable(&address, io::Error::other(error)))?
    {
        let fetched = timeout(Duration::from_secs(SECONDS), fetch_from(uri, config));
        match fetched.await {
            Ok(Ok(properties)) => return Ok(properties),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(unreachable(&address, last))
}

fn unreachable(address: &str, source: io::Error) -> BrokerError {
    BrokerError::Unreachable {
        address: address.to_owned(),
        source: Arc::new(source),
    }
}

async fn fetch_from(uri: AMQPUri, config: &RabbitConfig) -> io::Result<ServerProperties> {
    let stream = connect_tcp(&uri).await?;
    handshake(start_tls(stream, &uri, config.tls()).await?, &uri).await
}

async fn handshake(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    uri: &AMQPUri,
) -> io::Result<ServerProperties> {
    stream.write_all(PROTOCOL).await?;
    stream.flush().await?;
    let properties = parse(&receive(&mut stream).await?).ok_or_else(not_amqp)?;
    // If the login fails, the connection that is opened next reports why.
    drop(log_in_and_close(&mut stream, uri).await);
    Ok(properties)
}

/// The payload of the next frame.
async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    // Type, channel, size.
    let mut head = [0; 7];
    stream.read_exact(&mut head).await?;
    let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
    if size > MAX_FRAME_BYTES {
        return Err(not_amqp());
    }
    let mut payload = vec![0; size + 1];
    stream.read_exact(&mut payload).await?;
    payload.truncate(size);
    Ok(payload)
}

async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    method: [u8; 4],
    arguments: &[u8],
) -> io::Result<()> {
    let size = (method.len() + arguments.len()) as u32;
    let head = [&[METHOD_FRAME, 0, 0][..], &size.to_be_bytes()].concat();
    let frame = [&head, &method[..], arguments, &[FRAME_END]].concat();
    stream.write_all(&frame).await?;
    stream.flush().await
}

/// Waits for a method and returns its arguments.
async fn expect(stream: &mut (impl AsyncRead + Unpin), method: [u8; 4]) -> io::Result<Vec<u8>> {
    let payload = receive(stream).await?;
    let arguments = payload.strip_prefix(&method).ok_or_else(not_amqp)?;
    Ok(arguments.to_vec())
}

/// Logs in and closes the connection.
async fn log_in_and_close(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    uri: &AMQPUri,
) -> io::Result<()> {
    let who = &uri.authority.userinfo;
    let response = format!("\0{}\0{}", who.username, who.password);
    let response_bytes = (response.len() as u32).to_be_bytes();
    // No client properties, the mechanism, its response, a locale.
    let login = [
        &[0; 4][..],
        b"\x05PLAIN",
        &response_bytes,
        response.as_bytes(),
        b"\x05en_US",
    ];
    send(stream, START_OK, &login.concat()).await?;
    // Channels, bytes of a frame, seconds between heartbeats: as proposed, but no heartbeats.
    let mut limits = expect(stream, TUNE).await?;
    limits.truncate(6);
    limits.extend([0; 2]);
    send(stream, TUNE_OK, &limits).await?;
    let vhost_bytes = u8::try_from(uri.vhost.len()).map_err(io::Error::other)?;
    let vhost = [&[vhost_bytes], uri.vhost.as_bytes(), &[0; 2]].concat();
    send(stream, OPEN, &vhost).await?;
    expect(stream, OPEN_OK).await?;
    // Reply code 200, no text, and no class and method as a cause.
    send(stream, CLOSE, &[0, 200, 0, 0, 0, 0, 0]).await?;
    expect(stream, CLOSE_OK).await.map(drop)
}

fn not_amqp() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the server there does not speak AMQP 0-9-1",
    )
}

fn parse(frame: &[u8]) -> Option<ServerProperties> {
    let properties = frame.strip_prefix(&START)?.get(2..)?;
    let (_, properties) = parse_field_table(properties).ok()?;
    let text = |key| text(&properties, key);
    Some(ServerProperties {
        product: text("product")?,
        version: text("version")?,
        cluster: text("cluster_name").unwrap_or_default(),
    })
}

fn text(properties: &FieldTable, key: &str) -> Option<String> {
    match properties.inner().get(key)? {
        AMQPValue::LongString(text) => Some(text.to_string().chars().take(200).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_start_is_a_greeting() {
        let mut table = Vec::new();
        for (key, value) in [("product", "RabbitMQ"), ("version", "3.10.8")] {
            table.push(key.len() as u8);
            table.extend_from_slice(key.as_bytes());
            table.push(b'S');
            table.extend_from_slice(&(value.len() as u32).to_be_bytes());
            table.extend_from_slice(value.as_bytes());
        }
        let mut frame = [&START[..], &[0, 9]].concat();
        frame.extend_from_slice(&(table.len() as u32).to_be_bytes());
        frame.extend_from_slice(&table);
        let properties = parse(&frame).unwrap();
        assert_eq!(
            (&*properties.product, &*properties.version),
            ("RabbitMQ", "3.10.8")
        );
        for length in 0..frame.len() {
            assert_eq!(parse(&frame[..length]), None, "{length}");
        }
        frame[3] = 11;
        assert_eq!(parse(&frame), None);
    }
}
