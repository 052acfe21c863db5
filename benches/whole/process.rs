//! What the kernel knows of a process.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// Cores that this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// CPU time of a process so far, all its threads, user and system, in steps of 10 ms.
pub fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let (_, fields) = stat
        .rsplit_once(')')
        .expect("a name stands before the numbers");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks
        .map(|field| field.parse::<u64>().expect("a number of ticks"))
        .sum();
    Duration::from_millis(ticks * 10)
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
        if cpu(pid) == before {
            return;
        }
        assert!(Instant::now() < until, "it is still busy after 30 s");
    }
}
