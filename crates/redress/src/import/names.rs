//! The names that a file uses for members of the contract's enumerations, as messages list them.
//!
//! Invariant: each list names every member but the unspecified one, in the contract's order.

/// States of an order.
pub(crate) const STATES: &str = "PLACED, CANCELLED, WAITING_LIST";

/// Kinds of a line.
pub(crate) const KINDS: &str =
    "TICKET, FEE, SEAT, FLIGHT_LEG, RAIL_LEG, HOTEL_NIGHT, PACKAGE, ANCILLARY, TAX";

/// Tenders of a payment.
pub(crate) const TENDERS: &str = "CARD, WALLET, GIFT_CARD, BANK_TRANSFER, VOUCHER, POINTS";

#[cfg(test)]
mod tests {
    use redress_proto::refunds::v1::{order, order_line, payment};

    use super::*;

    /// The names of the numbers from 1 on.
    fn known<E: TryFrom<i32>>(name: impl Fn(&E) -> &'static str) -> String {
        let members = (1..).map_while(|number| E::try_from(number).ok());
        members.map(|member| name(&member)).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_lists_are_those_of_the_contract() {
        assert_eq!(STATES, known(order::State::as_str_name));
        assert_eq!(KINDS, known(order_line::Kind::as_str_name));
        assert_eq!(TENDERS, known(payment::Tender::as_str_name));
    }
}
