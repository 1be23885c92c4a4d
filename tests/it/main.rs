//! All tests that need no real service, in one binary.

mod tidy;
