//! Processes that the tests start: their output is kept, and none of them outlives the tests.

use super::wait::wait_for;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{process, thread};

/// How much of a process's output a failed test shows.
const SHOWN_LINES: usize = 80;

/// A command whose process is killed by the kernel when the thread that starts it ends, however that ends.
/// The environment is empty but for PATH.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// A running process.
pub struct Child {
    name: String,
    process: process::Child,
    lines: Lines,
}

impl Child {
    /// Starts it. `name` is what failed tests call it.
    pub fn start(name: &str, command: &mut Command) -> Self {
        Child::with(name, command.stdin(Stdio::null()))
    }

    /// Starts it with an input to type into.
    pub fn start_typed(name: &str, command: &mut Command) -> (Self, ChildStdin) {
        let mut child = Child::with(name, command.stdin(Stdio::piped()));
        let input = child.process.stdin.take().expect("it is piped");
        (child, input)
    }

    fn with(name: &str, command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let lines = Lines::default();
        lines.follow(process.stdout.take());
        lines.follow(process.stderr.take());
        Child {
            name: name.to_owned(),
            process,
            lines,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it has printed so far, both streams.
    pub fn lines(&self) -> Vec<String> {
        self.lines.all()
    }

    /// Waits for a line in which `find` finds something.
    #[track_caller]
    pub fn wait_line<T>(
        &mut self,
        what: &str,
        within: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> T {
        let what = format!("{}: {what}", self.name);
        wait_for(&what, within, || {
            // What it said last may still be on its way here when it is gone already.
            let over = self.ended().filter(|_| self.lines.complete());
            let found = self.lines.all().iter().find_map(|line| find(line));
            if found.is_none()
                && let Some(status) = over
            {
                panic!(
                    "{} ended ({status}) before: {what}\n{}",
                    self.name,
                    self.lines.all().join("\n")
                );
            }
            found
        })
    }

    /// Sends a signal by its name, as in `TERM`.
    pub fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .status();
        let sent = status.as_ref().is_ok_and(ExitStatus::success);
        assert!(
            sent,
            "cannot send {signal} to {} ({pid}): {status:?}",
            self.name
        );
    }

    /// Ends it at once, as a crash would, and returns when it is gone.
    pub fn kill(&mut self) {
        // It may have ended by itself already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// How it ended, where it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process
            .try_wait()
            .unwrap_or_else(|error| panic!("cannot ask after {}: {error}", self.name))
    }

    /// Waits for its end and for the last of its output; its exit code.
    #[track_caller]
    pub fn wait_end(&mut self, within: Duration) -> i32 {
        let what = format!("the end of {}", self.name);
        let status = wait_for(&what, within, || {
            self.ended().filter(|_| self.lines.complete())
        });
        status
            .code()
            .unwrap_or_else(|| panic!("{} was ended by a signal: {status}", self.name))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let lines = self.lines.all();
            let from = lines.len().saturating_sub(SHOWN_LINES);
            println!(
                "--- {}, the last {} lines:\n{}",
                self.name,
                lines.len() - from,
                lines[from..].join("\n")
            );
        }
    }
}

/// Lines that threads collect until the pipe ends.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Collected>>);

#[derive(Default)]
struct Collected {
    lines: Vec<String>,
    open: usize,
}

impl Lines {
    fn all(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// Whether every pipe has ended.
    fn complete(&self) -> bool {
        self.lock().open == 0
    }

    fn follow(&self, pipe: Option<impl Read + Send + 'static>) {
        let pipe = pipe.expect("the pipe was asked for at the start");
        self.lock().open += 1;
        let lines = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                lines
                    .lock()
                    .lines
                    .push(String::from_utf8_lossy(&line).into_owned());
            }
            lines.lock().open -= 1;
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Collected> {
        self.0
            .lock()
            .expect("no thread panics while it holds the lines")
    }
}
