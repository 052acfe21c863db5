//! Mutates the corpus without an engine: `mutate CASES [TARGET...]`. A panic names the input, and writes it to `crash-TARGET`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// An input that takes longer is one that an attacker would send again and again.
const SLOW: Duration = Duration::from_millis(500);
/// Bytes of an input.
const MOST: usize = 16 * 1024;

/// xorshift64*: the same inputs for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file of the corpus")).collect()
}

/// A few changes to one input: bytes set, taken out, repeated, or taken over from another one.
fn mutated(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(16)).min(bytes.len());
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] = random.next() as u8,
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].repeat(1 + random.below(20));
                bytes.splice(at..at, piece);
            }
            3 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(64)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            4 => {
                let piece = b"{}[]\"\\=:,.*!\n\0\xff";
                bytes.insert(at, piece[random.below(piece.len())]);
            }
            _ => {
                let digits = random.next().to_string();
                bytes.splice(at..end, digits.bytes());
            }
        }
        bytes.truncate(MOST);
    }
    bytes
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let cases: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let wanted: Vec<String> = arguments.collect();
    for (name, target) in lastbeat_fuzz::TARGETS {
        if !wanted.is_empty() && !wanted.iter().any(|one| one == name) {
            continue;
        }
        let seeds = corpus(name);
        let mut random = Random(0x001a_57be_a7ed);
        let (began, mut slowest) = (Instant::now(), Duration::ZERO);
        for _ in 0..cases {
            let bytes = mutated(&mut random, &seeds);
            let from = Instant::now();
            let ended = catch_unwind(AssertUnwindSafe(|| target(&bytes)));
            let took = from.elapsed();
            slowest = slowest.max(took);
            if ended.is_err() || took > SLOW {
                std::fs::write(format!("crash-{name}"), &bytes).expect("the input is kept");
                eprintln!("{name}: {took:?} for crash-{name}, {} bytes", bytes.len());
                return ExitCode::FAILURE;
            }
        }
        println!("{name}: {cases} cases in {:.0?}, the slowest {slowest:.1?}", began.elapsed());
    }
    ExitCode::SUCCESS
}
