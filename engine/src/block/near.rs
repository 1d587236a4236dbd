//! Values that are near: whole numbers of both sides whose difference lies in a window.

/// Values are kept in 64 bits where all of them are below this, so that no sum overflows.
const NARROW: i128 = 1 << 62;

/// One column of each side as whole numbers at one scale, and how far apart they may be. Rows whose
/// value is null hold a 0 that nobody reads: they take no part in the block.
#[derive(Clone, Debug)]
pub struct Range {
    digits: Digits,
    window: Window,
}

/// The values of the left and of the right side, in 64 bits where all of them fit.
#[derive(Clone, Debug)]
enum Digits {
    Narrow(Vec<i64>, Vec<i64>),
    Wide(Vec<i128>, Vec<i128>),
}

/// A whole number of either size.
pub trait Digit: Copy + Default + Ord + Send + Sync {
    /// The number, or the nearest one of this size: no value lies beyond it.
    fn nearest(value: i128) -> Self;
    /// The number in 128 bits.
    fn wide(self) -> i128;
}

impl Digit for i64 {
    fn nearest(value: i128) -> Self {
        Self::try_from(value).unwrap_or(if value < 0 { Self::MIN } else { Self::MAX })
    }

    fn wide(self) -> i128 {
        i128::from(self)
    }
}

impl Digit for i128 {
    fn nearest(value: i128) -> Self {
        value
    }

    fn wide(self) -> i128 {
        self
    }
}

/// Both sides' values of a range, in the size that they have.
pub enum Sides<'a> {
    /// In 64 bits.
    Narrow(&'a [i64], &'a [i64]),
    /// In 128 bits.
    Wide(&'a [i128], &'a [i128]),
}

/// Which right values a left value is near to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The difference, right minus left, lies between these, inclusive.
    Fixed {
        /// The smallest difference.
        min: i128,
        /// The largest difference.
        max: i128,
    },
    /// The difference is at most `abs`, or at most `digits / over` of the left value: an outer
    /// bound of a comparison in percent, which decides.
    Relative {
        /// The largest absolute difference that is near whatever the values.
        abs: i128,
        /// The numerator of the share.
        digits: u128,
        /// The denominator of the share.
        over: u128,
    },
}

impl Window {
    /// The smallest and the largest right value near to `left`. What does not fit 128 bits is
    /// beyond every value of 38 digits.
    pub fn of(self, left: i128) -> (i128, i128) {
        match self {
            Self::Fixed { min, max } => (left.saturating_add(min), left.saturating_add(max)),
            Self::Relative { abs, digits, over } => {
                let (left_size, over) = (left.unsigned_abs(), over.max(1));
                let share = match left_size.checked_mul(digits) {
                    Some(product) => product / over,
                    // Divided first, and by that at most larger.
                    None => (left_size / over + 1).saturating_mul(digits),
                };
                let share =
                    i128::try_from(share).map_or(i128::MAX, |share| share.saturating_add(1));
                let most = share.max(abs);
                (left.saturating_sub(most), left.saturating_add(most))
            }
        }
    }

    /// How many whole numbers a fixed window holds: the width of buckets of which two neighbours
    /// hold every window.
    pub fn bucket(self) -> Option<i128> {
        match self {
            Self::Fixed { min, max } => Some(max.saturating_sub(min).saturating_add(1).max(1)),
            Self::Relative { .. } => None,
        }
    }
}

impl Range {
    /// A range over both sides' values at one scale.
    pub fn new(left: Vec<i128>, right: Vec<i128>, window: Window) -> Self {
        let narrow = |values: &[i128]| values.iter().all(|value| value.abs() <= NARROW);
        let digits = if narrow(&left) && narrow(&right) {
            let narrow = |values: Vec<i128>| values.into_iter().map(i64::nearest).collect();
            Digits::Narrow(narrow(left), narrow(right))
        } else {
            Digits::Wide(left, right)
        };
        Self { digits, window }
    }

    /// The window.
    pub fn window(&self) -> Window {
        self.window
    }

    /// A left row's value.
    pub fn left(&self, row: u32) -> i128 {
        match &self.digits {
            Digits::Narrow(values, _) => values[row as usize].wide(),
            Digits::Wide(values, _) => values[row as usize],
        }
    }

    /// A right row's value.
    pub fn right(&self, row: u32) -> i128 {
        match &self.digits {
            Digits::Narrow(_, values) => values[row as usize].wide(),
            Digits::Wide(_, values) => values[row as usize],
        }
    }

    /// Whether a pair of rows is near.
    pub fn holds(&self, left: u32, right: u32) -> bool {
        let (low, high) = self.window.of(self.left(left));
        (low..=high).contains(&self.right(right))
    }

    /// Keeps those of `rights[from..]` that are near to a left row.
    pub fn retain(&self, left: u32, rights: &mut Vec<u32>, from: usize) {
        match self.sides() {
            Sides::Narrow(_, values) => self.retain_of(values, left, rights, from),
            Sides::Wide(_, values) => self.retain_of(values, left, rights, from),
        }
    }

    fn retain_of<V: Digit>(&self, values: &[V], left: u32, rights: &mut Vec<u32>, from: usize) {
        let (low, high) = self.window.of(self.left(left));
        let (low, high) = (V::nearest(low), V::nearest(high));
        retain(rights, from, |row| {
            let value = values[row as usize];
            (low..=high).contains(&value)
        });
    }

    /// Both sides' values.
    pub fn sides(&self) -> Sides<'_> {
        match &self.digits {
            Digits::Narrow(left, right) => Sides::Narrow(left, right),
            Digits::Wide(left, right) => Sides::Wide(left, right),
        }
    }

    /// How many windows fit between the smallest and the largest right value: the larger, the fewer
    /// pairs are near. 0 where the window has no fixed width.
    pub fn selectivity(&self) -> i128 {
        let Some(bucket) = self.window.bucket() else {
            return 0;
        };
        let ends = match self.sides() {
            Sides::Narrow(_, values) => ends(values),
            Sides::Wide(_, values) => ends(values),
        };
        match ends {
            (Some(least), Some(most)) => most.saturating_sub(least) / bucket,
            _ => 0,
        }
    }
}

/// The smallest and the largest value.
fn ends<V: Digit>(values: &[V]) -> (Option<i128>, Option<i128>) {
    let end = |value: Option<&V>| value.map(|value| value.wide());
    (end(values.iter().min()), end(values.iter().max()))
}

/// Keeps those of `rows[from..]` for which `keep` holds, without a branch for each.
pub fn retain(rows: &mut Vec<u32>, from: usize, keep: impl Fn(u32) -> bool) {
    let mut kept = from;
    for at in from..rows.len() {
        let row = rows[at];
        rows[kept] = row;
        kept += usize::from(keep(row));
    }
    rows.truncate(kept);
}
