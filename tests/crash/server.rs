//! Lives that a server drives by `remote.pro`: it dies at each step that it or a program of its
//! takes, and at random times; a new one goes on.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::Child,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    life::{End, Life},
    matrix::{deaths, each, is_full, lives},
};

const AT_ONCE: usize = 6;
/// How long a life may take.
const LONGEST: Duration = Duration::from_secs(100);

const SCRIPT: &str = "
set REMOTE_DEFINE = 0.8; set REMOTE_PREP = 0.4; set REMOTE_EXEC = 0.4; set REMOTE_POLL = 0.4
module pantasks.pro
module remote.pro
persist on
add.stage a; add.stage b
add.label t
run
";

/// A short one, unless all is to be tried: a server starts a program for each step of a round.
fn life() -> Life {
    Life::with_retries(if is_full() { 2 } else { 0 })
}

/// A life with a server.
struct Served {
    life: Life,
    killer: PathBuf,
}

impl Served {
    fn new() -> Self {
        let life = life();
        life.write("night.pro", SCRIPT);
        life.write("ptolemy.rc", "PANTASKS_SERVER_SOCKET run/socket\n");
        for name in ["outrigger", "pantasks_server"] {
            let link = life.path().join("bin").join(name);
            fs::create_dir_all(life.path().join("bin")).unwrap();
            symlink(env!("CARGO_BIN_EXE_outrigger"), link).unwrap();
        }
        // Who took the step goes on, but for every second time.
        life.write(
            "killer",
            "#!/bin/sh\nkill -9 $(cat server.pid)\necho >struck\ncase $OUTRIGGER_CRASH_AT in *[02468]) kill -9 $PPID ;; esac\n",
        );
        let killer = life.path().join("killer");
        fs::set_permissions(&killer, fs::Permissions::from_mode(0o755)).unwrap();
        Self { life, killer }
    }

    fn serve(&self, death: Option<&str>) -> Child {
        let bin = self.life.path().join("bin");
        let mut path = vec![bin.clone()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let child = self
            .life
            .program(&bin.join("pantasks_server"), death)
            .args(["--norc", "--load", "night.pro"])
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("HOME", self.life.path())
            .env_remove("PTOLEMY")
            .env("OUTRIGGER_CRASH_BY", &self.killer)
            .spawn()
            .unwrap();
        let part = self.life.path().join("server.pid.part");
        fs::write(&part, child.id().to_string()).unwrap();
        fs::rename(part, self.life.path().join("server.pid")).unwrap();
        child
    }

    /// Servers drive until `is_over`; one that died is followed by another. `meanwhile` may strike.
    fn live(
        &self,
        death: Option<&str>,
        is_over: impl Fn(&Life) -> bool,
        mut meanwhile: impl FnMut(&mut Child),
    ) {
        let begin = Instant::now();
        let mut server = self.serve(death);
        while !is_over(&self.life) {
            assert!(
                begin.elapsed() < LONGEST,
                "{death:?}: {:#?} {}",
                self.life.ask("SELECT stage || ' ' || state FROM runs"),
                self.life.said()
            );
            if server.try_wait().unwrap().is_some() {
                server = self.serve(None);
            }
            meanwhile(&mut server);
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let pid = Pid::from_raw(i32::try_from(server.id()).unwrap()).unwrap();
        // It may have been struck just now.
        kill_process(pid, Signal::TERM).unwrap_or_default();
        server.wait().unwrap();
    }

    /// What became of it is what becomes of any life.
    fn is_as(&self, which: &str, end: &End) {
        let life = &self.life;
        life.is_over();
        life.is_sound(which);
        assert_eq!(life.end(), *end, "{which}: {}", life.said());
    }
}

#[test]
fn whenever_the_server_dies_another_goes_on_to_the_same_end() {
    let model = life();
    model.drive(None);
    let end = model.end();
    let served = Served::new();
    served.live(None, |life| life.is_at(&end), |_| {});
    served.is_as("no death", &end);
    let deaths = deaths(&served.life.steps(), 1);
    assert!(deaths.len() > 20, "{deaths:#?}");
    let struck = AtomicUsize::new(0);
    each(&deaths, AT_ONCE, |death| {
        let served = Served::new();
        served.live(Some(death), |life| life.is_at(&end), |_| {});
        served.is_as(death, &end);
        if served.life.path().join("struck").exists() {
            struck.fetch_add(1, Ordering::SeqCst);
        }
    });
    // How often a round finds nothing to do differs from life to life.
    let struck = struck.into_inner();
    assert!(struck > 20, "{struck} of {}", deaths.len());
    eprintln!("{struck} deaths of the server");
}

#[test]
fn a_server_that_dies_at_random_times_comes_to_the_same_end() {
    let model = life();
    model.drive(None);
    let end = model.end();
    each(&lives(1), AT_ONCE, |random| {
        let mut chance = random.chance();
        let served = Served::new();
        let mut deaths = 0;
        let strike = |server: &mut Child| {
            if deaths < 8 && chance.u8(..8) == 0 {
                deaths += 1;
                server.kill().unwrap();
            }
        };
        served.live(None, |life| life.is_at(&end), strike);
        served.is_as(&random.which, &end);
    });
}
