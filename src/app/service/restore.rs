//! The state file at the start: opened, read, and restored into the core.

use super::fault::ServiceFault;
use crate::app::silences::Silences;
use crate::core::engine::Engine;
use crate::core::notice::Notice;
use crate::core::persist::Saved;
use crate::core::time::Now;
use crate::decode::active_hours;
use crate::format;
use crate::io::store::{Opened, Store, StoreFault};
use std::path::PathBuf;
use tracing::{info, warn};

/// The state file, opened and read.
pub(super) struct State {
    /// Its path; `None`: in memory.
    pub path: Option<PathBuf>,
    /// The open file, without what [`Self::restore`] takes.
    pub opened: Result<Opened, StoreFault>,
    saved: Saved,
}

impl State {
    /// Opens the file; `None`: in memory.
    ///
    /// # Errors
    /// The file is one that this program must not touch. Any other fault of it is logged, and
    /// the state is kept in memory.
    pub fn open(
        path: Option<PathBuf>,
        silences: &Silences,
        now: Now,
    ) -> Result<Self, ServiceFault> {
        let mut opened = Store::open(path.as_deref(), now.wall);
        let mut saved = Saved::default();
        match &mut opened {
            Ok(opened) => {
                saved = std::mem::take(&mut opened.saved);
                if let Some(aside) = &opened.set_aside {
                    warn!(aside = %aside.display(), "the state file is damaged: it was moved aside, and a new one was created");
                }
                if opened.skipped > 0 {
                    warn!(
                        rows = opened.skipped,
                        "invalid rows of the state file were skipped"
                    );
                }
                let (instances, open) = (saved.instances.len(), saved.incidents.len());
                if path.is_some() {
                    let notices = opened.deliveries.len();
                    info!(
                        instances,
                        open, notices, "the state of the last run was restored"
                    );
                }
                silences.restore(std::mem::take(&mut opened.silences));
            }
            Err(fault) if fault.is_refusal() => {
                return Err(ServiceFault::State(format::error_chain(fault)));
            }
            // The store's thread tries again, and says so.
            Err(_) => {}
        }
        Ok(State {
            path,
            opened,
            saved,
        })
    }

    /// Restores the core, and returns the open incidents that notifications were sent of.
    pub fn restore(&mut self, engine: &mut Engine, silences: &Silences, now: Now) -> Vec<Notice> {
        // Silences and hours first: the first evaluation must not notify of what they hold back.
        engine.set_hours(active_hours::windows(engine.rules(), now.wall), now);
        engine.set_silences(silences.in_force(now.wall), now);
        let saved = std::mem::take(&mut self.saved);
        engine.restore(&saved, now);
        engine.notified_incidents()
    }
}
