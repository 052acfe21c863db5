//! Standard output as the canary's way into the stream: what is written there the platform carries.

use std::io::{self, Write};
use std::sync::mpsc::{TrySendError, sync_channel};
use std::thread;

/// Lines that may wait: one, since a second one would only tell how long the first has waited.
const WAITING: usize = 1;

/// Returns a function that writes lines and never waits for their reader: while one waits, the next is lost.
///
/// # Errors
/// No thread can be had.
pub fn stdout() -> io::Result<impl FnMut(String) + Send> {
    let (say, said) = sync_channel::<String>(WAITING);
    thread::Builder::new()
        .name("canary".to_owned())
        .spawn(move || {
            for line in said {
                let mut out = io::stdout().lock();
                if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
                    // The reader is gone.
                    return;
                }
            }
        })?;
    Ok(move |line| match say.try_send(line) {
        // What is lost does not come back, and is counted by that.
        Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
    })
}
