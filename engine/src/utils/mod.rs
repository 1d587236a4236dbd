//! Algorithms that know nothing of records.

pub mod string;
