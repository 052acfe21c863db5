//! The core against a naive model, over thousands of organisations and their misfortunes, each made from a seed.
//!
//! `LASTBEAT_SEED=17 cargo test --test it simulation` plays one seed alone. The model knows every call that was made, and
//! recomputes from them what every alert must be; nothing in it is shared with the core but the rules.

mod checks;
mod clock;
mod driver;
mod history;
mod model;
mod world;

use std::panic;

/// Seeds of an ordinary run.
const SEEDS: u64 = 2_000;

#[test]
fn the_core_does_what_a_naive_model_does() {
    if let Some(seed) = std::env::var("LASTBEAT_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        return play(seed);
    }
    let count = std::env::var("LASTBEAT_SEEDS")
        .ok()
        .and_then(|count| count.parse().ok());
    let count = count.unwrap_or(SEEDS);
    let hands = std::thread::available_parallelism().map_or(1, |hands| hands.get() as u64);
    std::thread::scope(|scope| {
        for hand in 0..hands {
            scope.spawn(move || {
                (1..=count)
                    .filter(|seed| seed % hands == hand)
                    .for_each(play)
            });
        }
    });
}

fn play(seed: u64) {
    let checked = panic::catch_unwind(|| {
        let world = world::world(seed);
        let (history, engine) = driver::play(&world);
        checks::check(&world, &history, &engine)
    });
    match checked {
        Ok(Ok(())) => {}
        Ok(Err(what)) => panic!("seed {seed}: {what}"),
        Err(_) => panic!("seed {seed}: the core panicked; LASTBEAT_SEED={seed} plays it alone"),
    }
}
