//! One JSON object: its keys and values in their order, values as they are written.

use crate::source::cells::Cell;
use serde::de::{Deserialize, IgnoredAny};
use serde_json::Deserializer;
use std::borrow::Cow;

/// Calls `each` with every key and value of the object that `text` is.
///
/// # Errors
/// A reason without any value when the text is no object.
pub fn walk(text: &str, each: &mut dyn FnMut(&str, Cell<'_>)) -> Result<(), String> {
    let mut rest = Rest {
        text: text.trim_end_matches(SPACE),
        at: 0,
    };
    if rest.next() != Some(b'{') {
        return Err("is no JSON object".into());
    }
    rest.at += 1;
    if rest.next() == Some(b'}') {
        rest.at += 1;
        return rest.end();
    }
    loop {
        let key = rest.string()?;
        rest.expect(b':')?;
        rest.value(&key, each)?;
        match rest.next() {
            Some(b',') => rest.at += 1,
            Some(b'}') => {
                rest.at += 1;
                return rest.end();
            }
            _ => return Err(rest.wrong()),
        }
    }
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// The text from a place on.
struct Rest<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Rest<'t> {
    fn wrong(&self) -> String {
        format!("is no valid JSON at byte {} of the row", self.at + 1)
    }

    /// Skips white space; the byte that follows.
    fn next(&mut self) -> Option<u8> {
        let bytes = &self.text.as_bytes()[self.at..];
        let space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let count = bytes.iter().take_while(space).count();
        self.at += count;
        bytes.get(count).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.next() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.wrong())
        }
    }

    fn end(&mut self) -> Result<(), String> {
        match self.next() {
            None => Ok(()),
            Some(_) => Err(self.wrong()),
        }
    }

    /// Parses one value with `serde_json` and steps over it.
    fn parse<T: Deserialize<'t>>(&mut self) -> Result<T, String> {
        let mut values = Deserializer::from_str(&self.text[self.at..]).into_iter::<T>();
        let value = values.next().and_then(Result::ok);
        let end = values.byte_offset();
        let value = value.ok_or_else(|| self.wrong())?;
        self.at += end;
        Ok(value)
    }

    fn string(&mut self) -> Result<Cow<'t, str>, String> {
        if self.next() != Some(b'"') {
            return Err(self.wrong());
        }
        let inner = &self.text[self.at + 1..];
        let end = inner
            .bytes()
            .position(|byte| matches!(byte, b'"' | b'\\') || byte < 0x20);
        // Most texts have no escapes, and are taken as they stand.
        if let Some(end) = end.filter(|&end| inner.as_bytes()[end] == b'"') {
            self.at += end + 2;
            return Ok(Cow::Borrowed(&inner[..end]));
        }
        self.parse::<String>().map(Cow::Owned)
    }

    fn value(&mut self, key: &str, each: &mut dyn FnMut(&str, Cell<'_>)) -> Result<(), String> {
        match self.next() {
            Some(b'"') => {
                let text = self.string()?;
                each(key, Cell::Text(&text));
                Ok(())
            }
            Some(first) => {
                let start = self.at;
                self.parse::<IgnoredAny>()?;
                let written = &self.text[start..self.at];
                each(
                    key,
                    match first {
                        b'n' => Cell::Null,
                        b'-' | b'0'..=b'9' => Cell::Number(written),
                        _ => Cell::Text(written),
                    },
                );
                Ok(())
            }
            None => Err(self.wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(text: &str) -> Result<Vec<(String, String)>, String> {
        let mut found = Vec::new();
        walk(text, &mut |key, cell| {
            found.push((key.to_owned(), format!("{cell:?}")));
        })?;
        Ok(found)
    }

    #[test]
    fn values_are_as_they_are_written() {
        let text = r#" {"a":1.50 , "b\n":"x\"\u00e9", "c" : null,"d":true,"e":{"f":[1, "}"]},
            "g":-1e-05,"é":"ü"} "#;
        let expected = [
            ("a", r#"Number("1.50")"#),
            ("b\n", r#"Text("x\"é")"#),
            ("c", "Null"),
            ("d", r#"Text("true")"#),
            ("e", r#"Text("{\"f\":[1, \"}\"]}")"#),
            ("g", r#"Number("-1e-05")"#),
            ("é", r#"Text("ü")"#),
        ];
        let expected = expected.map(|(key, cell)| (key.to_owned(), cell.to_owned()));
        assert_eq!(walked(text).unwrap(), expected);
        assert_eq!(walked("{ }").unwrap(), []);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in [
            "",
            " ",
            "1",
            "[1]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":1}x",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":nul}",
            "{\"a\":\"\n\"}",
            "{\"a\" 1}",
            "{\"a\":\"\\x\"}",
            "{\"a\":[1,]}",
            "{\"a\":1 2}",
            "{\"a\":NaN}",
            "{,}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":1]",
        ] {
            assert!(walked(text).is_err(), "{text}");
        }
        // serde_json bounds how deep values nest, so no text overflows the stack.
        let _ = walked(&format!("{{\"a\":{}", "[".repeat(200_000)));
    }
}
