//! A life that a server drives by `remote.pro`; one that died is followed by another.

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
    matrix::each,
    place::{Here, Place},
};

/// How long a life may take.
const LONGEST: Duration = Duration::from_mins(4);

const SCRIPT: &str = "
set REMOTE_DEFINE = 0.8; set REMOTE_PREP = 0.4; set REMOTE_EXEC = 0.4; set REMOTE_POLL = 0.4
module pantasks.pro
module remote.pro
persist on
add.stage a; add.stage b
add.label t
run
";

/// A life with a server.
pub(crate) struct Served<P = Here> {
    pub(crate) life: Life<P>,
    killer: PathBuf,
}

impl<P: Place> Served<P> {
    pub(crate) fn new(life: Life<P>) -> Self {
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
    pub(crate) fn live(
        &self,
        death: Option<&str>,
        is_over: impl Fn(&Life<P>) -> bool,
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
    pub(crate) fn is_as(&self, which: &str, end: &End) {
        let life = &self.life;
        life.is_over();
        life.is_sound(which);
        assert_eq!(life.end(), *end, "{which}: {}", life.said());
    }
}

/// The steps of `life`, whose server does not die and which comes to `end`.
pub(crate) fn steps<P: Place>(life: Life<P>, end: &End) -> Vec<String> {
    let served = Served::new(life);
    served.live(None, |life| life.is_at(end), |_| {});
    served.is_as("no death", end);
    served.life.steps()
}

/// Lets a life take place for each of `deaths`, at which its server dies: all come to `end`. Tells how many
/// servers were struck: how often a round finds nothing to do differs from life to life.
pub(crate) fn whenever_it_dies<P: Place>(
    deaths: &[String],
    at_once: usize,
    life: impl Fn() -> Life<P> + Sync,
    end: &End,
) -> usize {
    let struck = AtomicUsize::new(0);
    each(deaths, at_once, |death| {
        let served = Served::new(life());
        served.live(Some(death), |life| life.is_at(end), |_| {});
        served.is_as(death, end);
        if served.life.path().join("struck").exists() {
            struck.fetch_add(1, Ordering::SeqCst);
        }
    });
    struck.into_inner()
}
