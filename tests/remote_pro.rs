//! The bridge under the task scheduler: a survey goes hands off from frames to its stack, driven
//! by `remote.pro`, ours and the original's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed test says where"
)]

mod asked;

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use outrigger::state::Store;
use sshd::Sshd;

#[allow(
    dead_code,
    reason = "the harness of another test, of which this one needs a part"
)]
mod sshd;

/// A copy of examples/survey with frames, and the programs by their names.
struct Survey {
    dir: tempfile::TempDir,
}

impl Survey {
    fn new(exposures: u32) -> Self {
        let survey = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let example = repository.join("examples/survey");
        for name in ["config", "data", "stages-builtin"] {
            fs::create_dir(survey.path().join(name)).unwrap();
            for entry in fs::read_dir(example.join(name)).unwrap() {
                let entry = entry.unwrap();
                let copy = survey.path().join(name).join(entry.file_name());
                fs::copy(entry.path(), copy).unwrap();
            }
        }
        survey.configure("");
        Store::create(&survey.path().join("state.db")).unwrap();
        fs::create_dir(survey.path().join("bin")).unwrap();
        for name in ["outrigger", "pantasks", "remotetool"] {
            let link = survey.path().join("bin").join(name);
            symlink(env!("CARGO_BIN_EXE_outrigger"), link).unwrap();
        }
        let frames = format!("--base data/image.fits --out raw --exposures {exposures} --chips 2");
        let made = survey
            .program("outrigger")
            .args(["sky", "frames", "--seed", "1"])
            .args(frames.split_whitespace())
            .status()
            .unwrap();
        assert!(made.success());
        survey
    }

    /// One site with the embedded scheduler; `more` are further keys of it.
    fn configure(&self, more: &str) {
        let scratch = self.path().join("scratch");
        let text = format!(
            "sites:\n  here:\n    scheduler: local\n    nodes: {{cores: 2}}\n    scratch: {}\n{more}\
             stages: stages-builtin/*.yaml\n",
            scratch.display()
        );
        fs::write(self.path().join("outrigger.yaml"), text).unwrap();
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn program(&self, name: &str) -> Command {
        let bin = self.path().join("bin");
        let mut path = vec![
            bin.clone(),
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tasks/compat"),
        ];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap()));
        let mut command = Command::new(bin.join(name));
        command
            .env("PATH", env::join_paths(path).unwrap())
            .env("HOME", self.path())
            .current_dir(self.path());
        command
    }

    /// Runs a task script to its `exit`; what it said.
    fn play(&self, script: &str) -> String {
        let file = self.path().join("night.pro");
        fs::write(&file, script).unwrap();
        let output = self
            .program("pantasks")
            .arg(file)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        said
    }

    fn run_states(&self) -> Vec<String> {
        self.ask("SELECT DISTINCT stage || ' ' || state FROM runs ORDER BY 1")
    }

    fn ask(&self, sql: &str) -> Vec<String> {
        asked::ask(self.path(), sql)
    }
}

/// Ends the script once runs of the last stage are full.
const WATCH: &str = r"
task watch
  periods -exec 0.3 -timeout 60
  npending 1
  command remotetool -listrun -simple -stage stack -state full
  task.exit 0
    queuesize stdout -var found
    if ($found > 0) exit
  end
end
";

const OURS: &str = "
set REMOTE_DEFINE = 1; set REMOTE_PREP = 0.2; set REMOTE_EXEC = 0.2; set REMOTE_POLL = 0.3
module pantasks.pro
module remote.pro
add.stage chip; add.stage camera; add.stage warp; add.stage stack
add.label survey
";

const ALL_FULL: [&str; 4] = ["camera full", "chip full", "stack full", "warp full"];

#[test]
fn our_remote_pro_takes_a_survey_from_frames_to_its_stack() {
    let survey = Survey::new(2);
    let said = survey.play(&format!("{OURS}\n{WATCH}\nrun"));
    assert_eq!(survey.run_states(), ALL_FULL, "{said}");
    assert!(
        survey.path().join("products/stack/field1.r.cat").is_file(),
        "{said}"
    );
    // A job of every component has passed, once.
    let jobs = survey.ask("SELECT state || ' ' || count(*) FROM jobs GROUP BY state");
    assert_eq!(jobs, ["passed 11"], "{said}");
}

/// The original's scripts, where somebody has them.
fn original() -> Option<PathBuf> {
    let scripts = env::var_os("OUTRIGGER_PRO_SCRIPTS").map(PathBuf::from);
    if scripts.is_none() {
        eprintln!(
            "SKIPPED: OUTRIGGER_PRO_SCRIPTS is not set; the original's remote.pro did not run"
        );
    }
    scripts
}

