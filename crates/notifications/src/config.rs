//! The settings that only this service knows: the `[service]` section of its file.
//!
//! Invariant: [`NotificationsSettings::check`] reports everything that is wrong at once, each with
//! its key, before anything is opened.

use std::path::PathBuf;
use std::time::Duration;

use redress_runtime::config::{Finding, Findings};
use serde::Deserialize;

use crate::app::dispatch_batch::DispatchSettings;
use crate::domain::retry::RetryPolicy;
use crate::mail::SmtpSettings;

/// The `[service]` section.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationsSettings {
    /// Where mail goes.
    pub mail: MailSettings,
    /// How much is sent at once, and how patiently.
    pub dispatch: DispatchSection,
}

/// Where mail goes: to a server when `smtp` is there, else into the folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailSettings {
    /// Folder for `.eml` files; created when it is missing. Not used when `smtp` is set.
    pub mailbox_dir: PathBuf,
    /// The SMTP server.
    pub smtp: Option<SmtpSettings>,
}

impl Default for MailSettings {
    fn default() -> Self {
        Self { mailbox_dir: PathBuf::from("mailbox"), smtp: None }
    }
}

/// How much is sent at once, and how patiently.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DispatchSection {
    /// Notifications per claim.
    pub batch_size: u32,
    /// Mails on their way to the server at once.
    pub concurrency: u32,
    /// How long a claim holds, in seconds: after a crash its notifications wait this long.
    pub claim_s: u64,
    /// How often to look for work that nobody announced, such as retries, in milliseconds.
    pub poll_interval_ms: u64,
    /// How often the server may ask to come back with one message before it fails for good;
    /// outages do not count.
    pub max_attempts: u32,
    /// The wait after the first attempt, in seconds; it doubles with each further one.
    pub first_retry_s: u64,
    /// The longest wait between attempts, in seconds.
    pub max_retry_s: u64,
}

impl Default for DispatchSection {
    fn default() -> Self {
        Self {
            batch_size: 500,
            concurrency: 16,
            claim_s: 300,
            poll_interval_ms: 1000,
            max_attempts: 48,
            first_retry_s: 30,
            max_retry_s: 3600,
        }
    }
}

/// One mail into the folder takes no longer than this.
const MAILBOX_LIMIT: Duration = Duration::from_secs(30);

impl NotificationsSettings {
    /// Checks everything and returns all that is wrong at once.
    pub fn check(&self) -> Result<(), Findings> {
        let mut findings = Vec::new();
        let mut add = |key: &str, problem: String| {
            findings.push(Finding { key: format!("service.{key}"), problem });
        };
        let dispatch = &self.dispatch;
        for (key, value, range) in [
            ("dispatch.batch_size", u64::from(dispatch.batch_size), 1..=5_000),
            ("dispatch.concurrency", dispatch.concurrency.into(), 1..=1_000),
            ("dispatch.claim_s", dispatch.claim_s, 1..=3_600),
            ("dispatch.poll_interval_ms", dispatch.poll_interval_ms, 10..=60_000),
            ("dispatch.max_attempts", dispatch.max_attempts.into(), 1..=100),
            ("dispatch.first_retry_s", dispatch.first_retry_s, 1..=dispatch.max_retry_s.max(1)),
            ("dispatch.max_retry_s", dispatch.max_retry_s, 1..=86_400),
        ] {
            if !range.contains(&value) {
                let (low, high) = (range.start(), range.end());
                add(key, format!("is {value}, must be {low} to {high}"));
            }
        }
        if let Some(smtp) = &self.mail.smtp {
            if smtp.host.is_empty() {
                add("mail.smtp.host", "must not be empty".to_owned());
            }
            if smtp.port == 0 {
                add("mail.smtp.port", "must not be 0; 587 is usual with starttls".to_owned());
            }
            if smtp.username.is_some() != smtp.password.is_some() {
                let problem = "username and password go together: set both or neither";
                add("mail.smtp.username", problem.to_owned());
            }
            if !(100..=300_000).contains(&smtp.timeout_ms) {
                let problem = format!("is {}, must be 100 to 300000", smtp.timeout_ms);
                add("mail.smtp.timeout_ms", problem);
            }
            if !(1..=1_000).contains(&smtp.pool_size) {
                let problem = format!("is {}, must be 1 to 1000", smtp.pool_size);
                add("mail.smtp.pool_size", problem);
            }
        } else if self.mail.mailbox_dir.as_os_str().is_empty() {
            add("mail.mailbox_dir", "must name a folder, or set mail.smtp".to_owned());
        }
        let (claim, reserve) = (Duration::from_secs(dispatch.claim_s), self.mail_limit());
        if claim <= reserve {
            let problem = format!(
                "is {} s, must be longer than one mail may take ({} s)",
                claim.as_secs(),
                reserve.as_secs()
            );
            add("dispatch.claim_s", problem);
        }
        if findings.is_empty() { Ok(()) } else { Err(Findings(findings)) }
    }

    /// The longest that handing over one mail may take.
    fn mail_limit(&self) -> Duration {
        match &self.mail.smtp {
            Some(smtp) => Duration::from_millis(smtp.timeout_ms),
            None => MAILBOX_LIMIT,
        }
    }

    /// How often the worker looks for work that nobody announced.
    pub(crate) const fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.dispatch.poll_interval_ms)
    }

    /// The same settings in the terms of the use case.
    pub(crate) fn dispatch_settings(&self) -> DispatchSettings {
        let dispatch = &self.dispatch;
        DispatchSettings {
            batch_size: dispatch.batch_size,
            concurrency: usize::try_from(dispatch.concurrency).unwrap_or(usize::MAX),
            claim: Duration::from_secs(dispatch.claim_s),
            claim_reserve: self.mail_limit(),
            peer_pause: self.poll_interval(),
            retry: RetryPolicy {
                max_attempts: dispatch.max_attempts,
                first_delay: Duration::from_secs(dispatch.first_retry_s),
                max_delay: Duration::from_secs(dispatch.max_retry_s),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_usable() {
        assert_eq!(NotificationsSettings::default().check(), Ok(()));
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let mut settings = NotificationsSettings::default();
        settings.dispatch.batch_size = 0;
        settings.dispatch.claim_s = 20;
        settings.mail.smtp = Some(SmtpSettings {
            host: String::new(),
            port: 0,
            tls: crate::mail::SmtpTls::None,
            username: Some("redress".to_owned()),
            password: None,
            hello_name: None,
            timeout_ms: 20_000,
            pool_size: 0,
        });
        let keys: Vec<String> = match settings.check() {
            Ok(()) => Vec::new(),
            Err(Findings(findings)) => findings.into_iter().map(|finding| finding.key).collect(),
        };
        assert_eq!(
            keys,
            [
                "service.dispatch.batch_size",
                "service.mail.smtp.host",
                "service.mail.smtp.port",
                "service.mail.smtp.username",
                "service.mail.smtp.pool_size",
                "service.dispatch.claim_s",
            ]
        );
    }
}
