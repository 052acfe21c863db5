//! The compose file, without an engine to run it: what it mounts is there, what it runs is pinned, and each server takes
//! its own file.

use super::{FILES, checked};
use crate::support::folder::Folder;
use crate::support::lastbeat::Setup;
use crate::support::prometheus::promtool;
use crate::support::testbed::{fetched, project};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The folder that paths of the compose file begin from.
fn folder() -> PathBuf {
    project().join("deploy")
}

fn compose() -> String {
    fs::read_to_string(folder().join("compose.yaml")).expect("deploy/compose.yaml is there")
}

fn part(file: &str) -> String {
    let path = folder().join("compose").join(file);
    path.to_string_lossy().into_owned()
}

#[test]
fn what_it_mounts_is_there_and_each_image_has_its_version() {
    let text = compose();
    let list = |sign: &str| -> Vec<String> {
        let rests = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix(sign));
        rests.map(str::to_owned).collect()
    };
    let mounts: Vec<String> = list("- ")
        .into_iter()
        .filter(|mount| mount.starts_with('.'))
        .collect();
    assert!(mounts.len() > 8, "{mounts:?}");
    for mount in &mounts {
        let (file, inside) = mount.split_once(':').expect("a file and its place");
        assert!(
            folder().join(file).is_file(),
            "deploy/{file} is mounted and missing"
        );
        assert!(inside.ends_with(":ro"), "{mount}: nobody writes it");
    }
    for file in FILES {
        let mounted = mounts
            .iter()
            .any(|mount| mount.starts_with(&format!("../dashboards/{file}:")));
        assert!(mounted, "Grafana does not get {file}");
    }
    for image in list("image: ") {
        let (_, tag) = image.split_once(':').unwrap_or((&image, "none"));
        assert!(tag.contains('.') && tag != "latest", "{image}: a version");
    }
    for port in list("ports: ") {
        assert!(
            port.starts_with("[\"127.0.0.1:"),
            "{port}: this machine alone"
        );
    }
}

#[test]
fn each_server_takes_its_own_file() {
    checked(Command::new(fetched("bin/nats-server")).args(["-t", "-c", &part("nats.conf")]));
    checked(Command::new(fetched("bin/amtool")).args(["check-config", &part("alertmanager.yml")]));
    checked(Command::new("sh").args(["-n", &part("instances.sh")]));
    // As in the container, the rules lie beside it.
    let etc = Folder::new("compose");
    for file in ["compose/prometheus.yml", "../dashboards/alerts.yml"] {
        let name = file.rsplit('/').next().unwrap_or(file);
        etc.write(
            name,
            &fs::read_to_string(folder().join(file)).expect("it is there"),
        );
    }
    let config = etc.path().join("prometheus.yml");
    promtool(&["check", "config", &config.to_string_lossy()], "")
        .unwrap_or_else(|said| panic!("{said}"));
}

#[test]
fn lastbeat_takes_its_settings_and_its_rules() {
    let rules = fs::read_to_string(part("lastbeat.toml")).expect("it is there");
    let default = fs::read_to_string(folder().join("../rules/90-default.toml")).expect("shipped");
    let mut setup = Setup::new()
        .rules("50-compose.toml", &rules)
        .rules("90-default.toml", &default);
    let text = compose();
    let service = text.split("  lastbeat:").nth(1).unwrap_or_default();
    let environment = service.split("environment:").nth(1).unwrap_or_default();
    let mut count = 0;
    for line in environment
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with("      "))
    {
        let pair = line.trim().split_once(": ");
        if let Some((key, value)) = pair.filter(|(key, _)| !key.starts_with('#')) {
            setup = setup.env(key, if value.starts_with("${") { "" } else { value });
            count += 1;
        }
    }
    assert!(count >= 6, "{count} settings read from compose.yaml");
    let mut check = setup.command(&["check", "--print"]);
    assert_eq!(
        check.wait_end(Duration::from_secs(10)),
        0,
        "{:?}",
        check.lines()
    );
    let printed = check.lines().join("\n");
    assert!(printed.contains("alertmanager"), "{printed}");
}
