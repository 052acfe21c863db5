mod inventory;

use super::declared::ALL;
use super::nats::FLY_SERVER;
use super::*;
use std::cell::RefCell;
use std::collections::BTreeSet;

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
    assert_eq!(settings.nats.servers[0].address, FLY_SERVER);
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
fn credentials_in_an_url_stay_with_their_server_and_out_of_every_text() {
    let url = "nats://me:s3cret@a:4222,nats://s3cretToken@b,c";
    let settings = with(&[("NATS_URL", url)]).expect("whole");
    let addresses: Vec<&str> = settings
        .nats
        .servers
        .iter()
        .map(|one| one.address.as_str())
        .collect();
    assert_eq!(addresses, ["nats://a:4222", "nats://b", "c"]);
    let logins = [0, 1, 2].map(|at: usize| settings.nats.servers[at].login.clone());
    let token = Login::Token(Secret::new("s3cretToken"));
    assert!(
        matches!(&logins[0], Some(Login::Password { user, password }) if user == "me" && password.reveal() == "s3cret")
    );
    assert_eq!(logins[1..], [Some(token), None]);
    assert!(settings.nats.user.is_none() && settings.nats.token.is_none());
    let flags = Flags::default().with(&NATS_URL.about, url);
    let shown = format!("{settings:?} {flags:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn an_invalid_server_is_a_fault_of_the_settings() {
    for url in ["nope://x", "http://x", "nats://t0ken@"] {
        let faults = with(&[("NATS_URL", url)]).expect_err(url);
        assert_eq!(faults[0].setting, "NATS_URL");
        assert!(!faults[0].what.contains("t0ken"), "{}", faults[0]);
    }
}

#[test]
fn each_variable_that_is_read_is_declared_and_each_declared_one_is_read() {
    let asked = RefCell::new(BTreeSet::new());
    // No variable is set: every alternative is asked for.
    let _ = read(&Flags::default(), |name| {
        asked.borrow_mut().insert(name.to_owned());
        None
    });
    let of_the_platform = ["FLY_APP_NAME", "FLY_MACHINE_ID", "FLY_REGION", "HOSTNAME"];
    let read_elsewhere = ["RUST_LOG", "LASTBEAT_URL"];
    let declared = ALL.iter().flat_map(|about| about.variables);
    let declared: BTreeSet<String> = declared.map(|name| (*name).to_owned()).collect();
    let asked = asked.into_inner();
    let undeclared: Vec<_> = asked.difference(&declared).collect();
    let unread: Vec<_> = declared.difference(&asked).collect();
    assert_eq!(undeclared, of_the_platform[..3].iter().collect::<Vec<_>>());
    assert_eq!(unread, read_elsewhere.iter().rev().collect::<Vec<_>>());
}

#[test]
fn an_unknown_variable_is_named_with_the_nearest_setting() {
    let names = [
        "LASTBEAT_LISTNE",
        "LASTBEAT_FOO",
        "LASTBEAT_TOKEN_FILE",
        "LASTBEAT_URL",
        "PATH",
    ];
    let warnings = unknown(names.into_iter().map(str::to_owned));
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "LASTBEAT_FOO: unknown setting; it has no effect",
            "LASTBEAT_LISTNE: unknown setting, nearest is LASTBEAT_LISTEN; it has no effect",
        ]
    );
}

#[test]
fn variables_of_a_log_shipper_without_effect_are_named_and_explained() {
    let names = ["QUEUE", "ORG", "SUBJECT", "NETWORK", "NETWORKS"];
    let warnings = unknown(names.into_iter().map(str::to_owned));
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let [network, queue] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    assert!(
        network.starts_with("NETWORK: a variable of fly-log-shipper")
            && network.contains("NATS_URL"),
        "{network}"
    );
    assert!(
        queue.starts_with("QUEUE: a variable of fly-log-shipper") && queue.contains("no queue"),
        "{queue}"
    );
}

