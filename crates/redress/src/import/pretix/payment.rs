//! How a pretix order was paid, and what of it went back before Redress.
//!
//! Invariant: only captured money becomes a payment; a refund counts from the moment pretix counts
//! it as spent, so that nothing is paid back twice.

use redress_api::{money, time};
use redress_core::money::Money;
use redress_proto::refunds::v1::Payment;
use redress_proto::refunds::v1::payment::Tender;

use super::super::fields::Object;
use super::catalog::Catalog;
use super::order::read_amount;

/// The captured payments of an order.
pub(super) fn read_all(root: &Object<'_>, catalog: &Catalog) -> Vec<Payment> {
    let objects = root.objects("payments");
    let mut payments: Vec<(i64, Money, Payment)> =
        objects.iter().filter_map(|object| read(object, catalog)).collect();
    for refund in root.objects("refunds") {
        subtract(&refund, &mut payments, catalog);
    }
    let finish = |(_, refunded, payment)| Payment {
        refunded_elsewhere: Some(money::to_proto(refunded)),
        ..payment
    };
    payments.into_iter().map(finish).collect()
}

/// A payment with its number and nothing refunded yet; `None` when no money was captured by it.
fn read(object: &Object<'_>, catalog: &Catalog) -> Option<(i64, Money, Payment)> {
    let amount = read_amount(object, "amount", catalog)?;
    match object.text("state").as_str() {
        "confirmed" | "refunded" => {}
        "created" | "pending" | "failed" | "canceled" => return None,
        _ => {
            let states = "created, pending, confirmed, failed, canceled, refunded";
            object.report("state", format!("expected one of {states}"));
            return None;
        }
    }
    // A free order is paid by nothing.
    if amount.minor_units == 0 {
        return None;
    }
    let name = object.text("provider");
    let method = object.object_if_any("details");
    let method = method
        .map(|details| (details.text_or_empty("id"), details.text_or_empty("payment_method")));
    let (reference, method) = method.unwrap_or_default();
    let provider = if is_stripe(&name) { "stripe".to_owned() } else { sanitised(&name) };
    let reference = if is_stripe(&name) {
        if reference.is_empty() {
            object.report("details.id", "a payment by Stripe needs the id of its payment intent");
        }
        reference
    } else {
        String::new()
    };
    let Some(tender) = tender(&name, &method) else {
        object.report(
            "provider",
            "does not tell by which tender the buyer paid: expected a card, \
                                   wallet, gift card or bank transfer",
        );
        return None;
    };
    let number = object.integer("local_id");
    let captured = object.time_if_any("payment_date").unwrap_or_else(|| object.time("created"));
    let payment = Payment {
        payment_id: format!("P-{number}"),
        tender: tender.into(),
        provider,
        provider_reference: reference,
        captured: Some(money::to_proto(amount)),
        refunded_elsewhere: None,
        capture_time: Some(time::to_proto(captured)),
        overdrawn: false,
        points: 0,
    };
    Some((number, Money::zero(catalog.currency), payment))
}

/// Counts a refund against its payment.
///
/// pretix counts refunds that are done, in transit or created as spent; one that began at the
/// provider (`external`) has left, too. Failed and cancelled ones have not.
fn subtract(refund: &Object<'_>, payments: &mut [(i64, Money, Payment)], catalog: &Catalog) {
    match refund.text("state").as_str() {
        "done" | "transit" | "created" | "external" => {}
        "failed" | "canceled" => return,
        _ => {
            let states = "created, transit, external, done, failed, canceled";
            return refund.report("state", format!("expected one of {states}"));
        }
    }
    let Some(amount) = read_amount(refund, "amount", catalog) else { return };
    let Some(number) = refund.integer_if_any("payment") else {
        return refund.report("payment", "a refund that belongs to no payment cannot be imported");
    };
    let Some((_, refunded, _)) = payments.iter_mut().find(|(known, ..)| *known == number) else {
        let text = format!("payment {number} is not among those that captured money");
        return refund.report("payment", text);
    };
    match refunded.checked_add(amount) {
        Ok(sum) if amount.minor_units >= 0 => *refunded = sum,
        Ok(_) => refund.report("amount", "must not be negative"),
        Err(error) => refund.report("amount", error.to_string()),
    }
}

fn is_stripe(provider: &str) -> bool {
    provider == "stripe" || provider.starts_with("stripe_")
}

/// pretix's name of the provider in the characters that a provider's name may have.
fn sanitised(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    name.chars().map(allowed).take(32).collect()
}

/// The tender, by Stripe's payment method or by the last word of the provider's name, as in
/// `mollie_creditcard`.
fn tender(provider: &str, method: &str) -> Option<Tender> {
    let word = if !method.is_empty() {
        method
    } else if provider == "stripe" {
        "card"
    } else if provider.starts_with("paypal") {
        "paypal"
    } else {
        provider.rsplit('_').next().unwrap_or_default()
    };
    Some(match word.replace(['_', '-'], "").as_str() {
        "card" | "cc" | "creditcard" => Tender::Card,
        "alipay" | "wechatpay" | "paypal" | "applepay" | "googlepay" | "link" | "twint"
        | "swish" | "mobilepay" | "revolutpay" | "amazonpay" | "cashapp" => Tender::Wallet,
        "giftcard" => Tender::GiftCard,
        "banktransfer" | "sepa" | "sepadebit" | "directdebit" | "ideal" | "bancontact" | "eps"
        | "sofort" | "giropay" | "p24" | "przelewy24" | "customerbalance" => Tender::BankTransfer,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tender_follows_from_method_or_provider() {
        let cases = [
            ("stripe", "card", Some(Tender::Card)),
            ("stripe", "", Some(Tender::Card)),
            ("stripe_alipay", "alipay", Some(Tender::Wallet)),
            ("stripe_wechatpay", "wechat_pay", Some(Tender::Wallet)),
            ("stripe_wechatpay", "", Some(Tender::Wallet)),
            ("stripe_sepa_debit", "sepa_debit", Some(Tender::BankTransfer)),
            ("giftcard", "", Some(Tender::GiftCard)),
            ("banktransfer", "", Some(Tender::BankTransfer)),
            ("mollie_creditcard", "", Some(Tender::Card)),
            ("paypal_v2", "", Some(Tender::Wallet)),
            ("manual", "", None),
            ("boxoffice", "", None),
        ];
        for (provider, method, expected) in cases {
            assert_eq!(tender(provider, method), expected, "{provider} {method}");
        }
    }

    #[test]
    fn a_provider_keeps_its_name_in_allowed_characters() {
        assert_eq!(sanitised("Mollie.CreditCard"), "mollie_creditcard");
        assert_eq!(sanitised(&"x".repeat(40)).len(), 32);
    }
}