/// The periods of the original are made for a night; a test has less time.
const HURRY: &str = r"
foreach name remote.define remote.define.warp remote.prepcomp.load remote.prep.load remote.prep.run remote.exec.load remote.exec.run remote.poll.load remote.poll.run
  task $name
    periods -exec 0.3
    periods -poll 0.1
  end
end
set RUNEXEC = 0.2
";

/// Loads the original's remote.pro as it is and sets it up for the survey.
fn original_night(scripts: &Path, more: &str) -> String {
    format!(
        "list MODULES -add {}
        module pantasks.pro
        module remote.pro
        remote.on
        set.remote.recipe SURVEY
        add.label survey
        controller host add localhost
        controller host add localhost
        {HURRY}
        {more}
        {WATCH}
        run",
        scripts.display()
    )
}

#[test]
fn the_originals_remote_pro_runs_unmodified() {
    let Some(scripts) = original() else { return };
    let survey = Survey::new(1);
    let said = survey.play(&original_night(&scripts, ""));
    assert_eq!(survey.run_states(), ALL_FULL, "{said}");
}

/// Opens the link once a run waits for it, as a human would.
const HUMAN: &str = r"
task human
  periods -exec 0.2 -timeout 60
  npending 1
  nmax 1000
  command remotetool -listrun -simple -state auth
  task.exit 0
    queuesize stdout -var waiting
    if ($waiting > 0) human.opens.the.link
  end
end
macro human.opens.the.link
  if ($?opened) return
  $opened = 1
  exec ./open-link
  exec remotetool -revertauth -label survey
end
";

/// A survey whose site lies behind a link that nobody has opened yet.
fn behind_a_link(sshd: &Sshd) -> Survey {
    let survey = Survey::new(1);
    let bin = survey.path().join("bin");
    survey.configure(&format!(
        "    environment: ['export PATH={}:$PATH']\n    connection: {{host: site, socket: {}, config_file: {}}}\n",
        bin.display(),
        sshd.socket().display(),
        sshd.path().join("ssh_config").display(),
    ));
    let open = format!(
        "#!/bin/sh\nexec ssh -F {} -M -S {} -o ControlPersist=yes -fN site </dev/null >/dev/null 2>&1\n",
        sshd.path().join("ssh_config").display(),
        sshd.socket().display(),
    );
    fs::rename(
        sshd.script("open-link", &open),
        survey.path().join("open-link"),
    )
    .unwrap();
    survey
}

fn went_through_auth_and_back(survey: &Survey, sshd: &Sshd, said: &str) {
    assert_eq!(survey.run_states(), ALL_FULL, "{said}");
    let moves = survey.ask(
        "SELECT before || ' > ' || after FROM events
         WHERE subject = 'run' AND subject_id = 1 AND (before LIKE 'auth%' OR after LIKE 'auth%')",
    );
    assert!(
        moves.len() >= 2 && moves.iter().any(|moved| moved.starts_with("auth")),
        "{moves:?} {said}"
    );
    assert_eq!(sshd.logins(), 1, "nothing but the human logs in");
}

#[test]
fn our_remote_pro_waits_for_the_link_and_goes_on_by_itself() {
    let sshd = Sshd::ordinary();
    let survey = behind_a_link(&sshd);
    let said = survey.play(&format!(
        "{OURS}\n{}\n{WATCH}\nrun",
        HUMAN.replace("  exec remotetool -revertauth -label survey\n", "")
    ));
    went_through_auth_and_back(&survey, &sshd, &said);
    assert!(said.contains("a site needs a login"), "{said}");
}

#[test]
fn our_remote_pro_tells_of_the_end_of_a_link_though_there_is_no_work() {
    let sshd = Sshd::ordinary();
    let survey = behind_a_link(&sshd);
    let config = survey.path().join("outrigger.yaml");
    let told = survey.path().join("told");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("connection: {", "connection: {lifetime: 20m, ");
    let notify = format!(
        "notify: {{command: [cp, /dev/stdin, {}]}}\n",
        told.display()
    );
    fs::write(&config, text + &notify).unwrap();
    sshd.open_master();
    let said = survey.play(&format!(
        "set REMOTE_LINK = 0.5
        module pantasks.pro
        module remote.pro
        task watch
          periods -exec 0.3 -timeout 60
          npending 1
          command test -s {}
          task.exit 0
            exit
          end
        end
        run",
        told.display()
    ));
    let notice = fs::read_to_string(told).unwrap();
    assert!(notice.contains("link-ending"), "{notice} {said}");
    assert_eq!(survey.run_states(), [""; 0], "{said}");
    assert_eq!(sshd.logins(), 1);
}

#[test]
fn the_originals_remote_pro_goes_through_auth_and_back() {
    let Some(scripts) = original() else { return };
    let sshd = Sshd::ordinary();
    let survey = behind_a_link(&sshd);
    let said = survey.play(&original_night(&scripts, HUMAN));
    went_through_auth_and_back(&survey, &sshd, &said);
}
