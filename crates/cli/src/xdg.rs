//! The user's directories by the XDG base directory specification
//! (<https://specifications.freedesktop.org/basedir-spec/latest/>).

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The directory in `variable`, such as `XDG_DATA_HOME`, or else `below_home` in the home directory.
/// `None` if neither is known.
pub fn xdg(variable: &str, below_home: &str) -> Option<PathBuf> {
    let home = || set("HOME").map(|home| PathBuf::from(home).join(below_home));
    set(variable).map(PathBuf::from).or_else(home)
}

/// The value of a variable. `None` if it is not set or empty.
pub(crate) fn set(variable: &str) -> Option<OsString> {
    env::var_os(variable).filter(|value| !value.is_empty())
}
