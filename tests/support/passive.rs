//! A way to a RabbitMQ on which it treats passive declares as RabbitMQ 4.2.6 and 4.3.0 do: whoever may
//! not declare a queue or an exchange may not ask for it either. It makes each passive declare an active
//! one, so it is for users who may declare none of those they ask for.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// AMQP 0-9-1, section 4.2: the header that opens a connection, and those of frames.
const OPENING_BYTES: usize = 8;
const FRAME_HEAD_BYTES: usize = 7;
const METHOD_FRAME: u8 = 1;
/// Classes and methods of `queue.declare` and `exchange.declare`.
const QUEUE_DECLARE: [u8; 4] = [0, 50, 0, 10];
const EXCHANGE_DECLARE: [u8; 4] = [0, 40, 0, 10];
const PASSIVE: u8 = 1;

/// Ends with its connections when it is dropped.
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
                // It ends when either side hangs up.
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
