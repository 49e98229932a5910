//! How fast a disruption moves, from how far its lanes were a few seconds ago.
//!
//! Invariant: an estimate is given only while every lane that still has orders moves.

use std::collections::VecDeque;
use std::time::Duration;

use redress_core::clock::Timestamp;

use super::LaneProgress;

/// Over which time a rate is taken.
const WINDOW: Duration = Duration::from_secs(10);

/// What was seen within the window, oldest first.
#[derive(Debug, Default)]
pub(super) struct Pace {
    seen: VecDeque<(Timestamp, Vec<LaneProgress>)>,
}

impl Pace {
    /// Takes in how far the lanes are now.
    pub(super) fn see(&mut self, now: Timestamp, lanes: &[LaneProgress]) {
        self.seen.push_back((now, lanes.to_vec()));
        // The oldest is kept until the one behind it spans the window too.
        while self.seen.get(1).is_some_and(|(at, _)| now.since(*at) >= WINDOW) {
            self.seen.pop_front();
        }
    }

    /// Orders that came to rest per second.
    pub(super) fn per_second(&self) -> f64 {
        let Some((elapsed, before, now)) = self.span() else { return 0.0 };
        let moved = at_rest(now).saturating_sub(at_rest(before));
        let moved = u32::try_from(moved).unwrap_or(if moved < 0 { 0 } else { u32::MAX });
        f64::from(moved) / elapsed.as_secs_f64()
    }

    /// How long the slowest lane takes at its rate, in whole seconds; `None` when that is not known,
    /// and when nothing is left to do.
    pub(super) fn estimate(&self) -> Option<i64> {
        let (elapsed, before, now) = self.span()?;
        let mut slowest = 0;
        for lane in now {
            let left = lane.items - lane.at_rest;
            if left < 1 {
                continue;
            }
            let then = before.iter().find(|earlier| earlier.lane == lane.lane)?.at_rest;
            let moved = u128::try_from(lane.at_rest - then).ok().filter(|moved| *moved > 0)?;
            let left = u128::try_from(left).ok()?;
            let micros = left.saturating_mul(elapsed.as_micros()) / moved;
            slowest = slowest.max(micros.div_ceil(1_000_000));
        }
        i64::try_from(slowest).ok().filter(|seconds| *seconds > 0)
    }

    /// The time between the oldest and the newest look, and what they showed.
    fn span(&self) -> Option<(Duration, &[LaneProgress], &[LaneProgress])> {
        let ((first, before), (last, now)) = (self.seen.front()?, self.seen.back()?);
        let elapsed = last.since(*first);
        (!elapsed.is_zero()).then_some((elapsed, before, now))
    }
}

fn at_rest(lanes: &[LaneProgress]) -> i64 {
    lanes.iter().map(|lane| lane.at_rest).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    fn lanes(at_rest: [i64; 2]) -> Vec<LaneProgress> {
        let lane = |(lane, at_rest): (&str, i64)| LaneProgress {
            lane: lane.to_owned(),
            items: 100,
            at_rest,
        };
        ["adyen", "stripe"].into_iter().zip(at_rest).map(lane).collect()
    }

    fn paced(looks: &[(i64, [i64; 2])]) -> (f64, Option<i64>) {
        let mut pace = Pace::default();
        for (seconds, at_rest) in looks {
            pace.see(at(*seconds), &lanes(*at_rest));
        }
        (pace.per_second(), pace.estimate())
    }

    #[test]
    fn the_slowest_lane_decides() {
        assert_eq!(paced(&[(0, [0, 0]), (4, [40, 20])]), (15.0, Some(16)));
    }

    #[test]
    fn a_single_look_tells_no_rate() {
        assert_eq!(paced(&[(0, [10, 10])]), (0.0, None));
        assert_eq!(paced(&[(3, [0, 0]), (3, [9, 9])]), (0.0, None));
    }

    #[test]
    fn a_lane_that_stands_still_leaves_the_end_open() {
        assert_eq!(paced(&[(0, [0, 7]), (2, [10, 7])]), (5.0, None));
        assert_eq!(paced(&[(0, [0, 100]), (2, [10, 100])]), (5.0, Some(18)));
        assert_eq!(paced(&[(0, [90, 90]), (2, [100, 100])]), (10.0, None), "nothing is left");
    }

    #[test]
    fn what_was_long_ago_no_longer_counts() {
        let looks = [(0, [0, 0]), (1, [50, 50]), (11, [60, 60]), (12, [60, 60]), (22, [60, 60])];
        assert_eq!(paced(&looks[..3]), (2.0, Some(40)));
        assert_eq!(paced(&looks), (0.0, None));
    }

    #[test]
    fn a_retry_that_takes_orders_on_again_is_no_negative_rate() {
        assert_eq!(paced(&[(0, [50, 50]), (2, [40, 50])]), (0.0, None));
    }
}
