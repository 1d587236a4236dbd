//! The elements of a JSON file, one after the other, each as the bytes that spell it.
//!
//! Only what separates elements is looked at here. So an element that is no JSON ends where its
//! brackets and quotes do, and the next one can be read.

use memchr::{memchr, memchr_iter};
use std::io::{self, BufRead};

/// The longest element: 64 MiB.
const MAX_ELEMENT: usize = 64 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How elements stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One a line; empty lines are none.
    Lines,
    /// In one array.
    Array,
}

/// One element.
pub enum Element<'e> {
    /// The element's bytes, with white space around them.
    Whole {
        /// The line on which it starts, from 1.
        line: u64,
        /// Its bytes.
        bytes: &'e [u8],
    },
    /// An element that no row is as long as.
    TooLong {
        /// The line on which it starts, from 1.
        line: u64,
    },
}

/// Why there is no next element.
pub enum Failure {
    /// The file cannot be read.
    Read(io::Error),
    /// The file as a whole has another shape.
    Shape(&'static str),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// Reads elements into a buffer that is used again.
pub struct Elements {
    layout: Layout,
    buffer: Vec<u8>,
    too_long: bool,
    line: u64,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Start,
    Within,
    Ended,
}

const NO_ARRAY: &str = "this is no JSON array of objects, such as [{\"id\": 1}]; for one object a \
                        line write `format: ndjson`";
const CUT_OFF: &str =
    "the JSON array is not closed: the file was cut off, or a quote or bracket is missing";
const TRAILING: &str = "there is more after the end of the JSON array; a file holds one array";

impl Elements {
    /// Elements of a file that is read from its start.
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            buffer: Vec::new(),
            too_long: false,
            line: 1,
            state: State::Start,
        }
    }

    /// The next element; none at the end.
    pub fn next(&mut self, reader: &mut dyn BufRead) -> Result<Option<Element<'_>>, Failure> {
        if self.state == State::Start {
            skip_mark(reader)?;
        }
        self.buffer.clear();
        self.too_long = false;
        let line = match self.layout {
            Layout::Lines => self.next_line(reader)?,
            Layout::Array => self.next_of_array(reader)?,
        };
        Ok(line.map(|line| {
            if self.too_long {
                Element::TooLong { line }
            } else {
                Element::Whole {
                    line,
                    bytes: &self.buffer,
                }
            }
        }))
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > MAX_ELEMENT {
            self.too_long = true;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    fn next_line(&mut self, reader: &mut dyn BufRead) -> Result<Option<u64>, Failure> {
        self.state = State::Within;
        loop {
            let start = self.line;
            self.buffer.clear();
            loop {
                let input = reader.fill_buf()?;
                let end = memchr(b'\n', input);
                let count = end.map_or(input.len(), |end| end + 1);
                let at_end = input.is_empty();
                self.keep(&input[..count]);
                reader.consume(count);
                if end.is_some() {
                    self.line += 1;
                    break;
                }
                if at_end {
                    let blank = self.buffer.trim_ascii().is_empty() && !self.too_long;
                    return Ok((!blank).then_some(start));
                }
            }
            if self.too_long || !self.buffer.trim_ascii().is_empty() {
                return Ok(Some(start));
            }
        }
    }

    fn next_of_array(&mut self, reader: &mut dyn BufRead) -> Result<Option<u64>, Failure> {
        if self.state == State::Ended {
            return Ok(None);
        }
        if self.state == State::Start {
            match self.skip_space(reader)? {
                None => return Err(Failure::Shape("the file is empty")),
                Some(b'[') => reader.consume(1),
                Some(_) => return Err(Failure::Shape(NO_ARRAY)),
            }
        }
        let first = std::mem::replace(&mut self.state, State::Within) == State::Start;
        let next = self.skip_space(reader)?.ok_or(Failure::Shape(CUT_OFF))?;
        if next == b']' && first {
            reader.consume(1);
            self.end(reader)?;
            return Ok(None);
        }
        let start = self.line;
        if self.copy_element(reader)? == b']' {
            self.end(reader)?;
        }
        Ok(Some(start))
    }

    /// Nothing but white space may follow.
    fn end(&mut self, reader: &mut dyn BufRead) -> Result<(), Failure> {
        self.state = State::Ended;
        match self.skip_space(reader)? {
            None => Ok(()),
            Some(_) => Err(Failure::Shape(TRAILING)),
        }
    }

    /// The next byte that is no white space; none at the end.
    fn skip_space(&mut self, reader: &mut dyn BufRead) -> Result<Option<u8>, Failure> {
        loop {
            let input = reader.fill_buf()?;
            if input.is_empty() {
                return Ok(None);
            }
            let space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            let count = input.iter().take_while(space).count();
            self.line += memchr_iter(b'\n', &input[..count]).count() as u64;
            let next = input.get(count).copied();
            reader.consume(count);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    /// Copies bytes up to the comma or the bracket that ends the element, and returns that.
    fn copy_element(&mut self, reader: &mut dyn BufRead) -> Result<u8, Failure> {
        let (mut depth, mut quoted, mut escaped) = (0_u64, false, false);
        loop {
            let input = reader.fill_buf()?;
            if input.is_empty() {
                return Err(Failure::Shape(CUT_OFF));
            }
            let mut ended = None;
            for (place, &byte) in input.iter().enumerate() {
                if quoted {
                    match byte {
                        _ if escaped => escaped = false,
                        b'\\' => escaped = true,
                        b'"' => quoted = false,
                        _ => {}
                    }
                    continue;
                }
                match byte {
                    b'"' => quoted = true,
                    b',' | b']' if depth == 0 => {
                        ended = Some((place, byte));
                        break;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
            let count = ended.map_or(input.len(), |(place, _)| place);
            self.line += memchr_iter(b'\n', &input[..count]).count() as u64;
            self.keep(&input[..count]);
            reader.consume(count + usize::from(ended.is_some()));
            if let Some((_, byte)) = ended {
                return Ok(byte);
            }
        }
    }
}

/// Drops a byte-order mark, however the reader cuts it up.
fn skip_mark(reader: &mut dyn BufRead) -> Result<(), Failure> {
    for &byte in BYTE_ORDER_MARK {
        if reader.fill_buf()?.first() != Some(&byte) {
            return Ok(());
        }
        reader.consume(1);
    }
    Ok(())
}
