//! An organisation's instances and what they say.

use super::wait::wall;
use serde_json::json;

/// One machine of an app.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    /// Its app.
    pub app: String,
    /// Its region.
    pub region: String,
    /// Its id.
    pub id: String,
}

impl Instance {
    /// The subject of its entries.
    pub fn subject(&self) -> String {
        format!("logs.{}.{}.{}", self.app, self.region, self.id)
    }

    /// The payload of an entry of its own output, as the platform writes it.
    pub fn entry(&self, message: &str) -> String {
        let timestamp = humantime::format_rfc3339_nanos(wall()).to_string();
        json!({
            "event": {"provider": "app"},
            "fly": {"app": {"instance": self.id, "name": self.app}, "region": self.region},
            "host": "0ad1",
            "log": {"level": "info"},
            "message": message,
            "timestamp": timestamp,
        })
        .to_string()
    }

    /// The payload of its heartbeat, behind a process manager's prefix.
    pub fn beat(&self) -> String {
        self.entry(&format!(
            "12:00:01 heartbeat.1 | HEARTBEAT {} {}",
            self.id, self.region
        ))
    }
}

/// One instance of each app in each region.
pub fn org(apps: &[&str], regions: &[&str]) -> Vec<Instance> {
    let mut instances = Vec::new();
    for (a, app) in apps.iter().enumerate() {
        for (r, region) in regions.iter().enumerate() {
            let id = format!("0e2865{:04x}{:04x}", a + 1, r + 1);
            instances.push(Instance {
                app: (*app).to_owned(),
                region: (*region).to_owned(),
                id,
            });
        }
    }
    instances
}
