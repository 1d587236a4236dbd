//! All sums of the smallest amounts of an [`Instance`], sorted.

use super::instance::Instance;
use std::mem::swap;

/// A set of parts with small amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tail {
    pub sum: i128,
    /// Which bits of the table it has.
    set: u64,
}

impl Tail {
    /// How many parts.
    pub fn len(self) -> usize {
        self.set.count_ones() as usize
    }
}

/// The sums of the last classes, which are the smallest: every set of as many parts as a solution
/// may have, unless its sum is too large for one.
#[derive(Debug, Default)]
pub(super) struct Tails {
    /// By sum.
    pub sums: Vec<Tail>,
    /// The first class that takes part.
    pub from: usize,
    /// The class of every bit. The bits of one class follow each other and are used from the first
    /// on.
    bits: Vec<u32>,
    shifted: Vec<Tail>,
    merged: Vec<Tail>,
}

impl Tails {
    /// Starts again with the empty set.
    pub fn clear(&mut self, instance: &Instance) {
        self.sums.clear();
        self.sums.push(Tail { sum: 0, set: 0 });
        self.bits.clear();
        self.from = instance.classes.len();
    }

    /// Adds classes while there are about `limit` sums at most. Returns the steps that took.
    pub fn grow(&mut self, instance: &Instance, limit: usize) -> u64 {
        let mut steps = 0;
        while let Some(last) = self.from.checked_sub(1) {
            let class = &instance.classes[last];
            let copies = class.count.min(instance.slots);
            let Ok(name) = u32::try_from(last) else { break };
            if self.bits.len() + copies > 64 || self.sums.len().saturating_mul(copies + 1) > limit {
                break;
            }
            let bit = self.bits.len();
            self.bits.resize(bit + copies, name);
            // Copies are added one after the other to the sets that have all copies before.
            let mut newest = self.sums.len();
            self.shifted.clear();
            self.shifted.extend_from_slice(&self.sums);
            for copy in 0..copies {
                let added = 1_u64 << (bit + copy);
                let largest = instance.target + instance.tolerance;
                self.shifted.retain_mut(|tail| {
                    tail.sum += class.amount;
                    tail.set |= added;
                    tail.len() <= instance.slots && !(instance.all_positive && tail.sum > largest)
                });
                newest += self.shifted.len();
                self.merge();
                steps += newest as u64;
            }
            self.from = last;
        }
        steps
    }

    /// Merges the shifted sums into the others.
    fn merge(&mut self) {
        self.merged.clear();
        let mut shifted = self.shifted.iter().peekable();
        for tail in &self.sums {
            while let Some(other) = shifted.next_if(|other| *other < tail) {
                self.merged.push(*other);
            }
            self.merged.push(*tail);
        }
        self.merged.extend(shifted);
        swap(&mut self.sums, &mut self.merged);
    }

    /// The classes of a set, in their order.
    pub fn classes(&self, tail: Tail) -> impl Iterator<Item = u32> {
        let bits = self.bits.iter().enumerate().rev();
        let used = bits.filter(move |(bit, _)| tail.set >> bit & 1 == 1);
        used.map(|(_, class)| *class)
    }

    /// Where the first sum of at least `sum` is.
    pub fn at(&self, sum: i128) -> usize {
        // Most sets that miss much are met before they come near any tail.
        if self.sums.last().is_some_and(|largest| largest.sum < sum) {
            return self.sums.len();
        }
        self.sums.partition_point(|tail| tail.sum < sum)
    }
}
