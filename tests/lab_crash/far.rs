//! The lab's Slurm as the place of a life, behind a master of its own.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    lab_harness::{Lab, Login, Master},
    life::Life,
    linked::Linked,
    place::Place,
};

/// A directory of the cluster for one life, and the line to it.
pub(super) struct Far<'lab> {
    lab: &'lab Lab,
    master: Master,
    scratch: String,
}

/// What is to be struck at says so here, and waits until it was.
const STRIKER: &str = "#!/bin/sh
echo now >SCRATCH/strike
until [ -e SCRATCH/struck ]; do sleep 0.05; done
";

impl<'lab> Far<'lab> {
    pub(super) fn new(lab: &'lab Lab) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let scratch = format!("/scratch/lanluser/life-{}-{number}", std::process::id());
        lab.fe(["mkdir", &scratch]).success();
        let counts = format!(
            "export OUTRIGGER_STEPS={scratch}/steps\n[ ! -e {scratch}/death ] || . {scratch}/death\n"
        );
        lab.write(&format!("{scratch}/counts"), &counts);
        Self {
            lab,
            master: lab.open_master(Login::Key),
            scratch,
        }
    }

    /// Whoever comes there to the step of a death lives, and waits until [`Self::is_asked`] has let
    /// something else be struck; so does a job that runs `./striker`.
    pub(super) fn asking(self) -> Self {
        let (lab, scratch) = (self.lab, &self.scratch);
        let striker = STRIKER.replace("SCRATCH", scratch);
        lab.write(&format!("{scratch}/striker"), &striker);
        let more = r#"cd "$1" && chmod 755 striker && mkfifo strike &&
            echo "export OUTRIGGER_CRASH_BY=$1/striker" >>counts"#;
        lab.fe(["sh", "-c", more, "sh", scratch]).success();
        self
    }

    /// Strikes when somebody asks for it there; returns when that is done, or [`Self::is_over`].
    pub(super) fn is_asked(&self, strike: impl FnOnce()) {
        let asked = format!("{}/strike", self.scratch);
        if self.lab.fe(["head", "-n1", &asked]).success() == "now\n" {
            strike();
            let struck = format!("{}/struck", self.scratch);
            self.lab.fe(["touch", &struck]).success();
        }
    }

    /// Nobody will ask any more.
    pub(super) fn is_over(&self) {
        // Opened for both ways a FIFO waits for nobody.
        let tell = r#"echo over 1<>"$1""#;
        let strike = format!("{}/strike", self.scratch);
        self.lab.fe(["sh", "-c", tell, "sh", &strike]).success();
    }

    /// Kills a process of a batch job; `choose` takes one of so many.
    pub(super) fn strike(&self, choose: impl FnOnce(usize) -> usize) {
        let list = r#"for one in /proc/[0-9]*; do
            if grep -qsz "^OUTRIGGER_STEPS=$1/" "$one/environ"; then echo "${one#/proc/}"; fi
        done"#;
        let ours = self.lab.fe(["sh", "-c", list, "sh", &self.scratch]);
        let ours = ours.success();
        let pids: Vec<_> = ours.lines().collect();
        if !pids.is_empty() {
            // It may have ended by itself meanwhile.
            self.lab.fe(["kill", "-9", pids[choose(pids.len())]]);
        }
    }
}

impl Place for Far<'_> {
    fn site(&self) -> String {
        let (scratch, connection) = (&self.scratch, self.master.connection());
        format!(
            "scheduler: slurm\npartition: shared\nscratch: {scratch}\n\
             environment: ['. {scratch}/counts']\n{connection}"
        )
    }

    fn lines(&self, directory: &str) -> BTreeMap<String, usize> {
        let count = r#"cd "$1" && for file in *; do echo "$(wc -l <"$file") $file"; done"#;
        let directory = format!("{}/{directory}", self.scratch);
        let counts = self.lab.fe(["sh", "-c", count, "sh", &directory]).success();
        let count = |line: &str| {
            let (count, name) = line.split_once(' ').unwrap();
            (name.to_owned(), count.parse().unwrap())
        };
        counts.lines().map(count).collect()
    }

    fn submitted(&self) -> Vec<String> {
        let query = ["squeue", "-h", "--states=all", "-o", "%j %o"];
        let jobs = self.lab.fe(query).success();
        let all = jobs.lines().filter_map(|job| job.split_once(' '));
        let ours = all.filter(|(_, script)| script.starts_with(&self.scratch));
        ours.map(|(name, _)| name.to_owned()).collect()
    }

    fn steps(&self) -> Vec<String> {
        let steps = self.lab.fe(["cat", &format!("{}/steps", self.scratch)]);
        steps.stdout.lines().map(str::to_owned).collect()
    }

    fn let_die(&self, death: &str) {
        let line = format!("export OUTRIGGER_CRASH_AT='{death}'\n");
        self.lab.write(&format!("{}/death", self.scratch), &line);
    }
}

impl Drop for Far<'_> {
    fn drop(&mut self) {
        self.lab.fe(["rm", "-rf", &self.scratch]);
    }
}

/// A life there whose master is killed.
pub(super) struct Beyond<'lab> {
    life: Life<Far<'lab>>,
    cutter: PathBuf,
}

impl<'lab> Beyond<'lab> {
    pub(super) fn new(lab: &'lab Lab, more: &str) -> Self {
        let far = Far::new(lab);
        Self {
            cutter: far.master.cutter(),
            life: Life::there(|_| far, more),
        }
    }
}

impl<'lab> Linked for Beyond<'lab> {
    type Place = Far<'lab>;

    fn life(&self) -> &Life<Self::Place> {
        &self.life
    }

    fn cutter(&self) -> &Path {
        &self.cutter
    }

    fn reopen(&self) {
        let far = &self.life.place;
        fs::remove_file(far.master.socket()).unwrap();
        far.lab.reopen(&far.master);
    }
}
