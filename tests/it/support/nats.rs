//! A real nats-server with accounts like those of an organisation's log proxy.

use super::child::{Child, command};
use super::folder::Folder;
use super::http::Server;
use super::testbed::{fetched, template};
use super::wait::{wait_for, wait_until};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The organisation's name: the user who may subscribe to `logs.>`.
pub const ORG: &str = "acme";
/// Its token.
pub const TOKEN: &str = "FlyV1 fm2_token_acme";

/// A server is up in well under a second.
const START: Duration = Duration::from_secs(60);

/// Which nats-server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// 2.15.
    Current,
    /// Debian's: 2.9 in Debian 12.
    Older,
}

/// A running nats-server.
pub struct Nats {
    peer: Peer,
    folder: Folder,
    child: Child,
    port: u16,
    monitor: Server,
}

impl Nats {
    /// Starts one on free ports.
    pub fn start(peer: Peer) -> Self {
        Nats::with(peer, Folder::new("nats"), &template("nats.conf"))
    }

    /// Starts one whose organisation may publish its canary.
    pub fn with_canaries() -> Self {
        let (denied, allowed) = (r#"publish: { deny: ">" }"#, r#"publish: "logs.lastbeat.>""#);
        let configuration = template("nats.conf");
        assert!(configuration.contains(denied), "nothing may be published");
        let configuration = configuration.replace(denied, allowed);
        Nats::with(Peer::Current, Folder::new("nats"), &configuration)
    }

    /// Starts one on free ports with another configuration, whose files lie in `folder`.
    pub fn with(peer: Peer, folder: Folder, configuration: &str) -> Self {
        folder.write(
            "nats.conf",
            &configuration.replace("{DIR}", &folder.path().to_string_lossy()),
        );
        let (child, port, monitor) = launch(peer, folder.path(), None);
        Nats {
            peer,
            folder,
            child,
            port,
            monitor: Server::local(monitor),
        }
    }

    /// Its address, without credentials.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its address without a scheme.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Sends it a signal by its name, as in `STOP`.
    pub fn signal(&self, signal: &str) {
        self.child.signal(signal);
    }

    /// Writes its configuration anew, `from` replaced by `to`; it takes effect with HUP or a restart.
    #[track_caller]
    pub fn reconfigure(&self, from: &str, to: &str) {
        let path = self.folder.path().join("nats.conf");
        let text = fs::read_to_string(&path).expect("the configuration was written at the start");
        assert!(text.contains(from), "{from:?} is not in the configuration");
        self.folder.write("nats.conf", &text.replace(from, to));
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) {
        self.child.kill();
        let (child, port, monitor) = launch(self.peer, self.folder.path(), Some(self.port));
        assert_eq!(port, self.port, "the port was asked for");
        self.child = child;
        self.monitor = Server::local(monitor);
    }

    /// The subscriptions of the organisation's connections, as subject and queue group.
    pub fn subscriptions(&self) -> Vec<(String, String)> {
        let answer = self
            .monitor
            .get("/connz?auth=1&subs=detail")
            .expect("the server's monitor answers");
        let connz: Value = serde_json::from_str(&answer.body).expect("the monitor answers in JSON");
        let rows = connz["connections"].as_array().into_iter().flatten();
        let ours = rows.filter(|row| row["authorized_user"] == ORG);
        let details = ours.flat_map(|row| {
            row["subscriptions_list_detail"]
                .as_array()
                .into_iter()
                .flatten()
        });
        details
            .map(|detail| (text(&detail["subject"]), text(&detail["qgroup"])))
            .collect()
    }

    /// Waits until someone of the organisation has subscribed to `subject`.
    #[track_caller]
    pub fn wait_subscribed(&self, subject: &str) {
        wait_until(&format!("a subscription to {subject}"), START, || {
            self.subscriptions()
                .iter()
                .any(|(found, _)| found == subject)
        });
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The process, its port and its monitor's port.
fn launch(peer: Peer, folder: &Path, port: Option<u16>) -> (Child, u16, u16) {
    let program = match peer {
        Peer::Current => fetched("bin/nats-server"),
        Peer::Older => fetched("bin/nats-server-debian"),
    };
    let mut command = command(program);
    command.arg("-c").arg(folder.join("nats.conf"));
    if let Some(port) = port {
        command.args(["-p", &port.to_string()]);
    }
    let child = Child::start("nats-server", &mut command);
    let ending = format!("_{}.ports", child.pid());
    let (port, monitor) = wait_for("the ports of nats-server", START, || ports(folder, &ending));
    (child, port, monitor)
}

/// Reads the file in which a nats-server says which ports it took; `None` until it is whole.
fn ports(folder: &Path, ending: &str) -> Option<(u16, u16)> {
    let mut files = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    let file = files.find(|path| path.to_string_lossy().ends_with(ending))?;
    let ports: Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    let port = |kind: &str| ports[kind][0].as_str()?.rsplit(':').next()?.parse().ok();
    Some((port("nats")?, port("monitoring")?))
}
