//! The operator's configuration: flags and environment variables, read once.

use std::net::SocketAddr;

/// Keeps reconciliation platforms running and hands jobs to them.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "reconciliation-operator", version)]
pub struct Config {
    /// The namespace that the operator runs in, where its lease and its ServiceAccount are.
    #[arg(long, env = "NAMESPACE")]
    pub namespace: String,
    /// The name of this replica, which holds the lease.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: String,
    /// The operator's own ServiceAccount; tokens for the platforms' APIs are issued to it.
    #[arg(
        long,
        env = "SERVICE_ACCOUNT",
        default_value = "reconciliation-operator"
    )]
    pub service_account: String,
    /// The lease that the replicas compete for.
    #[arg(long, env = "LEASE_NAME", default_value = "reconciliation-operator")]
    pub lease_name: String,
    /// The image of platforms that name none, `repository:tag`.
    #[arg(long, env = "SERVER_IMAGE")]
    pub server_image: String,
    /// The PostgreSQL image of embedded databases, `repository:tag`.
    #[arg(long, env = "EMBEDDED_POSTGRES_IMAGE")]
    pub embedded_postgres_image: String,
    /// Where health and metrics are served.
    #[arg(long, env = "METRICS_BIND_ADDRESS", default_value = "0.0.0.0:9090")]
    pub metrics_bind_address: SocketAddr,
    /// Stores that platforms may draw secrets from, as `Kind/name`; `*` at the end of an entry
    /// stands for anything. None when empty.
    #[arg(long, env = "EXTERNAL_SECRET_STORES", value_delimiter = ',')]
    pub external_secret_stores: Vec<String>,
    /// Beginnings of the keys that platforms may draw from a store; `*` allows every key. None
    /// when empty.
    #[arg(long, env = "EXTERNAL_SECRET_KEY_PREFIXES", value_delimiter = ',')]
    pub external_secret_key_prefixes: Vec<String>,
    /// Call platforms by their Service's address, for an operator outside the cluster.
    #[arg(long, env = "RESOLVE_SERVICES")]
    pub resolve_services: bool,
    /// Where platforms' APIs are, with `{name}` and `{namespace}` of the platform.
    #[arg(
        long,
        env = "API_ENDPOINT_TEMPLATE",
        default_value = "http://{name}-api.{namespace}.svc:8080"
    )]
    pub api_endpoint_template: String,
    /// What is logged, such as `info` or `reconciliation_operator=debug`.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log_filter: String,
}

/// Which stores and keys platforms may draw secrets from.
#[derive(Clone, Debug, Default)]
pub struct SecretPolicy {
    stores: Vec<String>,
    key_prefixes: Vec<String>,
}

impl SecretPolicy {
    /// Blank entries, as an empty environment variable gives one, allow nothing.
    pub fn new(stores: &[String], key_prefixes: &[String]) -> Self {
        let clean = |entries: &[String]| {
            entries
                .iter()
                .map(|entry| entry.trim().to_owned())
                .filter(|entry| !entry.is_empty())
                .collect()
        };
        Self {
            stores: clean(stores),
            key_prefixes: clean(key_prefixes),
        }
    }

    /// Whether a store may be used.
    pub fn allows_store(&self, kind: &str, name: &str) -> bool {
        let store = format!("{kind}/{name}");
        self.stores
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => store.starts_with(prefix),
                None => store == *pattern,
            })
    }

    /// Whether a key may be read.
    pub fn allows_key(&self, key: &str) -> bool {
        self.key_prefixes
            .iter()
            .any(|prefix| key.starts_with(prefix.trim_end_matches('*')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(stores: &[&str], prefixes: &[&str]) -> SecretPolicy {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        SecretPolicy::new(&owned(stores), &owned(prefixes))
    }

    #[test]
    fn nothing_is_allowed_unless_listed() {
        let none = policy(&[""], &[" "]);
        assert!(!none.allows_store("ClusterSecretStore", "vault"));
        assert!(!none.allows_key("prod/recon"));
    }

    #[test]
    fn a_store_is_allowed_by_name_or_by_prefix() {
        let some = policy(&["ClusterSecretStore/vault", "SecretStore/*"], &["prod/"]);
        assert!(some.allows_store("ClusterSecretStore", "vault"));
        assert!(!some.allows_store("ClusterSecretStore", "vault2"));
        assert!(some.allows_store("SecretStore", "any"));
        assert!(some.allows_key("prod/recon"));
        assert!(!some.allows_key("production"));
        assert!(policy(&[], &["*"]).allows_key("anything"));
    }
}
