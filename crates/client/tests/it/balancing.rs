//! Calls over all addresses of a name, while those change.

use std::collections::BTreeMap;
use std::time::Duration;

use redress_client::PeerChannel;
use tokio::task::JoinHandle;

use crate::peers::{Answers, Recorder, arena, ask, connect, serve};

async fn spread(peer: &PeerChannel, calls: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..calls {
        *counts.entry(ask(peer.for_tenant(arena())).await.unwrap()).or_default() += 1;
    }
    counts
}

/// Calls until `name` has answered; fails after five seconds.
async fn until_answered_by(peer: &PeerChannel, name: &str) {
    let asking = async { while ask(peer.for_tenant(arena())).await.unwrap() != name {} };
    tokio::time::timeout(Duration::from_secs(5), asking).await.unwrap();
}

#[tokio::test]
async fn all_addresses_share_the_calls() {
    let (one, two) = (serve(&Recorder::named("one")).await, serve(&Recorder::named("two")).await);
    let peer = connect(&Answers::of(&[one.address, two.address]));
    let counts = spread(&peer, 40).await;
    assert_eq!(counts, BTreeMap::from([("one".to_owned(), 20), ("two".to_owned(), 20)]));
}

#[tokio::test]
async fn a_new_replica_gets_its_share_and_one_that_left_gets_nothing() {
    let (one, two) = (serve(&Recorder::named("one")).await, serve(&Recorder::named("two")).await);
    let answers = Answers::of(&[one.address]);
    let peer = connect(&answers);
    assert_eq!(spread(&peer, 5).await.keys().collect::<Vec<_>>(), ["one"]);

    answers.set(&[one.address, two.address]);
    until_answered_by(&peer, "two").await;
    assert_eq!(spread(&peer, 10).await.len(), 2);

    answers.set(&[two.address]);
    // Leaving is seen by its absence: ten answers in a row from the one that stayed.
    let settled = async { while spread(&peer, 10).await.keys().collect::<Vec<_>>() != ["two"] {} };
    tokio::time::timeout(Duration::from_secs(5), settled).await.unwrap();
}

#[tokio::test]
async fn a_name_that_stops_resolving_keeps_its_addresses() {
    let one = serve(&Recorder::named("one")).await;
    let answers = Answers::of(&[one.address]);
    let peer = connect(&answers);
    ask(peer.for_tenant(arena())).await.unwrap();
    answers.set(&[]);
    answers.asked_again(2).await;
    assert_eq!(ask(peer.for_tenant(arena())).await.unwrap(), "one");
}

#[tokio::test]
async fn a_dead_address_is_passed_over_without_a_failed_call() {
    let (dead, alive) = (serve(&Recorder::named("x")).await, serve(&Recorder::named("y")).await);
    let answers = Answers::of(&[dead.address, alive.address]);
    drop(dead);
    let peer = connect(&answers);
    assert_eq!(spread(&peer, 20).await, BTreeMap::from([("y".to_owned(), 20)]));
}

#[tokio::test]
async fn the_address_with_fewer_calls_under_way_is_chosen() {
    let silent = Recorder { silent: true, ..Recorder::named("silent") };
    let (slow, fast) = (serve(&silent).await, serve(&Recorder::named("fast")).await);
    let peer = connect(&Answers::of(&[slow.address, fast.address]));
    let stuck: Vec<_> = (0..2).map(|_| tokio::spawn(ask(peer.for_tenant(arena())))).collect();
    // One of the two is stuck at the silent server, the other one is done with.
    let settled = async {
        while silent.call_count() == 0 || !stuck.iter().any(JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), settled).await.unwrap();
    assert_eq!(spread(&peer, 10).await.keys().collect::<Vec<_>>(), ["fast"]);
    for call in stuck {
        call.abort();
    }
}
