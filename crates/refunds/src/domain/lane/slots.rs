//! The instants at which requests of a limited lane may be sent.
//!
//! Invariant: no stretch of [`WINDOW`] has more slots than the provider takes in a second, wherever
//! it begins. So no calendar second of the provider's has more requests than that, as long as the
//! way to it does not delay one request by more than [`JITTER`] longer than another; and an idle
//! lane has nothing to catch up with beyond one second's worth.

use std::collections::VecDeque;
use std::time::Duration;

use redress_core::clock::Timestamp;

/// By how much longer one request may be on its way than another, being late at its slot included.
const JITTER: Duration = Duration::from_millis(80);
/// The stretch of time that the limit of a second is kept in. It costs a thirteenth of the budget.
const WINDOW: Duration = Duration::from_millis(1_080);
/// How far ahead slots are given. Who comes next waits for at most that, and a process that ends
/// takes no more than that of the budget with it.
pub const HORIZON: Duration = Duration::from_millis(400);
/// The shortest distance between slots; a faster lane has several at one instant.
const TICK: Duration = Duration::from_millis(10);

const _: () = assert!(WINDOW.as_millis() == 1_000 + JITTER.as_millis());

/// The slots that were given lately, oldest first: instant in microseconds, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlotLog(VecDeque<(i64, u32)>);

impl SlotLog {
    /// Gives up to `most` slots of a lane with a limit of `per_second`, none of them before `now`
    /// or further ahead than [`HORIZON`]; in order.
    pub fn take(&mut self, per_second: u32, most: usize, now: Timestamp) -> Vec<Timestamp> {
        let pace = Pace::of(per_second);
        self.forget(now);
        let mut taken = Vec::new();
        while taken.len() < most {
            let at = self.next(&pace, now);
            if at > now.plus(HORIZON) {
                break;
            }
            match self.0.back_mut() {
                Some((last, count)) if *last == at.0 => *count += 1,
                _ => self.0.push_back((at.0, 1)),
            }
            taken.push(at);
        }
        taken
    }

    /// Takes back a slot that was not used.
    pub fn give_back(&mut self, slot: Timestamp) {
        if let Some(at) = self.0.iter().rposition(|(at, _)| *at == slot.0) {
            if self.0[at].1 > 1 {
                self.0[at].1 -= 1;
            } else {
                self.0.remove(at);
            }
        }
    }

    /// How long it takes from `now` until half the horizon is free again: when to ask next.
    pub fn refills_in(&self, per_second: u32, now: Timestamp) -> Duration {
        self.next(&Pace::of(per_second), now).since(now).saturating_sub(HORIZON / 2)
    }

    /// The instant of the next slot.
    fn next(&self, pace: &Pace, now: Timestamp) -> Timestamp {
        let paced = match self.0.back() {
            Some((last, count)) if *count >= pace.at_once => Timestamp(*last).plus(pace.tick),
            Some((last, _)) => Timestamp(*last),
            None => now,
        };
        // From the newest back: the slot that has to be out of the window before there is another.
        let mut behind = 0;
        let crowded = self.0.iter().rev().find_map(|(at, count)| {
            behind += count;
            (behind >= pace.per_second).then(|| Timestamp(*at).plus(WINDOW))
        });
        now.max(paced).max(crowded.unwrap_or_default())
    }

    /// Drops what no window reaches back to any more.
    fn forget(&mut self, now: Timestamp) {
        while self.0.front().is_some_and(|(at, _)| Timestamp(*at).plus(WINDOW) <= now) {
            self.0.pop_front();
        }
    }

    /// As it is stored: `instant` or `instant*count`, separated by spaces.
    pub fn encode(&self) -> String {
        let entry = |(at, count): &(i64, u32)| match count {
            1 => at.to_string(),
            _ => format!("{at}*{count}"),
        };
        self.0.iter().map(entry).collect::<Vec<_>>().join(" ")
    }

    /// Reads what was stored; `None` when it is no such text.
    pub fn decode(text: &str) -> Option<Self> {
        let entry = |word: &str| match word.split_once('*') {
            None => Some((word.parse().ok()?, 1)),
            Some((at, count)) => Some((at.parse().ok()?, count.parse().ok()?)),
        };
        text.split_whitespace().map(entry).collect::<Option<_>>().map(Self)
    }
}

/// How slots follow each other: a quarter faster than the limit, so that time that was lost for a
/// moment is made up for within the window.
struct Pace {
    per_second: u32,
    tick: Duration,
    at_once: u32,
}

