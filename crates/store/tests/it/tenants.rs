//! The tenant directory.

use redress_api::ports::TenantDirectory;
use redress_core::id::TenantId;
use redress_core::tenant::{PolicyChoice, Tenant};
use redress_store::{Database, Tenants};

use crate::support::{execute, open, texts};

redress_testkit::conformance! {
    open = open;
    a_change_makes_a_new_version_and_no_change_makes_none,
    racing_changes_all_get_a_version,
    recent_settings_are_those_that_were_applied_here_last,
    settings_that_were_stored_before_there_were_choices_are_read,
}

fn settings() -> Tenant {
    Tenant {
        id: TenantId::new("arena").unwrap(),
        display_name: "Arena Süd".to_owned(),
        locales: vec!["de-DE".to_owned(), "en".to_owned()],
        time_zone: "Europe/Berlin".to_owned(),
        sender_email: "tickets@arena.example".to_owned(),
        support_url: "https://arena.example/help".to_owned(),
        default_policy: "standard".to_owned(),
        approval_limits: Vec::new(),
        policies: vec![PolicyChoice {
            kinds: vec!["TICKET".to_owned(), "SEAT".to_owned()],
            places_of_sale: vec!["RU".to_owned(), "US-CA".to_owned()],
            policy: "theatre".to_owned(),
            law: Some("ru-culture-52.1".to_owned()),
        }],
        version: 0,
    }
}

async fn a_change_makes_a_new_version_and_no_change_makes_none(database: Database) {
    let tenants = Tenants::new(database.clone(), redress_testkit::clock::manual());
    assert_eq!(tenants.get(&settings().id).await.unwrap(), None);
    let first = tenants.apply(settings()).await.unwrap();
    assert_eq!(first, Tenant { version: 1, ..settings() });
    assert_eq!(tenants.apply(settings()).await.unwrap(), first);
    let changed = Tenant { display_name: "Arena".to_owned(), ..settings() };
    let second = tenants.apply(changed.clone()).await.unwrap();
    assert_eq!(second, Tenant { version: 2, ..changed });
    assert_eq!(tenants.get(&second.id).await.unwrap(), Some(second));
    let history = "SELECT display_name FROM tenants ORDER BY version";
    assert_eq!(texts(&database, history).await, ["Arena Süd", "Arena"]);
}

async fn recent_settings_are_those_that_were_applied_here_last(database: Database) {
    let tenants = Tenants::new(database.clone(), redress_testkit::clock::manual());
    assert_eq!(tenants.recent(&settings().id).await.unwrap(), None);
    for name in ["Arena", "Arena Süd"] {
        let applied = Tenant { display_name: name.to_owned(), ..settings() };
        let applied = tenants.apply(applied).await.unwrap();
        for _ in 0..2 {
            assert_eq!(tenants.recent(&applied.id).await.unwrap().as_ref(), Some(&applied));
        }
    }
}

async fn settings_that_were_stored_before_there_were_choices_are_read(database: Database) {
    // As the release before writes them.
    let before = "INSERT INTO tenants (tenant, version, display_name, locales, time_zone, \
         sender_email, support_url, default_policy, approval_limits, applied_at) \
         VALUES ('arena', 1, 'Arena Süd', 'de-DE en', 'Europe/Berlin', 'tickets@arena.example', \
         'https://arena.example/help', 'standard', '[]', 0)";
    execute(&database, before).await;
    let tenants = Tenants::new(database.clone(), redress_testkit::clock::manual());
    let stored = tenants.get(&settings().id).await.unwrap();
    assert_eq!(stored, Some(Tenant { version: 1, policies: Vec::new(), ..settings() }));
    assert_eq!(tenants.apply(settings()).await.unwrap().version, 2);
    // A choice of which only the policy is told.
    let later = "INSERT INTO tenants (tenant, version, display_name, locales, time_zone, \
         sender_email, support_url, default_policy, approval_limits, applied_at, policies) \
         VALUES ('arena', 3, 'Arena', 'de', 'Europe/Berlin', 'tickets@arena.example', \
         'https://arena.example/help', 'standard', '[]', 0, '[{\"policy\":\"flex\"}]')";
    execute(&database, later).await;
    let stored = tenants.get(&settings().id).await.unwrap().unwrap();
    let bare = PolicyChoice {
        kinds: Vec::new(),
        places_of_sale: Vec::new(),
        policy: "flex".to_owned(),
        law: None,
    };
    assert_eq!(stored.policies, [bare]);
}

async fn racing_changes_all_get_a_version(database: Database) {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..4 {
        let tenants = Tenants::new(database.clone(), redress_testkit::clock::manual());
        let tenant = Tenant { display_name: format!("Arena {n}"), ..settings() };
        tasks.spawn(async move { tenants.apply(tenant).await.unwrap().version });
    }
    let mut versions = tasks.join_all().await;
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4]);
}
