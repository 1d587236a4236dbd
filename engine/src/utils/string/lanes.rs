//! Kernels over a group of pairs at once: lane `i` of every array belongs to pair `i`.
//!
//! No tables of characters: a bit vector that says where a character of one text occurs in the
//! other comes from comparing it with every position, for all pairs in one instruction each. Texts
//! lie transposed, so that one row holds the same position of every pair. All loops run over
//! arrays of fixed size and become vector instructions of whatever width the machine has.
#![expect(
    clippy::inline_always,
    reason = "what is not inlined into the dispatched function is compiled without its instructions"
)]

mod damerau;
mod indel;
mod jaro;
mod levenshtein;

/// Pairs in a group: bytes in a vector of AVX2.
pub(super) const LANES: usize = 32;

/// One byte for each pair.
pub(super) type Bytes = [u8; LANES];

/// A bit vector over the positions of the pattern, the shorter text of a pair.
pub(super) trait Word: Copy + Default {
    /// One byte of each block, the first one lowest.
    fn join<const BLOCKS: usize>(blocks: &[Bytes; BLOCKS], lane: usize) -> Self;
    /// So many of the lowest bits set.
    fn low(bits: u8) -> Self;
    fn from_byte(byte: u8) -> Self;
    fn less(self, other: Self) -> bool;
    fn is_zero(self) -> bool;
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn not(self) -> Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn twice(self) -> Self;
    fn one() -> Self;
    fn ones(self) -> u32;
}

macro_rules! word {
    ($($type:ty),*) => {$(
        impl Word for $type {
            #[inline(always)]
            fn join<const BLOCKS: usize>(blocks: &[Bytes; BLOCKS], lane: usize) -> Self {
                let mut word = 0;
                for (index, block) in blocks.iter().enumerate() {
                    word |= <$type>::from(block[lane]) << (8 * index);
                }
                word
            }
            #[inline(always)]
            fn low(bits: u8) -> Self {
                let unused = <$type>::BITS.saturating_sub(u32::from(bits));
                if bits == 0 { 0 } else { <$type>::MAX >> unused }
            }
            #[inline(always)]
            fn from_byte(byte: u8) -> Self { <$type>::from(byte) }
            #[inline(always)]
            fn less(self, other: Self) -> bool { self < other }
            #[inline(always)]
            fn is_zero(self) -> bool { self == 0 }
            #[inline(always)]
            fn and(self, other: Self) -> Self { self & other }
            #[inline(always)]
            fn or(self, other: Self) -> Self { self | other }
            #[inline(always)]
            fn xor(self, other: Self) -> Self { self ^ other }
            #[inline(always)]
            fn not(self) -> Self { !self }
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self.wrapping_add(other) }
            #[inline(always)]
            fn minus(self, other: Self) -> Self { self.wrapping_sub(other) }
            #[inline(always)]
            fn twice(self) -> Self { self << 1 }
            #[inline(always)]
            fn one() -> Self { 1 }
            #[inline(always)]
            fn ones(self) -> u32 { self.count_ones() }
        }
    )*};
}
word!(u16, u32, u64);

/// Texts of a group, transposed: `CHUNKS` times eight positions.
pub(super) struct Columns<const CHUNKS: usize> {
    pub rows: [[Bytes; 8]; CHUNKS],
}

/// Groups of eight lanes.
pub(super) const EIGHTS: usize = LANES / 8;

/// Texts of a group on their way into [`Columns`], as words of eight characters: by text within
/// each eight, then by place of the word in the text, then by eight.
pub(super) type Words<const CHUNKS: usize> = [[[u64; EIGHTS]; CHUNKS]; 8];

/// Swaps texts and positions: in each block of eight texts and eight positions, halves, quarters
/// and single bytes change sides.
#[inline(always)]
pub(super) fn transpose<const CHUNKS: usize>(words: &mut Words<CHUNKS>) -> Columns<CHUNKS> {
    swap::<4, CHUNKS>(words, 0x0000_0000_FFFF_FFFF);
    swap::<2, CHUNKS>(words, 0x0000_FFFF_0000_FFFF);
    swap::<1, CHUNKS>(words, 0x00FF_00FF_00FF_00FF);
    let mut columns = Columns {
        rows: [[[0; LANES]; 8]; CHUNKS],
    };
    for (row, chunks) in words.iter().enumerate() {
        for (chunk, eights) in chunks.iter().enumerate() {
            let bytes = columns.rows[chunk][row].as_chunks_mut::<8>().0;
            for (bytes, eight) in bytes.iter_mut().zip(eights) {
                *bytes = eight.to_le_bytes();
            }
        }
    }
    columns
}

#[inline(always)]
fn swap<const STEP: usize, const CHUNKS: usize>(words: &mut Words<CHUNKS>, mask: u64) {
    for row in 0..8 {
        if row & STEP != 0 {
            continue;
        }
        let (mut first, mut second) = (words[row], words[row + STEP]);
        for chunk in 0..CHUNKS {
            for eight in 0..EIGHTS {
                let (a, b) = (first[chunk][eight], second[chunk][eight]);
                let swapped = ((a >> (8 * STEP)) ^ b) & mask;
                first[chunk][eight] = a ^ (swapped << (8 * STEP));
                second[chunk][eight] = b ^ swapped;
            }
        }
        (words[row], words[row + STEP]) = (first, second);
    }
}

/// A group ready for a kernel. Beyond the ends of the texts the columns hold anything.
pub(super) struct Group<const P: usize, const T: usize> {
    /// The shorter text of each pair.
    pub pattern: Columns<P>,
    /// The longer one.
    pub text: Columns<T>,
    pub pattern_lengths: Bytes,
    pub text_lengths: Bytes,
    /// The least and the greatest length of a text.
    pub shortest: usize,
    pub longest: usize,
}

impl<const P: usize, const T: usize> Group<P, T> {
    /// Where the character at `position` of the text occurs in the pattern.
    #[inline(always)]
    fn equal(&self, position: usize) -> [Bytes; P] {
        let text = &self.text.rows[position / 8][position % 8];
        let mut bits = [[0; LANES]; P];
        for (bits, eight) in bits.iter_mut().zip(&self.pattern.rows) {
            for lane in 0..LANES {
                let mut byte = 0;
                for (bit, row) in eight.iter().enumerate() {
                    byte |= if row[lane] == text[lane] { 1 << bit } else { 0 };
                }
                bits[lane] = byte;
            }
        }
        bits
    }

    #[inline(always)]
    fn low<W: Word>(&self) -> [W; LANES] {
        self.pattern_lengths.map(W::low)
    }

    /// The lengths of the texts as words, so that comparing gives masks of a word's width.
    #[inline(always)]
    fn ends<W: Word>(&self) -> [W; LANES] {
        self.text_lengths.map(W::from_byte)
    }
}
