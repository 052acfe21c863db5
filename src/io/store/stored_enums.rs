//! The core's enums as words in the file. The words are a contract with files that exist: a new variant gets a
//! new word, and no word changes.

use crate::core::listening::Blind;
use crate::core::notice::{Alarm, CloseReason, NoticeKind, Scope};
use crate::core::rule::Severity;
use crate::core::snapshot::Verdict;
use crate::core::tracker::life::{Crash, StopWhy};

/// A value that is one word in the file.
pub(super) trait StoredEnum: Sized {
    /// As it stands in the file.
    fn stored(&self) -> &'static str;
    /// Read back; `None` where this program knows no such word.
    fn from_stored(word: &str) -> Option<Self>;
}

macro_rules! stored_enums {
    ($($kind:ident { $($variant:ident $word:literal),* $(,)? })*) => {$(
        impl StoredEnum for $kind {
            fn stored(&self) -> &'static str {
                match self {
                    $($kind::$variant => $word,)*
                }
            }

            fn from_stored(word: &str) -> Option<Self> {
                match word {
                    $($word => Some($kind::$variant),)*
                    _ => None,
                }
            }
        }
    )*};
}

stored_enums! {
    Verdict { Live "live", Late "late", Silent "silent", NeverSeen "never-seen", Stopped "stopped", Unknown "unknown", Learning "learning" }
    StopWhy { Autostop "autostop", Autosuspend "autosuspend", Done "done", Listed "listed", Gone "gone", Moved "moved" }
    Crash { OutOfMemory "out of memory", GaveUp "gave up", Failed "failed" }
    Blind {
        Disconnected "disconnected",
        Stalled "stalled",
        Dropped "dropped",
        Suspended "suspended",
        Paused "paused",
        Down "down",
    }
    Scope {
        Stream "stream",
        Regions "regions",
        Region "region",
        App "app",
        AppRegion "app-region",
        Host "host",
        Instance "instance",
        Downstream "downstream",
    }
    Alarm {
        Heartbeat "heartbeat",
        Logs "logs",
        Rate "rate",
        Stalled "stalled",
        Refused "refused",
        Lagging "lagging",
        Losing "losing",
        Blind "blind",
        Archive "archive",
        Full "full",
        Unseen "unseen",
        Flapping "flapping",
        Drill "drill",
    }
    Severity { Critical "critical", Error "error", Warning "warning", Info "info" }
    CloseReason {
        Resolved "resolved",
        Stopped "stopped",
        Forgotten "forgotten",
        Superseded "superseded",
        RuleRemoved "rule removed",
    }
}

/// A notice's kind: `opened`, `updated 2`, `reminder 3`, `closed: resolved`.
pub fn stored_kind(kind: NoticeKind) -> String {
    match kind {
        NoticeKind::Opened => "opened".to_owned(),
        NoticeKind::Updated(number) => format!("updated {number}"),
        NoticeKind::Reminder(number) => format!("reminder {number}"),
        NoticeKind::Closed(reason) => format!("closed: {}", reason.stored()),
    }
}

/// A notice's kind by its stored words; `None` where they are none.
pub fn kind_from_stored(words: &str) -> Option<NoticeKind> {
    if let Some(reason) = words.strip_prefix("closed: ") {
        return CloseReason::from_stored(reason).map(NoticeKind::Closed);
    }
    match words.split_once(' ') {
        None => (words == "opened").then_some(NoticeKind::Opened),
        Some(("updated", number)) => number.parse().ok().map(NoticeKind::Updated),
        Some(("reminder", number)) => number.parse().ok().map(NoticeKind::Reminder),
        Some(_) => None,
    }
}
