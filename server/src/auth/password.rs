//! Passwords: argon2id, off the async threads and a bounded number at once.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret, SecretString};
use std::sync::{Arc, OnceLock};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::ApiError;

/// Longer passwords are refused before they are hashed.
pub const MAX_BYTES: usize = 1024;
/// Shorter ones are refused when a user is made.
pub const MIN_CHARACTERS: usize = 12;

/// Refuses what cannot be a new password.
///
/// # Errors
/// The rule, without the password.
pub fn check_new(password: &SecretString) -> Result<(), String> {
    let text = password.expose_secret();
    if text.chars().count() < MIN_CHARACTERS || text.len() > MAX_BYTES {
        return Err(format!(
            "the password must have {MIN_CHARACTERS} characters or more, and at most {MAX_BYTES} bytes"
        ));
    }
    Ok(())
}

/// The hash of a password in PHC form.
///
/// # Errors
/// When the system has no randomness.
pub fn hash(password: &SecretString) -> Result<String, ApiError> {
    Argon2::default()
        .hash_password(password.expose_secret().as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| ApiError::Internal(format!("argon2: {error}")))
}

/// A hash that no password fits on purpose: unknown users are verified against it, so that they
/// take as long as known ones.
fn dummy() -> &'static str {
    static DUMMY: OnceLock<String> = OnceLock::new();
    DUMMY.get_or_init(|| hash(&SecretString::from("nobody's password")).unwrap_or_default())
}

fn fits(password: &SecretString, hash: Option<&str>) -> bool {
    let known = hash.is_some();
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or_else(|| dummy())) else {
        return false;
    };
    let fits = Argon2::default()
        .verify_password(password.expose_secret().as_bytes(), &parsed)
        .is_ok();
    fits && known
}

/// Verifies and hashes passwords; each takes about 19 MiB, so only a few run at once.
#[derive(Clone, Debug)]
pub struct Verifier {
    permits: Arc<Semaphore>,
}

impl Default for Verifier {
    fn default() -> Self {
        let parallel = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            permits: Arc::new(Semaphore::new(parallel)),
        }
    }
}

impl Verifier {
    /// Makes the dummy hash now, so that the first unknown user does not take longer.
    pub fn warm_up(&self) {
        std::thread::spawn(dummy);
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// When the hashing could not run.
    pub async fn hash(&self, password: SecretString) -> Result<String, ApiError> {
        let _permit = self.permit().await?;
        tokio::task::spawn_blocking(move || hash(&password))
            .await
            .map_err(|error| ApiError::Internal(format!("password hashing: {error}")))?
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        self.permits
            .acquire()
            .await
            .map_err(|_| ApiError::Unavailable("the server is stopping".into()))
    }

    /// Whether the password fits the hash; without a hash it never does and takes as long.
    ///
    /// # Errors
    /// When the verification could not run.
    pub async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
    ) -> Result<bool, ApiError> {
        let _permit = self.permit().await?;
        tokio::task::spawn_blocking(move || fits(&password, hash.as_deref()))
            .await
            .map_err(|error| ApiError::Internal(format!("password verification: {error}")))
    }
}
