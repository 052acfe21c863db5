//! The recipes for heartbeats, each run as readers run it: alone, and within a program of their own. lastbeat's own
//! decoder reads their output.

use crate::support::child::{Child, command};
use crate::support::folder::Folder;
use crate::support::testbed::{fetched, project};
use crate::support::wait::{since, wait_until, wall};
use lastbeat::decode::beat::{self, Found, Markers};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

/// Any of the languages has started well before this, on a busy machine too.
const SOON: Duration = Duration::from_secs(120);
/// From the signal to the bye, and to the end of a recipe that runs alone.
const END: Duration = Duration::from_secs(10);
/// From the signal to the end of a program around it: Erlang takes a second, on an idle machine, to stop an
/// application in order.
const STOPPED: Duration = Duration::from_secs(10);
/// Long enough for a compiler that has nothing in its cache.
const BUILT: Duration = Duration::from_secs(120);

/// Copies that start together, and their interval in seconds: four that beat together by chance are one
/// fleet in 500 where the start is a whole second, fewer elsewhere.
const FLEET: usize = 4;
const FLEET_EVERY: &str = "8";
/// What beats within this is taken to beat together.
const TOGETHER: Duration = Duration::from_millis(300);
/// One fleet that beats together may be chance; so many are not.
const FLEETS: usize = 4;

/// What a program of the reader's own prints once the heartbeat is started in it.
const AT_WORK: &str = "at work";

/// A recipe and what runs it.
struct Recipe {
    /// Its command when it runs alone.
    alone: Vec<String>,
    /// A program that has it and prints [`AT_WORK`]; `None` where it is a process of its own.
    within: Option<Vec<String>>,
    /// The signals that it says bye on, beside SIGTERM.
    interrupted_by: &'static str,
    /// Where they run, and what was built for them.
    folder: Folder,
}

impl Recipe {
    fn new(alone: &[&str], within: Option<&[&str]>) -> Self {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Recipe {
            alone: words(alone),
            within: within.map(words),
            interrupted_by: "INT",
            folder: Folder::new("recipe"),
        }
    }

    fn start(&self, words: &[String], every: &str) -> Child {
        Child::start(&words.join(" "), &mut self.command(words, every))
    }

    fn command(&self, words: &[String], every: &str) -> std::process::Command {
        // A shell cannot trap what was ignored when it began, as SIGINT is in the background of another shell.
        let mut command = command("env");
        command
            .arg("--default-signal=INT")
            .args(words)
            .env("HEARTBEAT_EVERY", every)
            // Erlang wants a home, Elixir an encoding.
            .env("HOME", self.folder.path())
            .env("LANG", "C.UTF-8")
            .current_dir(self.folder.path());
        command
    }

    /// All that is promised of a recipe.
    #[track_caller]
    fn holds(&self) {
        self.counts_until_it_says_bye();
        self.says_bye_at_once_however_long_it_waits();
        self.is_spread_over_the_interval();
        self.takes_no_nonsense();
    }

    #[track_caller]
    fn counts_until_it_says_bye(&self) {
        let mut child = self.start(&self.alone, "1");
        counts(&mut child);
        child.signal("TERM");
        assert_eq!(child.wait_end(END), 0);
        let lines = child.lines();
        all_beats_then_bye(&lines);
        let last = lines.last().and_then(|line| said(line));
        assert!(last.is_some_and(|said| said.bye), "{lines:#?}");
    }

    /// Of an interval of a day the first beat is hours away, as good as surely.
    #[track_caller]
    fn says_bye_at_once_however_long_it_waits(&self) {
        let day = "86400";
        let mut child = match &self.within {
            Some(within) => {
                let mut child = self.start(within, day);
                let at_work = |line: &str| (line == AT_WORK).then_some(());
                child.wait_line("the program is at work", SOON, at_work);
                child
            }
            None => {
                let child = self.start(&self.alone, day);
                let pid = child.pid();
                wait_until("it catches signals", SOON, || catches_signals(pid));
                child
            }
        };
        child.signal(self.interrupted_by);
        child.wait_line("its bye", END, |line| said(line).filter(|said| said.bye));
        assert_eq!(child.wait_end(STOPPED), 0);
        let lines = child.lines();
        let said: Vec<Said> = lines.iter().filter_map(|line| said(line)).collect();
        assert!(said.len() == 1 && said[0].bye, "{lines:#?}");
    }

