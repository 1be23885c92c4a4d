//! Tests on real software.
