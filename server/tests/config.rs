//! A wrong configuration ends the program with 78, names every bad variable and opens nothing.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use assert_cmd::Command;
use predicates::prelude::*;
use std::net::TcpListener;

mod support;

fn program() -> Command {
    let mut command = Command::cargo_bin("reconciliation-server").unwrap();
    command
        .env_clear()
        .timeout(std::time::Duration::from_secs(20));
    command
}

fn good(directory: &tempfile::TempDir) -> Command {
    let mut command = program();
    command.envs(support::variables(directory));
    command
}

#[test]
fn every_bad_variable_is_named_at_once_and_no_value_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("termination-log");
    std::fs::write(&log, "").unwrap();
    for command in ["check-config", "serve"] {
        program()
            .arg(command)
            .env("ENVIRONMENT", "production")
            .env("JWT_SECRET", "secretsecretsecretsecretsecretsecretsecret")
            .env("DATABASE_URL", "mysql://bad-value")
            .env("STORAGE_URL", "ftp://bad-value")
            .env("WORKERS", "bad-value")
            .env("BIND_ADDRESS", "bad-value")
            .env("RUST_LOG", "a=bad-value")
            .env("REDIS_URL", "http://bad-value")
            .env("TRUSTED_PROXIES", "10.0.0.0/8,bad-value")
            .env("CLIENT_ADDRESS_HEADER", "bad-value")
            .env("LOGINS_PER_MINUTE", "0")
            .env("CACHE_MEGABYTES", "bad-value")
            .env("TERMINATION_MESSAGE_PATH", &log)
            .assert()
            .code(78)
            .stderr(predicate::str::contains("JWT_SECRET"))
            .stderr(predicate::str::contains("DATABASE_URL"))
            .stderr(predicate::str::contains("STORAGE_URL"))
            .stderr(predicate::str::contains("WORKERS"))
            .stderr(predicate::str::contains("BIND_ADDRESS"))
            .stderr(predicate::str::contains("RUST_LOG"))
            .stderr(predicate::str::contains("REDIS_URL"))
            .stderr(predicate::str::contains("TRUSTED_PROXIES"))
            .stderr(predicate::str::contains("CLIENT_ADDRESS_HEADER"))
            .stderr(predicate::str::contains("LOGINS_PER_MINUTE"))
            .stderr(predicate::str::contains("CACHE_MEGABYTES"))
            .stderr(predicate::str::contains("secretsecret").not())
            .stderr(predicate::str::contains("bad-value").not());
        let message = std::fs::read_to_string(&log).unwrap();
        assert!(
            message.contains("JWT_SECRET") && message.contains("STORAGE_URL"),
            "{message}"
        );
        assert!(!message.contains("secretsecret"), "{message}");
    }
}

#[test]
fn production_without_a_good_secret_opens_no_port() {
    let directory = tempfile::tempdir().unwrap();
    // The port is taken: a program that tried to listen would fail with 1 and name the address.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for secret in [
        None,
        Some(""),
        Some("short"),
        Some("changeme-changeme-changeme-changeme"),
    ] {
        let mut command = good(&directory);
        command
            .arg("serve")
            .env("BIND_ADDRESS", &address)
            .env_remove("JWT_SECRET");
        if let Some(secret) = secret {
            command.env("JWT_SECRET", secret);
        }
        command
            .assert()
            .code(78)
            .stderr(predicate::str::contains("JWT_SECRET"))
            .stderr(predicate::str::contains("listen").not());
    }
    good(&directory)
        .arg("serve")
        .env("BIND_ADDRESS", &address)
        .assert()
        .code(1)
        .stderr(predicate::str::contains("cannot listen"));
}

#[test]
fn a_good_configuration_passes_and_help_lists_every_variable() {
    let directory = tempfile::tempdir().unwrap();
    good(&directory).arg("check-config").assert().success();
    let mut help = program().arg("--help").assert().success();
    for (name, _) in server::config::VARIABLES {
        help = help.stdout(predicate::str::contains(*name));
    }
}

const PREVIOUS: &str = "Zr6vT0nQd9xWb2KmYp5sHc8LgUe1JfAo";

#[test]
fn a_previous_secret_is_held_to_the_rules_of_the_secret() {
    let directory = tempfile::tempdir().unwrap();
    for (previous, reason) in [
        ("bad-value", "is shorter than 32 bytes"),
        ("changeme-changeme-changeme-changeme", "is a known default"),
        (support::JWT_SECRET, "is the same as JWT_SECRET"),
    ] {
        for command in ["check-config", "serve"] {
            good(&directory)
                .arg(command)
                .env("JWT_SECRET_PREVIOUS", previous)
                .assert()
                .code(78)
                .stderr(predicate::str::contains(format!(
                    "JWT_SECRET_PREVIOUS {reason}"
                )))
                .stderr(predicate::str::contains(previous).not());
        }
    }
    for previous in ["", PREVIOUS] {
        good(&directory)
            .arg("check-config")
            .env("JWT_SECRET_PREVIOUS", previous)
            .assert()
            .success();
    }
}

#[test]
fn a_bad_url_of_the_owning_role_is_told_before_anything_is_migrated() {
    let directory = tempfile::tempdir().unwrap();
    for command in ["check-config", "migrate"] {
        good(&directory)
            .arg(command)
            .env("MIGRATION_DATABASE_URL", "mysql://bad-value")
            .assert()
            .code(78)
            .stderr(predicate::str::contains("MIGRATION_DATABASE_URL is no URL"))
            .stderr(predicate::str::contains("bad-value").not());
    }
}

#[test]
fn secrets_are_in_no_debug_output() {
    let directory = tempfile::tempdir().unwrap();
    let mut variables = support::variables(&directory);
    variables.insert("S3_ACCESS_KEY_ID".into(), "id-5d1c".into());
    variables.insert("S3_SECRET_ACCESS_KEY".into(), "key-77aa".into());
    variables.insert("STORAGE_URL".into(), "s3://bucket/prefix".into());
    variables.insert("JWT_SECRET_PREVIOUS".into(), PREVIOUS.into());
    variables.insert("REDIS_URL".into(), "rediss://user:pw-11aa@localhost".into());
    let config = server::config::Config::from_env(&|name| variables.get(name).cloned()).unwrap();
    let text = format!("{config:?}");
    for secret in [
        support::JWT_SECRET,
        support::DATABASE_PASSWORD,
        PREVIOUS,
        "id-5d1c",
        "key-77aa",
        "pw-11aa",
    ] {
        assert!(!text.contains(secret), "{secret} shows in {text}");
    }
}
