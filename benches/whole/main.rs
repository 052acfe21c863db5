//! What a message costs the whole process, beside who does the same job otherwise, in turn within one run.
//! `benches/run` fetches what it needs and calls it; by hand `cargo bench --bench whole -- [blast|steady|latency|copy|idle] ...`.
//!
//! Contenders: **Y**, a bare async-nats subscriber that only counts, in the cheapest arrangement that loses
//! nothing; lastbeat with all that it does; the least subscribers in JavaScript and Python that keep who beat when.
//! A blast comes from a stand-in of a server, since the real one is slower than the subscribers; a steady stream
//! from a real nats-server. CPU is user and system of all threads, from the kernel's own sums.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark measures with clocks"
)]

mod blast;
mod contender;
mod copy;
mod entries;
mod latency;
mod process;
mod steady;
mod table;

use contender::Contender;
use std::env;

/// Rounds of a blast: the median counts.
const ROUNDS: usize = 3;

fn main() {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |at: usize, or: u64| {
        words.get(at).map_or(or, |word| {
            word.parse()
                .unwrap_or_else(|err| panic!("{word:?} is no number: {err}"))
        })
    };
    match words.first().copied().unwrap_or("blast") {
        "yardstick" => contender::yardstick(words[1]),
        "blast" => {
            for beats_in in [1_000, 100] {
                blasts(number(1, 2_000_000), beats_in);
            }
        }
        "steady" => steady::run(number(1, 100_000), number(2, 10)),
        "latency" => {
            for instances in [10_000, 100_000] {
                latency::run(instances, number(1, 200_000) as usize);
            }
        }
        "copy" => copy::run(number(1, 100_000), number(2, 10)),
        "idle" => steady::idle(number(1, 20)),
        other => panic!("{other:?} is none of blast, steady, latency, copy, idle"),
    }
}

/// One entry in `beats_in` is a beat.
fn blasts(messages: u64, beats_in: usize) {
    println!(
        "\nblast of {messages} messages, one beat in {beats_in}, {} cores, median of {ROUNDS} rounds",
        process::cores()
    );
    let mut table = table::Table::default();
    for _ in 0..ROUNDS {
        for contender in Contender::here() {
            // The slow ones need fewer for a steady figure.
            let messages = if contender.is_fast() {
                messages
            } else {
                messages / 8
            };
            table.add(contender, blast::run(contender, messages, beats_in));
        }
    }
    table.print();
}
