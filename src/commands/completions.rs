//! `lastbeat completions`: shell completion scripts.

use clap::Command;
use clap_complete::Shell;
use std::io::Write;
use std::process::ExitCode;

/// Print a shell completion script
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Install it and open a new shell:

  lastbeat completions bash >> ~/.bash_completion
  lastbeat completions zsh > \"${fpath[1]}/_lastbeat\"
  lastbeat completions fish > ~/.config/fish/completions/lastbeat.fish

For this shell alone:

  source <(lastbeat completions bash)")]
pub struct CompletionsArgs {
    /// Shell that the script is for
    shell: Shell,
}

/// Prints it; `whole` is the command line with all its commands.
pub fn run(args: &CompletionsArgs, mut whole: Command) -> ExitCode {
    let name = whole.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut whole, name, &mut text);
    // A reader that has gone has seen enough.
    let _ = std::io::stdout().write_all(&text);
    ExitCode::SUCCESS
}
