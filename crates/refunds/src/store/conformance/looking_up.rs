//! An outcome that is not known is looked up, by one holder at a time, until there is proof.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Fixture, LEASE, STRIPE, at, by_card, found, open_fixture, order, paid};
use crate::domain::attempt::{Attempt, AttemptState, MAX_ATTEMPTS, Reason};
use crate::domain::refund::{Refund, RefundState};
use crate::domain::settle::Finding;

redress_testkit::conformance! {
    open = open_fixture;
    an_accepted_attempt_is_looked_up_when_it_is_due,
    a_lost_answer_keeps_the_money_reserved,
    a_vanished_sender_leaves_an_unknown_attempt,
    a_vanished_look_up_is_taken_over,
    a_look_up_that_shows_nothing_changes_only_when_to_ask_again,
    racing_look_ups_share_the_attempts,
    proven_absence_arms_a_new_attempt_under_a_new_id,
    after_the_last_attempt_a_person_is_needed,
    a_hint_makes_an_attempt_due,
    a_hint_about_an_unknown_refund_changes_nothing,
    a_providers_refund_leads_to_its_attempt_in_every_state,
    a_hint_about_a_held_attempt_makes_it_due_when_its_holder_lets_go,
}

/// One refund, whose attempt is with the provider.
async fn sent(fixture: &Fixture) -> (Refund, Attempt) {
    fixture.import([order("A1")]).await;
    let refund = fixture.refund("A1", by_card(1000)).await;
    let attempt = fixture.send("w1", 1, at(0)).await.pop().unwrap();
    (refund, attempt)
}

fn accepted(check: i64) -> Finding {
    Finding::Accepted { provider_refund: "re_1".to_owned(), check: at(check) }
}

async fn an_accepted_attempt_is_looked_up_when_it_is_due(fixture: Fixture) {
    let (refund, attempt) = sent(&fixture).await;
    fixture.learn(&attempt, accepted(10), at(1)).await;
    let stored = fixture.read(&refund.id).await;
    assert_eq!(
        (stored.state, stored.attempts[0].state),
        (RefundState::Processing, AttemptState::Accepted)
    );
    assert!(fixture.look_up("l1", 9, at(9)).await.is_empty());
    let held = fixture.look_up("l1", 9, at(10)).await.pop().unwrap();
    assert_eq!((held.state, &*held.claim), (AttemptState::Accepted, "l1"));
    assert_eq!((held.due, &*held.provider_refund), (at(10).plus(LEASE), "re_1"));
    assert!(fixture.look_up("l2", 9, at(11)).await.is_empty());
    assert!(fixture.send("w2", 9, at(11)).await.is_empty(), "it is never sent again");
    fixture.learn(&held, accepted(30), at(12)).await;
    let again = fixture.look_up("l3", 9, at(30)).await.pop().unwrap();
    assert_eq!(again.delays, 2);
    fixture.learn(&again, Finding::Succeeded { provider_refund: "re_1".to_owned() }, at(31)).await;
    assert_eq!(fixture.read(&refund.id).await.state, RefundState::Succeeded);
}

async fn a_lost_answer_keeps_the_money_reserved(fixture: Fixture) {
    let (refund, attempt) = sent(&fixture).await;
    fixture.learn(&attempt, Finding::AnswerLost { check: at(10) }, at(1)).await;
    let stored = fixture.read(&refund.id).await;
    assert_eq!((stored.state, stored.reason), (RefundState::Processing, None));
    assert_eq!(stored.attempts[0].state, AttemptState::Unknown);
    assert_eq!(fixture.payment("A1", "p1").await.counters.reserved, 1000);
    assert!(fixture.send("w2", 9, at(99)).await.is_empty(), "it is never sent again");
    assert_eq!(fixture.events("orders/A1").await.len(), 1);
    let held = fixture.look_up("l1", 9, at(10)).await.pop().unwrap();
    fixture.learn(&held, Finding::Succeeded { provider_refund: "re_1".to_owned() }, at(11)).await;
    assert_eq!(fixture.read(&refund.id).await.issued, 1000);
}

