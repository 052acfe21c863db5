//! Copies for readers that are made in slices.

use crate::core::snapshot::Snapshot;
use crate::core::snapshot::copy::Copying;
use crate::core::tests::bench::{Bench, at, rule};

const MACHINES: [&str; 6] = [
    "web.iad.a",
    "web.iad.b",
    "web.lhr.c",
    "job.fra.d",
    "job.fra.e",
    "api.iad.f",
];

fn bench() -> Bench {
    let mut bench = Bench::new(vec![rule("web", "web", 30.0), rule("rest", "*", 60.0)]);
    bench.beats(&MACHINES, (0..100).step_by(10));
    bench.beats(&MACHINES[2..], (100..200).step_by(10));
    bench
}

/// Continues until the copy is complete; calls `between` after each slice. Gives the number of slices, too.
fn sliced(
    bench: &mut Bench,
    mut copying: Box<Copying>,
    mut between: impl FnMut(&mut Bench),
) -> (Snapshot, usize) {
    for slices in 1.. {
        match bench.engine.copy_on(copying, 2, at(200.0)) {
            Ok(snapshot) => return (snapshot, slices),
            Err(unfinished) => copying = unfinished,
        }
        between(bench);
    }
    unreachable!("a copy ends");
}

#[test]
fn slices_make_the_same_copy_as_one_go() {
    for most in [0, 1, 5, 6, 100] {
        let mut bench = bench();
        let whole = bench.engine.snapshot(at(200.0), most);
        let begun = bench.engine.begin_copy(most);
        let (copy, slices) = sliced(&mut bench, begun, |_| {});
        assert_eq!(slices, 3);
        assert_eq!(format!("{copy:?}"), format!("{whole:?}"));
        assert_eq!(
            copy.suppressed,
            12 - copy.instances.len() as u64 - copy.beats.len() as u64
        );
    }
}

#[test]
fn who_comes_and_goes_meanwhile_breaks_no_copy() {
    let mut bench = bench();
    let begun = bench.engine.begin_copy(100);
    let mut number = 0;
    let (copy, slices) = sliced(&mut bench, begun, |bench| {
        number += 1;
        if number < 5 {
            bench.beats(&[&format!("new{number}.ams.g")], [200]);
        }
    });
    assert!(slices > 3, "{slices}");
    assert_eq!((copy.apps.len(), copy.instances.len()), (7, 10));
    let counted: u64 = copy.verdicts.iter().map(|row| row.count).sum();
    assert_eq!(counted, 10);
}
