//! Memory of this process, and of the container or machine that it runs in, as Linux reports them.

use std::fs;
use std::path::Path;

/// Where control groups are mounted.
const GROUPS: &str = "/sys/fs/cgroup";

/// Bytes of memory that this process has to itself; pages of files, which the system can drop, do not count. `None` where
/// the system does not report them.
pub fn used() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "RssAnon:")
}

/// Nine tenths of the memory in bytes that the container, else the machine, has: short of where the system would kill the
/// process. `None` where the system does not report it.
pub fn default_limit() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo");
    let machine = machine.ok().and_then(|text| kilobytes(&text, "MemTotal:"));
    let group = fs::read_to_string("/proc/self/cgroup");
    let group = group.map_or(None, |text| of_group(Path::new(GROUPS), &text));
    let all = machine.into_iter().chain(group).min()?;
    Some(all / 10 * 9)
}

/// The value of a line such as `RssAnon:  1234 kB`, in bytes.
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = rest.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    number.checked_mul(1024)
}

/// The least limit of the process's control group and of those above it; `None` where none has a limit.
fn of_group(mounted: &Path, membership: &str) -> Option<u64> {
    let limits = membership.lines().flat_map(|line| {
        // `0::/path` is version 2; `4:memory:/path` is version 1.
        let mut parts = line.splitn(3, ':').skip(1);
        let (root, file) = match parts.next() {
            Some("") => (mounted.to_owned(), "memory.max"),
            Some(kinds) if kinds.split(',').any(|kind| kind == "memory") => {
                (mounted.join("memory"), "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let inner = parts.next().unwrap_or_default().trim_start_matches('/');
        let groups = Path::new(inner).ancestors().map(|group| root.join(group));
        // Within a container its own group is often mounted as the root.
        groups
            .filter_map(|group| fs::read_to_string(group.join(file)).ok())
            .filter_map(|text| text.trim().parse().ok())
            .collect()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory_within_the_limit_of_the_machine() {
        let (used, limit) = (used().expect("Linux"), default_limit().expect("Linux"));
        assert!((1_000_000..limit).contains(&used), "{used} of {limit}");
    }

    #[test]
    fn the_least_limit_of_the_groups_counts_in_both_versions() {
        let folder = std::env::temp_dir().join(format!("lastbeat-groups-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("it is in the folder")).expect("made");
            fs::write(path, text).expect("written");
        };
        write("memory.max", "max\n");
        write("system.slice/memory.max", "700000000\n");
        write("system.slice/lastbeat.service/memory.max", "900000000\n");
        write("memory/docker/x/memory.limit_in_bytes", "268435456\n");
        for (membership, limit) in [
            ("0::/system.slice/lastbeat.service\n", Some(700_000_000)),
            ("0::/\n", None),
            ("3:cpu,cpuacct:/\n4:memory:/docker/x\n", Some(268_435_456)),
            ("", None),
        ] {
            assert_eq!(of_group(&folder, membership), limit, "{membership}");
        }
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn a_line_of_kilobytes_is_read() {
        let text = "VmRSS:\t  10 kB\nRssAnon:\t    8 kB\n";
        assert_eq!(kilobytes(text, "RssAnon:"), Some(8192));
        assert_eq!(kilobytes(text, "RssFile:"), None);
    }
}
