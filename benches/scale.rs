//! Ten times the largest organisation that is public, taken as 50,000 machines: 500,000 instances of 5,000 apps in 30
//! regions beat every 30 s through the real decoding and the real core, in virtual time. A region dies and comes back,
//! 100 instances die alone, 1,000 say bye; it fails where anything else is told, or any of that is not.
//! `cargo bench --bench scale`, or with numbers of instances and apps: `-- 50000 500`.

#[path = "../tests/it/scale/organisation.rs"]
mod organisation;

use organisation::Organisation;

const INSTANCES: usize = 500_000;
const APPS: usize = 5_000;

fn main() {
    let wanted: Vec<usize> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let (instances, apps) = match wanted[..] {
        [instances, apps] => (instances, apps),
        _ => (INSTANCES, APPS),
    };
    let organisation = Organisation::new(instances, apps);
    let before = memory("VmRSS:");
    let report = organisation.play();
    organisation.check(&report);
    println!("{report}");
    println!(
        "memory: {:.0} MB before, {:.0} MB at most, the script and all notices included",
        before,
        memory("VmHWM:"),
    );
}

/// Megabytes of this process, as Linux tells them.
fn memory(which: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(which));
    let digits = line.and_then(|line| line.split_whitespace().next());
    let kilobytes: f64 = digits
        .and_then(|digits| digits.parse().ok())
        .expect("a number of kilobytes");
    kilobytes / 1024.0
}
