//! The share of messages that were lost on the way to lastbeat in the last quarter of an hour.

use crate::core::time::Mono;
use std::collections::VecDeque;
use std::time::Duration;

/// The time that the share is of.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// The length of one count, and so the precision of [`WINDOW`].
const STEP: Duration = Duration::from_secs(60);

/// Messages of the stream that reached this machine in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// All of them, the lost ones included.
    pub received: u64,
    /// Those that lastbeat had no room for.
    pub lost: u64,
}

/// Counts of messages, one each minute; 16 at most.
#[derive(Clone, Debug, Default)]
pub struct MessageLoss {
    /// The arrival clock at the start of each count.
    counts: VecDeque<(Mono, Messages)>,
}

impl MessageLoss {
    /// Counts messages that came since the last call.
    pub fn count(&mut self, more: Messages, now: Mono) {
        self.forget(now);
        match self.counts.back_mut() {
            Some((from, count)) if now.since(*from) < STEP => {
                count.received = count.received.saturating_add(more.received);
                count.lost = count.lost.saturating_add(more.lost);
            }
            _ => self.counts.push_back((now, more)),
        }
    }

    fn forget(&mut self, now: Mono) {
        while self
            .counts
            .front()
            .is_some_and(|(from, _)| now.since(*from) >= WINDOW)
        {
            self.counts.pop_front();
        }
    }

    /// The share of lost messages, 0 to 1; 0 where none came.
    pub fn share(&self, now: Mono) -> f64 {
        let mut all = Messages::default();
        for (from, count) in &self.counts {
            if now.since(*from) < WINDOW {
                all.received = all.received.saturating_add(count.received);
                all.lost = all.lost.saturating_add(count.lost);
            }
        }
        if all.lost == 0 {
            return 0.0;
        }
        (all.lost as f64 / all.received.max(all.lost) as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn the_share_is_that_of_a_quarter_of_an_hour() {
        let mut loss = MessageLoss::default();
        assert_eq!(loss.share(at(0)), 0.0);
        for second in 0..1_800 {
            let lost = if second < 60 { 50 } else { 0 };
            let more = Messages {
                received: 100,
                lost,
            };
            loss.count(more, at(second));
            assert!(loss.counts.len() <= 16, "{}", loss.counts.len());
            let expected = match second {
                0..60 => 0.5,
                60..900 => 3_000.0 / (100.0 * (second + 1) as f64),
                _ => 0.0,
            };
            let share = loss.share(at(second));
            assert!((share - expected).abs() < 1e-9, "{second}: {share}");
        }
    }

    #[test]
    fn a_loss_is_forgotten_a_quarter_of_an_hour_after_its_minute_began() {
        let mut loss = MessageLoss::default();
        for second in 0..900 {
            let lost = u64::from(second == 60);
            let more = Messages { received: 1, lost };
            loss.count(more, at(second));
        }
        assert!(loss.share(at(959)) > 0.0);
        assert_eq!(loss.share(at(960)), 0.0);
    }

    #[test]
    fn a_loss_of_more_than_came_is_a_loss_of_all() {
        let mut loss = MessageLoss::default();
        let more = Messages {
            received: 1,
            lost: u64::MAX,
        };
        loss.count(more, at(0));
        loss.count(more, at(1));
        assert_eq!(loss.share(at(2)), 1.0);
    }
}
