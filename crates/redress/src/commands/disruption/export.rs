//! `redress disruption export`: what became of every order.
//!
//! Invariant: one page of orders is in memory at a time, however many there are, and a file appears
//! under its name only when it is complete.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use redress_proto::common::v1::Money as WireMoney;
use redress_proto::refunds::v1::{
    DisruptionItem, ListDisruptionItemsRequest, ListDisruptionItemsResponse, Remedy,
};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::{client, name_of};
use crate::cli::ExportArgs;
use crate::commands::refund::money_json;
use crate::connect::Connections;
use crate::output::{self, JsonItems};

/// Orders read at a time.
const PAGE: i32 = 1_000;

const HEADER: [&str; 12] = [
    "order",
    "state",
    "remedy",
    "lane",
    "refund",
    "currency",
    "requested",
    "issued",
    "requested_minor_units",
    "issued_minor_units",
    "reason_code",
    "next_action",
];

pub(super) async fn run(args: &ExportArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let pages = Pages { connections, name: name_of(&args.disruption) };
    match (&args.output, args.caller.json) {
        (None, true) => {
            let mut items = JsonItems::default();
            pages
                .each(|page| page.items.iter().try_for_each(|item| items.push(&item_json(item))))
                .await?;
            items.end();
        }
        (None, false) => match pages.write_csv(io::stdout()).await {
            Err(error) if is_read_no_more(&error) => {}
            written => drop(written?),
        },
        (Some(path), as_json) => {
            let mut file = NamedTempFile::new_in(folder_of(path))
                .with_context(|| format!("cannot write beside {}", path.display()))?;
            let orders = if as_json {
                pages.write_json(&mut file).await?
            } else {
                pages.write_csv(&mut file).await?
            };
            file.as_file().sync_all().context("the file cannot be written")?;
            file.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
            output::note(format!("{orders} orders written to {}", path.display()));
        }
    }
    Ok(())
}

/// Whether whoever read the output has seen enough of it, as `head` has.
fn is_read_no_more(error: &anyhow::Error) -> bool {
    let of_csv = |error: &csv::Error| match error.kind() {
        csv::ErrorKind::Io(error) => Some(error.kind()),
        _ => None,
    };
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind.or_else(|| error.downcast_ref().and_then(of_csv)) == Some(io::ErrorKind::BrokenPipe)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A disruption's items, page by page.
struct Pages {
    connections: Connections,
    name: String,
}

impl Pages {
    async fn each(
        &self,
        mut take: impl FnMut(&ListDisruptionItemsResponse) -> Result<()>,
    ) -> Result<()> {
        let mut client = client(&self.connections)?;
        let mut request = ListDisruptionItemsRequest {
            parent: self.name.clone(),
            page_size: PAGE,
            ..Default::default()
        };
        loop {
            let page = client.list_disruption_items(request.clone()).await;
            let page = page.context("the orders cannot be listed")?.into_inner();
            take(&page)?;
            if page.next_page_token.is_empty() {
                return Ok(());
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Returns how many orders were written.
    async fn write_csv(&self, to: impl Write) -> Result<u64> {
        let mut table = csv::Writer::from_writer(to);
        table.write_record(HEADER)?;
        let mut orders = 0;
        self.each(|page| {
            for item in &page.items {
                table.write_record(record(item))?;
                orders += 1;
            }
            Ok(table.flush()?)
        })
        .await?;
        Ok(orders)
    }

    /// Returns how many orders were written.
    async fn write_json(&self, mut to: impl Write) -> Result<u64> {
        let mut orders = 0;
        self.each(|page| {
            for item in &page.items {
                to.write_all(if orders == 0 { b"[\n  " } else { b",\n  " })?;
                serde_json::to_writer(&mut to, &item_json(item))?;
                orders += 1;
            }
            Ok(())
        })
        .await?;
        to.write_all(if orders == 0 { b"[]\n" } else { b"\n]\n" })?;
        Ok(orders)
    }
}

/// The remedy without its prefix; empty when there was nothing to choose.
fn remedy_of(item: &DisruptionItem) -> &'static str {
    match item.remedy() {
        Remedy::Unspecified => "",
        remedy => remedy.as_str_name().trim_start_matches("REMEDY_"),
    }
}

/// An amount as people write it, such as `53.90`.
fn decimal(amount: &WireMoney) -> Result<String> {
    let currency = amount.currency_code.parse()?;
    Ok(redress_core::money::Money::new(currency, amount.minor_units)?.decimal())
}

fn record(item: &DisruptionItem) -> [String; 12] {
    let requested = item.requested.clone().unwrap_or_default();
    let issued = item.issued.clone().unwrap_or_default();
    // A currency that this release does not know has no decimals that it could place.
    let shown = |amount: &WireMoney| decimal(amount).unwrap_or_default();
    [
        item.order.clone(),
        item.state().as_str_name().to_owned(),
        remedy_of(item).to_owned(),
        item.lane.clone(),
        item.refund.clone(),
        requested.currency_code.clone(),
        shown(&requested),
        shown(&issued),
        requested.minor_units.to_string(),
        issued.minor_units.to_string(),
        item.reason_code.clone(),
        item.next_action.clone(),
    ]
}

fn item_json(item: &DisruptionItem) -> Value {
    json!({
        "order": item.order,
        "state": item.state().as_str_name(),
        "remedy": remedy_of(item),
        "lane": item.lane,
        "refund": item.refund,
        "requested": money_json(item.requested.as_ref()),
        "issued": money_json(item.issued.as_ref()),
        "reason_code": item.reason_code,
        "next_action": item.next_action,
    })
}

#[cfg(test)]
mod tests {
    use redress_proto::refunds::v1::disruption_item;

    use super::*;

    fn money(code: &str, minor_units: i64) -> WireMoney {
        WireMoney { currency_code: code.to_owned(), minor_units }
    }

    #[test]
    fn only_a_reader_who_is_gone_is_no_error() {
        let of = |kind: io::ErrorKind| io::Error::from(kind);
        let gone = io::ErrorKind::BrokenPipe;
        assert!(is_read_no_more(&of(gone).into()));
        assert!(is_read_no_more(&csv::Error::from(of(gone)).into()));
        let full = io::ErrorKind::StorageFull;
        assert!(!is_read_no_more(&of(full).into()));
        assert!(!is_read_no_more(&csv::Error::from(of(full)).into()));
    }

    #[test]
    fn a_row_has_amounts_in_both_forms() {
        let item = DisruptionItem {
            order: "orders/A1".to_owned(),
            state: disruption_item::State::Attention.into(),
            refund: "refunds/r1".to_owned(),
            requested: Some(money("EUR", 5390)),
            issued: Some(money("EUR", 5)),
            reason_code: "NO_CONNECTOR".to_owned(),
            next_action: "PAY_BY_OTHER_MEANS".to_owned(),
            remedy: Remedy::Refund.into(),
            lane: "stripe".to_owned(),
        };
        let expected = "orders/A1,ATTENTION,REFUND,stripe,refunds/r1,EUR,53.90,0.05,5390,5,\
                        NO_CONNECTOR,PAY_BY_OTHER_MEANS";
        assert_eq!(record(&item).join(","), expected);
        let yen = DisruptionItem {
            requested: Some(money("JPY", 500)),
            issued: Some(money("JPY", 0)),
            remedy: 0,
            ..item
        };
        assert_eq!(record(&yen)[2], "");
        assert_eq!(record(&yen)[6..10], ["500", "0", "500", "0"]);
    }
}
