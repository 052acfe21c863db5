//! The command line: a table of contents.

use clap::{CommandFactory, Parser, Subcommand};
use lastbeat::commands::{
    acknowledge, beat, check, completions, demo, drill, exit, logs, man, refill, replay, report,
    run, silence, status, suggest, tail, test,
};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Alerts within seconds when logs go quiet, and names the hop that went quiet
#[derive(Parser)]
#[command(version, about, after_help = EXIT_CODES, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Try `lastbeat demo` first: it needs no server. Then:

  lastbeat check rules                            check the rules
  NATS_URL=nats://127.0.0.1:4222 lastbeat run     watch (run --help: settings)
  lastbeat status                                 show what is silent

Exit codes: 0 success; 1 failure; 64 bad settings, rules or arguments.";

#[derive(Subcommand)]
enum Command {
    /// Watch the stream, alert on silence, serve the page, the API and /metrics
    Run(run::RunArgs),
    /// Watch a simulated organisation in which things go wrong; needs no server
    Demo(demo::DemoArgs),
    /// List everything that is wrong with rules and settings
    Check(check::CheckArgs),
    /// Test the rules in virtual time
    Test(test::TestArgs),
    /// Show the status of a running lastbeat
    Status(status::StatusArgs),
    /// Show the detection time and the false alarms of each rule
    Report(report::ReportArgs),
    /// Search the archive of the stream, also without a running lastbeat
    Logs(logs::LogsArgs),
    /// Show the notifications that rules would have sent
    Replay(replay::ReplayArgs),
    /// Ship a range of the archive to a sink again
    Refill(refill::RefillArgs),
    /// Suggest thresholds for each app, from recorded heartbeats
    Suggest(suggest::SuggestArgs),
    /// Show entries as they reach a running lastbeat, or straight from NATS
    Tail(tail::TailArgs),
    /// Send a test incident through every notifier
    Drill(drill::DrillArgs),
    /// Add, list and expire silences of a running lastbeat
    Silence(silence::SilenceArgs),
    /// Acknowledge an open incident: somebody works on it
    Acknowledge(acknowledge::AcknowledgeArgs),
    /// Print heartbeats, for a Procfile or a region's canary
    Beat(beat::BeatArgs),
    /// Print a shell completion script
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
            Command::Report(args) => report::run(&args),
            Command::Logs(args) => logs::run(&args),
            Command::Suggest(args) => suggest::run(&args),
            Command::Refill(args) => refill::run(&args),
            Command::Replay(args) => replay::run(&args),
            Command::Tail(args) => tail::run(&args),
            Command::Drill(args) => drill::run(&args),
            Command::Silence(args) => silence::run(&args),
            Command::Acknowledge(args) => acknowledge::run(&args),
            Command::Beat(args) => beat::run(&args),
            Command::Completions(args) => completions::run(&args, Cli::command()),
            Command::Man(args) => man::run(&args, Cli::command()),
        },
        Err(err) => {
            let asked = !err.use_stderr();
            // Where even that cannot be written, the exit code remains.
            let _ = err.print();
            ExitCode::from(if asked { 0 } else { exit::BAD_INPUT })
        }
    }
}
