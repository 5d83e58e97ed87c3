//! `AMQP_URL=... cargo run --release -p rowmill-broker --example carry -- FILE`: measures how fast RabbitMQ alone
//! transports chunks, from publish to ack, by message size, confirm window and prefetch. The chunks are not processed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use broker::{Broker, BrokerArgs, Confirm, Queue, Session};
use bytes::Bytes;
use clap::Parser;
use proto::v1::Chunk;
use proto::{Envelope, JobId, Payload};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Publishes a file in parts, consumes them, and prints megabytes per second.
#[derive(Debug, Parser)]
struct Args {
    /// The file to publish
    file: PathBuf,
    /// Bytes in a message
    #[arg(long, default_value_t = 1 << 20)]
    message_bytes: usize,
    /// Messages that may wait for their confirm
    #[arg(long, default_value_t = 64)]
    window: usize,
    /// Messages that the consumer may hold
    #[arg(long, default_value_t = 4)]
    prefetch: u16,
    #[command(flatten)]
    broker: BrokerArgs,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let input = Bytes::from(std::fs::read(&args.file)?);
    let broker = args.broker.broker()?;
    let session = broker.connect("carry").await?;
    let begun = Instant::now();
    let messages = input.len().div_ceil(args.message_bytes);
    let taking = tokio::spawn(take(session.clone(), messages, args.prefetch));
    send(&session, &input, &args).await?;
    taking.await??;
    let rate = input.len() as f64 / begun.elapsed().as_secs_f64() / 1e6;
    println!("{rate:.1}");
    session.close().await;
    erase(&broker).await
}

/// Publishes every part, `window` of them at a time.
async fn send(session: &Session, input: &Bytes, args: &Args) -> Result<(), Failure> {
    let window = Arc::new(Semaphore::new(args.window));
    let mut sending = JoinSet::new();
    for (seq, from) in (0..input.len()).step_by(args.message_bytes).enumerate() {
        let body = input.slice(from..input.len().min(from + args.message_bytes));
        let place = Arc::clone(&window).acquire_owned().await?;
        let session = session.clone();
        sending.spawn(async move {
            let _place = place;
            session.publish(Queue::Tasks, &message(seq, body)).await
        });
    }
    while let Some(sent) = sending.join_next().await {
        match sent?? {
            Confirm::Acked => {}
            confirm => return Err(format!("the broker did not take a message: {confirm:?}").into()),
        }
    }
    Ok(())
}

fn message(seq: usize, body: Bytes) -> Envelope {
    let chunk = Chunk {
        seq: seq as u64,
        body,
        ..Chunk::default()
    };
    Envelope::new(seq.to_string(), JobId::new(), Payload::Chunk(chunk))
}

/// Consumes and acknowledges this number of messages.
async fn take(session: Session, messages: usize, prefetch: u16) -> Result<(), Failure> {
    let mut consumer = session.consume(Queue::Tasks, prefetch).await?;
    for _ in 0..messages {
        let delivery = consumer.next().await?;
        delivery.message?;
        delivery.receipt.ack().await?;
    }
    Ok(())
}

async fn erase(broker: &Broker) -> Result<(), Failure> {
    Ok(broker.erase().await?)
}