#[test]
fn the_webs_token_is_never_shown() {
    let settings = with(&[
        ("NATS_URL", "a:1"),
        ("LASTBEAT_TOKEN", " t0p-of-16-letters "),
    ])
    .expect("whole");
    assert!(
        matches!(&settings.web_token, Some(TokenSource::Given(secret)) if secret.reveal() == "t0p-of-16-letters")
    );
    assert!(!format!("{settings:?}").contains("t0p"));
    let weak = with(&[("NATS_URL", "a:1"), ("LASTBEAT_TOKEN", "fifteen-letters")]);
    let weak = weak.expect_err("too short")[0].to_string();
    assert!(
        weak.contains("openssl rand -hex 32") && !weak.contains("fifteen"),
        "{weak}"
    );
    for (word, expected) in [("read", Some(true)), ("off", Some(false)), ("write", None)] {
        let settings = with(&[("NATS_URL", "a:1"), ("LASTBEAT_ANONYMOUS", word)]);
        assert_eq!(
            settings.ok().map(|all| all.anonymous_read),
            expected,
            "{word}"
        );
    }
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
        ("LASTBEAT_MAX_INSTANCES", "2000001"),
        ("LASTBEAT_MAX_APPS", "0"),
        ("LASTBEAT_GIVE_UP_AFTER", "soon"),
    ]);
    let faults = faults.expect_err("seven are wrong");
    let settings: Vec<_> = faults.iter().map(|fault| fault.setting.as_str()).collect();
    assert_eq!(
        settings,
        [
            "NATS_URL",
            "SUBJECT",
            "LASTBEAT_LISTEN",
            "LASTBEAT_GIVE_UP_AFTER",
            "LASTBEAT_MAX_INSTANCES",
            "LASTBEAT_MAX_APPS",
            "LASTBEAT_MAX_SERIES",
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
        assert!(
            said.is_err_and(|why| why.contains("asks for it")),
            "{memory:?}"
        );
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
        ("LASTBEAT_MAX_INSTANCES", "2000000"),
        ("LASTBEAT_MAX_APPS", " 1 "),
    ];
    let (instances, apps) = (2_000_000, 1);
    assert_eq!(limits(&given), Limits { instances, apps });
}

#[test]
fn globs_of_ignored_apps_are_checked_and_may_take_out() {
    let ignored = |globs: &str| {
        let vars = [
            ("NATS_URL", "a:1"),
            ("FLY_APP_NAME", "own"),
            ("LASTBEAT_IGNORE", globs),
        ];
        with(&vars).map(|settings| settings.ignore)
    };
    let all_but_web = ignored("!web").expect("a list");
    let names = ["own", "api", "web"].map(|name| all_but_web.matches(name));
    assert_eq!(names, [true, true, false]);
    let some = ignored("review-*,!review-1").expect("a list");
    let names = ["own", "api", "review-2", "review-1"].map(|name| some.matches(name));
    assert_eq!(names, [true, false, true, false]);
    for (globs, what) in [
        ("[a", "has a [ without its ]"),
        ("web,!*", "takes out everything"),
        ("!!web", "more than one !"),
    ] {
        let faults = ignored(globs).expect_err(globs);
        let text = faults[0].to_string();
        assert!(
            text.contains(what) && text.contains("LASTBEAT_IGNORE"),
            "{text}"
        );
    }
}

#[test]
fn creds_and_nkey_are_one_or_the_other_and_a_key_needs_its_certificate() {
    let pair = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, [7; 32]);
    let seed = pair.and_then(|pair| pair.seed()).expect("32 bytes");
    let set = |more: &[(&str, &str)]| with(&[&[("NATS_URL", "a:1")], more].concat());
    let nats = |more: &[(&str, &str)]| set(more).expect("whole").nats;
    let identity = nats(&[("NATS_NKEY", &seed)]).identity;
    let shown = format!("{identity:?}");
    assert!(shown.contains("Nkey") && !shown.contains(&seed), "{shown}");
    let identity = nats(&[("NATS_CREDS_FILE", "/c")]).identity.expect("set");
    assert_eq!(identity.setting(), "NATS_CREDS_FILE");
    let tls = nats(&[("NATS_CERT", "/both.pem")]).tls;
    let client = tls.client.as_ref().expect("set");
    assert_eq!(client.key, client.certificate);
    assert!(tls.is_required() && !nats(&[]).tls.is_required());
    for (more, fault) in [
        (
            &[("NATS_NKEY", seed.as_str()), ("NATS_CREDS_FILE", "/c")][..],
            "NATS_NKEY: NATS_CREDS is set too",
        ),
        (
            &[("NATS_KEY", "/key.pem")],
            "NATS_KEY: NATS_CERT is not set",
        ),
        (&[("NATS_NKEY", "s3cret")], "NATS_NKEY: no seed of a user"),
        (
            &[("NATS_CREDS", "/etc/s3cret.creds")],
            "NATS_CREDS: no NATS USER JWT",
        ),
    ] {
        let faults = set(more).expect_err(fault);
        let said = faults[0].to_string();
        assert!(faults.len() == 1 && said.starts_with(fault), "{said}");
        assert!(!said.contains("s3cret") && !said.contains(&seed), "{said}");
    }
}
