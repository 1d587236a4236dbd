//! `admin create`: the first person who may do everything.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use std::io::{IsTerminal, Read};

use crate::auth::password;
use crate::config::DatabaseConfig;
use crate::db;

pub(super) async fn create(
    config: DatabaseConfig,
    email: String,
    generate: bool,
) -> Result<(), String> {
    let email = db::users::normal_email(&email);
    if !email.contains('@') || email.len() > 254 || email.chars().any(char::is_control) {
        return Err("--email must be an e-mail address".into());
    }
    let password = if generate {
        random_password()
    } else {
        read_password()?
    };
    let characters = password.expose_secret().chars().count();
    if characters < password::MIN_CHARACTERS || password.expose_secret().len() > password::MAX_BYTES
    {
        return Err(format!(
            "the password must have {} characters or more, and at most {} bytes",
            password::MIN_CHARACTERS,
            password::MAX_BYTES
        ));
    }
    let hash = password::hash(&password).map_err(|error| error.to_string())?;
    let pool = db::pool(&config).map_err(|error| error.to_string())?;
    let created = db::users::create_admin(&pool, &email, &hash)
        .await
        .map_err(|error| format!("the database cannot be used: {error}"))?;
    if !created {
        return Err(format!("{email} exists already"));
    }
    eprintln!("created the platform admin {email}");
    if generate {
        println!("{}", password.expose_secret());
    }
    Ok(())
}

fn random_password() -> SecretString {
    let bytes: [u8; 24] = rand::random();
    SecretString::from(URL_SAFE_NO_PAD.encode(bytes))
}

fn read_password() -> Result<SecretString, String> {
    if std::io::stdin().is_terminal() {
        return Err("give the password on standard input, or use --generate".into());
    }
    let mut text = String::new();
    std::io::stdin()
        .take(u64::try_from(password::MAX_BYTES).unwrap_or(u64::MAX) + 2)
        .read_to_string(&mut text)
        .map_err(|_| "the password on standard input is not readable text".to_string())?;
    Ok(SecretString::from(
        text.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}
