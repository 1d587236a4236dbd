//! How a run tells what it is doing, and is told to stop.

use crate::outcome::Side;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A listener of one run. Its methods are called from several threads and must return at once.
pub trait Progress: Send + Sync {
    /// A phase begins.
    fn phase(&self, phase: Phase);
    /// `done` of `total` units of the current phase: bytes of both files while reading, candidate
    /// pairs while comparing. `total` is an upper bound.
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

/// Adds up the progress of both sides, which are read at once.
pub(crate) struct Sides {
    inner: Arc<dyn Progress>,
    /// Done and total, by side.
    counts: [[AtomicU64; 2]; 2],
}

impl Sides {
    /// Progress that is told to `inner`.
    pub(crate) fn new(inner: Arc<dyn Progress>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            counts: Default::default(),
        })
    }

    /// A listener of one side.
    pub(crate) fn of(self: &Arc<Self>, side: Side) -> Arc<dyn Progress> {
        Arc::new(OneSide {
            sides: self.clone(),
            side,
        })
    }
}

struct OneSide {
    sides: Arc<Sides>,
    side: Side,
}

impl Progress for OneSide {
    fn phase(&self, phase: Phase) {
        self.sides.inner.phase(phase);
    }

    fn advance(&self, done: u64, total: u64) {
        let sides = &self.sides.counts;
        let own = &sides[usize::from(self.side == Side::Right)];
        own[0].store(done, Ordering::Relaxed);
        own[1].store(total, Ordering::Relaxed);
        let sum = |which: usize| sides.iter().map(|s| s[which].load(Ordering::Relaxed)).sum();
        self.sides.inner.advance(sum(0), sum(1));
    }

    fn is_cancelled(&self) -> bool {
        self.sides.inner.is_cancelled()
    }
}

/// Progress that nobody listens to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn phase(&self, _phase: Phase) {}
}
