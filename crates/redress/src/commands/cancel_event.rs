//! `redress cancel-event`: what a disruption of an event would pay, and the disruption itself.

use anyhow::{Context as _, Result, bail};
use redress_api::time;
use redress_calendar::parse_instant;
use redress_proto::refunds::v1::{
    ApproveDisruptionRequest, CreateDisruptionRequest, Disruption, DisruptionChange,
    DisruptionCounts, DisruptionPreview, DisruptionTerms, GetDisruptionRequest,
    ListDisruptionsRequest, PreviewDisruptionRequest, Remedy, StartDisruptionRequest, disruption,
};
use serde_json::{Value, json};

use super::disruption::{
    Patience, amounts_json, client, follow, preview_json, show_disruption, show_preview,
};
use super::{request_id, resource};
use crate::cli::{CancelArgs, WhatArgs};
use crate::connect::Connections;
use crate::output;

/// A disruption as far as it was followed.
#[derive(Debug)]
pub(crate) struct Cancellation {
    /// The disruption as it stands.
    pub disruption: Disruption,
    /// Its items by state.
    pub counts: DisruptionCounts,
}

/// What happened to an event and what its buyers are offered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct What {
    kind: disruption::Kind,
    change: Option<DisruptionChange>,
    terms: Option<DisruptionTerms>,
}

impl What {
    /// It does not take place, and all money goes back.
    pub(crate) const CANCELLED: Self =
        Self { kind: disruption::Kind::Cancelled, change: None, terms: None };

    fn read(args: &WhatArgs) -> Result<Self> {
        let change = DisruptionChange {
            new_start_time: args
                .new_start
                .as_deref()
                .map(|at| read_time("--new-start", at))
                .transpose()?,
            new_place: args.new_place.clone().unwrap_or_default(),
            delay_minutes: args.delay_minutes.unwrap_or_default(),
            replacement: args
                .replacement
                .as_deref()
                .map(|event| resource("events", event))
                .unwrap_or_default(),
        };
        let terms = match (&args.keep_until, args.default) {
            (Some(until), Some(default)) => Some(DisruptionTerms {
                remedies: vec![Remedy::Refund.into(), Remedy::Keep.into()],
                choose_until: Some(read_time("--keep-until", until)?),
                default_remedy: Remedy::from(default).into(),
                ..Default::default()
            }),
            _ => None,
        };
        let is_changed = change != DisruptionChange::default();
        Ok(Self { kind: args.kind.into(), change: is_changed.then_some(change), terms })
    }

    /// What a disruption was opened with.
    fn of(disruption: &Disruption) -> Self {
        Self {
            kind: disruption.kind(),
            change: disruption.change.clone(),
            terms: disruption.terms.clone(),
        }
    }
}

fn read_time(option: &str, text: &str) -> Result<prost_types::Timestamp> {
    let at = parse_instant(text).with_context(|| format!("{option} {text:?}"))?;
    Ok(time::to_proto(at))
}

pub(super) async fn run(args: &CancelArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let event = resource("events", &args.event);
    let what = What::read(&args.what)?;
    if args.preview {
        let preview = preview_of(&connections, &event, &what).await?;
        if args.caller.json {
            return output::json(&preview_json(&preview));
        }
        show_preview(&preview);
        return Ok(());
    }
    let done = cancel(&connections, &event, &what, args.caller.json).await?;
    if args.caller.json {
        return output::json(&cancellation_json(&done));
    }
    show_cancellation(&done);
    Ok(())
}

/// What a cancellation of `event` would pay. Writes nothing.
pub(crate) async fn preview(connections: &Connections, event: &str) -> Result<DisruptionPreview> {
    preview_of(connections, event, &What::CANCELLED).await
}

/// What a disruption of `event` would pay. Writes nothing.
async fn preview_of(
    connections: &Connections,
    event: &str,
    what: &What,
) -> Result<DisruptionPreview> {
    let What { kind, change, terms } = what.clone();
    let request = PreviewDisruptionRequest {
        event: event.to_owned(),
        kind: kind.into(),
        change,
        terms,
        ..Default::default()
    };
    let preview = client(connections)?.preview_disruption(request).await;
    Ok(preview.with_context(|| format!("{event} cannot be previewed"))?.into_inner())
}

/// Opens a disruption of `event`, has it paid, and waits until every order has come to rest or only
/// buyers can move it on. One that was begun before, by this command or another, is taken up where
/// it stands.
pub(crate) async fn cancel(
    connections: &Connections,
    event: &str,
    what: &What,
    quiet: bool,
) -> Result<Cancellation> {
    let mut disruption = match find(connections, event, what.kind).await? {
        Some(disruption) => disruption,
        None => create(connections, event, what).await?,
    };
    if disruption.state() == disruption::State::Draft {
        disruption = approve(connections, disruption).await?;
    }
    if disruption.state() == disruption::State::Approved {
        let request = StartDisruptionRequest {
            name: disruption.name.clone(),
            etag: disruption.etag.clone(),
            request_id: request_id(),
            ..Default::default()
        };
        let started = client(connections)?.start_disruption(request).await;
        disruption = started.context("the disruption could not be started")?.into_inner();
    }
    let last = follow(connections, &disruption.name, quiet, Patience::UntilItWaits).await?;
    let disruption = last.disruption.context("the service told nothing about the disruption")?;
    let counts = disruption.counts.unwrap_or_default();
    Ok(Cancellation { disruption, counts })
}

