//! What is said on stderr. Where it cannot be written (a full disk, a reader that went away) the command does its
//! work all the same.

use std::fmt;
use std::io::Write;

/// Writes a line to stderr as `eprintln!` does, which panics where that fails.
#[macro_export]
macro_rules! stderr_line {
    ($($argument:tt)*) => {
        $crate::write_stderr_line(::std::format_args!($($argument)*))
    };
}

/// For [`stderr_line!`].
pub fn write_stderr_line(line: fmt::Arguments<'_>) {
    // There is nowhere else to say that it failed.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
