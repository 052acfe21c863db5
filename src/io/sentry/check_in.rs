//! Check-ins with Sentry's Crons: each says that lastbeat is well, or is not; hearing none, Sentry tells of our death.

use super::{Sentry, envelope};
use crate::core::time::Wall;
use bytes::Bytes;
use sentry::protocol::{
    EnvelopeItem, MonitorCheckIn, MonitorCheckInStatus, MonitorConfig, MonitorIntervalUnit,
    MonitorSchedule,
};

/// Minutes after which a check-in that did not come counts as missed: longer than a redeployment takes.
const MARGIN_MINUTES: u64 = 3;
/// Minutes that a run may take. lastbeat's are complete when they are sent; Sentry's own default is 30.
const RUN_MINUTES: u64 = 5;

impl Sentry {
    /// The envelope that reports to `monitor` (a slug) whether lastbeat is well. It creates a missing monitor:
    /// one check-in a minute. The same values give the same bytes, so that one sent twice is still one.
    pub fn check_in(&self, monitor: &str, well: bool, at: Wall) -> Bytes {
        let status = if well {
            MonitorCheckInStatus::Ok
        } else {
            MonitorCheckInStatus::Error
        };
        let check_in = MonitorCheckIn {
            check_in_id: super::id(&[
                monitor.as_bytes(),
                self.server_name.as_bytes(),
                &at.nanos().to_be_bytes(),
            ]),
            monitor_slug: monitor.to_owned(),
            status,
            environment: self.environment.clone(),
            duration: None,
            monitor_config: Some(MonitorConfig {
                schedule: MonitorSchedule::Interval {
                    value: 1,
                    unit: MonitorIntervalUnit::Minute,
                },
                checkin_margin: Some(MARGIN_MINUTES),
                max_runtime: Some(RUN_MINUTES),
                timezone: Some("UTC".to_owned()),
                failure_issue_threshold: Some(1),
                recovery_threshold: Some(1),
            }),
        };
        envelope(EnvelopeItem::MonitorCheckIn(check_in))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::settings::Secret;
    use serde_json::{Value, json};

    #[test]
    fn a_check_in_brings_its_monitor_along() {
        let dsn = Secret::new("https://key@sentry.example/7");
        let sentry = Sentry::new(
            &dsn,
            Some("test".to_owned()),
            "r".to_owned(),
            "s".to_owned(),
        )
        .expect("a DSN");
        let at = Wall::from_nanos(1_700_000_000_000_000_000);
        let bytes = sentry.check_in("lastbeat", true, at);
        assert_eq!(bytes, sentry.check_in("lastbeat", true, at));
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .collect();
        assert_eq!(lines[1]["type"], "check_in");
        let item = &lines[2];
        assert_eq!(
            (&item["monitor_slug"], &item["status"], &item["environment"]),
            (&json!("lastbeat"), &json!("ok"), &json!("test"))
        );
        assert_eq!(
            item["monitor_config"]["schedule"],
            json!({"type": "interval", "value": 1, "unit": "minute"})
        );
        assert_eq!(item["monitor_config"]["checkin_margin"], 3);
        let unwell = sentry.check_in("lastbeat", false, at);
        assert!(String::from_utf8_lossy(&unwell).contains("\"status\":\"error\""));
        assert!(!text.contains("key@"), "{text}");
    }
}
