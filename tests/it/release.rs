//! `deploy/release.sh`, which the release workflow calls: its archive, checksums, install script and formula.

use crate::support::folder::Folder;
use crate::support::testbed::project;
use std::fs;
use std::process::{Command, Output};

const TAG: &str = "v9.9.9";
const TARGET: &str = "x86_64-unknown-linux-musl";

fn run(command: &mut Command) -> Output {
    command
        .current_dir(project())
        .output()
        .expect("a shell runs")
}

#[track_caller]
fn well(command: &mut Command) -> String {
    let output = run(command);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_release_installs_what_its_checksums_name_and_nothing_else() {
    let out = Folder::new("release");
    let release = |arguments: &[&str]| {
        let mut command = Command::new("deploy/release.sh");
        command
            .args(arguments)
            .env("OUT", out.path())
            .env("BINARY", env!("CARGO_BIN_EXE_lastbeat"));
        command
    };
    well(&mut release(&["pack", TAG, TARGET]));
    well(&mut release(&["finish", TAG, "acme/lastbeat"]));
    let archive = format!("lastbeat-{TAG}-{TARGET}.tar.gz");
    let inside = |file: &str| {
        let name = archive.trim_end_matches(".tar.gz");
        let mut tar = Command::new("tar");
        tar.arg("-xzOf").arg(out.path().join(&archive));
        well(tar.arg(format!("{name}/{file}")))
    };
    let own = fs::read_to_string(project().join("deploy/compose.yaml")).expect("a file");
    assert_eq!(inside("deploy/compose.yaml"), own);
    well(release(&["pack", TAG, TARGET]).env("GITHUB_REPOSITORY", "Acme/lastbeat"));
    well(&mut release(&["finish", TAG, "acme/lastbeat"]));
    let compose = inside("deploy/compose.yaml");
    let image = "    image: ${LASTBEAT_IMAGE:-ghcr.io/acme/lastbeat:9.9.9}\n";
    assert!(
        compose.contains(image) && !compose.contains("build:"),
        "{compose}"
    );
    let fly: toml::Table = inside("fly.toml").parse().expect("it is TOML");
    assert_eq!(
        fly["build"]["image"].as_str(),
        Some("ghcr.io/acme/lastbeat:9.9.9")
    );
    assert_eq!(fly["primary_region"].as_str(), Some("iad"));
    let list = well(
        Command::new("tar")
            .arg("-tzf")
            .arg(out.path().join(&archive)),
    );
    let name = archive.trim_end_matches(".tar.gz");
    for file in [
        "lastbeat",
        "LICENSE",
        "rules/90-default.toml",
        "deploy/lastbeat.service",
        "dashboards/alerts.yml",
    ] {
        let file = format!("{name}/{file}");
        assert!(list.lines().any(|line| line == file), "{file} in {list}");
    }
    let sums = fs::read_to_string(out.path().join("SHA256SUMS")).expect("checksums");
    let (sum, rest) = sums.split_once("  ").expect("a sum and a name");
    assert_eq!(rest, format!("{archive}\n"));
    let formula = fs::read_to_string(out.path().join("lastbeat.rb")).expect("a formula");
    assert!(
        formula.contains(&format!("sha256 \"{sum}\"")) && formula.contains(&archive),
        "{formula}"
    );

    let script = out.path().join("install.sh");
    let install = |prefix: &str| {
        let mut command = Command::new("sh");
        command
            .arg(&script)
            .env("PREFIX", out.path().join(prefix))
            .env("BASE", format!("file://{}", out.path().display()));
        command
    };
    let said = well(&mut install("good"));
    assert!(said.starts_with("lastbeat "), "{said}");
    let hint = "good/bin/lastbeat, which is not in PATH; try: ";
    assert!(said.contains(hint), "{said}");
    assert!(out.path().join("good/bin/lastbeat").is_file());
    let text = fs::read_to_string(&script).expect("the script");
    let zeros = "0".repeat(sum.len());
    fs::write(&script, text.replace(sum, &zeros)).expect("written");
    let refused = run(&mut install("bad"));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("nothing is installed"),
        "{said}"
    );
    assert!(!out.path().join("bad").exists());
    let refused = run(install("bad").env("BASE", "file:///nowhere"));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("cannot download file:///nowhere/"), "{said}");
    let refused = run(&mut release(&["build", "armv7-unknown-linux-musleabihf"]));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("rustup target add armv7-unknown-linux-musleabihf"),
        "{said}"
    );
    assert_eq!(run(&mut release(&["pack"])).status.code(), Some(64));
}
