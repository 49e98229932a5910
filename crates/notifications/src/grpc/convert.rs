//! Between the wire and the domain.
//!
//! Invariant: an empty text on the wire is the only form of "none".

use redress_api::filter::Filter;
use redress_api::{ApiError, time};
use redress_core::id::{DisruptionId, InvalidId, NotificationId, OrderId};
use redress_proto::notifications::v1 as pb;

use crate::domain::locale::Locale;
use crate::domain::notification::{Notification, State};
use crate::domain::template::Template;
use crate::store::ListFilter;

/// The wire form of a notification.
pub(super) fn notification(stored: &Notification) -> pb::Notification {
    let about = &stored.about;
    let state = match stored.state {
        State::Pending => pb::notification::State::Pending,
        State::Sent => pb::notification::State::Sent,
        State::Failed => pb::notification::State::Failed,
    };
    pb::Notification {
        name: about.id.resource_name(),
        state: state.into(),
        template: about.template.resource_name(),
        locale: stored.locale.map_or("", Locale::tag).to_owned(),
        order: about.order.resource_name(),
        customer: about.customer.resource_name(),
        disruption: about.disruption.as_ref().map(DisruptionId::resource_name).unwrap_or_default(),
        reason_code: stored.reason.map_or("", |reason| reason.as_str()).to_owned(),
        create_time: Some(time::to_proto(about.create_time)),
        send_time: stored.send_time.map(time::to_proto),
    }
}

/// The wire form of a template.
pub(super) fn template(template: Template) -> pb::Template {
    pb::Template {
        name: template.resource_name(),
        purpose: template.purpose().to_owned(),
        locales: Locale::ALL.map(|locale| locale.tag().to_owned()).to_vec(),
    }
}

/// The id in a resource name that validation has let through; one that still is none names
/// nothing.
pub(super) fn notification_id(name: &str) -> Result<NotificationId, ApiError> {
    NotificationId::from_resource_name(name).map_err(|_| ApiError::not_found(name))
}

/// The conditions in the `filter` field.
pub(super) fn list_filter(text: &str) -> Result<ListFilter, ApiError> {
    let filter = Filter::parse(text, &["state", "order", "disruption", "template"])?;
    let state = filter.get("state").map(|name| {
        State::from_name(name).ok_or_else(|| refuse("state", "PENDING, SENT or FAILED"))
    });
    let template = filter.get("template").map(|name| {
        Template::from_resource_name(name).ok_or_else(|| {
            let shipped = Template::ALL.map(Template::resource_name).join(", ");
            refuse("template", &format!("one of {shipped}"))
        })
    });
    let disruption = filter.get("disruption").map(|name| {
        DisruptionId::from_resource_name(name)
            .map_err(|_: InvalidId| refuse("disruption", "disruptions/{disruption}"))
    });
    let order = filter.get("order").map(|name| {
        OrderId::from_resource_name(name).map_err(|_: InvalidId| refuse("order", "orders/{order}"))
    });
    Ok(ListFilter {
        state: state.transpose()?,
        order: order.transpose()?,
        disruption: disruption.transpose()?,
        template: template.transpose()?,
    })
}

fn refuse(field: &str, expected: &str) -> ApiError {
    ApiError::invalid("filter", format!("{field} must be {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_field_by_field() {
        let filter = list_filter(
            r#"state = "FAILED" AND order = "orders/o1" AND disruption = "disruptions/d1" AND template = "templates/refund-issued""#,
        )
        .unwrap();
        assert_eq!(filter.state, Some(State::Failed));
        assert_eq!(filter.order, Some(OrderId::new("o1").unwrap()));
        assert_eq!(filter.disruption, Some(DisruptionId::new("d1").unwrap()));
        assert_eq!(filter.template, Some(Template::RefundIssued));
        assert_eq!(list_filter("").unwrap(), ListFilter::default());
    }

    #[test]
    fn a_value_that_cannot_match_is_refused_with_what_would() {
        for (text, expected) in [
            (r#"state = "LOST""#, "PENDING, SENT or FAILED"),
            (r#"order = "o1""#, "orders/{order}"),
            (r#"disruption = "orders/o1""#, "disruptions/{disruption}"),
            (r#"template = "templates/none""#, "templates/refund-issued"),
        ] {
            let error = list_filter(text).unwrap_err().to_string();
            assert!(error.starts_with("filter: ") && error.contains(expected), "{error}");
        }
    }
}
