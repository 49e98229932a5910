//! Shows a text as a customer would read it, with made-up facts and the tenant's own brand.
//!
//! Invariant: a preview goes through the renderer that sends, and stores and sends nothing.

use redress_api::ports::{PortError, TenantDirectory};
use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, DisruptionId, InvalidId, NotificationId, OrderId, TenantId};
use redress_core::money::{Money, MoneyError};

use crate::domain::locale::Locale;
use crate::domain::notification::NewNotification;
use crate::domain::template::Template;
use crate::render::{Reader, RenderError, Rendered, Renderer};

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The tenant's settings, and with them its brand, have not been applied.
    #[error("the tenant's settings have not been applied yet")]
    TenantNotApplied,
    /// The settings cannot be read.
    #[error(transparent)]
    Tenants(#[from] PortError),
    /// A defect of the text.
    #[error("the text cannot be rendered")]
    Render(#[from] RenderError),
    /// A defect of the made-up facts.
    #[error("the sample facts cannot be built")]
    SampleId(#[from] InvalidId),
    /// A defect of the made-up facts.
    #[error("the sample amounts cannot be built")]
    SampleMoney(#[from] MoneyError),
}

/// Renders `template` in the language that the fallback chain finds for `wanted`.
pub async fn preview_template(
    tenants: &dyn TenantDirectory,
    renderer: &Renderer,
    tenant: &TenantId,
    template: Template,
    wanted: &str,
) -> Result<(Locale, Rendered), PreviewError> {
    let settings = tenants.get(tenant).await?.ok_or(PreviewError::TenantNotApplied)?;
    let locale = Locale::choose(wanted, &settings.locales);
    let sample = sample(tenant, template)?;
    let reader = Reader { display_name: "Ada Lovelace", title: "Main stand, row 7" };
    Ok((locale, renderer.render(locale, &sample, &reader, &settings)?))
}

fn sample(tenant: &TenantId, template: Template) -> Result<NewNotification, PreviewError> {
    let eur = "EUR".parse()?;
    let money = |minor_units| Money::new(eur, minor_units).map(Some);
    let (requested, issued) = match template {
        Template::RefundIssued => (money(123_450)?, money(123_450)?),
        Template::RefundDelayed => (money(123_450)?, money(98_700)?),
        Template::EventCancelled | Template::WaitingListClosed => (None, None),
    };
    Ok(NewNotification {
        tenant: tenant.clone(),
        id: NotificationId::new("preview")?,
        occasion: String::new(),
        template,
        order: OrderId::new("A1B2C")?,
        customer: CustomerId::new("preview")?,
        disruption: Some(DisruptionId::new("preview")?),
        refund: None,
        requested,
        issued,
        create_time: Timestamp::default(),
    })
}
