//! Which policy an order gets that names none, and whether a policy promises the law it is held to.
//!
//! Invariant: pure, and one policy an order: a choice covers all of the order's lines or is passed
//! over, so that it never depends on which line comes first.

use redress_core::tenant::{PolicyChoice, Tenant};
use redress_policy::{Pack, Policy, Status};

use super::order::Order;

/// The id of the policy that `settings` choose for an order that names none: of the first choice
/// that covers it, else the tenant's default.
pub fn choose<'a>(settings: &'a Tenant, order: &Order) -> &'a str {
    let covers = |choice: &&PolicyChoice| is_sold_in(choice, order) && is_of_kinds(choice, order);
    let covering = settings.policies.iter().find(covers);
    covering.map_or(&settings.default_policy, |choice| &choice.policy)
}

/// Whether the order was sold where the choice counts; a country covers its parts.
fn is_sold_in(choice: &PolicyChoice, order: &Order) -> bool {
    let place = order.place_of_sale.as_str();
    let country = place.split_once('-').map_or(place, |(country, _)| country);
    let places = &choice.places_of_sale;
    places.is_empty() || places.iter().any(|named| named == place || named == country)
}

/// Whether the choice covers every line; fees and taxes go with the others. Without another line
/// the order is of no kind, and only a choice for all kinds covers it.
fn is_of_kinds(choice: &PolicyChoice, order: &Order) -> bool {
    let mut lines = order.lines.iter().filter(|line| !line.kind.is_fee_or_tax()).peekable();
    let is_covered = |kind: &str| choice.kinds.iter().any(|named| named == kind);
    choice.kinds.is_empty()
        || (lines.peek().is_some() && lines.all(|line| is_covered(line.kind.as_str())))
}

/// Whether the policy is the law of this id, or says that it gives no less.
pub fn promises(policy: &Policy, law: &str) -> bool {
    policy.id.as_str() == law || policy.at_least.iter().any(|promised| promised.as_str() == law)
}

/// The laws that `settings` hold `policy` to and that it does not promise.
pub fn broken_promises<'a>(settings: &'a Tenant, policy: &Policy) -> Vec<&'a str> {
    let held = settings.policies.iter().filter(|choice| choice.policy == policy.id.as_str());
    let laws = held.filter_map(|choice| choice.law.as_deref());
    let mut broken: Vec<&str> = laws.filter(|law| !promises(policy, law)).collect();
    broken.sort_unstable();
    broken.dedup();
    broken
}

