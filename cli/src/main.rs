//! Reconciliation Platform.
fn main() {}