    #[track_caller]
    fn is_spread_over_the_interval(&self) {
        let spread = (0..FLEETS).any(|_| {
            let fleet: Vec<Child> = (0..FLEET)
                .map(|_| self.start(&self.alone, FLEET_EVERY))
                .collect();
            let beating = || fleet.iter().filter(|child| first(child).is_some()).count();
            wait_until("the first of a fleet", SOON, || beating() > 0);
            let then = wall();
            wait_until("a moment after it", SOON, || since(then) >= TOGETHER);
            beating() < FLEET
        });
        assert!(spread, "{FLEETS} fleets beat as one: {:?}", self.alone);
    }

    #[track_caller]
    fn takes_no_nonsense(&self) {
        for every in ["0", "soon"] {
            let mut child = self.start(&self.alone, every);
            assert_ne!(child.wait_end(SOON), 0, "every {every}");
            assert!(first(&child).is_none(), "every {every} beats");
        }
    }
}

/// What a line says, as lastbeat reads it.
struct Said {
    every: Option<Duration>,
    name: String,
    seq: Option<u64>,
    bye: bool,
}

fn said(line: &str) -> Option<Said> {
    let markers = Markers::new(&["HEARTBEAT".to_owned()]);
    let mut said = None;
    beat::read(
        line.as_bytes(),
        "logs.web.iad.a",
        &markers,
        |found| match found {
            Found::Beat(beat) => {
                said = Some(Said {
                    every: beat.every,
                    name: beat.name.to_owned(),
                    seq: beat.seq,
                    bye: beat.bye,
                });
            }
            other => panic!("{line}: {other:?}"),
        },
    );
    said
}

/// The first beat or bye of a process.
fn first(child: &Child) -> Option<Said> {
    child.lines().iter().find_map(|line| said(line))
}

/// Waits for three beats that come a second apart.
#[track_caller]
fn counts(child: &mut Child) {
    let numbered = |number| move |line: &str| said(line).filter(|said| said.seq == Some(number));
    child.wait_line("its first beat", SOON, numbered(1));
    let then = wall();
    child.wait_line("its third beat", SOON, numbered(3));
    let took = since(then);
    assert!(took >= Duration::from_millis(1500), "two beats in {took:?}");
}

/// Every beat counts up from one and says its interval, and bye comes after all of them.
#[track_caller]
fn all_beats_then_bye(lines: &[String]) {
    let said: Vec<Said> = lines.iter().filter_map(|line| said(line)).collect();
    let (bye, beats) = said.split_last().expect("beats were waited for");
    for (beat, seq) in beats.iter().zip(1..) {
        let second = Some(Duration::from_secs(1));
        assert_eq!((beat.seq, beat.every), (Some(seq), second), "{lines:#?}");
        assert_eq!((&*beat.name, beat.bye), ("worker", false), "{lines:#?}");
    }
    assert_eq!((&*bye.name, bye.bye), ("worker", true), "{lines:#?}");
}

/// Whether a process has handlers of its own for SIGINT and SIGTERM.
fn catches_signals(pid: u32) -> bool {
    const INT_AND_TERM: u64 = 1 << (2 - 1) | 1 << (15 - 1);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & INT_AND_TERM == INT_AND_TERM)
}

/// Whether a process waits for something to happen.
fn sleeps(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:\tS"))
}

fn recipe(name: &str) -> PathBuf {
    project().join("tests/recipes").join(name)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the project's folder is UTF-8")
}

/// A recipe's text before a line, for a program that goes on in another way.
#[track_caller]
fn before(name: &str, line: &str) -> String {
    let text = text(&recipe(name));
    let at = text.find(&format!("\n{line}"));
    text[..at.expect("the recipe has that line") + 1].to_owned()
}

/// Fails with what to do where a program is not installed.
#[track_caller]
fn installed(program: &str) {
    let paths = env::var_os("PATH").unwrap_or_default();
    let there = env::split_paths(&paths).any(|folder| folder.join(program).exists());
    assert!(
        there,
        "{program} is missing: run `tests/run` once, it installs the languages of the recipes"
    );
}

