//! The canary's settings: the origin, interval and way of lastbeat's own heartbeats.

pub mod line;

use super::subscription::meet;
use std::time::Duration;

/// Interval where none is set.
const DEFAULT_EVERY: Duration = Duration::from_secs(10);

/// A canary that is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanarySettings {
    /// Interval of its beats.
    pub every: Duration,
    /// Its app: lastbeat's own, which is not a target.
    pub app: String,
    /// The region.
    pub region: String,
    /// The instance.
    pub instance: String,
    /// The way of its beats into the stream.
    pub way: Way,
}

/// The way of a canary's beats into the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The platform carries standard output there, as anyone's.
    Stdout,
    /// We publish them.
    Publish,
}

impl CanarySettings {
    /// The subject on which its beats come back.
    pub fn subject(&self) -> String {
        format!("logs.{}.{}.{}", self.app, self.region, self.instance)
    }
}

/// Reads them. `given` is what `LASTBEAT_CANARY` says: an interval, or `Some(None)` for off; `subscribed` the subjects
/// that we listen to.
///
/// # Errors
/// The fault and what to do about it.
pub fn read(
    given: Option<Option<Duration>>,
    subscribed: &[String],
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<CanarySettings>, String> {
    let every = match given {
        Some(None) => return Ok(None),
        None => DEFAULT_EVERY,
        Some(Some(every)) => every,
    };
    let own = ["FLY_APP_NAME", "FLY_REGION", "FLY_MACHINE_ID"].map(&env);
    let canary = match own {
        [Some(app), Some(region), Some(instance)] => CanarySettings {
            every,
            app,
            region,
            instance,
            way: Way::Stdout,
        },
        // A stream of others is published into only where that was asked for.
        _ if given.is_none() => return Ok(None),
        _ => CanarySettings {
            every,
            app: "lastbeat".to_owned(),
            region: "local".to_owned(),
            instance: host(env("HOSTNAME")),
            way: Way::Publish,
        },
    };
    let own = canary.subject();
    let heard = subscribed.iter().any(|subject| meet(subject, &own));
    match (heard, given) {
        (true, _) => Ok(Some(canary)),
        (false, None) => Ok(None),
        (false, Some(_)) => Err(format!(
            "the canary publishes on {own}, which SUBJECT ({}) does not cover; widen SUBJECT, or set off",
            subscribed.join(",")
        )),
    }
}

/// A host's name as one token of a subject.
fn host(name: Option<String>) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '-'
        }
    };
    name.map_or_else(
        || "host".to_owned(),
        |name| name.chars().map(plain).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_fly(name: &str) -> Option<String> {
        let value = match name {
            "FLY_APP_NAME" => "monitor",
            "FLY_REGION" => "ams",
            "FLY_MACHINE_ID" => "148e21ea7d3789",
            _ => return None,
        };
        Some(value.to_owned())
    }

    const OFF: Option<Option<Duration>> = Some(None);

    fn every(seconds: u64) -> Option<Option<Duration>> {
        Some(Some(Duration::from_secs(seconds)))
    }

    fn read(
        given: Option<Option<Duration>>,
        subscribed: &str,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<CanarySettings>, String> {
        let subscribed: Vec<String> = subscribed.split(',').map(str::to_owned).collect();
        super::read(given, &subscribed, env)
    }

    #[test]
    fn on_fly_it_is_on_where_it_can_be_heard() {
        let canary = read(None, "logs.>", on_fly).expect("whole").expect("on");
        assert_eq!(
            (&*canary.subject(), canary.way),
            ("logs.monitor.ams.148e21ea7d3789", Way::Stdout)
        );
        assert_eq!(read(None, "logs.web.>", on_fly), Ok(None));
        let beside = read(None, "logs.web.>,logs.monitor.>", on_fly);
        assert!(beside.is_ok_and(|canary| canary.is_some()));
        assert_eq!(read(OFF, "logs.>", on_fly), Ok(None));
        let deaf = read(every(5), "logs.web.>", on_fly);
        assert!(deaf.is_err_and(|what| what.contains("logs.monitor.ams")));
    }

    #[test]
    fn elsewhere_it_is_asked_for() {
        assert_eq!(read(None, "logs.>", |_| None), Ok(None));
        let host = |name: &str| (name == "HOSTNAME").then(|| "my.host".to_owned());
        let canary = read(every(2), "logs.*.*.*", host)
            .expect("whole")
            .expect("on");
        assert_eq!(
            (&*canary.subject(), canary.way),
            ("logs.lastbeat.local.my-host", Way::Publish)
        );
    }
}
