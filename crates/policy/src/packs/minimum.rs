//! No input pays less than the law's minimum, or more than what was paid and the compensation due.
//!
//! Invariant: the minima below are reckoned from the text of the law alone, by other means than the
//! evaluator's: whole numbers, no files, no conditions.

use std::collections::BTreeMap;

use proptest::prelude::*;
use redress_core::clock::Timestamp;
use redress_core::money::Money;

use super::Pack;
use crate::compensation::Pays;
use crate::facts::FactValue;
use crate::floor::cases::{Case, Cases, Dice};
use crate::model::Policy;
use crate::situation::{Decision, LineFacts, LinePrice, Situation};
use crate::vocabulary::{FixedFeePer, LineKind, OverrideCode};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// 2026-12-20T16:00:00Z: 19:00 in Moscow.
const START: i64 = 1_797_782_400 * SECOND;

fn policy(id: &str) -> &'static Policy {
    Pack::find(id).unwrap().policy().unwrap()
}

/// One line in a situation, told in figures.
struct Ask<'a> {
    id: &'static str,
    kind: LineKind,
    zone: &'a str,
    currency: &'a str,
    gross: i64,
    before_start: i64,
    code: Option<OverrideCode>,
    facts: Vec<(&'a str, FactValue)>,
}

impl Ask<'_> {
    fn price(&self) -> LinePrice {
        let policy = policy(self.id);
        let facts: BTreeMap<String, FactValue> =
            self.facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let line = LineFacts {
            id: "line",
            kind: self.kind,
            gross: self.gross,
            units: 1,
            start: Timestamp(START),
            time_zone: self.zone,
            event: "",
            place: "",
        };
        let decision = policy.price(&Situation {
            now: Timestamp(START - self.before_start),
            purchase: Timestamp(START - 300 * DAY),
            channel: "web",
            currency: self.currency.parse().unwrap(),
            override_code: self.code,
            evidence: &[],
            facts: &facts,
            buyer_refunds: Some(0),
            whole_order: true,
            lines: &[line],
        });
        match decision {
            Decision::Priced(mut prices) => prices.remove(0),
            other => panic!("{}: {other:?}", self.id),
        }
    }
}

const fn duration(seconds: i64) -> FactValue {
    FactValue::Duration(seconds * SECOND)
}

