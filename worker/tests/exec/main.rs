//! Runs commands in a real worker with real processes, over the in-process broker, and checks the results and dead
//! chunks.

#![allow(clippy::unwrap_used)] // a test may panic

mod isolation;
mod output;
mod persistent;
mod termination;
mod test_worker;