/// Agrees to what a draft would pay now, by its own terms.
async fn approve(connections: &Connections, draft: Disruption) -> Result<Disruption> {
    let What { kind, change, terms } = What::of(&draft);
    let request = PreviewDisruptionRequest {
        scope: draft.scope,
        kind: kind.into(),
        change,
        terms,
        ..Default::default()
    };
    let mut client = client(connections)?;
    let preview = client.preview_disruption(request).await;
    let preview = preview.context("the disruption cannot be previewed")?.into_inner();
    let request = ApproveDisruptionRequest {
        name: draft.name,
        expected_orders: preview.orders_in_scope,
        expected_totals: preview.requested,
        etag: draft.etag,
        request_id: request_id(),
        ..Default::default()
    };
    let approved = client.approve_disruption(request).await;
    Ok(approved.context("the selection could not be frozen")?.into_inner())
}

/// The disruption that is to be taken up: the event's open one, else one of this kind that has been
/// completed. An open one of another kind is not what was asked for.
async fn find(
    connections: &Connections,
    event: &str,
    kind: disruption::Kind,
) -> Result<Option<Disruption>> {
    let mut client = client(connections)?;
    let mut request = ListDisruptionsRequest {
        page_size: 1_000,
        page_token: String::new(),
        filter: format!("event = \"{event}\""),
    };
    let mut completed = None;
    loop {
        let page = client.list_disruptions(request.clone()).await;
        let page = page.context("cannot read the disruptions")?.into_inner();
        for found in page.disruptions {
            let is_of_kind = found.kind() == kind;
            match found.state() {
                disruption::State::Completed if is_of_kind => completed = Some(found),
                disruption::State::Completed | disruption::State::Aborted => {}
                _ if is_of_kind => return Ok(Some(found)),
                _ => bail!(
                    "{event} has {}, which is {} and {}: abort it first",
                    found.name,
                    found.kind().as_str_name(),
                    found.state().as_str_name()
                ),
            }
        }
        if page.next_page_token.is_empty() {
            return Ok(completed);
        }
        request.page_token = page.next_page_token;
    }
}

async fn create(connections: &Connections, event: &str, what: &What) -> Result<Disruption> {
    let What { kind, change, terms } = what.clone();
    let request = CreateDisruptionRequest {
        event: event.to_owned(),
        kind: kind.into(),
        change,
        terms,
        request_id: request_id(),
        ..Default::default()
    };
    let created = client(connections)?.create_disruption(request).await;
    Ok(created.with_context(|| format!("{event} cannot be cancelled"))?.into_inner())
}

/// A disruption by its resource name.
pub(crate) async fn read(connections: &Connections, name: &str) -> Result<Disruption> {
    let request = GetDisruptionRequest { name: name.to_owned() };
    let read = client(connections)?.get_disruption(request).await;
    Ok(read.context("cannot read the disruption")?.into_inner())
}

fn show_cancellation(done: &Cancellation) {
    show_disruption(&done.disruption);
    let id = done.disruption.name.trim_start_matches("disruptions/");
    match done.disruption.state() {
        disruption::State::Completed => {
            output::line(format!("Compare it with the books: redress disruption report {id}"));
        }
        disruption::State::Paused => {
            output::line(format!("It is paused: redress disruption resume {id}"));
        }
        disruption::State::Running => {
            output::line(format!("Buyers may choose; follow it: redress disruption watch {id}"));
        }
        _ => {}
    }
}

fn cancellation_json(done: &Cancellation) -> Value {
    json!({
        "disruption": done.disruption.name,
        "state": done.disruption.state().as_str_name(),
        "orders_in_scope": done.counts.orders_in_scope,
        "succeeded": done.counts.succeeded,
        "attention": done.counts.attention,
        "nothing_due": done.counts.nothing_due,
        "offered": done.counts.offered,
        "kept": done.counts.kept,
        "aborted": done.counts.aborted,
        "requested_minor_units_by_currency": amounts_json(&done.disruption.requested),
        "refunded_minor_units_by_currency": amounts_json(&done.disruption.issued),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{DefaultRemedy, EventKind};

    #[test]
    fn options_become_what_is_asked_for() {
        assert_eq!(What::read(&WhatArgs::default()).unwrap(), What::CANCELLED);
        let args = WhatArgs {
            kind: EventKind::Postponed,
            new_start: Some("2026-10-01T18:00:00Z".to_owned()),
            keep_until: Some("2026-09-01T00:00:00Z".to_owned()),
            default: Some(DefaultRemedy::Keep),
            ..WhatArgs::default()
        };
        let what = What::read(&args).unwrap();
        assert_eq!(what.kind, disruption::Kind::Postponed);
        let start = what.change.unwrap().new_start_time.unwrap();
        assert_eq!(start.to_string(), "2026-10-01T18:00:00Z");
        let terms = what.terms.unwrap();
        assert_eq!(terms.default_remedy(), Remedy::Keep);
        assert_eq!(terms.remedies().collect::<Vec<_>>(), [Remedy::Refund, Remedy::Keep]);
        assert_eq!(terms.choose_until.unwrap().to_string(), "2026-09-01T00:00:00Z");
    }

    #[test]
    fn a_time_that_cannot_be_read_names_its_option() {
        let args = WhatArgs { new_start: Some("tomorrow".to_owned()), ..WhatArgs::default() };
        let told = What::read(&args).unwrap_err().to_string();
        assert_eq!(told, "--new-start \"tomorrow\"");
    }
}