/// What the rows for what happened can pay at most.
fn most_owed(policy: &Policy, case: &Case) -> Option<Money> {
    let code = case.code?;
    let rows = policy.compensations.iter().filter(|row| row.covers(code, case.kind));
    let amounts = rows.filter_map(|row| match &row.pays {
        Pays::Amount { amount, per } => {
            let count = if *per == FixedFeePer::Unit { case.units } else { 1 };
            Some(Money { minor_units: amount.minor_units * count, ..*amount })
        }
        Pays::BasisPoints(points) => {
            // A share is rounded to the policy's step at most.
            let step = policy.compensation_rounding.map_or(1, |rounding| rounding.step);
            let share = case.gross * i64::from(*points) / 10_000 + step;
            Some(Money { currency: case.currency, minor_units: share })
        }
        Pays::Cost { fact, .. } => match case.facts.get(fact) {
            Some(FactValue::Int(cost)) => {
                Some(Money { currency: case.currency, minor_units: *cost })
            }
            _ => None,
        },
        Pays::Nothing | Pays::Claim | Pays::Review(_) => None,
    });
    amounts.max_by_key(|amount| amount.minor_units)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_pack_pays_more_than_was_paid_and_the_compensation_due(
        seed in any::<u64>(),
        at in 0..Pack::all().len(),
    ) {
        let policy = Pack::all()[at].policy().unwrap();
        let cases = Cases::new(policy, policy).unwrap();
        let mut dice = Dice(seed);
        for _ in 0..25 {
            let case = cases.draw(&mut dice);
            let line = case.line();
            let Decision::Priced(prices) = case.with(&[line], |asked| policy.price(asked)) else {
                continue;
            };
            let price = &prices[0];
            prop_assert!(price.refund >= 0 && price.fee >= 0, "{}: {:?}", policy.id, price);
            prop_assert_eq!(price.fee + price.refund, case.gross, "{}", policy.id);
            if let Some(owed) = price.compensation.as_ref().and_then(|due| due.amount) {
                let most = most_owed(policy, &case);
                prop_assert!(owed.minor_units > 0, "{}: {:?}", policy.id, price);
                prop_assert!(
                    most.is_some_and(|most| most.minor_units >= owed.minor_units),
                    "{}: {} is more than {:?}", policy.id, owed, most
                );
            }
        }
    }

    /// Law 3612-1, Art. 52.1: all until ten days before the day, half until five, 30 % until three.
    #[test]
    fn russian_performances(gross in 1..10_000_000_i64, seconds in 0..15 * 86_400_i64) {
        let ask = Ask {
            id: "ru-culture-52.1",
            kind: LineKind::Ticket,
            zone: "Europe/Moscow",
            currency: "RUB",
            gross,
            before_start: seconds * SECOND,
            code: None,
            facts: Vec::new(),
        };
        // Moscow is three hours ahead, all year.
        let day = |at: i64| (at + 3 * HOUR).div_euclid(DAY);
        let days = day(START) - day(START - seconds * SECOND);
        let percent = match days {
            10.. => 100,
            5.. => 50,
            3.. => 30,
            _ => 0,
        };
        // "Not less than": what is not whole goes up.
        let least = (gross * percent + 99) / 100;
        prop_assert!(ask.price().refund >= least, "{} days, {}", days, gross);
    }

    /// Reg. 261/2004, Art. 7 as read in Sturgeon; UK261 has its own amounts and one bracket less.
    #[test]
    fn late_flights(km in 1..12_000_i64, inside in any::<bool>(), late in 0..8 * 3_600_i64) {
        prop_assume!(![1493..=1507, 3483..=3517].iter().any(|near| near.contains(&km)));
        let facts = vec![
            ("refund_chosen", FactValue::Bool(false)),
            ("distance_km", FactValue::Int(km)),
            ("intra_eu", FactValue::Bool(inside)),
            ("arrival_delay", duration(late)),
        ];
        let ask = |id, zone, currency| Ask {
            id,
            kind: LineKind::FlightLeg,
            zone,
            currency,
            gross: 9_900,
            before_start: -10 * DAY,
            code: Some(OverrideCode::JourneyDelayed),
            facts: facts.clone(),
        };
        let owed = |ask: Ask<'_>| {
            ask.price().compensation.and_then(|due| due.amount).map_or(0, |due| due.minor_units)
        };
        let table = |inside: bool, [short, medium, long]: [i64; 3]| {
            if late < 3 * 3_600 {
                0
            } else if km <= 1_500 {
                short
            } else if inside || km <= 3_500 {
                medium
            } else if late <= 4 * 3_600 {
                long / 2
            } else {
                long
            }
        };
        let eu = table(inside, [25_000, 40_000, 60_000]);
        prop_assert_eq!(owed(ask("eu-air-261", "Europe/Paris", "EUR")), eu);
        let uk = table(false, [22_000, 35_000, 52_000]);
        prop_assert_eq!(owed(ask("uk-air-261", "Europe/London", "GBP")), uk);
    }

    /// China Railway: nothing from eight days on, then 5, 10 and 20 %, to half a yuan, at least two.
    #[test]
    fn chinese_trains(yuan in 1..5_000_i64, half in any::<bool>(), seconds in 0..10 * 86_400_i64) {
        let gross = yuan * 100 + if half { 50 } else { 0 };
        let ask = Ask {
            id: "cn-rail-12306",
            kind: LineKind::RailLeg,
            zone: "Asia/Shanghai",
            currency: "CNY",
            gross,
            before_start: seconds * SECOND,
            code: None,
            facts: Vec::new(),
        };
        let day = |at: i64| (at + 8 * HOUR).div_euclid(DAY);
        let days = day(START) - day(START - seconds * SECOND);
        let percent = match seconds {
            _ if days >= 8 => 0,
            172_800.. => 5,
            86_400.. => 10,
            _ => 20,
        };
        // In hundredths of a fen, so that nothing is lost before the one rounding.
        let exact = gross * percent;
        let halves = (exact + 2_500) / 5_000;
        let fee = if percent == 0 { 0 } else { (halves * 50).max(200).min(gross) };
        prop_assert_eq!(ask.price().fee, fee, "{} at {} s", gross, seconds);
    }

    /// Delay Repay: 25, 50, 100 % of a single fare; half the fare for each way of a return.
    #[test]
    fn british_trains(gross in 100..100_000_i64, both in any::<bool>(), minutes in 0..200_i64) {
        let ask = Ask {
            id: "uk-delay-repay",
            kind: LineKind::RailLeg,
            zone: "Europe/London",
            currency: "GBP",
            gross,
            before_start: -DAY,
            code: Some(OverrideCode::JourneyDelayed),
            facts: vec![
                ("arrival_delay", duration(minutes * 60)),
                ("return_ticket", FactValue::Bool(both)),
            ],
        };
        let (share, of) = match minutes {
            120.. => (4, 4),
            60.. => (4, if both { 8 } else { 4 }),
            30.. => (2, if both { 8 } else { 4 }),
            15.. => (1, if both { 8 } else { 4 }),
            _ => (0, 4),
        };
        let least = gross * share / of;
        let owed = ask.price().compensation.and_then(|due| due.amount);
        prop_assert!(owed.map_or(0, |due| due.minor_units) >= least, "{} min of {}", minutes, gross);
    }

    /// The 2014 model contract for tours at home: 0, 20, 40, 60 % by days; the agency owes 0, 10, 15
    /// and 20 % besides everything, by the day on which its notice arrives.
    #[test]
    fn chinese_tours(gross in 100..10_000_000_i64, days in 0..40_i64) {
        // At noon of the day, so that the time of day plays no part.
        let ask = |code, facts| Ask {
            id: "cn-tour-domestic",
            kind: LineKind::Package,
            zone: "Asia/Shanghai",
            currency: "CNY",
            gross,
            before_start: days * DAY,
            code,
            facts,
        };
        let (fee, penalty) = match days {
            7.. => (0, 0),
            4.. => (20, 10),
            1.. => (40, 15),
            _ => (60, 20),
        };
        let left = ask(None, vec![("no_show", FactValue::Bool(false))]).price();
        prop_assert!(left.refund >= gross - gross * fee / 100 - 1, "{} days", days);
        let told = FactValue::Timestamp(Timestamp(START - days * DAY));
        let facts = vec![("told", told), ("traveller_loss", FactValue::Int(0))];
        let called_off = ask(Some(OverrideCode::EventCancelled), facts).price();
        prop_assert_eq!(called_off.refund, gross);
        let owed = called_off.compensation.and_then(|due| due.amount);
        prop_assert!(owed.map_or(0, |due| due.minor_units) >= gross * penalty / 100);
    }

    /// 14 CFR 260.2 and 260.6: three hours inside of the country, six beyond it, either way.
    #[test]
    fn american_flights(
        earlier in 0..8 * 3_600_i64,
        later in 0..8 * 3_600_i64,
        abroad in any::<bool>(),
        gross in 1..500_000_i64,
    ) {
        let no = FactValue::Bool(false);
        let ask = Ask {
            id: "us-air-260",
            kind: LineKind::FlightLeg,
            zone: "America/New_York",
            currency: "USD",
            gross,
            before_start: DAY,
            code: Some(OverrideCode::ScheduleChanged),
            facts: vec![
                ("flown", no.clone()),
                ("international", FactValue::Bool(abroad)),
                ("leaves_earlier_by", duration(earlier)),
                ("arrives_later_by", duration(later)),
                ("other_airport", no.clone()),
                ("more_connections", no.clone()),
                ("lower_class", no.clone()),
                ("accessibility_lost", no),
            ],
        };
        let limit = if abroad { 6 * 3_600 } else { 3 * 3_600 };
        let least = if earlier >= limit || later >= limit { gross } else { 0 };
        prop_assert!(ask.price().refund >= least, "{} and {} s", earlier, later);
    }

    /// 14 CFR 260.2 and 260.5: more than 12 hours inside of the country, 15 or 30 beyond it.
    #[test]
    fn american_bags(seconds in 0..40 * 3_600_i64, abroad in any::<bool>(), leg in 1..20_i64) {
        let ask = Ask {
            id: "us-air-bags",
            kind: LineKind::Ancillary,
            zone: "America/New_York",
            currency: "USD",
            gross: 3_500,
            before_start: -2 * DAY,
            code: Some(OverrideCode::BaggageLate),
            facts: vec![
                ("report_filed", FactValue::Bool(true)),
                ("international", FactValue::Bool(abroad)),
                ("longest_leg", duration(leg * 3_600)),
                ("bag_after", duration(seconds)),
                ("lost", FactValue::Bool(false)),
            ],
        };
        let hours = match leg {
            _ if !abroad => 12,
            ..=12 => 15,
            _ => 30,
        };
        let least = if seconds > hours * 3_600 { 3_500 } else { 0 };
        prop_assert!(ask.price().refund >= least, "{} s", seconds);
    }
}
