//! How a run tells what it is doing, and is told to stop.

use std::fmt;

/// A listener of one run. Its methods are called from several threads and must return at once.
pub trait Progress: Send + Sync {
    /// A phase begins.
    fn phase(&self, phase: Phase);
    /// `done` of `total` units of the current phase: rows while reading, candidate pairs while
    /// comparing. `total` is an upper bound.
    fn advance(&self, _done: u64, _total: u64) {}
    /// Asked often; true stops the run with [`Error::Cancelled`](crate::Error::Cancelled).
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// What a run is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading and typing both files.
    Read,
    /// Finding the candidate pairs of a pass.
    Block {
        /// The pass's name.
        pass: String,
    },
    /// Learning the weights of a pass from its pairs.
    Train {
        /// The pass's name.
        pass: String,
    },
    /// Scoring the candidate pairs of a pass.
    Compare {
        /// The pass's name.
        pass: String,
    },
    /// Deciding which pairs of a pass match.
    Assign {
        /// The pass's name.
        pass: String,
    },
    /// Writing the outputs.
    Write,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("reading"),
            Self::Block { pass } => write!(f, "{pass}: finding candidates"),
            Self::Train { pass } => write!(f, "{pass}: learning weights"),
            Self::Compare { pass } => write!(f, "{pass}: comparing"),
            Self::Assign { pass } => write!(f, "{pass}: assigning"),
            Self::Write => f.write_str("writing"),
        }
    }
}

/// Progress that nobody listens to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn phase(&self, _phase: Phase) {}
}
