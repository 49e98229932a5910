//! Cases and properties of the decision.
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use redress_core::id::{EventId, OrderId};

use super::super::settled::Outcome;
use super::*;

const DAY: Duration = Duration::from_hours(24);
const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl IdSource for Counting {
    fn next_id(&self) -> String {
        format!("id-{:04}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}

fn fact(tenant: &str, disruption: &str, customer: &str, outcome: Outcome) -> Settled {
    Settled {
        tenant: TenantId::new(tenant).unwrap(),
        disruption: DisruptionId::new(disruption).unwrap(),
        event: EventId::new("derby").unwrap(),
        order: OrderId::new(format!("{disruption}-{customer}-{}", outcome.as_str())).unwrap(),
        customer: CustomerId::new(customer).unwrap(),
        outcome,
    }
}

fn states(decided: &[Invitation]) -> Vec<State> {
    decided.iter().map(|invitation| invitation.state).collect()
}

fn decide_new(facts: &[Settled]) -> Vec<Invitation> {
    let survey = Survey::refund_experience();
    decide(&survey, facts, Known::default(), NOW, &Counting::default())
}

/// Decides about `facts` cut into batches of `size`, each knowing what the ones before decided.
fn decide_in_batches(facts: &[Settled], size: usize) -> HashMap<Occasion, Invitation> {
    let (survey, ids) = (Survey::refund_experience(), Counting::default());
    let mut known = Known::default();
    for batch in facts.chunks(size) {
        for invitation in decide(&survey, batch, known.clone(), NOW, &ids) {
            let customer = (invitation.tenant.clone(), invitation.customer.clone());
            if invitation.state == State::Invited {
                known.asked.insert(customer, NOW);
            }
            known.invitations.insert(invitation.occasion(), invitation);
        }
    }
    known.invitations
}

#[test]
fn each_outcome_gets_its_verdict() {
    let decided = decide_new(&[
        fact("arena", "d1", "a", Outcome::Succeeded),
        fact("arena", "d1", "b", Outcome::Attention),
        fact("arena", "d1", "c", Outcome::NothingDue),
    ]);
    assert_eq!(
        states(&decided),
        [
            State::Invited,
            State::Suppressed(Suppression::RefundUnresolved),
            State::Suppressed(Suppression::NothingRefunded),
        ]
    );
    assert!(decided.iter().all(|invitation| invitation.version == 1));
    assert!(decided.iter().all(|invitation| invitation.created == NOW));
}

#[test]
fn a_customer_with_two_orders_is_asked_once() {
    let one = fact("arena", "d1", "a", Outcome::Succeeded);
    assert_eq!(states(&decide_new(&[one.clone(), one])), [State::Invited]);
}

#[test]
fn two_disruptions_in_one_batch_ask_a_customer_once() {
    let decided = decide_new(&[
        fact("arena", "d1", "a", Outcome::Succeeded),
        fact("arena", "d2", "a", Outcome::Succeeded),
        fact("other", "d2", "a", Outcome::Succeeded),
    ]);
    assert_eq!(
        states(&decided),
        [State::Invited, State::Suppressed(Suppression::RecentlyAsked), State::Invited],
        "another tenant's customer of the same id is another person"
    );
}

#[test]
fn the_quiet_time_ends_to_the_microsecond() {
    let one = fact("arena", "d2", "a", Outcome::Succeeded);
    let customer = (one.tenant.clone(), one.customer.clone());
    for (now, expected) in [
        (NOW, State::Suppressed(Suppression::RecentlyAsked)),
        (Timestamp(NOW.plus(30 * DAY).0 - 1), State::Suppressed(Suppression::RecentlyAsked)),
        (NOW.plus(30 * DAY), State::Invited),
    ] {
        let known = Known { asked: HashMap::from([(customer.clone(), NOW)]), ..Known::default() };
        let survey = Survey::refund_experience();
        let facts = std::slice::from_ref(&one);
        let decided = decide(&survey, facts, known, now, &Counting::default());
        assert_eq!(states(&decided), [expected], "{now:?}");
    }
}

#[test]
fn a_refund_that_arrives_later_is_asked_about() {
    let late = fact("arena", "d1", "a", Outcome::Succeeded);
    let decided = decide_new(&[fact("arena", "d1", "a", Outcome::Attention), late.clone()]);
    assert_eq!(states(&decided), [State::Invited]);
    assert_eq!((decided[0].version, &decided[0].order), (2, &late.order));
}

fn facts() -> impl Strategy<Value = Vec<Settled>> {
    let outcome = prop::sample::select(Outcome::ALL.to_vec());
    let one = ("[ab]", "d[1-3]", "[c-h]", outcome)
        .prop_map(|(tenant, disruption, customer, o)| fact(&tenant, &disruption, &customer, o));
    prop::collection::vec(one, 1..40)
}

proptest! {
    #[test]
    fn the_cut_into_batches_does_not_matter(facts in facts(), size in 1_usize..10) {
        let whole = decide_in_batches(&facts, facts.len());
        let parts = decide_in_batches(&facts, size);
        prop_assert_eq!(whole.len(), parts.len());
        for (occasion, invitation) in whole {
            prop_assert_eq!(parts[&occasion].state, invitation.state);
        }
    }

    #[test]
    fn a_customer_is_asked_once_and_exactly_when_something_was_paid(facts in facts()) {
        let decided = decide_in_batches(&facts, facts.len());
        let mut asked: HashMap<(TenantId, CustomerId), usize> = HashMap::new();
        for fact in &facts {
            let paid = usize::from(fact.outcome == Outcome::Succeeded);
            let most = asked.entry((fact.tenant.clone(), fact.customer.clone())).or_default();
            *most = paid.max(*most);
            prop_assert!(decided.contains_key(&fact.occasion()));
        }
        for (customer, expected) in asked {
            let invited = decided
                .values()
                .filter(|i| (&i.tenant, &i.customer) == (&customer.0, &customer.1))
                .filter(|i| i.state == State::Invited)
                .count();
            prop_assert_eq!(invited, expected);
        }
    }

    #[test]
    fn within_one_disruption_the_order_of_facts_does_not_matter(
        outcomes in prop::collection::vec(prop::sample::select(Outcome::ALL.to_vec()), 1..6),
    ) {
        let in_order: Vec<Settled> =
            outcomes.iter().map(|outcome| fact("arena", "d1", "a", *outcome)).collect();
        let reversed: Vec<Settled> = in_order.iter().rev().cloned().collect();
        prop_assert_eq!(states(&decide_new(&in_order)), states(&decide_new(&reversed)));
    }
}
