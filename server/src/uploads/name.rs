//! Names of files.

use crate::error::ApiError;

/// A name is one path component, and shows as what it is.
///
/// # Errors
/// `BadRequest` for every other text.
pub fn check_name(name: &str) -> Result<(), ApiError> {
    let bad = name.is_empty()
        || name.len() > 255
        || name == "."
        || name == ".."
        || name.trim() != name
        || name
            .chars()
            .any(|c| c.is_control() || matches!(c, '/' | '\\') || turns_text(c));
    if bad {
        return Err(ApiError::bad_request(
            "name must be a file name of 1 to 255 bytes without path parts, control characters \
             and outer spaces",
        ));
    }
    Ok(())
}

/// Characters that change the direction of text: with them `exe.csv` may show as something else.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::check_name;
    use rstest::rstest;

    #[rstest]
    fn names_that_are_one_path_component(
        #[values("a", "ledger.csv", ".hidden", "a..b", "März 2026.csv", "a b.csv")] name: &str,
    ) {
        assert!(check_name(name).is_ok());
    }

    #[rstest]
    fn names_that_are_more_or_less_than_that(
        #[values(
            "",
            ".",
            "..",
            "a/b",
            "/etc/passwd",
            "..\\a",
            "C:\\a",
            "a\0",
            "a\n",
            " a",
            "a ",
            "\u{202e}vsc.exe",
            "a\u{85}"
        )]
        name: &str,
    ) {
        assert!(check_name(name).is_err());
    }
}