impl Pace {
    fn of(per_second: u32) -> Self {
        let per_second = per_second.max(1);
        let apart = Duration::from_millis(800) / per_second;
        let ticks = TICK.as_micros().div_ceil(apart.as_micros().max(1));
        let at_once = if apart >= TICK { 1 } else { u32::try_from(ticks).unwrap_or(u32::MAX) };
        Self { per_second, tick: apart.max(TICK), at_once }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp(1_700_000_000_000_000);

    /// The most slots in any stretch of `WINDOW`.
    fn peak(slots: &[Timestamp]) -> usize {
        let within = |first: &Timestamp| {
            slots.iter().filter(|at| **at >= *first && **at < first.plus(WINDOW)).count()
        };
        slots.iter().map(within).max().unwrap_or(0)
    }

    /// What is given to whoever asks as soon as there may be slots again, for `seconds`.
    fn run(per_second: u32, seconds: u64) -> Vec<Timestamp> {
        let (mut log, mut now, mut slots) = (SlotLog::default(), START, Vec::new());
        let end = START.plus(Duration::from_secs(seconds));
        while now < end {
            slots.extend(log.take(per_second, usize::MAX, now));
            now = now.plus(log.refills_in(per_second, now).max(Duration::from_millis(1)));
        }
        slots.retain(|at| *at < end);
        slots
    }

    #[test]
    fn a_busy_lane_uses_nine_tenths_of_its_budget_and_no_window_has_more_than_the_limit() {
        for per_second in [1, 2, 25, 99, 100, 101, 1_000, 10_000] {
            let slots = run(per_second, 30);
            let limit = usize::try_from(per_second).unwrap();
            assert!(peak_of_sorted(&slots) <= limit, "{per_second}");
            let share = slots.len() * 100 / (30 * limit);
            assert!((90..=100).contains(&share), "{per_second}: {share} %");
        }
    }

    /// [`peak`], for many slots that are in order.
    fn peak_of_sorted(slots: &[Timestamp]) -> usize {
        let (mut first, mut most) = (0, 0);
        for (last, at) in slots.iter().enumerate() {
            while slots[first].plus(WINDOW) <= *at {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most
    }

    #[test]
    fn slots_are_apart_and_an_idle_lane_saves_nothing_up() {
        let mut log = SlotLog::default();
        let first = log.take(25, 3, START);
        let apart = Duration::from_millis(32);
        assert_eq!(first, [START, START.plus(apart), START.plus(2 * apart)]);
        let later = START.plus(Duration::from_mins(5));
        let mut slots = Vec::new();
        for step in 0..20 {
            slots.extend(log.take(25, usize::MAX, later.plus(step * Duration::from_millis(50))));
        }
        assert_eq!((slots[0], slots[1]), (later, later.plus(apart)));
        assert_eq!(peak(&slots), 25);
        assert!(log.0.len() <= 50, "what has passed is forgotten");
    }

    #[test]
    fn who_asks_too_early_gets_nothing_and_hears_when_to_come_back() {
        let mut log = SlotLog::default();
        let taken = log.take(25, usize::MAX, START);
        assert!(taken.last().unwrap() <= &START.plus(HORIZON));
        assert_eq!(log.take(25, usize::MAX, START), []);
        let back = START.plus(log.refills_in(25, START));
        assert!(back > START);
        assert!(!log.take(25, usize::MAX, back).is_empty());
    }

    #[test]
    fn a_slot_that_was_not_used_is_there_for_another_request() {
        for per_second in [2, 25, 1_000] {
            let mut log = SlotLog::default();
            let limit = usize::try_from(per_second).unwrap();
            let mut slots = Vec::new();
            for step in 0..6 {
                let now = START.plus(step * Duration::from_millis(125));
                slots.extend(log.take(per_second, usize::MAX, now));
            }
            assert_eq!(slots.len(), limit, "the window is full");
            let now = START.plus(Duration::from_secs(1));
            assert_eq!(log.clone().take(per_second, 1, now)[0], START.plus(WINDOW));
            log.give_back(slots[limit / 2]);
            log.give_back(Timestamp(7));
            let next = log.take(per_second, 1, now)[0];
            assert!(next < START.plus(WINDOW), "{per_second}: {next:?}");
            slots.remove(limit / 2);
            slots.push(next);
            assert!(peak(&slots) <= limit);
        }
    }

    #[test]
    fn the_log_is_read_back_as_it_was_stored() {
        for per_second in [1, 25, 5_000] {
            let mut log = SlotLog::default();
            log.take(per_second, 77, START);
            assert_eq!(SlotLog::decode(&log.encode()), Some(log));
        }
        assert_eq!(SlotLog::decode(""), Some(SlotLog::default()));
        for broken in ["x", "1*", "1*-2", "1,2"] {
            assert_eq!(SlotLog::decode(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_the_limit_however_it_is_asked(
            per_second in 1_u32..200,
            asks in prop::collection::vec((0_u64..400_000, 0_usize..40), 1..80),
        ) {
            let (mut log, mut now, mut slots) = (SlotLog::default(), START, Vec::new());
            for (pause, most) in asks {
                now = now.plus(Duration::from_micros(pause));
                let taken = log.take(per_second, most, now);
                prop_assert!(taken.iter().all(|at| *at >= now && *at <= now.plus(HORIZON)));
                slots.extend(taken);
            }
            prop_assert!(slots.is_sorted());
            prop_assert!(peak(&slots) <= usize::try_from(per_second).unwrap());
        }
    }
}
