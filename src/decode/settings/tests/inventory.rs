//! The inventory's settings.

use crate::decode::settings::{
    Flags, InventorySettings, SettingFault, SourceSettings, TokenSource,
};

fn read(variables: &[(&str, &str)]) -> Result<InventorySettings, Vec<SettingFault>> {
    let env = |wanted: &str| {
        let mut found = variables.iter().chain(&[("NATS_URL", "a:1")]);
        found
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| (*value).to_owned())
    };
    crate::decode::settings::read(&Flags::default(), env).map(|settings| settings.inventory)
}

#[test]
fn on_fly_it_is_dns_and_elsewhere_nothing() {
    let fly = read(&[("FLY_APP_NAME", "monitor"), ("ACCESS_TOKEN", "secret")]).expect("whole");
    let server = match fly.source {
        Some(SourceSettings::Dns(server)) => server.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(server, "[fdaa::3]:53");
    assert!(
        fly.restarts.is_none(),
        "the log's token is not sent elsewhere unasked"
    );
    let off = read(&[("ACCESS_TOKEN", "secret")]).expect("whole");
    assert!(off.source.is_none() && off.restarts.is_none());
    let none = read(&[("FLY_APP_NAME", "monitor"), ("LASTBEAT_INVENTORY", "none")]).expect("whole");
    assert!(none.source.is_none());
}

#[test]
fn the_machines_api_takes_a_token_and_an_organisation() {
    let machines = |more: &[(&str, &str)]| {
        let mut variables = vec![("LASTBEAT_INVENTORY", "machines")];
        variables.extend_from_slice(more);
        read(&variables)
    };
    let read = machines(&[("ACCESS_TOKEN", " log "), ("ORG", "acme")]).expect("whole");
    let Some(SourceSettings::Machines { api, organisation }) = &read.source else {
        panic!("{:?}", read.source)
    };
    assert_eq!(
        (api.url.as_str(), organisation.as_str()),
        ("https://api.machines.dev", "acme")
    );
    assert!(matches!(&api.token, TokenSource::Given(token) if token.reveal() == "log"));
    assert!(!format!("{read:?}").contains("log "), "{read:?}");
    let own =
        machines(&[("LASTBEAT_INVENTORY_TOKEN", "own"), ("ACCESS_TOKEN", "log")]).expect("whole");
    let token = own.restarts.map(|api| api.token);
    assert!(matches!(token, Some(TokenSource::Given(token)) if token.reveal() == "own"));
    let faults = machines(&[("FLY_ORG", "a/b")]).expect_err("no token, no slug");
    let settings: Vec<&str> = faults.iter().map(|fault| fault.setting.as_str()).collect();
    assert_eq!(settings, ["ORG", "LASTBEAT_INVENTORY_TOKEN"]);
}

#[test]
fn every_fault_is_told_at_once() {
    let faults = read(&[
        ("LASTBEAT_INVENTORY", "machine"),
        ("LASTBEAT_INVENTORY_URL", "https://key@host/path"),
        ("LASTBEAT_INVENTORY_DNS", "fdaa::3"),
    ])
    .expect_err("three faults");
    let told: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
    assert_eq!(
        told,
        "LASTBEAT_INVENTORY: unknown inventory \"machine\", nearest is machines; known are dns, machines, none\n\
         LASTBEAT_INVENTORY_DNS: invalid address \"fdaa::3\": expected IP:PORT, such as 127.0.0.1:9090 or [::]:9090\n\
         LASTBEAT_INVENTORY_URL: invalid URL: expected scheme and host, such as https://api.machines.dev\n"
    );
}
