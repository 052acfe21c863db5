use super::nats::FLY_SERVER;
use super::*;

fn with(vars: &[(&str, &str)]) -> Result<Settings, Vec<SettingFault>> {
    read(&Flags::default(), |name| {
        vars.iter()
            .find(|var| var.0 == name)
            .map(|var| var.1.to_owned())
    })
}

#[test]
fn on_fly_two_variables_are_enough() {
    let settings = with(&[
        ("FLY_APP_NAME", "lastbeat"),
        ("ORG", "acme"),
        ("ACCESS_TOKEN", "FlyV1 fm2_x"),
    ]);
    let settings = settings.expect("nothing is missing");
    assert_eq!(settings.nats.servers, [FLY_SERVER]);
    assert_eq!(
        (settings.nats.user.as_deref(), &*settings.nats.subjects),
        (Some("acme"), &["logs.>".to_owned()][..])
    );
    assert_eq!(settings.ignore.0, ["fly-builder-*", "lastbeat"]);
    assert!(
        !format!("{settings:?}").contains("fm2_x"),
        "a secret is printed"
    );
}

#[test]
fn the_first_variable_set_wins() {
    let vars = [
        ("NATS_URL", "a:1, b:2"),
        ("NATS_USER", "n"),
        ("FLY_ORG", "f"),
        ("FLY_APP", "web"),
        ("ORG", " "),
    ];
    let nats = with(&vars).expect("whole").nats;
    assert_eq!(
        (nats.servers.len(), nats.user.as_deref(), &*nats.subjects),
        (2, Some("f"), &["logs.web.>".to_owned()][..])
    );
}

#[test]
fn credentials_in_the_address_become_fields() {
    let nats = with(&[("NATS_URL", "nats://me:s3cret@host:4222")])
        .expect("whole")
        .nats;
    assert_eq!(
        (nats.servers, nats.user.as_deref()),
        (vec!["nats://host:4222".to_owned()], Some("me"))
    );
    assert!(matches!(nats.token, Some(TokenSource::Given(secret)) if secret.reveal() == "s3cret"));
}

#[test]
fn the_webs_token_is_never_shown() {
    let settings = with(&[("NATS_URL", "a:1"), ("LASTBEAT_TOKEN", " t0p ")]).expect("whole");
    assert!(
        matches!(&settings.web_token, Some(TokenSource::Given(secret)) if secret.reveal() == "t0p")
    );
    assert!(!format!("{settings:?}").contains("t0p"));
    let file = with(&[("NATS_URL", "a:1"), ("LASTBEAT_TOKEN_FILE", "/run/t")]);
    let file = file.expect("whole").web_token;
    assert!(matches!(file, Some(TokenSource::File(path)) if path.ends_with("t")));
}

#[test]
fn every_fault_is_told_at_once() {
    let faults = with(&[
        ("LASTBEAT_LISTEN", "nowhere"),
        ("SUBJECT", "logs. x"),
        ("LASTBEAT_MAX_SERIES", "lots"),
        ("LASTBEAT_MAX_INSTANCES", "10000001"),
        ("LASTBEAT_MAX_APPS", "0"),
        ("LASTBEAT_GIVE_UP_AFTER", "soon"),
    ]);
    let faults = faults.expect_err("seven are wrong");
    let settings: Vec<_> = faults.iter().map(|fault| fault.setting).collect();
    assert_eq!(
        settings,
        [
            "SUBJECT",
            "NATS_URL",
            "LASTBEAT_MAX_INSTANCES",
            "LASTBEAT_MAX_APPS",
            "LASTBEAT_LISTEN",
            "LASTBEAT_MAX_SERIES",
            "LASTBEAT_GIVE_UP_AFTER"
        ]
    );
}

#[test]
fn the_state_is_where_it_is_said_and_else_on_the_volume() {
    let state = |vars: &[(&str, &str)], volume: bool| {
        let all = [&[("NATS_URL", "a:1")], vars].concat();
        let state = with(&all).expect("whole").state;
        state.settle(|path| volume && path == std::path::Path::new("/data"))
    };
    let file = |path: &str| Ok(PathBuf::from(path));
    assert_eq!(state(&[], true), file("/data/lastbeat.db"));
    let unsaid = state(&[], false).expect_err("no volume");
    assert!(unsaid.contains("LASTBEAT_STATE is not set"), "{unsaid}");
    for memory in ["", " ", "memory"] {
        let said = state(&[("LASTBEAT_STATE", memory)], true);
        assert!(said.is_err_and(|why| why.contains("says so")), "{memory:?}");
    }
    assert_eq!(state(&[("LASTBEAT_STATE", "/x/y")], true), file("/x/y"));
}

#[test]
fn the_watchdogs_address_is_an_address_and_is_never_shown() {
    let vars = |url| [("NATS_URL", "a:1"), ("LASTBEAT_WATCHDOG_URL", url)];
    let settings = with(&vars(" https://hc.example/s3cret ")).expect("whole");
    assert!(
        matches!(&settings.watchdog, Some(TokenSource::Given(url)) if url.reveal() == "https://hc.example/s3cret")
    );
    assert!(!format!("{settings:?}").contains("s3cret"));
    let faults = with(&vars("s3cret")).expect_err("no address");
    assert_eq!(faults[0].setting, "LASTBEAT_WATCHDOG_URL");
    assert!(!faults[0].what.contains("s3cret"));
}

#[test]
fn a_monitor_is_named_by_what_stays_when_a_machine_is_replaced() {
    let monitor = |app: Option<&str>| {
        let vars: Vec<(&str, &str)> = app.map(|app| ("FLY_APP_NAME", app)).into_iter().collect();
        let all = [&[("NATS_URL", "a:1"), ("FLY_MACHINE_ID", "m")], &vars[..]].concat();
        with(&all).expect("whole").monitor
    };
    assert_eq!(monitor(None), "lastbeat");
    assert_eq!(monitor(Some("Acme-lastbeat.x")), "acme-lastbeat-x");
    assert_eq!(monitor(Some("watch")), "lastbeat-watch");
    assert_eq!(monitor(Some(&"x".repeat(80))).len(), 50);
}

#[test]
fn limits_are_numbers_within_reason() {
    let limits = |vars: &[(&str, &str)]| {
        let all = [&[("NATS_URL", "a:1")], vars].concat();
        with(&all).expect("whole").limits
    };
    assert_eq!(limits(&[]), Limits::default());
    let given = [
        ("LASTBEAT_MAX_INSTANCES", "10000000"),
        ("LASTBEAT_MAX_APPS", " 1 "),
    ];
    let (instances, apps) = (10_000_000, 1);
    assert_eq!(limits(&given), Limits { instances, apps });
}
