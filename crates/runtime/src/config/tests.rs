//! Settings from text and variables, and everything that is wrong with them at once.

use redress_core::clock::SystemClock;
use tempfile::TempDir;

use super::*;
use crate::token::SigningKey;

const CLOCK: SystemClock = SystemClock;

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Settings, LoadError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redress.toml");
    std::fs::write(&path, text).unwrap();
    let variables = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    load(Some(&path), variables)
}

fn findings(settings: &Settings) -> Vec<String> {
    let findings = settings.check(std::sync::Arc::new(CLOCK)).unwrap_err();
    findings.0.into_iter().map(|finding| finding.key).collect()
}

/// Settings that pass, with keys in a folder that lives as long as they are used.
fn good() -> (TempDir, Settings) {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate().unwrap();
    key.write_new(&folder.path().join("own.pem")).unwrap();
    std::fs::write(folder.path().join("public.pem"), key.public_pem().unwrap()).unwrap();
    let text = format!(
        r#"
        [server]
        listen = "127.0.0.1:7401"
        [auth]
        issuers = [
            {{ issuer = "a", public_key_file = "{0}/public.pem", roles = ["platform"], tenants = ["*"] }},
        ]
        [identity]
        issuer = "refunds"
        key_file = "{0}/own.pem"
        [database]
        url = "postgres://redress:hunter2@db/refunds"
        [peers]
        cases = "http://127.0.0.1:7402"
        "#,
        folder.path().display()
    );
    (folder, parse(&text, &[]).unwrap())
}

#[test]
fn good_settings_pass() {
    let (_folder, settings) = good();
    let plan = settings.check(std::sync::Arc::new(CLOCK)).unwrap();
    assert!(plan.reflection, "on in development");
    assert!(!format!("{settings:?}").contains("hunter2"), "secrets are not shown");
}

#[test]
fn the_environment_wins_over_the_file() {
    let text = "[server.limits]\nconnections = 10\n[telemetry]\nfilter = \"warn\"\n";
    let variables = [
        ("REDRESS__SERVER__LIMITS__CONNECTIONS", "20"),
        ("REDRESS__SERVER__LISTEN", "127.0.0.1:9"),
        ("REDRESS__SERVER__REFLECTION", "false"),
        ("REDRESS__DATABASE__URL", "sqlite:x.db"),
        ("REDRESS_TEST_POSTGRES_URL", "ignored"),
        ("PATH", "/bin"),
    ];
    let settings = parse(text, &variables).unwrap();
    assert_eq!(settings.server.limits.connections, 20);
    assert_eq!(settings.server.listen.port(), 9);
    assert_eq!(settings.server.reflection, Some(false));
    assert_eq!(settings.telemetry.filter, "warn");
    assert_eq!(settings.database.unwrap().pool_size, 8);
}

#[test]
fn unknown_and_mistyped_keys_are_refused_by_name() {
    for (text, named) in [
        ("colour = 1", "colour"),
        ("[server]\nlimit = 1", "limit"),
        ("[server.limits]\nconnections = \"many\"", "connections"),
        ("[[auth.issuers]]\nissuer = \"a\"\nroles = [\"root\"]\ntenants = []", "root"),
        ("profile = \"staging\"", "staging"),
        ("[service]\nx = 1", "x"),
    ] {
        let error = parse(text, &[]).unwrap_err();
        let shown = redress_api::status::chain(Some(&error));
        assert!(shown.contains(named), "{text}: {shown}");
    }
    let error = parse("", &[("REDRESS__SERVER__LISTNE", "x")]).unwrap_err();
    assert!(redress_api::status::chain(Some(&error)).contains("listne"));
}

#[test]
fn a_missing_file_is_named() {
    let error = load::<Settings>(Some("/nowhere/redress.toml".as_ref()), []).unwrap_err();
    assert!(error.to_string().contains("/nowhere/redress.toml"));
}

#[test]
fn every_problem_is_reported_at_once() {
    let (_folder, mut settings) = good();
    settings.server.limits.connections = 0;
    settings.server.times.default_deadline_ms = 1_000_000;
    settings.server.tls = Some(TlsSettings {
        certificate_file: "/nowhere/cert.pem".into(),
        key_file: "/nowhere/key.pem".into(),
        client_ca_file: Some("/nowhere/ca.pem".into()),
    });
    settings.peers.insert("feedback".to_owned(), "feedback:7404".to_owned());
    settings.telemetry.filter = "info,=".to_owned();
    settings.auth.leeway_s = 3600;
    settings.auth.issuers[0].tenants = vec!["a/b".to_owned()];
    settings.auth.issuers[0].public_key = Some("both".to_owned());
    settings.identity.as_mut().unwrap().key_file = "/nowhere/own.pem".into();
    assert_eq!(
        findings(&settings),
        [
            "server.limits.connections",
            "server.times.default_deadline_ms",
            "peers.feedback",
            "identity.key_file",
            "telemetry.filter",
            "server.tls.certificate_file",
            "server.tls.key_file",
            "server.tls.client_ca_file",
            "auth.leeway_s",
            "auth.issuers[0].tenants",
            "auth.issuers[0].public_key",
        ]
    );
}

#[test]
fn nobody_can_call_a_server_without_issuers() {
    assert_eq!(findings(&Settings::default()), ["auth.issuers"]);
}

#[test]
fn production_is_strict() {
    let (_folder, mut settings) = good();
    settings.profile = Profile::Production;
    let plan = settings.check(std::sync::Arc::new(CLOCK)).unwrap();
    assert!(!plan.reflection, "off unless asked for");

    settings.server.listen = "0.0.0.0:7401".parse().unwrap();
    settings.server.reflection = Some(true);
    settings.auth.issuers[0].issuer = DEV_ISSUER.to_owned();
    assert_eq!(findings(&settings), ["server.tls", "server.reflection", "auth.issuers[0].issuer"]);

    settings.server.listen = "[::1]:7401".parse().unwrap();
    settings.server.reflection_in_production = true;
    settings.auth.issuers[0].issuer = "platform".to_owned();
    assert!(settings.check(std::sync::Arc::new(CLOCK)).unwrap().reflection);
}
