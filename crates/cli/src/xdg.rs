//! Where a person's files are, by the XDG base directory specification
//! (<https://specifications.freedesktop.org/basedir-spec/latest/>).

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The directory that `variable` names, as `XDG_DATA_HOME` does, or else `below_home` in the home directory.
/// Absent: neither is known.
pub fn xdg(variable: &str, below_home: &str) -> Option<PathBuf> {
    let home = || set("HOME").map(|home| PathBuf::from(home).join(below_home));
    set(variable).map(PathBuf::from).or_else(home)
}

/// What a variable says; one that is empty says nothing.
pub(crate) fn set(variable: &str) -> Option<OsString> {
    env::var_os(variable).filter(|value| !value.is_empty())
}
