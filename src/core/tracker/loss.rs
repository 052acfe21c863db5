//! Lost beats of an app, counted from the holes in `seq=` over the last day.
//!
//! The hole between two beats is a run of lost ones. A first loss and a loss that follows another are counted apart: where
//! they come in bursts, several lost in a row are likelier than single losses suggest.

/// Hours that are remembered, the one that runs included.
const HOURS: usize = 24;
/// Assumed where no beat counts: three lost of a thousand; after a thousand that count it has half of the weight.
const ASSUMED_LOST: f64 = 3.0;
const ASSUMED_COUNTED: f64 = 1_000.0;
/// The share of lost beats is never taken for less.
const LEAST: f64 = 0.001;
/// Losses for which the assumption stands that one does not make the next likelier.
const ASSUMED_AFTER_LOST: f64 = 30.0;

/// Counts of one hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossHour {
    /// Hours of the wall clock since the Unix epoch.
    pub hour: u32,
    /// Beats that were sent, the lost ones included.
    pub counted: u32,
    /// Beats that were lost.
    pub lost: u32,
    /// Of those the ones that followed a lost one.
    pub after_lost: u32,
    /// The most that were lost in a row.
    pub longest: u32,
}

/// Counts of the last day: half a kilobyte for an app whose beats count.
#[derive(Clone, Debug, Default)]
pub struct Loss {
    hours: [LossHour; HOURS],
}

impl Loss {
    /// A beat came after `lost` that did not.
    #[inline]
    pub fn count(&mut self, hour: u32, lost: u32) {
        let now = self.at(hour);
        now.counted = now.counted.saturating_add(lost.saturating_add(1));
        if lost > 0 {
            now.lost = now.lost.saturating_add(lost);
            now.after_lost = now.after_lost.saturating_add(lost - 1);
            now.longest = now.longest.max(lost);
        }
    }

    /// A beat came that counts as lost already: another overtook it.
    pub fn came_after_all(&mut self, hour: u32) {
        let now = self.at(hour);
        now.lost = now.lost.saturating_sub(1);
        now.after_lost = now.after_lost.min(now.lost);
        if now.lost == 0 {
            now.longest = 0;
        }
    }

    fn at(&mut self, hour: u32) -> &mut LossHour {
        let now = &mut self.hours[hour as usize % HOURS];
        if now.hour != hour {
            *now = LossHour {
                hour,
                ..LossHour::default()
            };
        }
        now
    }

    /// The hours of the last day in which anything was counted, for a store.
    pub fn hours(&self, hour: u32) -> impl Iterator<Item = LossHour> {
        let recent =
            move |one: &&LossHour| one.counted > 0 && hour.saturating_sub(one.hour) < HOURS as u32;
        self.hours.iter().filter(recent).copied()
    }

    /// Takes back an hour of an earlier life; one that is newer stands.
    pub fn restore(&mut self, saved: LossHour) {
        let here = &mut self.hours[saved.hour as usize % HOURS];
        if here.hour < saved.hour {
            *here = saved;
        }
    }

    /// The odds of a loss by the counts of the last day.
    pub fn odds(&self, hour: u32) -> Odds {
        let (mut counted, mut lost, mut after_lost, mut longest) = (0_u64, 0_u64, 0_u64, 0);
        for one in self.hours(hour) {
            counted += u64::from(one.counted);
            lost += u64::from(one.lost);
            after_lost += u64::from(one.after_lost);
            longest = longest.max(one.longest);
        }
        Odds::of(counted, lost, after_lost, longest)
    }
}

/// The odds that a beat is lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Odds {
    /// The share of beats that are lost, from 0.001 to 1.
    pub lost: f64,
    /// The share that is lost of those that follow a lost one; never less.
    pub after_lost: f64,
    /// The most that were lost in a row.
    pub longest: u32,
    /// The beats by which that is known; 0: it is assumed.
    pub counted: u64,
}

