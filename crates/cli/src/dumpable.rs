//! Protects the memory and environment of this process against other processes of the same user.

/// Prevents other processes of the same user from reading or attaching to this process, and core dumps:
/// from now on only root can use `/proc/PID/environ`, `/proc/PID/mem`, `ptrace` and `process_vm_readv`
/// (`PR_SET_DUMPABLE`, prctl(2)). Otherwise every command run by a worker could read a password in the environment:
/// the initial value of a variable stays readable there, even after it is removed. Programs that this process
/// executes or starts are not affected.
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

/// Does nothing: this system has no such setting.
#[cfg(not(target_os = "linux"))]
pub(crate) fn forbid_dumps() {}
