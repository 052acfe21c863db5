//! `lastbeat completions`: what makes a shell complete commands and flags.

use clap::Command;
use clap_complete::Shell;
use std::io::Write;
use std::process::ExitCode;

/// Print what makes a shell complete commands and flags.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Put it where the shell looks for such, and open a new shell:

  lastbeat completions bash > ~/.local/share/bash-completion/completions/lastbeat
  lastbeat completions zsh > \"${fpath[1]}/_lastbeat\"
  lastbeat completions fish > ~/.config/fish/completions/lastbeat.fish

Or, for this shell alone:

  source <(lastbeat completions bash)")]
pub struct CompletionsArgs {
    /// The shell
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
