//! `admin create`: the first person who may do everything.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use std::io::{IsTerminal, Read};
use uuid::Uuid;

use crate::auth::password;
use crate::cache::{MultiLevelCache, Stale};
use crate::config::DatabaseConfig;
use crate::db;
use crate::db::audit::{Action, Actor, Entry, Mutation, Origin, Subject};

pub(super) async fn create(
    config: DatabaseConfig,
    email: String,
    generate: bool,
) -> Result<(), String> {
    let email = db::users::normal_email(&email);
    if !db::users::is_email(&email) {
        return Err("--email must be an e-mail address".into());
    }
    let password = if generate {
        random_password()
    } else {
        read_password()?
    };
    password::check_new(&password)?;
    let hash = password::hash(&password).map_err(|error| error.to_string())?;
    let pool = db::pool(&config).map_err(|error| error.to_string())?;
    let origin = Origin {
        actor: Actor::Command("admin create"),
        request: Uuid::now_v7(),
    };
    let created = insert(&pool, origin, &email, &hash)
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

async fn insert(
    pool: &PgPool,
    origin: Origin,
    email: &str,
    hash: &str,
) -> Result<bool, sqlx::Error> {
    let cache = MultiLevelCache::of_command(pool.clone());
    let mut change = Mutation::begin(&cache, origin).await?;
    let Some(user) = db::users::create(&mut change, email, hash, true).await? else {
        return Ok(false);
    };
    let entry = Entry::new(Action::UserCreate, Subject::User(user.id)).with("platformAdmin", &true);
    change.commit(entry, Stale::nothing()).await?;
    Ok(true)
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
