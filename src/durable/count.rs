//! Counting steps, and the death at one of them.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use rustix::process::{Signal, getpid, kill_process};

/// Names the file in which the steps of all processes are counted.
const STEPS: &str = "OUTRIGGER_STEPS";
/// At which step to die.
const CRASH_AT: &str = "OUTRIGGER_CRASH_AT";
/// A program that makes something else die then; the process goes on when it is over.
const CRASH_BY: &str = "OUTRIGGER_CRASH_BY";

/// The count in use, if steps are counted.
pub(super) fn in_use() -> Option<&'static Count> {
    static COUNT: OnceLock<Option<Count>> = OnceLock::new();
    COUNT.get_or_init(Count::from_environment).as_ref()
}

/// The steps taken so far by all processes, as lines of a file.
#[derive(Debug)]
pub(super) struct Count {
    file: PathBuf,
    program: String,
    death: Option<Death>,
    /// What to run at that step instead of dying.
    killer: Option<OsString>,
}

/// Before which step to die.
#[derive(Debug, PartialEq, Eq)]
enum Death {
    /// The N-th of all, from 1.
    At(usize),
    /// The K-th of a name, from 1.
    Named(String, usize),
}

impl Count {
    fn from_environment() -> Option<Self> {
        let file = PathBuf::from(env::var_os(STEPS)?);
        let death = env::var(CRASH_AT).ok().and_then(|text| {
            let death = Death::read(&text);
            if death.is_none() {
                eprintln!("outrigger: {CRASH_AT}={text} is neither N nor NAME#K; nobody dies");
            }
            death
        });
        Some(Self {
            file,
            program: program(env::args()),
            death,
            killer: env::var_os(CRASH_BY),
        })
    }

    /// Notes a step, and dies if it is the one asked for.
    pub(super) fn step(&self, what: &str) {
        let name = format!("{}: {}", self.program, what.replace('\n', " "));
        match self.note(&name) {
            Ok(before) if self.death.as_ref().is_some_and(|d| d.is_at(&before, &name)) => {
                match &self.killer {
                    None => self.die(&name),
                    Some(killer) => kill(killer),
                }
            },
            Ok(_) => {},
            Err(error) => eprintln!("outrigger: {}: {error}", self.file.display()),
        }
    }

    /// Says so, and dies.
    fn die(&self, name: &str) {
        if let Err(error) = self.note(&format!("died: {name}")) {
            eprintln!("outrigger: {}: {error}", self.file.display());
        }
        // SIGKILL cannot be caught: the call does not come back.
        let _gone = kill_process(getpid(), Signal::KILL);
    }

    /// Adds a line, one process at a time; gives those before it.
    fn note(&self, name: &str) -> io::Result<String> {
        let mut file = File::options()
            .create(true)
            .read(true)
            .append(true)
            .open(&self.file)?;
        file.lock()?;
        let mut before = String::new();
        file.read_to_string(&mut before)?;
        file.write_all(format!("{name}\n").as_bytes())?;
        Ok(before)
    }
}

impl Death {
    fn read(text: &str) -> Option<Self> {
        match text.rsplit_once('#') {
            Some((name, times)) => Some(Self::Named(name.to_owned(), times.parse().ok()?)),
            None => Some(Self::At(text.parse().ok()?)),
        }
    }

    /// Whether the step `name` that comes after those `before` is the one.
    fn is_at(&self, before: &str, name: &str) -> bool {
        match self {
            Self::At(number) => before.lines().count() + 1 == *number,
            Self::Named(wanted, times) => {
                let earlier = before.lines().filter(|line| line == wanted).count();
                wanted == name && earlier + 1 == *times
            },
        }
    }
}

/// Lets `killer` do its work before this process goes on.
fn kill(killer: &OsStr) {
    let done = Command::new(killer).stdin(Stdio::null()).status();
    if !done.as_ref().is_ok_and(std::process::ExitStatus::success) {
        eprintln!("outrigger: {CRASH_BY}: {}: {done:?}", killer.display());
    }
}

/// What this process is: its name, unless that is ours, and its verbs.
fn program(mut arguments: impl Iterator<Item = String>) -> String {
    let path = arguments.next().unwrap_or_default();
    let name = Path::new(&path).file_name().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    let verbs = arguments
        .skip_while(|word| word == "--quiet")
        .take_while(|word| word.bytes().all(|b| b.is_ascii_lowercase()))
        .take(2);
    let words = Some(name).filter(|name| name != "outrigger");
    words.into_iter().chain(verbs).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_asked_for_by_number_or_by_name() {
        assert_eq!(Death::read("12"), Some(Death::At(12)));
        let named = Death::read("remote run: commit jobs#3").unwrap();
        assert_eq!(named, Death::Named("remote run: commit jobs".into(), 3));
        assert_eq!(Death::read("soon"), None);
        let before = "remote run: commit jobs\nlaunch: x\nremote run: commit jobs\n";
        assert!(named.is_at(before, "remote run: commit jobs"));
        assert!(!named.is_at(before, "launch: x"));
        assert!(Death::At(4).is_at(before, "launch: x"));
    }

    #[test]
    fn processes_are_told_apart_by_their_verbs() {
        let of = |line: &str| program(line.split(' ').map(str::to_owned));
        assert_eq!(of("/bin/outrigger remote run --label t"), "remote run");
        assert_eq!(of("outrigger launch --slots 4"), "launch");
        assert_eq!(of("outrigger --quiet remote exec 7"), "remote exec");
        assert_eq!(of("/bin/pantasks_server --load x"), "pantasks_server");
    }

    #[test]
    fn something_else_dies_at_a_step_and_the_process_goes_on() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let killer = dir.path().join("killer");
        std::fs::write(&killer, "#!/bin/sh\necho x >>\"$0.struck\"\n").unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&killer, mode).unwrap();
        let count = Count {
            file: dir.path().join("steps"),
            program: "remote run".into(),
            death: Some(Death::At(2)),
            killer: Some(killer.into()),
        };
        for _ in 0..3 {
            count.step("commit runs");
        }
        let struck = std::fs::read_to_string(dir.path().join("killer.struck")).unwrap();
        assert_eq!(struck, "x\n");
    }

    #[test]
    fn each_step_is_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let count = Count {
            file: dir.path().join("steps"),
            program: "remote run".into(),
            death: Some(Death::At(9)),
            killer: None,
        };
        count.step("commit runs");
        count.step("rename\nrun.yaml");
        let lines = std::fs::read_to_string(&count.file).unwrap();
        assert_eq!(
            lines,
            "remote run: commit runs\nremote run: rename run.yaml\n"
        );
    }
}
