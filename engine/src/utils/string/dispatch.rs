//! The widest instructions that the machine has, chosen at run time.
//!
//! A [`Work`] is plain Rust; compiled once for each set of instructions, its loops over arrays
//! become vector instructions of that width. All compute with integers, or with single float
//! operations in one order, so that the results are the same bits everywhere.

/// What is compiled once for each set of instructions. `run` and all that it calls must be
/// `#[inline(always)]`: only what is inlined is compiled with the wider instructions.
pub(super) trait Work {
    fn run(self);
}

/// A set of instructions to compile for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// What every machine of the target has.
    Baseline,
    /// x86-64-v3, from 2013 and 2015 on.
    Avx2,
    /// x86-64-v4.
    Avx512,
}

impl Level {
    /// The widest that this machine has.
    pub(super) fn detect() -> Self {
        if Self::Avx512.is_available() {
            Self::Avx512
        } else if Self::Avx2.is_available() {
            Self::Avx2
        } else {
            Self::Baseline
        }
    }

    /// Whether this machine has all instructions of the level; the standard library remembers what
    /// it asked the processor.
    pub(super) fn is_available(self) -> bool {
        match self {
            Self::Baseline => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
                    && is_x86_feature_detected!("popcnt")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bitalg")
                    && is_x86_feature_detected!("avx512vpopcntdq")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// Runs the work compiled for this level, or for the baseline where the machine lacks it.
    #[cfg_attr(
        target_arch = "x86_64",
        expect(
            unsafe_code,
            reason = "calling a function compiled for more instructions than the baseline is \
                      unsafe because a processor without them would fault; each call here stands \
                      behind the check that this processor has every one of them"
        )
    )]
    pub(super) fn run(self, work: impl Work) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 if self.is_available() => {
                // SAFETY: `is_available` has just seen every feature that `with_avx2` enables.
                unsafe { with_avx2(work) }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if self.is_available() => {
                // SAFETY: `is_available` has just seen every feature that `with_avx512` enables.
                unsafe { with_avx512(work) }
            }
            _ => work.run(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn with_avx2(work: impl Work) {
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(
    enable = "avx2,bmi1,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512bitalg,avx512vpopcntdq"
)]
fn with_avx512(work: impl Work) {
    work.run();
}
