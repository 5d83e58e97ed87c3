//! Failpoints: named places at which a process can be made to crash, so that tests can crash it exactly there.
//!
//! `ROWMILL_FAILPOINT=NAME:N` makes the process kill itself with SIGKILL when it passes the failpoint `NAME` for the
//! `N`th time. Only debug builds, and builds with the feature `armed`, read the variable; in a release [`pass`] is an
//! empty function. docs/reliability.md explains what each failpoint means for the data; the roles contain the calls.

/// A failpoint. The list is complete, and the names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// Any role: a message was sent to the broker and is not confirmed.
    AfterPublish,
    /// Publisher: before the opening or a chunk is published.
    PublisherBeforePublish,
    /// Publisher: the opening or a chunk was confirmed.
    PublisherAfterConfirm,
    /// Publisher: before the seal is published.
    PublisherBeforeSeal,
    /// Publisher: the seal was confirmed.
    PublisherAfterSeal,
    /// Worker: a task was delivered and not processed yet.
    WorkerAfterTake,
    /// Worker: before a result is published.
    WorkerBeforePublish,
    /// Worker: a result was confirmed and its task is not acknowledged.
    WorkerAfterConfirm,
    /// Worker: a task was acknowledged.
    WorkerAfterAck,
    /// Master: before rejects are written to a spill file.
    MasterBeforeSpill,
    /// Master: rejects are in a spill file and not yet referred to by a commit.
    MasterAfterSpill,
    /// Master: before a transaction is committed.
    MasterBeforeCommit,
    /// Master: a transaction was committed and its messages are not acknowledged.
    MasterAfterCommit,
    /// Master: one message of a committed batch was acknowledged; others may not be.
    MasterAfterAck,
}

impl Point {
    /// Every failpoint with its name.
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

/// Whether this build reads `ROWMILL_FAILPOINT`.
pub fn is_armed() -> bool {
    cfg!(any(debug_assertions, feature = "armed"))
}

/// Passes `point`: does nothing, or kills the process.
#[inline]
pub fn pass(point: Point) {
    #[cfg(any(debug_assertions, feature = "armed"))]
    armed::pass(point);
    #[cfg(not(any(debug_assertions, feature = "armed")))]
    let _ = point;
}

#[cfg(any(debug_assertions, feature = "armed"))]
mod armed {
    //! The failpoints of builds that have them.

    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    use super::Point;

    /// The failpoint at which to crash, and at which passage.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Target {
        point: Point,
        passage: u64,
    }

    static TARGET: OnceLock<Option<Target>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    #[allow(clippy::disallowed_macros)] // eprintln!: for tests alone, which read it
    pub(super) fn pass(point: Point) {
        let Some(target) = TARGET.get_or_init(target) else {
            return;
        };
        if target.point == point
            && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == target.passage
            && let Err(error) = kill_process(getpid(), Signal::KILL)
        {
            eprintln!("ROWMILL_FAILPOINT: this process cannot kill itself: {error}");
        }
    }

    /// A test with an unknown name would test nothing, so the process reports it and exits.
    #[allow(clippy::disallowed_macros)] // eprintln!: for tests alone, which read it
    fn target() -> Option<Target> {
        let text = std::env::var("ROWMILL_FAILPOINT").ok()?;
        let target = parse(&text);
        if target.is_none() {
            eprintln!("ROWMILL_FAILPOINT={text}: NAME:N is expected, with one of the known names");
            std::process::exit(2);
        }
        target
    }

    fn parse(text: &str) -> Option<Target> {
        let (name, passage) = text.split_once(':')?;
        let (point, _) = Point::ALL.into_iter().find(|(_, known)| *known == name)?;
        let passage = passage.parse().ok().filter(|&passage| passage > 0)?;
        Some(Target { point, passage })
    }

    #[cfg(test)]
    mod tests {
        use std::collections::BTreeSet;

        use super::*;

        #[test]
        fn a_target_is_a_known_name_and_a_passage_from_one() {
            let target = parse("worker.after-ack:3").unwrap();
            assert_eq!((target.point, target.passage), (Point::WorkerAfterAck, 3));
            for wrong in ["worker.after-ack", "worker.after-ack:0", "nowhere:1", ""] {
                assert_eq!(parse(wrong), None, "{wrong}");
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
