//! Requests to the core, and marks of the archive.

use super::{CoreRequest, EventLoop};
use crate::core::engine::Output;
use crate::core::inventory::Poll;
use crate::core::time::Now;
use crate::decode::active_hours;
use crate::decode::archive_line::Mark;
use crate::io::feed::MessageSource;

impl<S: MessageSource> EventLoop<S> {
    /// Writes a line of lastbeat itself to the archive.
    pub(super) fn mark(&mut self, now: Now, mark: &Mark<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.mark(now, mark);
        }
    }

    /// Writes to the archive what is notified of, and hands it over with what led to it: a kill loses neither.
    pub(super) fn mark_notices(&mut self, outputs: &[Output]) {
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        let now = self.clock.now();
        let mut is_any = false;
        for output in outputs {
            if let Output::Notify(notice) = output {
                let alert = notice.alarm.name(notice.scope);
                recorder.mark(now, &Mark::Notified(alert, notice.kind.label()));
                is_any = true;
            }
        }
        if is_any {
            recorder.hand_over(now);
        }
    }

    /// Writes the machines whose state is new to the archive, for a replay.
    fn mark_machines(&mut self, now: Now, poll: &Poll) {
        if let Some(recorder) = &mut self.recorder {
            recorder.machines(now, poll);
        }
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, ask: CoreRequest) {
        match ask {
            CoreRequest::Snapshot(to) => self.snapshots.ask(to),
            CoreRequest::Detail(subject, to) => {
                let now = self.clock.now();
                let _ = to.send(self.ingest.engine.detail(&subject, now));
            }
            CoreRequest::Reload(rules, done) => self.begin_change(*rules, done),
            CoreRequest::Silence(silences) => {
                let now = self.turn();
                let engine = &mut self.ingest.engine;
                let hours = active_hours::windows(engine.rules(), now.wall);
                engine.set_hours(hours, now);
                engine.set_silences(silences, now);
                self.wake = now.mono;
            }
            CoreRequest::Adopt(saved, done) => {
                let now = self.turn();
                self.ingest.engine.restore(&saved, now);
                self.checkpointer.adopted();
                self.wake = now.mono;
                let _ = done.send(());
            }
            CoreRequest::Inventory(poll) => {
                let now = self.turn();
                self.mark_machines(now, &poll);
                self.ingest.engine.inventory(&poll, now);
                self.wake = now.mono;
            }
            CoreRequest::Opinion(question, opinion) => {
                let now = self.turn();
                self.ingest.engine.opinion(&question, opinion, now);
                self.wake = now.mono;
            }
            CoreRequest::Archive(problem) => {
                let now = self.turn();
                self.ingest.engine.archive_is(problem.as_deref(), now);
                self.wake = now.mono;
            }
            CoreRequest::DownstreamQuery(name, to) => self.downstream_query(&name, to),
            CoreRequest::Downstream(report) => self.downstream_report(*report),
            CoreRequest::Refilled(name, from, until) => {
                self.ingest.engine.downstream_refilled(&name, from, until);
            }
            CoreRequest::Acknowledge(incident, word, to) => {
                let now = self.turn();
                let found = self.ingest.engine.acknowledge(incident, word);
                self.wake = now.mono;
                let _ = to.send(found.map(Box::new));
            }
            CoreRequest::Note(incident, words) => self.ingest.engine.note(incident, &words),
        }
    }
}
