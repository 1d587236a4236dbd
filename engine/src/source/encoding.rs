//! Texts in other encodings than UTF-8 (WHATWG Encoding Standard).

use encoding_rs::{Decoder, DecoderResult, Encoding};
use std::io::{self, BufRead, Read};

/// The encoding of a label.
///
/// # Errors
/// When there is no such encoding.
pub fn of_label(label: &str) -> Result<&'static Encoding, String> {
    Encoding::for_label_no_replacement(label.as_bytes()).ok_or_else(|| {
        format!(
            "`{label}` is no encoding; write a label such as utf-8, windows-1252, iso-8859-15 or \
             utf-16le"
        )
    })
}

/// Decodes to UTF-8. What cannot be decoded becomes the byte 0xFF, which no UTF-8 text contains, so
/// that the row that has it is found and rejected.
pub struct ToUtf8<R> {
    inner: R,
    decoder: Decoder,
    ended: bool,
    /// Decoded bytes that did not fit the reader's buffer.
    spare: Vec<u8>,
}

impl<R: BufRead> ToUtf8<R> {
    /// Decodes what `inner` reads. A byte-order mark is dropped.
    pub fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_with_bom_removal(),
            ended: false,
            spare: Vec::new(),
        }
    }

    /// Decodes what there is into `buffer`, which has room for any one character.
    fn decode(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut written = 0;
        while written == 0 && !self.ended {
            let input = self.inner.fill_buf()?;
            let last = input.is_empty();
            let room = buffer.len() - 1;
            let (result, read, made) = self.decoder.decode_to_utf8_without_replacement(
                input,
                &mut buffer[written..room],
                last,
            );
            self.inner.consume(read);
            written += made;
            match result {
                DecoderResult::Malformed(..) => {
                    buffer[written] = 0xFF;
                    written += 1;
                }
                DecoderResult::InputEmpty => self.ended = last,
                DecoderResult::OutputFull => {}
            }
        }
        Ok(written)
    }
}

/// Room for any one character, twice.
const LEAST: usize = 16;

impl<R: BufRead> Read for ToUtf8<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.spare.is_empty() && buffer.len() >= LEAST {
            return self.decode(buffer);
        }
        if self.spare.is_empty() {
            let mut small = [0; LEAST];
            let made = self.decode(&mut small)?;
            self.spare.extend_from_slice(&small[..made]);
        }
        let count = self.spare.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(self.spare.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(label: &str, bytes: &[u8], step: usize) -> Vec<u8> {
        let mut reader = ToUtf8::new(bytes, of_label(label).unwrap());
        let (mut all, mut buffer) = (Vec::new(), vec![0; step]);
        loop {
            let read = reader.read(&mut buffer).unwrap();
            if read == 0 {
                return all;
            }
            all.extend_from_slice(&buffer[..read]);
        }
    }

    #[test]
    fn texts_are_decoded_whatever_the_size_of_the_steps() {
        let utf16: Vec<u8> = "\u{feff}aé€😀"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        for step in [1, 3, 16, 17, 1000] {
            assert_eq!(decoded("utf-16le", &utf16, step), "aé€😀".as_bytes());
            assert_eq!(
                decoded("windows-1252", b"a\xe9\x80", step),
                "aé€".as_bytes()
            );
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_marked() {
        assert_eq!(decoded("shift_jis", b"a\x81,b", 100), b"a\xff,b");
        assert_eq!(decoded("utf-16le", b"a\0\x00\xd8", 100), b"a\xff");
        assert!(of_label("utf-7").is_err());
        assert!(of_label("replacement").is_err());
    }
}
