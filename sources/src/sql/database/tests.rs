use super::*;
use rstest::rstest;

fn database(url: &str) -> Result<Database, String> {
    Database::of(&SecretString::from(url), "DB_URL".into(), None)
}

#[rstest]
#[case("postgres://u@db.example.com/d", true)]
#[case("postgres://u@10.0.0.7/d", true)]
#[case("postgres://u@localhost/d", false)]
#[case("postgres://u@127.0.0.1/d", false)]
#[case("postgres://u@[::1]/d", false)]
#[case("postgres://u@%2Fvar%2Frun/d", false)]
#[case("postgres://u@localhost.example.com/d", true)]
#[case("postgres://u@x/d?host=/var/run", false)]
#[case("postgres://u@localhost/d?host=db.example.com", true)]
fn the_certificate_of_another_machine_is_checked_unless_the_url_says_otherwise(
    #[case] url: &str,
    #[case] verified: bool,
) {
    let database = database(url).unwrap();
    assert_eq!(database.verified_by_default, verified);
    let mode = database.options.get_ssl_mode();
    assert_eq!(matches!(mode, PgSslMode::VerifyFull), verified, "{mode:?}");
    assert_eq!(matches!(mode, PgSslMode::Prefer), !verified, "{mode:?}");
}

#[rstest]
#[case("disable", PgSslMode::Disable)]
#[case("prefer", PgSslMode::Prefer)]
#[case("require", PgSslMode::Require)]
#[case("verify-full", PgSslMode::VerifyFull)]
fn what_the_url_says_about_tls_holds_for_every_host(
    #[case] said: &str,
    #[case] expected: PgSslMode,
    #[values("localhost", "db.example.com")] host: &str,
) {
    let url = format!("postgres://u:p@{host}/d?sslmode={said}");
    let database = database(&url).unwrap();
    let mode = database.options.get_ssl_mode();
    assert_eq!(
        std::mem::discriminant(&mode),
        std::mem::discriminant(&expected)
    );
    assert!(!database.verified_by_default);
}

#[rstest]
#[case("", "no URL")]
#[case("hunter2", "no URL")]
#[case("mysql://u:hunter2@h/d", "no URL")]
#[case("host=h password=hunter2", "no URL")]
// Passwords with characters that end them early.
#[case("postgres://u:12#hunter2@h/d", "cannot be read")]
#[case("postgres://u:12/hunter2@h/d", "cannot be read")]
#[case("postgres://u:12?hunter2@h/d", "behind the ?")]
#[case("postgres://u:hunter2@h:port/d", "no URL")]
#[case("postgres://u:hunter2@h/d?port=hunter2", "cannot be read")]
#[case("postgres://u:hunter2@h/d?hostaddr=hunter2", "cannot be read")]
#[case("postgres://u:hunter2@h/d?sslmode=hunter2", "none of disable, prefer")]
#[case("postgres://u:hunter2@h/d?sslmode=allow", "none of disable, prefer")]
#[case("postgres://u:hunter2@h/d?sslmode=verify-ca", "verify-full")]
#[case(
    "postgres://u:hunter2@h/d?sslmode=require&sslrootcert=ca.crt",
    "verify-full only"
)]
#[case("postgres://u:hunter2@h/d?ssl_mode=disable", "`ssl_mode` behind the ?")]
#[case("postgres://u:hunter2@h/d?connect_timeout=3", "`connect_timeout`")]
fn a_wrong_url_is_refused_without_repeating_it(#[case] url: &str, #[case] expected: &str) {
    let message = database(url).err().unwrap();
    assert!(message.contains(expected), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn pgsslmode_speaks_where_the_url_says_nothing() {
    let said = |url: &str, pgsslmode: &str| {
        let url = SecretString::from(url);
        let database = Database::of(&url, "DB_URL".into(), Some(pgsslmode.into()));
        database.map(|database| database.options.get_ssl_mode())
    };
    let mode = said("postgres://u@db.example.com/d", "require").unwrap();
    assert!(matches!(mode, PgSslMode::Require), "{mode:?}");
    let mode = said("postgres://u@db.example.com/d?sslmode=disable", "require").unwrap();
    assert!(matches!(mode, PgSslMode::Disable), "{mode:?}");
    let mode = said("postgres://u@db.example.com/d", "").unwrap();
    assert!(matches!(mode, PgSslMode::VerifyFull), "{mode:?}");
    // A word that nobody knows must not mean less protection.
    assert!(said("postgres://u@localhost/d", "verify_full").is_err());
}
