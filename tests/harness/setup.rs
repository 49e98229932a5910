//! A folder of settings as `redress up` makes it, with the patience of a test.
//!
//! Invariant: only waiting times differ from what an operator would get; no check is loosened.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use redress::cli::ServiceName;
use redress::home::{Home, Layout, Ports};
use redress_testkit::{Backend, TestDatabase};

use super::provider::SECRET_KEY;

/// How the workers of refunds wait in tests. A claim holds for ten seconds and the timeout: that is
/// how long the attempts of a killed process wait for the next one.
fn refunds_settings() -> String {
    format!(
        "secret_key = \"{SECRET_KEY}\"\nvisibility_window_ms = 500\ntimeout_ms = 1000\n\
         concurrency = 8\nsends_per_second = 0\n\n[service.worker]\npoll_ms = 200\nlook_up_first_ms = 200\n\
         look_up_cap_ms = 1000\ncheck_first_ms = 200\n"
    )
}

/// A mail's claim has to outlast the 30 seconds that one may take; it holds this long after its
/// process was killed.
const NOTIFICATIONS_SETTINGS: &str = "\n[service.dispatch]\nclaim_s = 31\npoll_interval_ms = 200\n";

/// The databases of the four services, in the order of their names; `None` without PostgreSQL.
pub(crate) async fn databases(backend: Backend) -> Option<Vec<(ServiceName, TestDatabase)>> {
    let mut databases = Vec::new();
    for service in ServiceName::ALL {
        databases.push((service, TestDatabase::create(backend).await?));
    }
    Some(databases)
}

/// Sets a new folder up.
pub(crate) fn home(
    dir: &Path,
    ports: Ports,
    stripe_base_url: String,
    databases: &[(ServiceName, TestDatabase)],
) -> Home {
    let url =
        |(service, database): &(ServiceName, TestDatabase)| (*service, database.url().to_owned());
    let layout = Layout {
        ports,
        stripe_base_url,
        refunds_extra: refunds_settings(),
        databases: databases.iter().map(url).collect(),
    };
    let (home, is_new) = Home::open_or_create(dir, &layout).unwrap();
    assert!(is_new, "{} was set up before", dir.display());
    append(&home, ServiceName::Notifications, NOTIFICATIONS_SETTINGS);
    home
}

/// Adds lines to the settings of a service.
pub(crate) fn append(home: &Home, service: ServiceName, text: &str) {
    let mut file = OpenOptions::new().append(true).open(home.settings_file(service)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
