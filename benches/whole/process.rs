//! What the kernel knows of a process.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// What an idle process may use in 200 ms.
const IDLE: Duration = Duration::from_millis(5);

/// Cores that this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// CPU time of a process so far, of all threads that it has, user and system.
pub fn cpu(pid: u32) -> Duration {
    cpu_of(pid, |_| true)
}

/// CPU time of its threads of a name.
pub fn cpu_of_thread(pid: u32, name: &str) -> Duration {
    cpu_of(pid, |comm| comm.trim_end() == name)
}

fn cpu_of(pid: u32, counts: impl Fn(&str) -> bool) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let nanos = threads.filter_map(|thread| {
        // One that ends between the look at the folder and this has little to tell.
        let thread = thread.ok()?.path();
        if !counts(&fs::read_to_string(thread.join("comm")).ok()?) {
            return None;
        }
        let text = fs::read_to_string(thread.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// The most memory that it ever held, in MB.
pub fn peak_mb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = peak.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kb.expect("the kernel tells of its peak") / 1024.0
}

/// Waits until it has been idle for a moment: what it was sent is done.
pub fn settle(pid: u32) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let before = cpu(pid);
        thread::park_timeout(Duration::from_millis(200));
        if cpu(pid) - before < IDLE {
            return;
        }
        assert!(Instant::now() < until, "it is still busy after 30 s");
    }
}
