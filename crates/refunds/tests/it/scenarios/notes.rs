//! Scenario 30: the documents of partial refunds, where amounts do not divide.

use std::time::Duration;

use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::refund::State;
use serde_json::json;

use super::stage::{DAY, Stage, booking, money, only, open, ticket, units, wanted};
use crate::api::support::told;

redress_testkit::conformance! {
    open = open;
    scenario_30_credit_notes_follow_the_provider_sum_to_the_unit_and_never_exceed_the_invoice,
}

/// Amounts of two lines at two tax rates, in minor units.
struct Invoice {
    code: &'static str,
    /// Gross and tax.
    lines: [(i64, i64); 2],
    /// In which multiples the provider pays.
    step: i64,
}

/// 8 % and 10 %, in yen; 5 % and 16 % in fils, the last digit of which the provider cannot pay: it
/// could capture the sum, and cannot give back either line to the last fils.
const INVOICES: [Invoice; 2] = [
    Invoice { code: "JPY", lines: [(3_254, 241), (2_211, 201)], step: 1 },
    Invoice { code: "KWD", lines: [(10_555, 503), (7_775, 1_072)], step: 10 },
];

impl Invoice {
    /// Three units of the first line and two of the second.
    fn order(&self, id: &str, starts: Duration) -> pb::Order {
        let line = |id: &str, quantity, (gross, tax)| pb::OrderLine {
            quantity,
            gross: money(self.code, gross),
            tax: money(self.code, tax),
            discount: money(self.code, 0),
            ..ticket(id, 0, starts)
        };
        booking(id, vec![line("t1", 3, self.lines[0]), line("t2", 2, self.lines[1])])
    }
}

async fn scenario_30_credit_notes_follow_the_provider_sum_to_the_unit_and_never_exceed_the_invoice(
    stage: Stage,
) {
    let crew = stage.hire();
    for invoice in &INVOICES {
        let code = invoice.code;
        for (tier, starts) in [("all", DAY * 20), ("half", DAY * 3)] {
            let id = format!("{code}-{tier}");
            stage.sell(invoice.order(&id, starts)).await;
            let before = stage.paid_in(code).await;
            let noted = give_back_by_units(&stage, invoice, &id).await;
            let sum: i64 = noted.iter().map(|(amount, _)| amount).sum();
            assert_eq!(sum, stage.paid_in(code).await - before, "{id}: as the provider paid");
            for ((amount, tax), (gross, invoiced)) in noted.iter().zip(invoice.lines) {
                assert!(*amount <= gross && *tax <= invoiced, "{id}: {amount} with {tax}");
            }
            if tier == "all" && invoice.step == 1 {
                assert_eq!(noted, invoice.lines, "{id}: to the last unit");
            }
        }
        refused_has_no_note(&stage, invoice).await;
    }
    crew.dismiss().await;
    stage.assert_books_balance().await;
}

/// Gives an order back in parts until nothing is left; returns amount and tax of all notes by line.
async fn give_back_by_units(stage: &Stage, invoice: &Invoice, id: &str) -> [(i64, i64); 2] {
    let mut noted = [(0, 0); 2];
    for parts in [&["t1", "t2"][..], &["t1"], &["t1", "t2"]] {
        let part = |id: &&str| pb::PartialLine { line_id: (*id).to_owned(), quantity: 1 };
        let partial_lines = parts.iter().map(part).collect();
        let ask = pb::QuoteRefundRequest { partial_lines, ..wanted(id, &[]) };
        let refund = stage.api.accept(&stage.ask(ask).await.unwrap()).await;
        let refund = stage.at_rest(&refund).await;
        assert_eq!(refund.state(), State::Succeeded, "{refund:?}");
        let [note] = refund.credit_notes.as_slice() else { panic!("{refund:?}") };
        let attempt = only(&refund);
        assert_eq!((&note.attempt_id, &note.total), (&attempt.attempt_id, &attempt.amount));
        assert_eq!((&note.total, units(note.total.as_ref()) % invoice.step), (&refund.issued, 0));
        let (mut amounts, mut taxes) = (0, 0);
        for line in &note.lines {
            let (amount, tax) = (units(line.amount.as_ref()), units(line.tax.as_ref()));
            assert!(amount > 0 && (0..=amount).contains(&tax), "{line:?}");
            let of = &mut noted[usize::from(line.line_id == "t2")];
            *of = (of.0 + amount, of.1 + tax);
            (amounts, taxes) = (amounts + amount, taxes + tax);
        }
        assert_eq!(amounts, units(note.total.as_ref()), "{note:?}");
        assert_eq!(taxes, units(note.tax.as_ref()), "{note:?}");
    }
    let text = told(&stage.ask(wanted(id, &[])).await.unwrap_err());
    assert!(text.starts_with("FailedPrecondition LINE_NOT_REFUNDABLE"), "{text}");
    noted
}

/// What the provider refuses was planned and not given back.
async fn refused_has_no_note(stage: &Stage, invoice: &Invoice) {
    let id = format!("{}-refused", invoice.code);
    stage.sell(invoice.order(&id, DAY * 20)).await;
    stage.bench.inject(&format!("pi_{id}"), json!(["balance_refused"])).await;
    let refund = stage.refund(&id, &["t1"]).await;
    let refund = stage.at_rest(&refund).await;
    assert_eq!((refund.state(), units(refund.issued.as_ref())), (State::Attention, 0));
    assert!(units(refund.requested.as_ref()) > 0);
    assert_eq!(refund.credit_notes, []);
}

impl Stage {
    async fn paid_in(&self, code: &str) -> i64 {
        self.paid().await[code].as_i64().unwrap_or(0)
    }
}
