//! The settings of access: the token in force, reading without it, and the sessions that were ended.

use super::session::EndedSessions;
use crate::decode::settings::Secret;
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// The settings of access to what is not open to all.
pub struct WebAccess {
    /// `None`: a demo, which this machine may change.
    token: ArcSwapOption<Secret>,
    /// True: everything may be read without the token.
    pub(in crate::io::http) anonymous_read: bool,
    pub(in crate::io::http) ended: EndedSessions,
}

impl WebAccess {
    /// Access with this token; without one only from this machine.
    pub fn new(token: Option<Secret>, anonymous_read: bool) -> Self {
        WebAccess {
            token: ArcSwapOption::new(token.map(Arc::new)),
            anonymous_read,
            ended: EndedSessions::default(),
        }
    }

    /// Replaces the token, and so ends all sessions; false where it is the same.
    pub fn replace(&self, token: Secret) -> bool {
        let before = self.token.swap(Some(Arc::new(token.clone())));
        before.is_none_or(|before| *before != token)
    }

    /// The token in force.
    pub(in crate::io::http) fn token(&self) -> Option<Arc<Secret>> {
        self.token.load_full()
    }
}
