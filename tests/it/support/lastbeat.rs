//! The program itself, started the way people start it.

use super::child::{Child, command};
use super::folder::Folder;
use super::http::{Answer, Server};
use super::metrics::Metrics;
use super::nats::{Nats, ORG, TOKEN};
use super::wait::{wait_for, wait_until};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::time::Duration;

/// It listens well before this, and has heard who beats, on a busy machine too.
const START: Duration = Duration::from_secs(60);

/// The token of the page and the API, where a test sets none.
pub const WEB_TOKEN: &str = "the-token-of-the-tests";

/// How it is to be started: environment and rules.
pub struct Setup {
    env: BTreeMap<String, String>,
    folder: Folder,
    one_core: bool,
    /// Most file descriptors; `None`: as the tests have.
    descriptors: Option<u32>,
}

impl Setup {
    /// A free port, and no rules but the stream's own.
    pub fn new() -> Self {
        let folder = Folder::new("lastbeat");
        let rules = folder.path().join("rules");
        std::fs::create_dir(&rules).expect("the folder is fresh");
        let setup = Setup {
            env: BTreeMap::new(),
            folder,
            one_core: false,
            descriptors: None,
        };
        setup
            .rules(
                "00-none.toml",
                "# The stream's own rule has its defaults.\n",
            )
            .env("LASTBEAT_LISTEN", "127.0.0.1:0")
            .env("LASTBEAT_RULES", &rules.to_string_lossy())
            .env("RUST_LOG", "info,lastbeat=debug")
            .env("LASTBEAT_LOG_FORMAT", "text")
            .env("LASTBEAT_TOKEN", WEB_TOKEN)
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Lets it run on one core only, as the smallest machines do.
    pub fn on_one_core(mut self) -> Self {
        self.one_core = true;
        self
    }

    /// Lets it have only so many file descriptors.
    pub fn descriptors(mut self, most: u32) -> Self {
        self.descriptors = Some(most);
        self
    }

    /// Points it at a server, as the organisation with its token.
    pub fn nats(self, nats: &Nats) -> Self {
        self.env("NATS_URL", &nats.url())
            .env("ORG", ORG)
            .env("ACCESS_TOKEN", TOKEN)
    }

    /// Tells Sentry.
    pub fn sentry(self, dsn: &str) -> Self {
        self.env("SENTRY_DSN", dsn)
            .env("SENTRY_ENVIRONMENT", "test")
    }

    /// Writes a file of rules.
    pub fn rules(self, name: &str, text: &str) -> Self {
        self.folder.write(&format!("rules/{name}"), text);
        self
    }

    /// The folder of rules.
    pub fn rules_folder(&self) -> PathBuf {
        self.folder.path().join("rules")
    }

    /// Starts any of its commands, and waits for nothing.
    pub fn command(&self, arguments: &[&str]) -> Child {
        Child::start(
            &format!("lastbeat {}", arguments.join(" ")),
            &mut self.prepare(arguments),
        )
    }

    /// Starts any of its commands, with an input to type into.
    pub fn typed(&self, arguments: &[&str]) -> (Child, ChildStdin) {
        Child::start_typed(
            &format!("lastbeat {}", arguments.join(" ")),
            &mut self.prepare(arguments),
        )
    }

    fn prepare(&self, arguments: &[&str]) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_lastbeat"));
        let mut command = if self.one_core {
            let mut command = command("taskset");
            command.args(["-c", "0"]).arg(program);
            command
        } else if let Some(most) = self.descriptors {
            let mut command = command("prlimit");
            command.arg(format!("--nofile={most}:{most}")).arg(program);
            command
        } else {
            command(program)
        };
        command
            .args(arguments)
            .envs(&self.env)
            .current_dir(self.folder.path());
        command
    }

    /// Starts `run` and waits until it listens.
    #[track_caller]
    pub fn start(self) -> Lastbeat {
        let (child, server) = self.run(START);
        Lastbeat {
            child,
            server,
            folder: self.folder,
        }
    }

    /// As [`Self::start`], for a setup that is started again and again; it has to listen within so long.
    #[track_caller]
    pub fn run(&self, within: Duration) -> (Child, Server) {
        let mut child = self.command(&["run"]);
        let port = child.wait_line("the line that says where it listens", within, listening);
        // A test that sets a token of its own says which requests carry it.
        let token = self.env.get("LASTBEAT_TOKEN");
        let token = token.filter(|token| *token == WEB_TOKEN).cloned();
        let server = Server {
            token,
            ..Server::local(port)
        };
        (child, server)
    }
}

/// The port, where the line says that it listens.
pub fn listening(line: &str) -> Option<u16> {
    let rest = line.split_once("listening on http://127.0.0.1:")?.1;
    let digits = rest.split(|char: char| !char.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// A running `lastbeat run`.
pub struct Lastbeat {
    /// Its process.
    pub child: Child,
    /// Its HTTP.
    pub server: Server,
    /// Its rules live as long as it does.
    folder: Folder,
}

impl Lastbeat {
    /// Writes a file of rules in place, while it runs.
    pub fn rewrite(&self, name: &str, text: &str) {
        self.folder.write(&format!("rules/{name}"), text);
    }

    /// Its folder, with the rules in `rules`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The lines of its log in which all of these words stand.
    pub fn said(&self, words: &[&str]) -> usize {
        let lines = self.child.lines();
        let has_all = |line: &&String| words.iter().all(|word| line.contains(word));
        lines.iter().filter(has_all).count()
    }

    /// GET; panics where it does not answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.server
            .get(path)
            .unwrap_or_else(|error| panic!("lastbeat does not answer {path}: {error}"))
    }

    /// What /metrics shows now.
    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200, "{}", answer.body);
        Metrics::parse(&answer.body)
    }

    /// Waits until /metrics shows what `done` looks for.
    #[track_caller]
    pub fn wait_metrics(&self, what: &str, within: Duration, done: impl Fn(&Metrics) -> bool) {
        wait_until(what, within, || done(&self.metrics()));
    }

    /// Waits until so many instances are live and no other has any verdict.
    #[track_caller]
    pub fn wait_live(&self, count: usize) {
        // Tens of thousands take their time to be sent and read.
        let within = START + Duration::from_millis(count as u64 * 4);
        self.wait_metrics(&format!("{count} live instances"), within, |metrics| {
            let live = metrics.sum("lastbeat_instances", &[("verdict", "live")]);
            live == count as f64 && metrics.sum("lastbeat_instances", &[]) == live
        });
    }

    /// Waits until it has listened for `span` more: whatever was to fire by then has fired.
    #[track_caller]
    pub fn wait_listened(&self, span: Duration) {
        let listened = |metrics: &Metrics| metrics.one("lastbeat_listened_seconds_total");
        let goal = listened(&self.metrics()) + span.as_secs_f64();
        self.wait_metrics(
            &format!("{span:?} more of listening"),
            span * 4 + START,
            |metrics| listened(metrics) >= goal,
        );
    }

    /// Waits until /readyz answers with that status; the answer.
    #[track_caller]
    pub fn wait_ready(&self, status: u16) -> Answer {
        let what = format!("/readyz with {status}");
        wait_for(&what, START, || {
            Some(self.get("/readyz")).filter(|answer| answer.status == status)
        })
    }

    /// Asks it to stop; it has to be gone with 0 within 4 seconds.
    #[track_caller]
    pub fn stop(mut self) {
        self.child.signal("TERM");
        assert_eq!(
            self.child.wait_end(Duration::from_secs(4)),
            0,
            "asked to stop, it ends with 0"
        );
    }
}
