//! The command line: a table of contents.

use clap::{CommandFactory, Parser, Subcommand};
use lastbeat::commands::{
    beat, check, completions, demo, drill, man, run, silence, status, tail, test,
};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Notices within seconds when logs go quiet, and says which hop went quiet.
#[derive(Parser)]
#[command(version, about, after_help = EXIT_CODES, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Try `lastbeat demo` first: it needs no server. Then:

  lastbeat check --rules rules                     are the rules right?
  NATS_URL=nats://127.0.0.1:4222 lastbeat run      watch; `lastbeat run --help` has every setting
  lastbeat status                                  what is silent, in another terminal

Exit codes: 0 asked to stop, and stopped; 1 could not start, or a part died; 64 bad settings or rules.";

#[derive(Subcommand)]
enum Command {
    /// Watch the stream, alert on silence, serve /metrics
    Run(run::RunArgs),
    /// Watch a simulated organisation in which things go wrong; needs no server
    Demo(demo::DemoArgs),
    /// Say everything that is wrong with the rules
    Check(check::CheckArgs),
    /// Try the rules: test cases in virtual time
    Test(test::TestArgs),
    /// Show how a lastbeat that runs is, and what is silent
    Status(status::StatusArgs),
    /// Show entries as they reach a lastbeat that runs
    Tail(tail::TailArgs),
    /// Try every notifier with a test incident
    Drill(drill::DrillArgs),
    /// Make, list and end silences of a lastbeat that runs
    Silence(silence::SilenceArgs),
    /// Print heartbeats, for a Procfile or a region's canary
    Beat(beat::BeatArgs),
    /// Print what makes a shell complete commands and flags
    Completions(completions::CompletionsArgs),
    /// Print the manual page
    Man(man::ManArgs),
}

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => match cli.command {
            Command::Run(args) => run::run(&args),
            Command::Demo(args) => demo::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Test(args) => test::run(&args),
            Command::Status(args) => status::run(&args),
            Command::Tail(args) => tail::run(&args),
            Command::Drill(args) => drill::run(&args),
            Command::Silence(args) => silence::run(&args),
            Command::Beat(args) => beat::run(&args),
            Command::Completions(args) => completions::run(&args, Cli::command()),
            Command::Man(args) => man::run(&args, Cli::command()),
        },
        Err(err) => {
            let asked = !err.use_stderr();
            // Where not even that can be written, the exit code speaks.
            let _ = err.print();
            ExitCode::from(if asked { 0 } else { check::EXIT_BAD_RULES })
        }
    }
}