async fn a_vanished_sender_leaves_an_unknown_attempt(fixture: Fixture) {
    let (refund, attempt) = sent(&fixture).await;
    assert!(fixture.look_up("l1", 9, at(59)).await.is_empty());
    let held = fixture.look_up("l1", 9, at(60)).await.pop().unwrap();
    assert_eq!((held.state, &held.id), (AttemptState::Unknown, &attempt.id));
    assert_eq!((held.sent, &*held.claim), (at(0), "l1"));
    // The sender comes back with an answer, too late: its finding is for the look-up to repeat.
    assert_eq!(fixture.settle(&[paid(&attempt)], at(61)).await, 0);
    assert_eq!(fixture.read(&refund.id).await.attempts, std::slice::from_ref(&held));
    fixture.learn(&held, Finding::Succeeded { provider_refund: "re_1".to_owned() }, at(62)).await;
    assert_eq!(fixture.payment("A1", "p1").await.counters.refunded, 1000);
}

async fn a_vanished_look_up_is_taken_over(fixture: Fixture) {
    let (_, attempt) = sent(&fixture).await;
    fixture.learn(&attempt, accepted(10), at(1)).await;
    let lost = fixture.look_up("l1", 9, at(10)).await.pop().unwrap();
    assert!(fixture.look_up("l2", 9, at(69)).await.is_empty());
    let held = fixture.look_up("l2", 9, at(70)).await.pop().unwrap();
    assert_eq!(fixture.settle(&[paid(&lost)], at(71)).await, 0);
    assert_eq!(fixture.settle(&[paid(&held)], at(71)).await, 1);
    fixture.assert_books().await;
}

async fn a_look_up_that_shows_nothing_changes_only_when_to_ask_again(fixture: Fixture) {
    let (refund, attempt) = sent(&fixture).await;
    fixture.learn(&attempt, Finding::AnswerLost { check: at(10) }, at(1)).await;
    let held = fixture.look_up("l1", 9, at(10)).await.pop().unwrap();
    fixture.learn(&held, Finding::Inconclusive { check: at(20), to_person: false }, at(11)).await;
    let held = fixture.look_up("l2", 9, at(20)).await.pop().unwrap();
    let before_window = Finding::Absent { past_window: false, check: at(30) };
    fixture.learn(&held, before_window, at(21)).await;
    let stored = fixture.read(&refund.id).await;
    let unknown = &stored.attempts[0];
    assert_eq!((unknown.state, unknown.absences), (AttemptState::Unknown, 0));
    assert_eq!((unknown.due, &*unknown.claim), (at(30), ""));
    assert_eq!(fixture.store.next_due(STRIPE).await.unwrap(), Some(at(30)));
}

async fn racing_look_ups_share_the_attempts(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    for _ in 0..40 {
        fixture.refund("A1", by_card(10)).await;
    }
    let sent = fixture.send("w1", 40, at(0)).await;
    let answers: Vec<_> = sent.iter().map(|attempt| found(attempt, accepted(5))).collect();
    assert_eq!(fixture.settle(&answers[..30], at(1)).await, 30);
    let fixture = Arc::new(fixture);
    let racers: Vec<_> = (0..4)
        .map(|racer| {
            let fixture = Arc::clone(&fixture);
            let token = format!("l{racer}");
            tokio::spawn(async move { fixture.look_up(&token, 15, at(60)).await })
        })
        .collect();
    let mut taken = Vec::new();
    for racer in racers {
        let claimed = racer.await.unwrap();
        assert!(claimed.len() <= 15, "{} claimed", claimed.len());
        taken.extend(claimed);
    }
    taken.extend(fixture.look_up("last", 40, at(60)).await);
    let unknown = taken.iter().filter(|attempt| attempt.state == AttemptState::Unknown).count();
    assert_eq!((taken.len(), unknown), (40, 10));
    let distinct: HashSet<_> = taken.into_iter().map(|attempt| attempt.id).collect();
    assert_eq!(distinct.len(), 40);
}

/// Loses the answer of an attempt and proves its absence, beginning at `start`; returns the time.
async fn prove_absent(fixture: &Fixture, attempt: &Attempt, start: i64) -> i64 {
    fixture.learn(attempt, Finding::AnswerLost { check: at(start + 10) }, at(start)).await;
    for pass in 1..=2 {
        let now = start + pass * 10;
        let held = fixture.look_up("l1", 9, at(now)).await.pop().unwrap();
        assert_eq!(held.id, attempt.id);
        let absent = Finding::Absent { past_window: true, check: at(now + 10) };
        fixture.learn(&held, absent, at(now)).await;
    }
    start + 20
}

