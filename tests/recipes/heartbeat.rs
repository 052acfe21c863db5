//! A heartbeat for lastbeat, with tokio (features `rt`, `macros`, `signal`, `time`), in a program or alone.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Beats until SIGTERM or SIGINT, and ends when bye is said: the program's sign to stop.
async fn heartbeat() -> std::io::Result<()> {
    let every = std::env::var("HEARTBEAT_EVERY").unwrap_or_else(|_| "30".to_owned());
    let every: u64 = every.parse().expect("HEARTBEAT_EVERY is seconds");
    let (mut int, mut term) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let mut wait = RandomState::new().hash_one(0) % (every * 1000); // a fleet does not beat as one
    for seq in 1_u64.. {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait)) => {
                println!("HEARTBEAT every={every}s name=worker seq={seq}");
            }
            _ = int.recv() => break,
            _ = term.recv() => break,
        }
        wait = every * 1000;
    }
    println!("HEARTBEAT name=worker bye");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    // In a program with work of its own: tokio::select! { done = work() => done, bye = heartbeat() => bye }
    heartbeat().await
}