impl Default for Odds {
    /// The odds that are assumed where no beat counts.
    fn default() -> Self {
        Odds::of(0, 0, 0, 0)
    }
}

impl Odds {
    /// The odds by these counts: beats that were sent, those that were lost, those of them that followed a lost one, and the
    /// most that were lost in a row.
    pub fn of(counted: u64, lost: u64, after_lost: u64, longest: u32) -> Self {
        let share = (lost as f64 + ASSUMED_LOST) / (counted as f64 + ASSUMED_COUNTED);
        let share = share.max(LEAST);
        let again = after_lost as f64 + ASSUMED_AFTER_LOST * share;
        let again = again / (lost as f64 + ASSUMED_AFTER_LOST);
        Odds {
            lost: share,
            after_lost: again.max(share).min(1.0),
            longest,
            counted,
        }
    }

    /// With at least this share of lost beats.
    pub fn at_least(self, lost: f64) -> Self {
        let lost = self.lost.max(lost.min(1.0));
        Odds {
            lost,
            after_lost: self.after_lost.max(lost),
            ..self
        }
    }

    /// True if the share is assumed, because no beat counts.
    pub const fn is_assumed(&self) -> bool {
        self.counted == 0
    }

    /// The probability that a beat and those after it are lost, `run` in all.
    pub fn of_run(&self, run: u32) -> f64 {
        match run.checked_sub(1) {
            None => 1.0,
            Some(more) => self.lost * self.after_lost.powi(more.cast_signed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_counts_is_assumed_and_what_is_counted_is_known() {
        let assumed = Odds::default();
        assert!(assumed.is_assumed());
        assert!((assumed.lost - 0.003).abs() < 1e-9 && (assumed.after_lost - 0.003).abs() < 1e-9);
        let mut loss = Loss::default();
        (0..100_000).for_each(|_| loss.count(5, 0));
        let odds = loss.odds(5);
        assert_eq!((odds.lost, odds.after_lost), (0.001, 0.001));
        assert_eq!((odds.longest, odds.counted), (0, 100_000));
        let lossy = odds.at_least(0.25);
        assert_eq!((lossy.lost, lossy.after_lost), (0.25, 0.25));
    }

    #[test]
    fn losses_in_bursts_make_the_next_loss_likelier() {
        let (mut alone, mut bursts) = (Loss::default(), Loss::default());
        for _ in 0..1_000 {
            (0..3).for_each(|_| alone.count(5, 1));
            alone.count(5, 0);
            (0..3).for_each(|_| bursts.count(5, 0));
            bursts.count(5, 3);
        }
        let (alone, bursts) = (alone.odds(5), bursts.odds(5));
        assert_eq!(alone.lost, bursts.lost);
        assert_eq!(alone.after_lost, alone.lost);
        assert!((0.65..0.68).contains(&bursts.after_lost), "{bursts:?}");
        assert!(bursts.of_run(4) > 3.0 * alone.of_run(4));
    }

    #[test]
    fn a_day_is_remembered_and_no_more() {
        let mut loss = Loss::default();
        loss.count(100, 2);
        assert_eq!(loss.odds(123).longest, 2);
        assert!(loss.odds(124).is_assumed());
        loss.count(124, 0);
        assert_eq!(loss.odds(124).longest, 0);
        let mut other = Loss::default();
        loss.hours(124).for_each(|hour| other.restore(hour));
        assert_eq!(other.odds(124), loss.odds(124));
    }

    #[test]
    fn a_beat_that_was_overtaken_is_not_lost() {
        let mut loss = Loss::default();
        loss.count(7, 1);
        loss.came_after_all(7);
        let odds = loss.odds(7);
        assert_eq!((odds.counted, odds.longest), (2, 0));
        assert!((odds.lost - 3.0 / 1_002.0).abs() < 1e-9);
        loss.came_after_all(8);
        assert_eq!(loss.odds(8).longest, 0);
    }
}