#[test]
fn the_shell_recipe_holds() {
    Recipe::new(&["sh", path(&recipe("heartbeat.sh"))], None).holds();
}

#[test]
fn the_node_recipe_holds() {
    installed("node");
    let file = recipe("heartbeat.mjs");
    let program = format!("import '{}'; console.log('{AT_WORK}');", path(&file));
    let serve = format!("{program} setInterval(() => {{}}, 1e6);");
    let node = |program| ["node", "--input-type=module", "--eval", program];
    Recipe::new(&["node", path(&file)], Some(&node(&serve))).holds();

    let done = Recipe::new(&node(&program), None);
    let mut child = done.start(&done.alone, "86400");
    assert_eq!(child.wait_end(SOON), 0, "a program whose work is done ends");

    let own = format!("process.on('SIGTERM', () => process.exit(3)); {serve}");
    let own = Recipe::new(&node(&own), None);
    let mut child = own.start(&own.alone, "86400");
    child.wait_line("it is at work", SOON, |line| {
        (line == AT_WORK).then_some(())
    });
    child.signal("TERM");
    assert_eq!(child.wait_end(END), 3, "the program's own handler ends it");
    assert!(first(&child).is_some_and(|said| said.bye));
}

#[test]
fn the_python_recipe_holds() {
    installed("python3");
    let file = recipe("heartbeat.py");
    let folder = file.parent().expect("it lies in a folder");
    // The child is stopped as a pool stops its workers: the instance goes on, and none may say bye for it.
    let program = format!(
        "import os, signal, sys, time
sys.dont_write_bytecode = True
sys.path.append({folder:?})
import heartbeat
heard, told = os.pipe()
child = os.fork()
while child == 0:
    os.write(told, b'.')
    time.sleep(0.05)
os.read(heard, 1)
os.kill(child, signal.SIGTERM)
os.waitpid(child, 0)
print({AT_WORK:?}, 'and half a line', sep='\\n', end='', flush=True)
while True:
    time.sleep(1)"
    );
    let within = ["python3", "-c", &program];
    Recipe::new(&["python3", path(&file)], Some(&within)).holds();
}

#[test]
fn the_ruby_recipe_holds() {
    installed("ruby");
    let file = recipe("heartbeat.rb");
    let program = format!(
        "require {:?}
heard, told = IO.pipe
child = fork {{ told.puts; sleep }}
heard.gets
Process.kill('TERM', child)
Process.wait(child)
$stdout.print {AT_WORK:?}, \"\\nand half a line\"
$stdout.flush
sleep",
        path(&file)
    );
    let within = ["ruby", "-e", &program];
    Recipe::new(&["ruby", path(&file)], Some(&within)).holds();
}

#[test]
fn the_go_recipe_holds() {
    installed("go");
    let folder = Folder::new("go");
    let own_main = format!(
        "func main() {{
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	bye := heartbeat(ctx)
	fmt.Println({AT_WORK:?})
	<-bye
}}
"
    );
    let program = before("heartbeat.go", "func main()") + &own_main;
    let within = go(&folder, "within", &folder.write("within.go", &program));
    let alone = go(&folder, "alone", &recipe("heartbeat.go"));
    Recipe::new(&[path(&alone)], Some(&[path(&within)])).holds();
}

/// Builds a file of Go without the network, and with a cache that outlives the test.
#[track_caller]
fn go(folder: &Folder, name: &str, file: &Path) -> PathBuf {
    let program = folder.path().join(name);
    let mut build = command("go");
    build
        .args(["build", "-o", path(&program), path(file)])
        .env("GOCACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/go-cache"))
        .envs([("GO111MODULE", "off"), ("GOTOOLCHAIN", "local")])
        .env("HOME", folder.path());
    let status = Child::start("go build", &mut build).wait_end(BUILT);
    assert_eq!(status, 0, "go build {} fails", file.display());
    program
}

