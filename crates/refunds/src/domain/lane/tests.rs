use super::*;

const START: Timestamp = Timestamp(1_000_000);
const MINUTE: Duration = Duration::from_mins(1);

/// A lane in that state, whose rest is over at `START`.
fn lane(breaker: Breaker) -> Lane {
    Lane { breaker, trips: i32::from(breaker != Breaker::Closed), ..Lane::default() }
}

#[test]
fn every_news_in_every_state_leads_where_it_should() {
    use Breaker::{Closed, HalfOpen, Open};
    let asks = LaneNews::Asks(MINUTE);
    for (before, news, after, rest) in [
        (Closed, asks, Closed, MINUTE),
        (Closed, LaneNews::Fails, Open, FIRST_REST),
        (Closed, LaneNews::Answers, Closed, Duration::ZERO),
        (Open, asks, Open, MINUTE),
        (Open, LaneNews::Fails, Open, Duration::ZERO),
        (Open, LaneNews::Answers, Open, Duration::ZERO),
        (HalfOpen, asks, Open, MINUTE),
        (HalfOpen, LaneNews::Fails, Open, 2 * FIRST_REST),
        (HalfOpen, LaneNews::Answers, Closed, Duration::ZERO),
    ] {
        let mut lane = lane(before);
        lane.hear(news, START);
        let rests = lane.rests_until.since(START);
        assert_eq!((lane.breaker, rests), (after, rest), "{before:?} {news:?}");
        let turned = if before == after { Timestamp::default() } else { START };
        assert_eq!(lane.since, turned, "{before:?} {news:?}");
    }
}

#[test]
fn a_lane_that_fails_rests_longer_with_each_probe_until_one_is_answered() {
    let lease = Duration::from_secs(10);
    let (mut lane, mut now) = (Lane::default(), START);
    lane.hear(LaneNews::Fails, now);
    for rest_ms in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
        let rest = Duration::from_millis(rest_ms);
        assert_eq!(lane.pass(now), Pass::Shut(now.plus(rest)));
        now = now.plus(rest);
        assert_eq!(lane.pass(now), Pass::Probe);
        lane.probe(now, lease);
        assert_eq!(lane.pass(now), Pass::Shut(now.plus(lease)));
        assert_eq!(lane.pass(now.plus(lease)), Pass::Probe, "whoever held the probe is gone");
        lane.hear(LaneNews::Fails, now);
    }
    now = now.plus(LONGEST_REST);
    lane.probe(now, lease);
    lane.hear(LaneNews::Answers, now);
    assert_eq!((lane.pass(now), lane.trips, lane.since), (Pass::Open, 0, now));
    assert_eq!(lane.reason, Some(RestReason::CallsFail));
}

#[test]
fn what_the_provider_asks_for_holds_and_is_never_shortened() {
    let mut lane = Lane::default();
    lane.hear(LaneNews::Asks(MINUTE), START);
    lane.hear(LaneNews::Asks(Duration::from_secs(1)), START);
    lane.hear(LaneNews::Fails, START);
    assert_eq!(lane.pass(START), Pass::Shut(START.plus(MINUTE)));
    assert_eq!((lane.breaker, lane.reason), (Breaker::Closed, Some(RestReason::AskedToWait)));
    let later = START.plus(MINUTE);
    assert_eq!(lane.pass(later), Pass::Open);
    lane.hear(LaneNews::Asks(Duration::ZERO), later);
    assert_eq!(lane.pass(later), Pass::Shut(later.plus(SHORTEST_REST)));
}

#[test]
fn names_are_read_back() {
    for breaker in Breaker::ALL {
        assert_eq!(Breaker::parse(breaker.as_str()), Some(breaker));
    }
    for reason in RestReason::ALL {
        assert_eq!(RestReason::parse(reason.code()), Some(reason));
    }
    assert_eq!((Breaker::parse("AJAR"), RestReason::parse("")), (None, None));
}
