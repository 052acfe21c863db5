//! The change to another rule set, slice by slice, between which entries have their turn. Until it is finished,
//! no deadline is evaluated, no snapshot or checkpoint is taken, and requests wait.

use super::EventLoop;
use crate::core::rule::RuleSet;
use crate::core::targets::reload::Reload;
use crate::decode::active_hours;
use crate::decode::archive_line::Mark;
use crate::io::feed::MessageSource;
use tokio::sync::oneshot;

/// Slots done before entries get their turn: well under a millisecond, whatever the rules say.
const SLICE: usize = 1_024;

/// A change of rules in progress.
#[derive(Debug)]
pub(super) struct RulesChange {
    reload: Box<Reload>,
    /// Answered once the notices of what it closes are handed on.
    done: oneshot::Sender<()>,
}

impl<S: MessageSource> EventLoop<S> {
    pub(super) fn begin_change(&mut self, rules: RuleSet, done: oneshot::Sender<()>) {
        // Hours first, of both sets: no rule is to notify outside of its own.
        let now = self.turn();
        let mut hours = active_hours::windows(self.ingest.engine.rules(), now.wall);
        hours.extend(active_hours::windows(&rules, now.wall));
        self.ingest.engine.set_hours(hours, now);
        let reload = self.ingest.engine.begin_reload(rules);
        self.rules_change = Some(RulesChange { reload, done });
    }

    /// Does a slice of at most `slots` slots.
    fn change(&mut self, slots: usize) {
        let Some(RulesChange { reload, done }) = self.rules_change.take() else {
            return;
        };
        let now = self.turn();
        if let Err(reload) = self.ingest.reload_on(reload, slots, now) {
            self.rules_change = Some(RulesChange { reload, done });
            return;
        }
        self.mark(now, &Mark::Rules);
        self.snapshots.begin_anew(&self.ingest.engine);
        self.outputs();
        // Deadlines may have moved: judge again at once.
        self.wake = now.mono;
        // The receiver may be gone already.
        let _ = done.send(());
    }

    /// Does a slice.
    pub(super) fn change_on(&mut self) {
        self.change(SLICE);
    }

    /// Does all that is left.
    pub(super) fn finish_change(&mut self) {
        while self.rules_change.is_some() {
            self.change(usize::MAX);
        }
    }
}
