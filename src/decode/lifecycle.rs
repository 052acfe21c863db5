//! The platform's own entries about a machine's life.
//!
//! Only the proxy and the runner are believed: an app may print whatever it likes, also what they say. The init of a
//! machine logs under the app's provider, so that its words are shown in incidents and decide nothing.

use crate::core::entry::{Lifecycle, Provider};
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// Length beyond which an entry of an app's provider is not init's.
const LONGEST_OF_INIT: usize = 400;
const OOM: &str = "INFO Process appears to have been OOM killed!";

/// Beginnings of what the runner says while it replaces a machine.
const UPDATES: [&str; 3] = [
    "Pulling container image ",
    "Successfully prepared image ",
    "Configuring firecracker",
];

/// True if a payload may hold something of [`read`], by a look that costs next to nothing for ordinary entries.
#[inline]
pub fn may_be_in(provider: Provider, payload: &[u8]) -> bool {
    // Made once: to make a searcher costs more than to search with it.
    static KILLED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"OOM killed"));
    match provider {
        Provider::Proxy | Provider::Runner => true,
        Provider::App => payload.len() <= LONGEST_OF_INIT && KILLED.find(payload).is_some(),
        Provider::Health | Provider::Unknown => false,
    }
}

/// Reads a message; `None` where it says nothing of a machine's life. `instance` is the one that the entry is about.
pub fn read(provider: Provider, message: &str, instance: &str) -> Option<Lifecycle> {
    match provider {
        Provider::Proxy => of_proxy(message, instance),
        Provider::Runner => of_runner(message),
        Provider::App => (message.trim() == OOM).then_some(Lifecycle::OutOfMemory),
        Provider::Health | Provider::Unknown => None,
    }
}

fn of_proxy(message: &str, instance: &str) -> Option<Lifecycle> {
    if message.trim() == "Starting machine" {
        return Some(Lifecycle::Started);
    }
    let rest = message.strip_prefix("App ")?;
    let (_, rest) = rest.split_once(" has excess capacity, auto")?;
    let (how, rest) = rest.split_once(" machine ")?;
    let machine = rest.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
    match how {
        _ if machine != instance => None,
        "stopping" => Some(Lifecycle::Autostop),
        "suspending" => Some(Lifecycle::Autosuspend),
        _ => None,
    }
}

fn of_runner(message: &str) -> Option<Lifecycle> {
    let message = message.trim();
    if message.starts_with("Machine started in ")
        || message.starts_with("Machine created and started in ")
    {
        return Some(Lifecycle::Started);
    }
    if UPDATES.iter().any(|update| message.starts_with(update)) {
        return Some(Lifecycle::Updated);
    }
    if message.starts_with("machine has reached its max restart count") {
        return Some(Lifecycle::GaveUp);
    }
    if message.starts_with("machine restart policy set to 'no', not restarting") {
        return Some(Lifecycle::NotRestarted);
    }
    let code = message
        .strip_prefix("machine exited with exit code ")?
        .strip_suffix(", not restarting")?;
    // Stopped for good with an error is a death.
    let code: i32 = code.parse().ok()?;
    Some(if code == 0 {
        Lifecycle::Done
    } else {
        Lifecycle::Failed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3d8d9250a27de8";

    #[test]
    fn the_platforms_words_are_read_from_the_platform_alone() {
        let autostop = "App web has excess capacity, autostopping machine 3d8d9250a27de8. 0 out of 1 machines left \
                        running (region=dfw, process group=app)";
        for (provider, message, means) in [
            (Provider::Proxy, autostop, Some(Lifecycle::Autostop)),
            (Provider::App, autostop, None),
            (Provider::Unknown, autostop, None),
            (
                Provider::Proxy,
                &autostop.replace("stopping", "suspending"),
                Some(Lifecycle::Autosuspend),
            ),
            (
                Provider::Proxy,
                &autostop.replace(ID, "148e21ea7d3789"),
                None,
            ),
            (
                Provider::Proxy,
                "Starting machine",
                Some(Lifecycle::Started),
            ),
            (Provider::App, "Starting machine", None),
            (
                Provider::Runner,
                "Machine created and started in 3.643s",
                Some(Lifecycle::Started),
            ),
            (
                Provider::Runner,
                "Machine started in 864ms",
                Some(Lifecycle::Started),
            ),
            (
                Provider::Runner,
                "machine exited with exit code 0, not restarting",
                Some(Lifecycle::Done),
            ),
            (
                Provider::Runner,
                "machine exited with exit code 1, not restarting",
                Some(Lifecycle::Failed),
            ),
            (
                Provider::Runner,
                "machine exited with exit code -1, not restarting",
                Some(Lifecycle::Failed),
            ),
            (
                Provider::Runner,
                "machine exited with exit code unknown, not restarting",
                None,
            ),
            (
                Provider::App,
                "machine exited with exit code 1, not restarting",
                None,
            ),
            (
                Provider::Runner,
                "machine restart policy set to 'no', not restarting",
                Some(Lifecycle::NotRestarted),
            ),
            (
                Provider::Runner,
                "machine has reached its max restart count of 10",
                Some(Lifecycle::GaveUp),
            ),
            (
                Provider::App,
                "machine has reached its max restart count of 10",
                None,
            ),
            (
                Provider::Runner,
                "Pulling container image registry.fly.io/web@sha256:0d1f",
                Some(Lifecycle::Updated),
            ),
            (
                Provider::Runner,
                "Configuring firecracker",
                Some(Lifecycle::Updated),
            ),
            (Provider::App, "Configuring firecracker", None),
            (
                Provider::App,
                " INFO Process appears to have been OOM killed!",
                Some(Lifecycle::OutOfMemory),
            ),
            (
                Provider::App,
                " INFO Sending signal SIGINT to main child process w/ PID 637",
                None,
            ),
            (
                Provider::Health,
                "Health check on port 8080 is now passing.",
                None,
            ),
            (Provider::Proxy, "App ", None),
        ] {
            assert_eq!(
                read(provider, message, ID),
                means,
                "{provider:?}: {message}"
            );
        }
    }
}
