//! Times of beats, as readers see them.

use crate::core::rule::FORGET_AFTER;
use crate::core::tests::bench::{Bench, at, rule};

#[test]
fn an_instance_in_the_app_region_of_a_forgotten_one_has_its_own_times_alone() {
    let mut bench = Bench::new(vec![rule("r", "*", 300.0)]);
    bench.beats(&["web.iad.a", "web.iad.b"], (0..100).step_by(10));
    let now = at(95.0);
    let detail = bench.engine.detail("logs.web.iad.b", now);
    let detail = detail.expect("it is known");
    assert_eq!(
        (detail.instance.instance(), detail.beats[0].1.len()),
        ("b", 10)
    );
    let day = FORGET_AFTER.as_secs();
    bench.beats(&["web.iad.a"], (100..day + 500).step_by(20));
    bench.tick((day + 500) as f64);
    assert!(bench.engine.detail("logs.web.iad.b", now).is_none());
    let free = bench.engine.instances();
    bench.beats(&["web.iad.c"], [day + 600]);
    assert_eq!(bench.engine.instances(), free + 1);
    let now = at((day + 600) as f64);
    let detail = bench.engine.detail("logs.web.iad.c", now);
    let times = &detail.expect("it is known").beats[0].1;
    assert_eq!(times[..], [now.wall]);
}
