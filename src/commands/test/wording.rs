//! Notifications, targets and lengths of time in the words of test files.

use crate::app::virtual_time::TimedOutput;
use crate::core::engine::Output;
use crate::core::notice::{Notice, NoticeKind, Scope, TargetName};
use std::time::Duration;

/// The notifications in the output.
pub(in crate::commands) fn notices(
    said: &[TimedOutput],
) -> impl Iterator<Item = (Duration, &Notice)> {
    said.iter().filter_map(|said| match &said.output {
        Output::Notify(notice) => Some((said.at, &**notice)),
        Output::Changed(_) | Output::Restart(..) => None,
    })
}

/// The target of an alert or a notification, as test files write it.
pub(in crate::commands) fn target(who: &TargetName, scope: Option<Scope>) -> String {
    let TargetName {
        app,
        region,
        instance,
        host,
        beat,
    } = who;
    let parts = [app.as_str(), region.as_str(), instance.as_str()];
    let text = match (scope, parts) {
        (Some(Scope::Stream), _) | (_, ["", "", _]) if host.is_empty() => "stream".to_owned(),
        (Some(Scope::Host), _) | (None, ["", "", _]) => format!("host {host}"),
        (Some(Scope::Region), _) | (_, ["", _, _]) => format!("region {region}"),
        (Some(Scope::App), _) | (_, [_, "", _]) => format!("app {app}"),
        (Some(Scope::AppRegion), _) | (_, [_, _, ""]) => format!("{app}/{region}"),
        _ => format!("{app}/{region}/{instance}"),
    };
    match beat.as_str() {
        "" => text,
        beat => format!("{text} beat {beat}"),
    }
}

/// A notification in one line, in the words of test files.
pub(in crate::commands) fn line(notice: &Notice) -> String {
    let kind = match notice.kind {
        NoticeKind::Opened => "opened".to_owned(),
        NoticeKind::Updated(number) => format!("updated {number}"),
        NoticeKind::Reminder(number) => format!("reminder {number}"),
        NoticeKind::Closed(reason) => format!("closed {}", reason.label()),
    };
    let affecting = match notice.affected_total {
        0 | 1 => String::new(),
        total => format!(" affecting {total} ({})", notice.affected.join(", ")),
    };
    format!(
        "{} {} {kind} by '{}'{affecting}",
        notice.alarm.name(notice.scope),
        target(&notice.who, Some(notice.scope)),
        notice.rule
    )
}

/// A length of time in one word, to the millisecond: `1d2h`, `5m30s`.
pub(in crate::commands) fn short(length: Duration) -> String {
    let mut rest = length.as_millis();
    let mut text = String::new();
    for (unit, millis) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ] {
        if rest >= millis {
            text += &format!("{}{unit}", rest / millis);
            rest %= millis;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}
