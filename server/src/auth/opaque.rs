//! Opaque tokens: a prefix that scanners for leaked secrets recognise, 43 random letters and
//! digits (256 bits), and a checksum that tells a token from a text that only looks like one.
//!
//! Such a token is shown once and stored as its SHA-256 only. A slow hash would add nothing: there
//! is no list of likely tokens to try.

use rand::RngExt;
use rand::distr::Alphanumeric;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Tokens of machines.
pub const MACHINE: &str = "rp_";
/// Refresh tokens of people.
pub const REFRESH: &str = "rpr_";

const RANDOM: usize = 43;
const CHECKSUM: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new token.
#[must_use]
pub fn generate(prefix: &str) -> SecretString {
    let mut token = String::with_capacity(prefix.len() + RANDOM + CHECKSUM);
    token.push_str(prefix);
    token.extend(
        rand::rng()
            .sample_iter(Alphanumeric)
            .take(RANDOM)
            .map(char::from),
    );
    let checksum = checksum(&token);
    token.push_str(&checksum);
    SecretString::from(token)
}

/// What is stored of a token, where the text is one by its form and checksum.
#[must_use]
pub fn digest(prefix: &str, token: &str) -> Option<[u8; 32]> {
    let plain = token
        .bytes()
        .all(|c| c.is_ascii_alphanumeric() || c == b'_');
    if !plain || token.len() != prefix.len() + RANDOM + CHECKSUM || !token.starts_with(prefix) {
        return None;
    }
    let (signed, given) = token.split_at(token.len() - CHECKSUM);
    (checksum(signed) == given).then(|| Sha256::digest(token.as_bytes()).into())
}

/// What is stored of a new token.
#[must_use]
pub fn digest_of(token: &SecretString) -> [u8; 32] {
    Sha256::digest(token.expose_secret().as_bytes()).into()
}

/// The CRC-32 of a text in base 62.
fn checksum(text: &str) -> String {
    let mut rest = u64::from(crc32(text.as_bytes()));
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        let index = usize::try_from(rest % 62).unwrap_or_default();
        *digit = DIGITS[index];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

/// The CRC-32 of ISO 3309, bit by bit: texts here are short.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::{MACHINE, REFRESH, crc32, digest, digest_of, generate};
    use secrecy::ExposeSecret;

    #[test]
    fn the_checksum_is_the_usual_crc32() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_token_is_known_by_its_form_and_no_other_text_is() {
        let token = generate(MACHINE);
        let text = token.expose_secret();
        assert_eq!(digest(MACHINE, text), Some(digest_of(&token)));
        assert_eq!(digest(REFRESH, text), None, "another kind of token");
        assert_eq!(digest(MACHINE, &text[..text.len() - 1]), None, "cut off");
        assert_eq!(digest(MACHINE, &format!("{text}x")), None, "too long");
        let mut wrong = text.to_owned();
        let last = wrong.pop();
        wrong.push(if last == Some('a') { 'b' } else { 'a' });
        assert_eq!(digest(MACHINE, &wrong), None, "a wrong checksum");
        assert_eq!(digest(MACHINE, &"é".repeat(26)), None, "no ASCII");
    }

    #[test]
    fn no_two_tokens_are_the_same_and_none_shows_in_debug_output() {
        let (one, other) = (generate(REFRESH), generate(REFRESH));
        assert_ne!(one.expose_secret(), other.expose_secret());
        assert!(!format!("{one:?}").contains(one.expose_secret()));
    }
}
