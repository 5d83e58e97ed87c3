//! temporary
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]
#[path = "conformance/bench.rs"]
mod bench;
use bench::*;
use broker::*;
use futures_util::StreamExt;
use std::time::Instant;
async fn go(bench: Bench, n: usize, size: usize, window: usize, prefetch: u16) {
    let s = bench.session().await;
    let c = bench.session().await;
    let body = bytes::Bytes::from(vec![b'x'; size]);
    let t = Instant::now();
    let p = async {
        futures_util::stream::iter(0..n)
            .map(|i| {
                let s = s.clone();
                let b = body.clone();
                async move {
                    s.publish(Route::Tasks, &chunk(&i.to_string(), b))
                        .await
                        .unwrap()
                }
            })
            .buffer_unordered(window)
            .for_each(|c| async move { assert_eq!(c, Confirm::Acked) })
            .await;
        t.elapsed()
    };
    let q = async {
        let mut k = c.consume(Queue::Tasks, prefetch).await.unwrap();
        for _ in 0..n {
            let (_, d) = next(&mut k).await;
            d.receipt.ack().await.unwrap();
        }
        t.elapsed()
    };
    let (a, b) = tokio::join!(p, q);
    eprintln!(
        "n={n} size={size} window={window} prefetch={prefetch}: publish {a:?} consume {b:?} = {:.0}/s {:.1} MB/s threads {}",
        n as f64 / b.as_secs_f64(),
        (n * size) as f64 / 1e6 / b.as_secs_f64(),
        std::fs::read_dir("/proc/self/task").unwrap().count()
    );
    s.close().await;
    c.close().await;
}
#[tokio::test(flavor = "multi_thread")]
async fn speed() {
    for (n, size, w, p) in [
        (300, 1 << 20, 16, 8),
        (300, 1 << 20, 64, 8),
        (3000, 10_000, 64, 64),
        (5000, 100, 64, 256),
        (500, 100, 1, 1),
    ] {
        Bench::rabbit()
            .run(async move |b| go(b, n, size, w, p).await)
            .await;
        let mut m = Bench::memory();
        m.namespace = String::new();
        m.run(async move |b| go(b, n, size, w, p).await).await;
    }
    for _ in 0..50 {
        let b = Bench::rabbit();
        let s = b.session().await;
        drop(s.consume(Queue::Tasks, 1).await.unwrap());
        publish(&s, Route::Tasks, "x").await;
        drop(s);
        b.broker.erase().await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    eprintln!(
        "threads after 50 dropped sessions: {}",
        std::fs::read_dir("/proc/self/task").unwrap().count()
    );
    eprintln!(
        "fds {}",
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    );
}