#[test]
fn the_elixir_recipe_holds() {
    installed("elixir");
    let application = format!(
        "defmodule Program do
  use Application
  def start(_, _), do: Supervisor.start_link([Heartbeat], strategy: :one_for_one)
end
needs = [:kernel, :stdlib, :elixir]
:ok = :application.load({{:application, :program, mod: {{Program, []}}, applications: needs}})
:ok = Application.start(:program, :permanent)
IO.puts({AT_WORK:?})
"
    );
    let folder = Folder::new("elixir");
    let program = before("heartbeat.exs", "# Alone") + &application;
    let program = folder.write("program.exs", &program);
    let alone = recipe("heartbeat.exs");
    let within = ["elixir", "--no-halt", path(&program)];
    let mut recipe = Recipe::new(&["elixir", path(&alone)], Some(&within));
    // SIGINT is Erlang's own: it asks on the terminal what to do.
    recipe.interrupted_by = "TERM";
    recipe.holds();
}

/// Cargo builds it with the tests, being an example of the package.
#[test]
fn the_rust_recipe_holds() {
    let test = env::current_exe().expect("the test has a path");
    let program = test
        .ancestors()
        .nth(2)
        .expect("tests lie in deps, in the build folder")
        .join("examples/heartbeat");
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    assert!(
        changed(&program) >= changed(&recipe("heartbeat.rs")),
        "{} is missing or old: run `cargo build --examples`, or the whole of `cargo test`",
        program.display()
    );
    Recipe::new(&[path(&program)], None).holds();
}

#[test]
fn the_command_holds_what_the_recipes_do() {
    let shell = "exec \"$0\" beat --every ${HEARTBEAT_EVERY}s --name worker";
    Recipe::new(&["sh", "-c", shell, env!("CARGO_BIN_EXE_lastbeat")], None).holds();
}

#[test]
fn the_procfile_holds_under_a_process_manager() {
    let lastbeat = Path::new(env!("CARGO_BIN_EXE_lastbeat"));
    let folders = env::var_os("PATH").unwrap_or_default();
    let folders = lastbeat
        .parent()
        .map(Path::to_owned)
        .into_iter()
        .chain(env::split_paths(&folders));
    let folders = env::join_paths(folders).expect("the paths were joined before");
    let (honcho, file) = (fetched("honcho/bin/honcho"), recipe("Procfile"));
    let words = [path(&honcho), "--procfile", path(&file), "start"];
    let recipe = Recipe::new(&words, None);
    let mut command = recipe.command(&recipe.alone, "1");
    let mut child = Child::start("honcho", command.env("PATH", folders));
    counts(&mut child);
    // Honcho says in its signal handler that it was signalled, and dies of that in the midst of saying something else.
    let pid = child.pid();
    wait_until("it has said what it had to", SOON, || sleeps(pid));
    child.signal("TERM");
    let ended = |line: &str| line.ends_with("heartbeat.1 stopped (rc=0)").then_some(());
    child.wait_line("the heartbeat's own end", END, ended);
    let lines = child.lines();
    all_beats_then_bye(&lines);
    let beats: Vec<&String> = lines.iter().filter(|line| said(line).is_some()).collect();
    let prefixed = |line: &&String| line.contains(" heartbeat.1 | ");
    assert!(beats.iter().all(prefixed), "{lines:#?}");
    // It leaves with 128 and the signal's number.
    assert_eq!(child.wait_end(END), 143);
}

/// Written out as the documentation writes it.
const LANGUAGES: &str = "seven languages";

#[test]
fn the_page_links_every_recipe_and_counts_the_languages() {
    let page = text(&project().join("docs/heartbeat-recipes.md"));
    let recipes = project().join("tests/recipes");
    let files = fs::read_dir(&recipes).expect("the recipes have a folder");
    let mut names: Vec<String> = files
        .map(|file| file.expect("the folder can be read").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    let missing: Vec<&String> = names
        .iter()
        .filter(|name| !page.contains(&format!("](../tests/recipes/{name})")))
        .collect();
    assert!(missing.is_empty(), "the page does not link {missing:#?}");
    // The Procfile is for any language.
    assert_eq!(names.len() - 1, 7, "{names:?}");
    for file in ["docs/heartbeat-recipes.md", "README.md", "CHANGELOG.md"] {
        let text = text(&project().join(file));
        assert!(
            text.contains(LANGUAGES),
            "{file} counts the languages otherwise"
        );
    }
}

#[test]
fn the_page_shows_the_procfile_as_it_is() {
    let page = text(&project().join("docs/heartbeat-recipes.md"));
    let procfile = text(&recipe("Procfile"));
    assert!(page.contains(&format!("```procfile\n{procfile}```\n")));
}
