//! The schedule of inventory polls.

use crate::backoff::Backoff;
use crate::core::time::Mono;
use std::time::Duration;

/// Least interval of polls: the API allows one request a second.
const LEAST: Duration = Duration::from_secs(1);
/// Least interval of regular polls. The API wants to be polled every 30s to 60s, and a mean of 30s keeps what is
/// known younger than any sensible `max_gap`.
const EVERY: Duration = Duration::from_secs(24);
/// Random part of the interval, so that processes that started together do not poll together. In all 30s, give or take a fifth.
const SPREAD: Backoff = Backoff {
    first: Duration::from_secs(12),
    longest: Duration::from_secs(12),
};
/// Polls made at once for waiting alerts: if the first fails, there is time for one more before the alert
/// fires without an answer.
const HURRIED: u32 = 2;
/// Wait after a rate limit without Retry-After.
const LIMITED_FOR: Duration = Duration::from_secs(30);
/// Limit of a Retry-After: it may be a mistake, and meanwhile nothing is known.
const LONGEST: Duration = Duration::from_secs(600);

/// When the next poll is due.
#[derive(Debug)]
pub(super) struct PollSchedule {
    due: Mono,
    /// When the last poll began.
    began: Option<Mono>,
    /// End of a rate limit.
    not_before: Mono,
    /// Remaining polls for waiting alerts.
    hurried: u32,
    /// True if an alert began to wait after the last poll began, which is too old for it.
    is_asked: bool,
}

impl PollSchedule {
    /// The first poll is due at once.
    pub(super) fn new(now: Mono) -> Self {
        PollSchedule {
            due: now,
            began: None,
            not_before: Mono::ZERO,
            hurried: 0,
            is_asked: false,
        }
    }

    /// When the next poll is due.
    pub(super) fn due(&self) -> Mono {
        self.due.max(self.not_before)
    }

    /// An alert waits for a new answer.
    pub(super) fn hurry(&mut self) {
        self.hurried = HURRIED;
        self.is_asked = true;
        self.soon();
    }

    /// A poll began.
    pub(super) fn began(&mut self, now: Mono) {
        self.began = Some(now);
        self.hurried = self.hurried.saturating_sub(1);
        self.is_asked = false;
        self.due = now + EVERY + SPREAD.delay(1);
    }

    /// The poll was answered.
    pub(super) fn succeeded(&mut self) {
        if !self.is_asked {
            self.hurried = 0;
        }
    }

    /// The poll failed at `now`. `limited`: by a rate limit, with its Retry-After.
    pub(super) fn failed(&mut self, now: Mono, limited: Option<Option<Duration>>) {
        if let Some(wait) = limited {
            self.not_before = now + wait.unwrap_or(LIMITED_FOR).clamp(LEAST, LONGEST);
        }
        if self.hurried > 0 {
            self.soon();
        }
    }

    fn soon(&mut self) {
        let earliest = self.began.map_or(self.due, |began| began + LEAST);
        self.due = self.due.min(earliest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::ZERO + Duration::from_secs(seconds)
    }

    fn polled(now: Mono) -> PollSchedule {
        let mut schedule = PollSchedule::new(now);
        assert_eq!(schedule.due(), now);
        schedule.began(now);
        schedule
    }

    #[test]
    fn it_polls_every_half_minute_give_or_take_a_fifth() {
        let waits: Vec<Duration> = (0..200)
            .map(|_| polled(at(100)).due().since(at(100)))
            .collect();
        let (least, most) = (waits.iter().min(), waits.iter().max());
        assert!(least >= Some(&Duration::from_secs(24)), "{least:?}");
        assert!(most <= Some(&Duration::from_secs(36)), "{most:?}");
        assert!(most > least, "200 waits are the same");
    }

    #[test]
    fn whoever_hurries_waits_a_second_from_the_last_poll() {
        let mut schedule = polled(at(100));
        schedule.succeeded();
        schedule.hurry();
        assert_eq!(schedule.due(), at(101));
        schedule.began(at(110));
        schedule.hurry();
        schedule.succeeded();
        assert_eq!(
            schedule.due(),
            at(111),
            "asked too late for the poll under way"
        );
        schedule.began(at(111));
        schedule.succeeded();
        assert!(schedule.due() >= at(135));
    }

    #[test]
    fn a_hurried_poll_that_fails_is_tried_once_more() {
        let mut schedule = polled(at(100));
        schedule.failed(at(104), None);
        assert!(schedule.due() >= at(124), "nobody hurries");
        schedule.hurry();
        schedule.began(at(105));
        schedule.failed(at(106), None);
        assert_eq!(schedule.due(), at(106));
        schedule.began(at(106));
        schedule.failed(at(107), None);
        assert!(schedule.due() >= at(130));
    }

    #[test]
    fn being_told_to_wait_outdoes_any_hurry() {
        let mut schedule = polled(at(100));
        schedule.hurry();
        schedule.failed(at(100), Some(Some(Duration::from_secs(50))));
        assert_eq!(schedule.due(), at(150));
        schedule.hurry();
        assert_eq!(schedule.due(), at(150));
        let mut schedule = polled(at(100));
        schedule.failed(at(100), Some(Some(Duration::from_secs(1 << 40))));
        assert_eq!(schedule.due(), at(700), "no year long");
        let mut schedule = polled(at(100));
        schedule.failed(at(101), Some(None));
        assert!(schedule.due() >= at(131));
    }
}
