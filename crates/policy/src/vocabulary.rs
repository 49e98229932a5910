//! The words that policies, orders and quotes share: what a line is, what paid for it, and what
//! happened.
//!
//! Invariant: each word has one spelling, upper snake case, in files, in storage and on the wire.

use serde::{Deserialize, Serialize};

macro_rules! vocabulary {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* })*)
    => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum $name {
            $($(#[$word_doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// All of them, in the order of this list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in files, in storage and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// Reads the word; `None` when there is no such one.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }
    )*};
}

vocabulary! {
    /// What kind of thing a line is.
    LineKind {
        /// Admission to an event, without a place of its own.
        Ticket = "TICKET",
        /// Admission to an event, with a numbered seat.
        Seat = "SEAT",
        /// One flight of one traveller.
        FlightLeg = "FLIGHT_LEG",
        /// One train ride of one traveller.
        RailLeg = "RAIL_LEG",
        /// A night in a hotel.
        HotelNight = "HOTEL_NIGHT",
        /// A package of travel services sold at one price.
        Package = "PACKAGE",
        /// Something besides: baggage, parking, a meal.
        Ancillary = "ANCILLARY",
        /// A fee on the order: shipping, payment, booking.
        Fee = "FEE",
        /// A tax or charge that is shown on a line of its own.
        Tax = "TAX",
    }

    /// What an order was paid with.
    Tender {
        /// A payment card.
        Card = "CARD",
        /// A wallet, such as Alipay or Apple Pay.
        Wallet = "WALLET",
        /// A gift card.
        GiftCard = "GIFT_CARD",
        /// A bank transfer.
        BankTransfer = "BANK_TRANSFER",
        /// A voucher of the seller.
        Voucher = "VOUCHER",
        /// Points of a loyalty programme.
        Points = "POINTS",
    }

    /// Why a refund need not follow the tiers.
    OverrideCode {
        /// The event does not take place.
        EventCancelled = "EVENT_CANCELLED",
        /// The event takes place at another time.
        EventPostponed = "EVENT_POSTPONED",
        /// The event takes place elsewhere.
        EventMoved = "EVENT_MOVED",
        /// The buyer, or someone close, is ill.
        Illness = "ILLNESS",
        /// The buyer, or someone close, has died.
        Death = "DEATH",
        /// The traveller was refused a visa.
        VisaRefused = "VISA_REFUSED",
        /// Unavoidable, extraordinary circumstances.
        ForceMajeure = "FORCE_MAJEURE",
        /// The carrier did not do its part.
        CarrierFault = "CARRIER_FAULT",
        /// A strike.
        Strike = "STRIKE",
        /// The journey started or ended later than planned.
        JourneyDelayed = "JOURNEY_DELAYED",
        /// Somebody with a valid ticket was not taken along.
        BoardingDenied = "BOARDING_DENIED",
        /// Somebody travelled in a lower class than they paid for.
        ClassDowngraded = "CLASS_DOWNGRADED",
        /// The seller changed times, places or connections before the journey.
        ScheduleChanged = "SCHEDULE_CHANGED",
        /// Checked baggage came late or not at all.
        BaggageLate = "BAGGAGE_LATE",
        /// Something that was paid for besides was not provided.
        ServiceNotProvided = "SERVICE_NOT_PROVIDED",
        /// What was sold is not what was described, or was refused at the door.
        NotAsDescribed = "NOT_AS_DESCRIBED",
        /// The seller raised the price after the sale.
        PriceRaised = "PRICE_RAISED",
        /// The trip is called off because too few people booked it.
        GroupTooSmall = "GROUP_TOO_SMALL",
        /// The trip ends before its last day.
        TripCutShort = "TRIP_CUT_SHORT",
        /// The ticket is exchanged for another one.
        TicketChanged = "TICKET_CHANGED",
    }

    /// What becomes of a group discount when a part of the group is given back.
    Repricing {
        /// Who stays keeps the discount.
        Keep = "KEEP",
        /// Who stays pays by the step that the remaining number reaches.
        Rerate = "RERATE",
        /// The whole discount is lost when the number falls below the step bought at.
        ClawBack = "CLAW_BACK",
    }

    /// How a fee is brought to a multiple of the rounding step.
    RoundingMode {
        /// To the multiple below: a fraction is the buyer's.
        Down = "DOWN",
        /// To the multiple above.
        Up = "UP",
        /// To the nearest; the half goes up.
        HalfUp = "HALF_UP",
        /// To the nearest; the half goes to the even multiple.
        HalfEven = "HALF_EVEN",
    }

    /// What a fixed amount is for.
    FixedFeePer {
        /// Each unit that is given back: each passenger of a journey.
        Unit = "UNIT",
        /// The line, however many units are given back.
        Line = "LINE",
    }

    /// The time of day of an instant that is reckoned in days.
    MomentTime {
        /// The time of day of the instant that it is reckoned from.
        SameTime = "SAME_TIME",
        /// The first instant of the day.
        DayStart = "DAY_START",
        /// The last instant of the day.
        DayEnd = "DAY_END",
    }

    /// What the clock for paying counts.
    DayUnit {
        /// Days of the calendar.
        CivilDays = "CIVIL_DAYS",
        /// Business days of the policy's calendar.
        BusinessDays = "BUSINESS_DAYS",
        /// Months, to the same day of the month or its last one.
        Months = "MONTHS",
    }
}

impl LineKind {
    /// Whether the line is money beside what was bought: kept unless a rule names it, or the policy
    /// refunds fees.
    pub const fn is_fee_or_tax(self) -> bool {
        matches!(self, Self::Fee | Self::Tax)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_written_and_stored_as_written() {
        for kind in LineKind::ALL {
            assert_eq!(LineKind::parse(kind.as_str()), Some(*kind));
            let stored = serde_json::to_string(kind).unwrap();
            assert_eq!(stored, format!("{:?}", kind.as_str()));
            assert_eq!(serde_json::from_str::<LineKind>(&stored).unwrap(), *kind);
        }
        assert_eq!(LineKind::parse("Ticket"), None);
        assert_eq!(Tender::ALL.len(), 6);
        assert_eq!(OverrideCode::parse("DEATH"), Some(OverrideCode::Death));
    }

    #[test]
    fn fees_and_taxes_are_apart() {
        let apart: Vec<_> = LineKind::ALL.iter().filter(|kind| kind.is_fee_or_tax()).collect();
        assert_eq!(apart, [&LineKind::Fee, &LineKind::Tax]);
    }
}
