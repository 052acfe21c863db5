//! Killed at any instant: what was acknowledged is there.

use super::*;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const FOLDER: &str = "LASTBEAT_TEST_STORE";
const CHILD: &str = "io::store::tests::kill::a_writer_acknowledges_what_it_wrote";

/// Writes incidents, each with its parcel and a checkpoint, and says the number of each that is acknowledged: a few of
/// them by itself, and as the child of the test below until it is killed.
#[test]
fn a_writer_acknowledges_what_it_wrote() {
    let given = std::env::var_os(FOLDER).map(PathBuf::from);
    let last = if given.is_some() { u64::MAX } else { 20 };
    // A child that is killed could not remove one of its own.
    let own = given.is_none().then(Folder::new);
    let path = given
        .or(own.as_ref().map(Folder::db))
        .expect("one of the two");
    let mut store = open(&path).store;
    let first = store
        .history(&everything())
        .expect("readable")
        .first()
        .map_or(1, |one| one.incident.notice.incident.0 + 1);
    for id in (first..).take_while(|id| *id <= last) {
        let mut batch = checkpoint(false, (0..50).map(|slot| instance(slot, id)).collect());
        batch.incidents = vec![incident(id, "web")];
        batch.deliveries = vec![delivery(id)];
        batch.done = vec![id - 1];
        store.save(&batch).expect("written");
        println!("acknowledged {id}");
    }
    assert_eq!(open_after(store, &path), last);
}

/// The number of the last parcel in the file, which must agree with all else.
fn open_after(store: Store, path: &Path) -> u64 {
    drop(store);
    let opened = open(path);
    assert_eq!(opened.set_aside, None);
    let [parcel] = &opened.deliveries[..] else {
        panic!("one parcel waits: {:?}", opened.deliveries);
    };
    let newest = opened
        .saved
        .incidents
        .last()
        .map(|one| one.notice.incident.0);
    assert_eq!(newest, Some(parcel.id));
    assert!(
        opened
            .saved
            .instances
            .iter()
            .all(|one| one.seen.at == at(parcel.id))
    );
    parcel.id
}

#[test]
fn a_kill_loses_nothing_that_was_acknowledged() {
    let folder = Folder::new();
    let mut dice = 7_u32;
    for _ in 0..20 {
        let mut child = Command::new(std::env::current_exe().expect("a test has a file"))
            .args(["--exact", CHILD, "--nocapture"])
            .env(FOLDER, folder.db())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test can be started again");
        let said = BufReader::new(child.stdout.take().expect("it is piped"));
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let lines = 1 + dice as usize / 7 % 40;
        let acknowledged = |line: String| line.strip_prefix("acknowledged ")?.parse::<u64>().ok();
        let mut numbers = said.lines().map_while(Result::ok).filter_map(acknowledged);
        let at_kill = numbers.by_ref().take(lines).last().expect("it writes");
        child.kill().expect("it runs");
        child.wait().expect("it was killed");
        // What it said between our last look and its end.
        let last_said = numbers.last().unwrap_or(at_kill);
        let memory = Store::open(None, NOW).expect("memory is there").store;
        let found = open_after(memory, &folder.db());
        assert!(
            found == last_said || found == last_said + 1,
            "said {last_said}, found {found}"
        );
    }
}
