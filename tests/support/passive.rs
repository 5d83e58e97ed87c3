//! A TCP proxy that makes RabbitMQ treat passive declares as RabbitMQ 4.2.6 and 4.3.0 do: a user without the
//! permission to declare a queue or an exchange may not declare it passively either. The proxy makes each passive
//! declare active, so it suits only users who may declare none of the names in their declares.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// AMQP 0-9-1, section 4.2: the sizes of the protocol header and of a frame header.
const OPENING_BYTES: usize = 8;
const FRAME_HEAD_BYTES: usize = 7;
const METHOD_FRAME: u8 = 1;
/// Class and method ids of `queue.declare` and `exchange.declare`.
const QUEUE_DECLARE: [u8; 4] = [0, 50, 0, 10];
const EXCHANGE_DECLARE: [u8; 4] = [0, 40, 0, 10];
const PASSIVE: u8 = 1;

/// The proxy. Drop closes its connections.
pub(crate) struct Way {
    address: SocketAddr,
    _accepting: JoinSet<()>,
}

impl Way {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                // Ends when either side closes the connection.
                connections.spawn(async move { drop(connection(near, target).await) });
            }
        });
        Self {
            address,
            _accepting: accepting,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn connection(near: TcpStream, target: SocketAddr) -> std::io::Result<()> {
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = TcpStream::connect(target).await?.into_split();
    let there = async {
        let mut opening = [0; OPENING_BYTES];
        near_read.read_exact(&mut opening).await?;
        far_write.write_all(&opening).await?;
        loop {
            let mut frame = vec![0; FRAME_HEAD_BYTES];
            near_read.read_exact(&mut frame).await?;
            let size = u32::from_be_bytes([frame[3], frame[4], frame[5], frame[6]]) as usize;
            frame.resize(FRAME_HEAD_BYTES + size + 1, 0);
            near_read.read_exact(&mut frame[FRAME_HEAD_BYTES..]).await?;
            if frame[0] == METHOD_FRAME {
                make_active(&mut frame[FRAME_HEAD_BYTES..]);
            }
            far_write.write_all(&frame).await?;
        }
    };
    let back = tokio::io::copy(&mut far_read, &mut near_write);
    tokio::select! {
        ended = there => ended,
        ended = back => ended.map(drop),
    }
}

/// Clears the passive bit, which follows a reserved number and the names.
fn make_active(method: &mut [u8]) {
    let names = match method.first_chunk() {
        Some(&QUEUE_DECLARE) => 1,
        Some(&EXCHANGE_DECLARE) => 2,
        _ => return,
    };
    let mut place = 6;
    for _ in 0..names {
        place += 1 + usize::from(method[place]);
    }
    method[place] &= !PASSIVE;
}
