//! Commands at work: a worker with real processes, over the in-process broker, and what comes out of
//! its queues of results and of dead chunks.

#![allow(clippy::unwrap_used)] // a test that cannot go on stops

mod output;
mod persistent;
mod termination;
mod test_worker;
