//! Which line a record of a CSV file starts on.
//!
//! The `csv` crate counts from where its parser stands, which is before the empty lines and the
//! second half of a Windows line end that it skips. So the ends of lines are noted as they pass.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::Rc;

/// The ends of lines between the last record and what was read ahead: offset, and whether it is
/// a line feed.
type Ends = Rc<RefCell<VecDeque<(u64, bool)>>>;

/// A reader that notes line ends.
pub struct Noting<R> {
    inner: R,
    offset: u64,
    ends: Ends,
}

/// Tells the line of each record; ask in the order of the file.
pub struct Lines {
    ends: Ends,
    passed: u64,
}

/// Wraps a reader.
pub fn noting<R: Read>(inner: R) -> (Noting<R>, Lines) {
    let ends = Ends::default();
    let lines = Lines {
        ends: ends.clone(),
        passed: 0,
    };
    (
        Noting {
            inner,
            offset: 0,
            ends,
        },
        lines,
    )
}

impl<R: Read> Read for Noting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let mut ends = self.ends.borrow_mut();
        for (offset, byte) in (self.offset..).zip(&buffer[..count]) {
            if matches!(byte, b'\n' | b'\r') {
                ends.push_back((offset, *byte == b'\n'));
            }
        }
        self.offset += count as u64;
        Ok(count)
    }
}

impl Lines {
    /// The line, from 1, of the first character of the record that was found from offset `start` on.
    pub fn at(&mut self, start: u64) -> u64 {
        let mut first = start;
        let mut ends = self.ends.borrow_mut();
        while let Some(&(offset, feed)) = ends.front().filter(|(offset, _)| *offset <= first) {
            ends.pop_front();
            self.passed += u64::from(feed);
            if offset == first {
                first += 1;
            }
        }
        self.passed + 1
    }
}
