//! One notification, its contact and its tenant make one mail.
//!
//! Invariant: what cannot become a mail gets a final reason, and only a tenant without settings
//! waits for them.

use redress_core::clock::Timestamp;
use redress_core::tenant::Tenant;

use super::contacts::Contact;
use crate::domain::locale::Locale;
use crate::domain::notification::{Notification, Reason};
use crate::domain::plain_text::{greeting_name, plain_line};
use crate::mail::Mail;
use crate::render::{Reader, Renderer};

/// Writes the mail, dated `now`; `Err` gives the reason why it will never be sent.
pub fn prepare_mail(
    renderer: &Renderer,
    notification: &Notification,
    contact: Option<&Contact>,
    tenant: &Tenant,
    now: Timestamp,
) -> Result<Mail, Reason> {
    let contact = contact.filter(|contact| !contact.email.is_empty()).ok_or(Reason::NoContact)?;
    let about = &notification.about;
    let locale = Locale::choose(&contact.locale, &tenant.locales);
    let reader = Reader { display_name: &contact.display_name, title: &contact.title };
    let text = renderer.render(locale, about, &reader, tenant).map_err(|error| {
        tracing::error!(
            notification.name = about.id.resource_name(),
            template.name = about.template.resource_name(),
            locale = locale.tag(),
            error = &error as &dyn std::error::Error,
            "cannot render a notification"
        );
        Reason::RenderFailed
    })?;
    Ok(Mail {
        id: about.id.clone(),
        sender_name: plain_line(&tenant.display_name),
        sender_address: tenant.sender_email.clone(),
        recipient_name: greeting_name(&contact.display_name),
        recipient_address: contact.email.clone(),
        locale,
        subject: text.subject,
        body: text.body,
        date: now,
    })
}