async fn proven_absence_arms_a_new_attempt_under_a_new_id(fixture: Fixture) {
    let (refund, first) = sent(&fixture).await;
    prove_absent(&fixture, &first, 1).await;
    let stored = fixture.read(&refund.id).await;
    assert_eq!((stored.state, stored.attempts.len()), (RefundState::Processing, 2));
    let [failed, armed] = &stored.attempts[..] else { panic!("two attempts") };
    assert_eq!((failed.state, failed.reason), (AttemptState::Failed, Some(Reason::NotExecuted)));
    assert_eq!((armed.state, armed.ordinal, armed.amount), (AttemptState::Armed, 2, 1000));
    assert_ne!(armed.id, failed.id);
    assert_eq!(fixture.payment("A1", "p1").await.counters.reserved, 1000, "carried over");
    let second = fixture.send("w2", 9, at(40)).await.pop().unwrap();
    assert_eq!(second.id, armed.id);
    fixture.learn(&second, Finding::Succeeded { provider_refund: "re_2".to_owned() }, at(41)).await;
    assert_eq!(fixture.read(&refund.id).await.state, RefundState::Succeeded);
    assert_eq!(fixture.payment("A1", "p1").await.counters.refunded, 1000);
    assert_eq!(fixture.events("orders/A1").await.len(), 2, "queued and succeeded");
}

async fn after_the_last_attempt_a_person_is_needed(fixture: Fixture) {
    let (refund, first) = sent(&fixture).await;
    let mut now = prove_absent(&fixture, &first, 1).await;
    for ordinal in 2..=MAX_ATTEMPTS {
        let attempt = fixture.send("w1", 9, at(now)).await.pop().unwrap();
        assert_eq!(attempt.ordinal, ordinal);
        now = prove_absent(&fixture, &attempt, now + 1).await;
    }
    assert!(fixture.send("w1", 9, at(now)).await.is_empty());
    let stored = fixture.read(&refund.id).await;
    assert_eq!((stored.state, stored.reason), (RefundState::Attention, Some(Reason::NotExecuted)));
    assert_eq!(stored.attempts.len(), usize::try_from(MAX_ATTEMPTS).unwrap());
    assert_eq!(fixture.payment("A1", "p1").await.counters.reserved, 0);
    assert_eq!(fixture.events("orders/A1").await.len(), 2, "queued and attention");
}

async fn a_hint_makes_an_attempt_due(fixture: Fixture) {
    let (_, attempt) = sent(&fixture).await;
    fixture.learn(&attempt, accepted(500), at(1)).await;
    assert!(fixture.store.hint(STRIPE, "re_1", None, at(20)).await.unwrap());
    assert_eq!(fixture.store.next_due(STRIPE).await.unwrap(), Some(at(20)));
    let held = fixture.look_up("l1", 9, at(20)).await.pop().unwrap();
    fixture.learn(&held, accepted(500), at(21)).await;
    // A refund that we never heard of, with our own id in its metadata.
    assert!(fixture.store.hint(STRIPE, "re_9", Some(attempt.id.as_str()), at(30)).await.unwrap());
    assert_eq!(fixture.look_up("l2", 9, at(30)).await.len(), 1);
}

async fn a_hint_about_an_unknown_refund_changes_nothing(fixture: Fixture) {
    let (_, attempt) = sent(&fixture).await;
    fixture.learn(&attempt, Finding::AnswerLost { check: at(500) }, at(1)).await;
    for (provider, provider_refund, id) in [
        (STRIPE, "re_9", None),
        (STRIPE, "", None),
        (STRIPE, "re_9", Some("missing")),
        ("adyen", "re_9", Some(attempt.id.as_str())),
    ] {
        let hinted = fixture.store.hint(provider, provider_refund, id, at(20)).await.unwrap();
        assert!(!hinted, "{provider} {provider_refund} {id:?}");
    }
    assert_eq!(fixture.store.next_due(STRIPE).await.unwrap(), Some(at(500)));
    let id = Some(attempt.id.as_str());
    assert!(fixture.store.hint(STRIPE, "re_9", id, at(20)).await.unwrap());
    let held = fixture.look_up("l1", 9, at(20)).await.pop().unwrap();
    fixture.learn(&held, Finding::Succeeded { provider_refund: "re_9".to_owned() }, at(21)).await;
    assert!(!fixture.store.hint(STRIPE, "re_9", id, at(30)).await.unwrap(), "it is settled");
}

