//! Tests on real software.

fn main() {}
