//! `lastbeat man`: the manual, made of the same words as `--help`.

use clap::Command;
use clap_mangen::Man;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Print the manual page, or write the pages of all commands into a folder.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
  lastbeat man | man -l -
  sudo lastbeat man --out /usr/local/share/man/man1     then: man lastbeat, man lastbeat-run")]
pub struct ManArgs {
    /// Folder for lastbeat.1, lastbeat-run.1 and so on; it is made where it is missing
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Prints or writes; `whole` is the command line with all its commands.
pub fn run(args: &ManArgs, whole: Command) -> ExitCode {
    // Its page would say what `--help` says.
    let whole = whole.disable_help_subcommand(true);
    let done = match &args.out {
        Some(folder) => write_all(whole, folder),
        None => print(whole),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn print(whole: Command) -> Result<(), String> {
    let mut page = Vec::new();
    let made = Man::new(whole).render(&mut page);
    made.map_err(|fault| format!("the manual cannot be made: {fault}"))?;
    // A reader that has gone has seen enough.
    let _ = io::stdout().write_all(&page);
    Ok(())
}

fn write_all(whole: Command, folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(whole, folder))
        .map_err(|fault| format!("{}: {fault}", folder.display()))
}
