//! Rounds into a table that fits into docs/performance.md.

use super::blast::Round;
use super::contender::Contender;
use std::collections::BTreeMap;

/// Rounds of each.
#[derive(Default)]
pub struct Table(BTreeMap<Contender, Vec<Round>>);

impl Table {
    /// One more round.
    pub fn add(&mut self, contender: Contender, round: Round) {
        self.0.entry(contender).or_default().push(round);
    }

    /// Medians, and what they are beside Y's. A ratio is the median of the rounds' own ratios: what else the machine
    /// does hits the neighbours of one round alike.
    pub fn print(&self) {
        println!(
            "| | CPU a message | beside Y | messages a second | beside Y | peak memory | lost |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- |");
        let yardstick = &self.0[&Contender::Yardstick];
        for (contender, rounds) in &self.0 {
            let of = |what: fn(&Round) -> f64| median(rounds.iter().map(what));
            let ratio = |what: fn(&Round) -> f64| {
                let pairs = rounds.iter().zip(yardstick);
                median(pairs.map(|(round, y)| what(round) / what(y)))
            };
            let lost: Option<u64> = rounds.iter().map(|round| round.lost).sum();
            println!(
                "| {} | {:.0} ns | {:.2} | {:.0} | {:.2} | {:.1} MB | {} |",
                contender.name(),
                of(|round| round.nanos),
                ratio(|round| round.nanos),
                of(|round| round.rate),
                ratio(|round| round.rate),
                of(|round| round.peak_mb),
                lost.map_or("?".to_owned(), |lost| lost.to_string()),
            );
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
