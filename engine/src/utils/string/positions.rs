//! Where each character occurs in a text, as bit vectors.

use std::collections::HashMap;

/// Bits of a machine word, and so the characters that one word can hold.
pub(super) const WORD: usize = 64;

/// The places of each character in a text of up to 64: one bit for each.
pub(super) struct Positions {
    ascii: [u64; 128],
    /// Few, so that a scan is quicker than a hash.
    other: Vec<(u32, u64)>,
}

impl Positions {
    /// `text` has at most [`WORD`] characters.
    pub(super) fn of<T: Copy + Into<u32>>(text: &[T]) -> Self {
        let mut positions = Self {
            ascii: [0; 128],
            other: Vec::new(),
        };
        for (index, &character) in text.iter().enumerate() {
            let (code, bit) = (character.into(), 1_u64 << index);
            if let Some(word) = positions.ascii.get_mut(code as usize) {
                *word |= bit;
            } else if let Some((_, word)) = positions.other.iter_mut().find(|(c, _)| *c == code) {
                *word |= bit;
            } else {
                positions.other.push((code, bit));
            }
        }
        positions
    }

    pub(super) fn get(&self, character: impl Into<u32>) -> u64 {
        let code = character.into();
        match self.ascii.get(code as usize) {
            Some(word) => *word,
            None => (self.other.iter())
                .find(|(c, _)| *c == code)
                .map_or(0, |(_, word)| *word),
        }
    }
}

/// The places of each character in a text of any length, in words of 64.
pub(super) struct BlockPositions {
    pub words: usize,
    ascii: Vec<u64>,
    other: HashMap<u32, Vec<u64>>,
    nowhere: Vec<u64>,
}

impl BlockPositions {
    pub(super) fn of<T: Copy + Into<u32>>(text: &[T]) -> Self {
        let words = text.len().div_ceil(WORD).max(1);
        let mut positions = Self {
            words,
            ascii: vec![0; 128 * words],
            other: HashMap::new(),
            nowhere: vec![0; words],
        };
        for (index, &character) in text.iter().enumerate() {
            let (code, bit) = (character.into(), 1_u64 << (index % WORD));
            let words = if code < 128 {
                &mut positions.ascii[code as usize * words..][..words]
            } else {
                positions
                    .other
                    .entry(code)
                    .or_insert_with(|| vec![0; words])
            };
            words[index / WORD] |= bit;
        }
        positions
    }

    /// One word for each 64 characters of the text.
    pub(super) fn get(&self, character: impl Into<u32>) -> &[u64] {
        let code = character.into();
        if code < 128 {
            &self.ascii[code as usize * self.words..][..self.words]
        } else {
            self.other.get(&code).unwrap_or(&self.nowhere)
        }
    }
}
