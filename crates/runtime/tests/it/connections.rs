//! Connections have limits in number, silence and age.

use std::sync::atomic::Ordering;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::raw::{Connection, GOAWAY, PING, SETTINGS, begun_and_reset, is_closed};
use crate::support::{World, soon};

#[tokio::test]
async fn the_settings_frame_advertises_the_limits() {
    const MAX_CONCURRENT_STREAMS: u16 = 3;
    const MAX_HEADER_LIST_SIZE: u16 = 6;
    let world = World::start(|_| {}).await;
    let settings = Connection::open(world.addr).await.find(SETTINGS).await.unwrap();
    let value = |wanted: u16| {
        settings
            .payload
            .chunks_exact(6)
            .find(|entry| u16::from_be_bytes([entry[0], entry[1]]) == wanted)
            .map(|entry| u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]))
    };
    assert_eq!(value(MAX_CONCURRENT_STREAMS), Some(200));
    assert_eq!(value(MAX_HEADER_LIST_SIZE), Some(8 * 1024));
}

#[tokio::test]
async fn silent_and_dribbling_sockets_are_closed_and_others_still_served() {
    let world = World::start(|settings| settings.server.times.preface_ms = 300).await;
    let mut sockets = Vec::new();
    for number in 0..20 {
        let mut socket = TcpStream::connect(world.addr).await.unwrap();
        if number % 2 == 0 {
            socket.write_all(b"PRI * HT").await.unwrap();
        }
        sockets.push(socket);
    }
    for socket in &mut sockets {
        assert!(is_closed(socket).await);
    }
    world.call().await.unwrap();
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_closed() {
    let world = World::start(|settings| {
        settings.server.times.keepalive_interval_ms = 20;
        settings.server.times.keepalive_timeout_ms = 20;
    })
    .await;
    let mut connection = Connection::open(world.addr).await;
    let ping = connection.find(PING).await.expect("a ping comes");
    assert_eq!(ping.flags, 0, "not an answer: the server asks");
    while connection.next().await.is_some() {}
}

#[tokio::test]
async fn an_old_connection_is_asked_to_go_and_then_closed() {
    let world = World::start(|settings| {
        settings.server.times.connection_age_s = 1;
        settings.server.times.connection_grace_s = 1;
    })
    .await;
    let mut connection = Connection::open(world.addr).await;
    connection.find(GOAWAY).await.expect("the connection is asked to go");
    while connection.next().await.is_some() {}
}

#[tokio::test]
async fn connections_beyond_the_cap_are_refused_until_a_place_is_free() {
    for per_ip in [true, false] {
        let world = World::start(|settings| {
            let limits = &mut settings.server.limits;
            let cap = if per_ip { &mut limits.connections_per_ip } else { &mut limits.connections };
            *cap = 2;
        })
        .await;
        let mut first = Connection::open(world.addr).await;
        let mut second = Connection::open(world.addr).await;
        first.find(SETTINGS).await.expect("the first is served");
        second.find(SETTINGS).await.expect("the second is served");
        let third = Connection::open_if_served(world.addr).await;
        assert!(third.is_none(), "the third is refused");
        drop(first);
        // The server learns of the end in its own time.
        soon(async {
            while Connection::open_if_served(world.addr).await.is_none() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn rapid_resets_end_the_connection_and_start_no_handler() {
    const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 11];
    let world = World::start(|_| {}).await;
    let mut connection = Connection::open(world.addr).await;
    let path = "/redress.common.v1.TenantService/GetTenant";
    let flood: Vec<u8> = (0..500).flat_map(|n| begun_and_reset(2 * n + 1, path)).collect();
    // The server may close while we still write, and then its last word may be lost with it.
    drop(connection.stream.write_all(&flood).await);
    while let Some(frame) = connection.next().await {
        if frame.kind == GOAWAY {
            assert_eq!(frame.payload[4..8], ENHANCE_YOUR_CALM);
        }
    }
    assert_eq!(world.directory.calls.load(Ordering::SeqCst), 0);
    world.call().await.unwrap();
}
