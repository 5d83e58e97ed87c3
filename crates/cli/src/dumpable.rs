//! What this process holds in its memory and its environment is closed to other processes of its user.

/// Makes this process one that others of the same user can neither look into nor attach to, and that leaves no core:
/// `/proc/PID/environ`, `/proc/PID/mem`, `ptrace` and `process_vm_readv` are root's from now on (`PR_SET_DUMPABLE`,
/// prctl(2)). A password in the environment would else be there for each command that a worker runs: what a variable
/// said at the start stays readable, even when it is removed. A program that this process turns into or starts has
/// what it always had.
#[cfg(target_os = "linux")]
pub(crate) fn forbid_dumps() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};

    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        crate::stderr_line!(
            "rowmill: other processes of this user can read this one's memory, passwords included: \
             prctl(PR_SET_DUMPABLE): {error}"
        );
    }
}

/// There is no such thing here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn forbid_dumps() {}