async fn a_providers_refund_leads_to_its_attempt_in_every_state(fixture: Fixture) {
    let by = async |provider: &str, refund: &str, id: Option<&str>| {
        fixture.store.attempt_by_provider_refund(provider, refund, id).await.unwrap()
    };
    fixture.import([order("A1")]).await;
    let refund = fixture.refund("A1", by_card(1000)).await;
    let armed = &refund.attempts[0];
    let id = Some(armed.id.as_str());
    assert_eq!(by(STRIPE, "re_1", id).await.as_ref(), Some(armed));
    assert_eq!(by(STRIPE, "", None).await, None, "an empty id is nobody's");
    assert_eq!(by("adyen", "re_1", id).await, None);

    let sent = fixture.send("w1", 1, at(0)).await.pop().unwrap();
    assert_eq!(by(STRIPE, "re_1", id).await.as_ref(), Some(&sent));
    fixture.learn(&sent, accepted(10), at(1)).await;
    let held = fixture.look_up("l1", 9, at(10)).await.pop().unwrap();
    fixture.learn(&held, Finding::Succeeded { provider_refund: "re_1".to_owned() }, at(11)).await;
    for (provider_refund, id) in [("re_1", None), ("", id), ("re_8", id), ("re_1", Some("other"))] {
        let found = by(STRIPE, provider_refund, id).await.unwrap();
        assert_eq!((&found.id, found.state), (&armed.id, AttemptState::Succeeded));
    }

    // Where the two ids lead to two attempts, the provider's own one counts.
    fixture.refund("A1", by_card(100)).await;
    let other = fixture.send("w2", 1, at(20)).await.pop().unwrap();
    let found = by(STRIPE, "re_1", Some(other.id.as_str())).await.unwrap();
    assert_eq!(found.id, armed.id);
    assert_eq!(by(STRIPE, "re_8", None).await, None);
}

async fn a_hint_about_a_held_attempt_makes_it_due_when_its_holder_lets_go(fixture: Fixture) {
    let (refund, attempt) = sent(&fixture).await;
    let id = Some(attempt.id.as_str());
    let hint = async |now| fixture.store.hint(STRIPE, "re_1", id, at(now)).await.unwrap();
    assert!(hint(2).await);
    assert_eq!(fixture.read(&refund.id).await.attempts, std::slice::from_ref(&attempt));
    // The answer that the sender found may be older than the news.
    fixture.learn(&attempt, accepted(500), at(3)).await;
    assert_eq!(fixture.store.next_due(STRIPE).await.unwrap(), Some(at(3)));
    let held = fixture.look_up("l1", 9, at(4)).await.pop().unwrap();
    assert!(hint(5).await);
    assert_eq!(fixture.read(&refund.id).await.attempts, std::slice::from_ref(&held));
    let unclear = Finding::Inconclusive { check: at(500), to_person: false };
    fixture.learn(&held, unclear, at(6)).await;
    assert_eq!(fixture.store.next_due(STRIPE).await.unwrap(), Some(at(6)));
    // A hint from before the question is answered by it.
    let held = fixture.look_up("l2", 9, at(7)).await.pop().unwrap();
    fixture.learn(&held, accepted(500), at(8)).await;
    assert_eq!(fixture.store.next_due(STRIPE).await.unwrap(), Some(at(500)));
    let held = fixture.look_up("l3", 9, at(500)).await.pop().unwrap();
    assert!(hint(501).await);
    let refused =
        Finding::Refused { reason: Reason::AccountClosed, provider_refund: "re_1".to_owned() };
    fixture.learn(&held, refused, at(502)).await;
    assert_eq!(fixture.store.next_due(STRIPE).await.unwrap(), None, "it is settled");
}
