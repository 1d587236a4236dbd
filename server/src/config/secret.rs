//! Which values are no secret at all.

use super::Environment;

/// HS256 wants a key as long as its hash.
const MIN_BYTES: usize = 32;

/// Words that documentation and templates put where a secret belongs.
const KNOWN_WORDS: &[&str] = &[
    "reconciliation",
    "development",
    "supersecret",
    "placeholder",
    "production",
    "jsonwebtoken",
    "changethis",
    "replaceme",
    "topsecret",
    "changeit",
    "changeme",
    "password",
    "insecure",
    "platform",
    "default",
    "example",
    "letmein",
    "replace",
    "signing",
    "secret",
    "qwerty",
    "sample",
    "please",
    "admin",
    "dummy",
    "token",
    "your",
    "test",
    "this",
    "key",
    "jwt",
    "dev",
    "abc",
    "0123456789",
    "1234567890",
    "12345678",
    "123456",
    "1234",
    "123",
];

/// Letters and digits that have to be left when every known word is taken out.
const MIN_OWN_CHARACTERS: usize = 16;
/// Different characters that a random text of 32 has for certain.
const MIN_DIFFERENT: usize = 8;

/// Says why a value cannot be the secret; the reason never holds the value.
pub(super) fn check(value: &str, environment: Environment) -> Result<(), String> {
    if value.is_empty() {
        return Err("is required and is missing or empty".into());
    }
    if value.len() < MIN_BYTES {
        return Err(format!("is shorter than {MIN_BYTES} bytes"));
    }
    if environment == Environment::Production && is_known(value) {
        return Err(
            "is a known default or a repeated text; use a random value, such as from \
                    `openssl rand -base64 48`"
                .into(),
        );
    }
    Ok(())
}

fn is_known(value: &str) -> bool {
    let mut text: String = value
        .to_lowercase()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let different: std::collections::BTreeSet<char> = value.chars().collect();
    if different.len() < MIN_DIFFERENT {
        return true;
    }
    for word in KNOWN_WORDS {
        text = text.replace(word, "");
    }
    text.len() < MIN_OWN_CHARACTERS
}

#[cfg(test)]
mod tests {
    use super::{Environment, check};
    use rstest::rstest;

    #[rstest]
    #[case("")]
    #[case("short")]
    #[case("secretsecretsecretsecretsecretsecret")]
    #[case("changeme-changeme-changeme-changeme-changeme")]
    #[case("CHANGE-ME-CHANGE-ME-CHANGE-ME-CHANGE-ME-CHANGE-ME")]
    #[case("your-super-secret-jwt-key-change-this-in-production")]
    #[case("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    #[case("12345678901234567890123456789012")]
    fn production_refuses(#[case] value: &str) {
        assert!(check(value, Environment::Production).is_err());
    }

    #[rstest]
    #[case("kJ8s0vYbq3mTn5xWz7RcDf1gHp4LuEaQ")]
    #[case("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    fn production_accepts_random_text(#[case] value: &str) {
        assert_eq!(check(value, Environment::Production), Ok(()));
    }

    #[test]
    fn development_wants_the_length_only() {
        assert!(check("secret", Environment::Development).is_err());
        assert!(check(&"secret".repeat(6), Environment::Development).is_ok());
    }
}