/// Why `policy`, whose newest version is `newest`, cannot be held to `law`; `None` when it can.
pub fn obstacle(policy: &str, newest: Option<&Policy>, law: &str) -> Option<String> {
    let Some(found) = Pack::find(law).and_then(Pack::policy) else {
        return Some(format!(
            "{law} is no law that comes with Redress; `redress policy packs` lists them"
        ));
    };
    if !found.mandatory {
        return Some(format!(
            "{law} is no law but terms: name a mandatory law, or leave it out for none"
        ));
    }
    if found.status != Status::Active {
        return Some(format!(
            "{law} is {} and not in force: leave it out until it is active",
            found.status.as_str()
        ));
    }
    match newest {
        None => Some(format!(
            "nobody knows whether policies/{policy} promises {law}, as it has no version yet: apply \
             the policy first"
        )),
        Some(newest) if !promises(newest, law) => Some(format!(
            "version {} of policies/{policy} does not promise {law}: apply a version that lists it \
             in at_least",
            newest.version
        )),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use redress_core::id::{PolicyId, TenantId};
    use redress_policy::{Citation, LineKind};

    use super::*;
    use crate::domain::order::tests::order;

    fn choice(kinds: &[&str], places: &[&str], policy: &str) -> PolicyChoice {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        PolicyChoice {
            kinds: owned(kinds),
            places_of_sale: owned(places),
            policy: policy.to_owned(),
            law: None,
        }
    }

    fn settings(policies: Vec<PolicyChoice>) -> Tenant {
        Tenant {
            id: TenantId::new("arena").unwrap(),
            display_name: "Arena".to_owned(),
            locales: vec!["en".to_owned()],
            time_zone: "Europe/Berlin".to_owned(),
            sender_email: "tickets@arena.example".to_owned(),
            support_url: "https://arena.example/help".to_owned(),
            default_policy: "standard".to_owned(),
            policies,
            approval_limits: Vec::new(),
            version: 1,
        }
    }

    fn sold(kinds: &[LineKind], place: &str) -> Order {
        let mut sold = order();
        let line = sold.lines[0].clone();
        let of = |kind: &LineKind| crate::domain::order::OrderLine { kind: *kind, ..line.clone() };
        sold.lines = kinds.iter().map(of).collect();
        place.clone_into(&mut sold.place_of_sale);
        sold
    }

    #[test]
    fn the_first_choice_that_covers_the_whole_order_decides() {
        use LineKind::{Ancillary, Fee, HotelNight, RailLeg, Seat, Tax, Ticket};
        let settings = settings(vec![
            choice(&["TICKET", "SEAT"], &["RU"], "ru-events"),
            choice(&["TICKET"], &["US-CA", "US-NY"], "us-states"),
            choice(&["TICKET", "SEAT"], &["US"], "us-events"),
            choice(&["RAIL_LEG"], &[], "rail"),
            choice(&["RAIL_LEG", "HOTEL_NIGHT"], &["DE"], "trips"),
            choice(&[], &["CN"], "cn"),
        ]);
        let table: &[(&[LineKind], &str, &str)] = &[
            // Kind and place.
            (&[Ticket], "RU", "ru-events"),
            (&[Seat], "RU", "ru-events"),
            (&[Ticket], "DE", "standard"),
            (&[HotelNight], "RU", "standard"),
            // A country covers its parts; a part covers neither its country nor its neighbour.
            (&[Ticket], "RU-MOW", "ru-events"),
            (&[Ticket], "US-CA", "us-states"),
            (&[Ticket], "US", "us-events"),
            (&[Ticket], "US-TX", "us-events"),
            (&[Seat], "US-CA", "us-events"),
            // A place that only begins like another.
            (&[Ticket], "RUS", "standard"),
            // Without a place only choices without places count.
            (&[Ticket], "", "standard"),
            (&[RailLeg], "", "rail"),
            (&[RailLeg], "DE", "rail"),
            // All kinds.
            (&[Ancillary], "CN-11", "cn"),
            // Fees and taxes go with the others, and alone are of no kind.
            (&[Ticket, Fee, Tax], "RU", "ru-events"),
            (&[Fee], "RU", "standard"),
            (&[Fee, Tax], "CN", "cn"),
            (&[], "RU", "standard"),
            (&[], "CN", "cn"),
            // Lines that alone would get different policies: the first choice that covers both,
            // whichever comes first; else the default.
            (&[Ticket, Seat], "US-CA", "us-events"),
            (&[Seat, Ticket], "US-CA", "us-events"),
            (&[RailLeg, HotelNight], "DE", "trips"),
            (&[HotelNight, RailLeg], "DE-BE", "trips"),
            (&[RailLeg, Ticket], "RU", "standard"),
            (&[Ticket, RailLeg], "RU", "standard"),
        ];
        for (kinds, place, expected) in table {
            let order = sold(kinds, place);
            assert_eq!(choose(&settings, &order), *expected, "{kinds:?} sold in {place:?}");
        }
    }

    fn policy(id: &str, at_least: &[&str]) -> Policy {
        let citation = Citation { title: "Terms".to_owned(), uri: String::new() };
        let laws = at_least.iter().map(|law| PolicyId::new(*law).unwrap());
        Policy {
            version: 3,
            at_least: laws.collect(),
            ..Policy::new(PolicyId::new(id).unwrap(), "Terms", citation)
        }
    }

    #[test]
    fn a_policy_is_held_to_a_law_that_is_in_force_and_that_it_promises() {
        let law = "ru-culture-52.1";
        let promising = policy("theatre", &["ru-sport", law]);
        let silent = policy("theatre", &["ru-sport"]);
        let itself = policy(law, &[]);
        let table = [
            (Some(&promising), law, None),
            (Some(&itself), law, None),
            (Some(&silent), law, Some("version 3 of policies/theatre does not promise ru-culture")),
            (None, law, Some("nobody knows whether policies/theatre promises ru-culture-52.1, as")),
            (Some(&promising), "ru-theatre", Some("ru-theatre is no law that comes with Redress")),
            (Some(&promising), "in-bookmyshow", Some("in-bookmyshow is no law but terms")),
            (Some(&promising), "uk-star", Some("uk-star is no law but terms")),
            (Some(&promising), "us-ticket-act", Some("us-ticket-act is disabled and not in force")),
            (Some(&promising), "ru-sport", Some("ru-sport is draft and not in force")),
        ];
        for (newest, law, expected) in table {
            let found = obstacle("theatre", newest, law);
            let told = match (&found, expected) {
                (Some(found), Some(expected)) => found.starts_with(expected),
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(told, "{law}: {found:?}");
        }
    }

    #[test]
    fn a_new_version_breaks_the_promises_that_it_no_longer_makes() {
        let held = |law: &str, policy: &str| PolicyChoice {
            law: Some(law.to_owned()),
            ..choice(&[], &[], policy)
        };
        let settings = settings(vec![
            held("ru-sport", "theatre"),
            held("ru-culture-52.1", "theatre"),
            held("ru-sport", "theatre"),
            held("us-air-260", "flex"),
            choice(&[], &[], "theatre"),
        ]);
        let broken = |at_least: &[&str]| broken_promises(&settings, &policy("theatre", at_least));
        assert_eq!(broken(&["ru-sport", "ru-culture-52.1"]), [] as [&str; 0]);
        assert_eq!(broken(&["ru-culture-52.1"]), ["ru-sport"]);
        assert_eq!(broken(&[]), ["ru-culture-52.1", "ru-sport"]);
        assert_eq!(broken_promises(&settings, &policy("plain", &[])), [] as [&str; 0]);
    }
}
