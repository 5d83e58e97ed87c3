//! Named places at which a process can be told to die, so that tests can try a crash exactly there.
//!
//! `ROWMILL_FAILPOINT=NAME:N` makes the process kill itself with SIGKILL at its `N`th passage of the
//! place called `NAME`. Only debug builds, and those with the feature `armed`, look at it: in
//! anything that is released [`pass`] is an empty function. Which place means what for the data is
//! told in docs/reliability.md; the places themselves are marked in the roles.

/// A place in the code that can be passed. The list is the whole of them, and the names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// Any role: a message went out to the broker, and its confirm has not come back.
    AfterPublish,
    /// Publisher: the opening or a chunk is about to be published.
    PublisherBeforePublish,
    /// Publisher: the opening or a chunk was confirmed.
    PublisherAfterConfirm,
    /// Publisher: the seal is about to be published.
    PublisherBeforeSeal,
    /// Publisher: the seal was confirmed.
    PublisherAfterSeal,
    /// Worker: a task was taken, and nothing was done about it.
    WorkerAfterTake,
    /// Worker: a result is about to be published.
    WorkerBeforePublish,
    /// Worker: a result was confirmed, and its task is not acknowledged.
    WorkerAfterConfirm,
    /// Worker: a task was acknowledged.
    WorkerAfterAck,
    /// Master: rejects are about to be written to a spill file.
    MasterBeforeSpill,
    /// Master: rejects are in a spill file, and the commit that refers to them is not made.
    MasterAfterSpill,
    /// Master: a transaction is about to be committed.
    MasterBeforeCommit,
    /// Master: a transaction was committed, and its messages are not acknowledged.
    MasterAfterCommit,
    /// Master: one message of a committed batch was acknowledged; others may not be.
    MasterAfterAck,
}

impl Point {
    /// Every place, with its name.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::AfterPublish, "session.after-publish"),
        (Self::PublisherBeforePublish, "publisher.before-publish"),
        (Self::PublisherAfterConfirm, "publisher.after-confirm"),
        (Self::PublisherBeforeSeal, "publisher.before-seal"),
        (Self::PublisherAfterSeal, "publisher.after-seal"),
        (Self::WorkerAfterTake, "worker.after-take"),
        (Self::WorkerBeforePublish, "worker.before-publish"),
        (Self::WorkerAfterConfirm, "worker.after-confirm"),
        (Self::WorkerAfterAck, "worker.after-ack"),
        (Self::MasterBeforeSpill, "master.before-spill"),
        (Self::MasterAfterSpill, "master.after-spill"),
        (Self::MasterBeforeCommit, "master.before-commit"),
        (Self::MasterAfterCommit, "master.after-commit"),
        (Self::MasterAfterAck, "master.after-ack"),
    ];
}

/// Whether this build looks at `ROWMILL_FAILPOINT`.
pub fn is_armed() -> bool {
    cfg!(any(debug_assertions, feature = "armed"))
}

/// Passes `point`: nothing, or the end of the process.
#[inline]
pub fn pass(point: Point) {
    #[cfg(any(debug_assertions, feature = "armed"))]
    armed::pass(point);
    #[cfg(not(any(debug_assertions, feature = "armed")))]
    let _ = point;
}

#[cfg(any(debug_assertions, feature = "armed"))]
mod armed {
    //! What a build with failpoints does at each of them.

    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    use super::Point;

    /// Where to die, and at which passage.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Order {
        point: Point,
        passage: u64,
    }

    static ORDER: OnceLock<Option<Order>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    #[allow(clippy::disallowed_macros)] // eprintln!: for tests alone, which read it
    pub(super) fn pass(point: Point) {
        let Some(order) = ORDER.get_or_init(order) else {
            return;
        };
        if order.point == point
            && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == order.passage
            && let Err(error) = kill_process(getpid(), Signal::KILL)
        {
            eprintln!("ROWMILL_FAILPOINT: this process cannot kill itself: {error}");
        }
    }

    /// A test that names no known place would test nothing, so it is told and the process ends.
    #[allow(clippy::disallowed_macros)] // eprintln!: for tests alone, which read it
    fn order() -> Option<Order> {
        let text = std::env::var("ROWMILL_FAILPOINT").ok()?;
        let order = read(&text);
        if order.is_none() {
            eprintln!("ROWMILL_FAILPOINT={text}: NAME:N is expected, with one of the known names");
            std::process::exit(2);
        }
        order
    }

    fn read(text: &str) -> Option<Order> {
        let (name, passage) = text.split_once(':')?;
        let (point, _) = Point::ALL.into_iter().find(|(_, known)| *known == name)?;
        let passage = passage.parse().ok().filter(|&passage| passage > 0)?;
        Some(Order { point, passage })
    }

    #[cfg(test)]
    mod tests {
        use std::collections::BTreeSet;

        use super::*;

        #[test]
        fn an_order_is_a_known_name_and_a_passage_from_one() {
            let order = read("worker.after-ack:3").unwrap();
            assert_eq!((order.point, order.passage), (Point::WorkerAfterAck, 3));
            for wrong in ["worker.after-ack", "worker.after-ack:0", "nowhere:1", ""] {
                assert_eq!(read(wrong), None, "{wrong}");
            }
        }

        #[test]
        fn every_point_has_a_name_of_its_own() {
            let points: BTreeSet<_> = Point::ALL.iter().map(|(point, _)| point).collect();
            let names: BTreeSet<_> = Point::ALL.iter().map(|(_, name)| name).collect();
            assert_eq!((points.len(), names.len()), (14, 14));
        }
    }
}
