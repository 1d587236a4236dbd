//! Reconciliation Platform.
