//! `lastbeat man`: the manual, made from the text of `--help`.

use super::exit::Stop;
use clap::Command;
use clap_mangen::Man;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Print the manual page, or write those of all commands into a folder
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Read it here, or install it:

  lastbeat man | man -l -
  sudo lastbeat man --out /usr/local/share/man/man1     (then: man lastbeat-run)")]
pub struct ManArgs {
    /// Folder for lastbeat.1, lastbeat-run.1 and so on; created where it is missing
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
    done.map_or_else(|why| Stop::failed(why).print(), |()| ExitCode::SUCCESS)
}

fn print(whole: Command) -> Result<(), String> {
    let mut page = Vec::new();
    let made = Man::new(whole).render(&mut page);
    made.map_err(|fault| format!("cannot make the manual: {fault}"))?;
    // A reader that has gone has seen enough.
    let _ = io::stdout().write_all(&page);
    Ok(())
}

fn write_all(whole: Command, folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(whole, folder))
        .map_err(|fault| format!("{}: {fault}", folder.display()))
}
