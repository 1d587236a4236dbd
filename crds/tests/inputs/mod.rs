//! The inputs of a fuzz test: numbered, and each made from its number alone, so that one that fails
//! can be tried again by itself and a long search be taken up where it stopped.
//!
//! `RECONCILE_FUZZ_INPUTS` says how many are tried and `RECONCILE_FUZZ_FROM` the first one.

use proptest::test_runner::{RngAlgorithm, TestRng};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{available_parallelism, scope};
use std::time::Instant;

/// Seconds between two lines about how far a long search is.
const TELL_EVERY: u64 = 10;

/// The randomness of one input.
pub fn random(input: u64) -> TestRng {
    let mut seed = [11; 32];
    seed[..8].copy_from_slice(&input.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &seed)
}

/// Tries inputs on all cores: `usual` many, or what the environment asks for. Every thread has a
/// state of its own, which `start` makes. Returns how many were tried.
///
/// # Panics
/// When an input fails, with its number.
pub fn each<S>(
    what: &str,
    usual: u64,
    start: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, u64) + Sync,
) -> u64 {
    let asked = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse().expect("a number"))
    };
    let inputs = asked("RECONCILE_FUZZ_INPUTS").unwrap_or(usual);
    let first = asked("RECONCILE_FUZZ_FROM").unwrap_or(0);
    let (next, told, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let started = Instant::now();
    let search = || {
        let mut state = start();
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= inputs {
                return;
            }
            let input = first + at;
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(&mut state, input))) {
                failed.store(true, Ordering::Relaxed);
                // Where a test leaves out the panics of libraries, nothing has told it yet.
                let told = (panic.downcast_ref::<String>().map(String::as_str))
                    .or_else(|| panic.downcast_ref::<&str>().copied());
                eprintln!(
                    "{what}: input {input} fails ({}); try it alone with \
                     RECONCILE_FUZZ_FROM={input} RECONCILE_FUZZ_INPUTS=1",
                    told.unwrap_or("no message")
                );
                resume_unwind(panic);
            }
            let seconds = started.elapsed().as_secs();
            let before = told.load(Ordering::Relaxed);
            if seconds >= before + TELL_EVERY
                && told
                    .compare_exchange(before, seconds, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            {
                eprintln!("{what}: {at} of {inputs} inputs from {first} on, {seconds} s");
            }
        }
    };
    scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, usize::from) {
            scope.spawn(search);
        }
    });
    inputs
}
