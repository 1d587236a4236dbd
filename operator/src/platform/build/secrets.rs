//! The secrets: an ExternalSecret, or random values.

use rand::RngExt;
use rand::distr::Alphanumeric;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::metadata;
use crate::platform::manifest::{Kind, Manifest};
use crate::platform::validate::{SecretsSource, ValidatedPlatform};

/// The ExternalSecret. `Retain` keeps the Secret, and with it the running version, when an entry
/// vanishes from the store.
pub fn external_secret(platform: &ValidatedPlatform) -> Option<Manifest> {
    let SecretsSource::External {
        store_kind,
        store_name,
        refresh_interval,
        entries,
    } = &platform.secrets
    else {
        return None;
    };
    let name = platform.secret_name();
    let data: Vec<Value> = entries
        .iter()
        .map(|(key, remote)| {
            let mut reference = json!({"key": remote.key});
            if let Some(property) = &remote.property {
                reference["property"] = json!(property);
            }
            json!({"secretKey": key, "remoteRef": reference})
        })
        .collect();
    Some(Manifest::new(
        Kind::ExternalSecret,
        metadata(platform, &name, "secrets"),
        json!({"spec": {
            "refreshInterval": refresh_interval,
            "secretStoreRef": {"kind": store_kind, "name": store_name},
            "target": {"name": name, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
            "data": data,
        }}),
    ))
}

/// Random values for a platform with an embedded database.
pub fn generated_values(
    platform: &ValidatedPlatform,
    random: &mut impl rand::Rng,
) -> Vec<(&'static str, SecretString)> {
    let mut text = |length: usize| -> SecretString {
        (0..length)
            .map(|_| char::from(random.sample(Alphanumeric)))
            .collect::<String>()
            .into()
    };
    let (jwt, password) = (text(64), text(32));
    let url = format!(
        "postgres://reconciliation:{}@{}-postgres:5432/reconciliation",
        password.expose_secret(),
        platform.name
    );
    vec![
        ("JWT_SECRET", jwt),
        ("POSTGRES_PASSWORD", password),
        ("DATABASE_URL", url.into()),
    ]
}
