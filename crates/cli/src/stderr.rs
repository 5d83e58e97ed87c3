//! Output to stderr. If it cannot be written (a full disk, a closed pipe), the command continues.

use std::fmt;
use std::io::Write;

/// Writes a line to stderr like `eprintln!`, but does not panic on failure.
#[macro_export]
macro_rules! stderr_line {
    ($($argument:tt)*) => {
        $crate::write_stderr_line(::std::format_args!($($argument)*))
    };
}

/// For [`stderr_line!`].
pub fn write_stderr_line(line: fmt::Arguments<'_>) {
    // There is nowhere else to report the error.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
