//! rowmill
fn main() {}
