//! Load tester.
fn main() {}
