//! The rate limit of reports, for each source location and in all.

use crate::core::time::Mono;
use std::collections::HashMap;
use std::time::Duration;

/// Least interval between reports of one location.
const EACH_PLACE: Duration = Duration::from_secs(60);
/// Limit of all reports in [`WINDOW`]: people read twenty, not two hundred.
const IN_WINDOW: usize = 20;
const WINDOW: Duration = Duration::from_secs(3600);
/// Limit of remembered locations; some hundred lines can report, and beyond it the quiet ones are forgotten.
const PLACES: usize = 256;

/// The limit's state.
#[derive(Debug, Default)]
pub(super) struct RateLimiter {
    /// By location: its last report, and the number suppressed since.
    places: HashMap<String, (Mono, u64)>,
    /// Times of the last reports, the oldest first; at most [`IN_WINDOW`].
    spoken: Vec<Mono>,
}

impl RateLimiter {
    /// Lets a report pass: the number of reports of this location suppressed before it; `None`: suppressed.
    pub(super) fn pass(&mut self, place: &str, now: Mono) -> Option<u64> {
        self.spoken.retain(|at| now.since(*at) < WINDOW);
        let may = self.spoken.len() < IN_WINDOW;
        if let Some((last, held)) = self.places.get_mut(place) {
            if !may || now.since(*last) < EACH_PLACE {
                *held += 1;
                return None;
            }
            self.spoken.push(now);
            *last = now;
            return Some(std::mem::take(held));
        }
        if self.places.len() >= PLACES {
            self.places
                .retain(|_, (last, _)| now.since(*last) < EACH_PLACE);
        }
        if !may || self.places.len() >= PLACES {
            return None;
        }
        self.spoken.push(now);
        self.places.insert(place.to_owned(), (now, 0));
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_place_speaks_once_a_minute_and_says_how_often_it_could_not() {
        let mut rate_limiter = RateLimiter::default();
        assert_eq!(rate_limiter.pass("a:1", at(5)), Some(0));
        assert_eq!(rate_limiter.pass("a:1", at(6)), None);
        assert_eq!(rate_limiter.pass("a:1", at(64)), None);
        assert_eq!(rate_limiter.pass("a:2", at(64)), Some(0));
        assert_eq!(rate_limiter.pass("a:1", at(65)), Some(2));
        assert_eq!(rate_limiter.pass("a:1", at(125)), Some(0));
    }

    #[test]
    fn twenty_an_hour_in_all_and_no_place_is_remembered_for_ever() {
        let mut rate_limiter = RateLimiter::default();
        let told = (0..10_000_u64)
            .filter(|n| rate_limiter.pass(&n.to_string(), at(n / 10)).is_some())
            .count();
        assert_eq!(told, 20);
        assert!(rate_limiter.places.len() <= PLACES);
        assert_eq!(rate_limiter.pass("x", at(3_700)), Some(0));
    }
}
