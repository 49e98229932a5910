//! Between the contract's messages and the domain.
//!
//! Invariant: what leaves is complete; what comes in is checked here for everything that the
//! declared rules do not say.

use prost::Message as _;
use redress_api::filter::Filter;
use redress_api::{ApiError, FieldViolation, time};
use redress_core::id::{DisruptionId, EventId, InvitationId};
use redress_proto::feedback::v1 as pb;

use crate::domain::invitation::{Answer, Invitation, InvitationFilter, STATE_NAMES, State};
use crate::domain::rating::Rating;
use crate::domain::response::Response;
use crate::domain::survey::Survey;

/// The fields that a filter may name.
const FILTER_FIELDS: [&str; 4] = ["state", "event", "disruption", "reason_code"];

/// The wire form of a survey.
pub(super) fn survey(survey: &Survey) -> pb::Survey {
    let outcomes = survey.invited_outcomes();
    pb::Survey {
        name: survey.id.resource_name(),
        display_name: survey.display_name.to_owned(),
        invited_outcomes: outcomes.into_iter().map(|o| o.as_str().to_owned()).collect(),
        quiet_days: i32::from(survey.quiet_days),
    }
}

/// The wire form of an invitation.
pub(super) fn invitation(invitation: &Invitation) -> pb::Invitation {
    pb::Invitation {
        name: invitation.id.resource_name(),
        survey: invitation.survey.resource_name(),
        state: state(invitation.state).into(),
        customer: invitation.customer.resource_name(),
        order: invitation.order.resource_name(),
        event: invitation.event.resource_name(),
        disruption: invitation.disruption.resource_name(),
        reason_code: invitation.state.reason_code().to_owned(),
        create_time: Some(time::to_proto(invitation.created)),
    }
}

const fn state(state: State) -> pb::invitation::State {
    match state {
        State::Invited => pb::invitation::State::Invited,
        State::Suppressed(_) => pb::invitation::State::Suppressed,
        State::Answered => pb::invitation::State::Answered,
    }
}

/// The wire form of a response.
pub(super) fn response(response: &Response) -> pb::Response {
    pb::Response {
        name: response.id.resource_name(),
        invitation: response.invitation.resource_name(),
        score: response.score,
        comment: response.comment.clone(),
        create_time: Some(time::to_proto(response.created)),
    }
}

/// The wire form of a response, encoded: what a repeated request gets again.
pub(super) fn encoded_response(recorded: &Response) -> Vec<u8> {
    response(recorded).encode_to_vec()
}

/// The wire form of an event's rating.
pub(super) fn rating(event: &EventId, rating: &Rating) -> pb::Rating {
    pb::Rating {
        event: event.resource_name(),
        count: rating.count,
        mean: rating.mean,
        interval_low: rating.interval.map(|(low, _)| low),
        interval_high: rating.interval.map(|(_, high)| high),
    }
}

/// Reads the name of an invitation that stands in `field`.
pub(super) fn invitation_id(name: &str, field: &str) -> Result<InvitationId, ApiError> {
    InvitationId::from_resource_name(name)
        .map_err(|_| ApiError::invalid(field, "expected invitations/{invitation}"))
}

/// Reads the name of an event that stands in `event`.
pub(super) fn event_id(name: &str) -> Result<EventId, ApiError> {
    EventId::from_resource_name(name)
        .map_err(|_| ApiError::invalid("event", "expected events/{event}"))
}

/// Reads an answer. A NUL is refused: PostgreSQL cannot store it in a text.
pub(super) fn answer(score: i32, comment: String) -> Result<Answer, ApiError> {
    if comment.contains('\0') {
        return Err(ApiError::invalid("comment", "must not contain the character NUL"));
    }
    Ok(Answer { score, comment })
}

/// Reads the filter of ListInvitations.
pub(super) fn filter(text: &str) -> Result<InvitationFilter, ApiError> {
    let filter = Filter::parse(text, &FILTER_FIELDS)?;
    let bad = |field: &str, expected: &str| ApiError::InvalidArgument {
        reason: "INVALID_FILTER",
        violations: vec![FieldViolation::new("filter", format!("{field}: expected {expected}"))],
    };
    let state = match filter.get("state") {
        None => None,
        Some(name) => {
            let known = STATE_NAMES.into_iter().find(|known| *known == name);
            Some(known.ok_or_else(|| bad("state", "INVITED, SUPPRESSED or ANSWERED"))?)
        }
    };
    Ok(InvitationFilter {
        state,
        event: filter
            .get("event")
            .map(EventId::from_resource_name)
            .transpose()
            .map_err(|_| bad("event", "events/{event}"))?,
        disruption: filter
            .get("disruption")
            .map(DisruptionId::from_resource_name)
            .transpose()
            .map_err(|_| bad("disruption", "disruptions/{disruption}"))?,
        reason_code: filter.get("reason_code").map(str::parse).transpose().map_err(|_| {
            bad("reason_code", "NOTHING_REFUNDED, REFUND_UNRESOLVED or RECENTLY_ASKED")
        })?,
    })
}
