//! One life of a few runs: define, prepare, exec, poll, full; a job that fails once and is retried,
//! one that always fails, and a second stage for what passed.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use crate::place::{Here, Place, name};

/// Each job says on scratch that it begins and that it has had its effect.
const STAGE_A: &str = r#"
stage: a
components: {file: ../things.csv}
jobs: {for_each: part, from: {file: ../parts.csv}, by: stage_id, key: "{{ part.name }}"}
vars: {out: "work/{{ stage_id }}.{{ part.name }}"}
inputs: [{local: "raw/{{ part.name }}", remote: "raw/{{ part.name }}"}]
pre: [[mkdir, -p, work, begun, effect]]
command: {sh: "echo begun >> begun/{{ stage_id }}.{{ part.name }}; FAULT; cat {{ input(0) }} > {{ out }}.out && printf 'bytes %s\\n' $(wc -c < {{ out }}.out) > {{ out }}.stats && echo done >> effect/{{ stage_id }}.{{ part.name }}"}
outputs: [{remote: "{{ out }}.out", local: "products/{{ stage_id }}.{{ part.name }}.out"}]
dbinfo:
  table: measured
  key: [thing, part]
  columns: {thing: integer, part: text, bytes: integer}
  values: {thing: "{{ stage_id }}", part: "{{ part.name }}"}
  from: "{{ out }}.stats"
  format: lines
cost: {threads: 1, seconds: 1}
next: b
"#;

/// 1.y fails the first time that it begins, 2.x always.
pub(crate) const FAULT: &str =
    "case {{ out }} in *1.y) [ $(wc -l < begun/1.y) -gt 1 ] || exit 3;; *2.x) exit 3;; esac";

const STAGE_B: &str = r#"
stage: b
components:
  sql: >-
    SELECT q.stage_id, sum(m.bytes) AS total FROM queue q JOIN measured m ON m.thing = q.stage_id
    WHERE q.stage = 'b' AND q.label = :label GROUP BY q.stage_id
command: {sh: "mkdir -p sums begun && echo begun >> begun/b.{{ stage_id }} && echo {{ total }} > sums/{{ stage_id }}"}
outputs: [{remote: "sums/{{ stage_id }}", local: "products/sum.{{ stage_id }}"}]
cost: {seconds: 1}
"#;

/// A workplace in which one life takes place.
pub(crate) struct Life<P = Here> {
    dir: tempfile::TempDir,
    pub(crate) place: P,
}

/// What must be the same whatever happened on the way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Components as they stand, records, what is queued, products that are known.
    state: Vec<String>,
    /// Products and what is in them.
    products: BTreeMap<String, String>,
}

/// What happened on the way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// How often each job began.
    pub(crate) begun: BTreeMap<String, usize>,
    /// Each run, with its jobs and counts.
    pub(crate) runs: Vec<String>,
}

impl Life {
    pub(crate) fn new() -> Self {
        Self::with_retries(2)
    }

    /// One in which a component that failed is bundled again so often.
    pub(crate) fn with_retries(retries: u32) -> Self {
        Self::at(&format!("retries: {retries}"))
    }

    /// One at the embedded scheduler with `more` lines of configuration.
    pub(crate) fn at(more: &str) -> Self {
        Self::there(Here::beside, more)
    }
}

impl<P: Place> Life<P> {
    /// One at the place of its directory, with `more` lines of configuration.
    pub(crate) fn there(place: impl FnOnce(&Path) -> P, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path());
        let nodes = "nodes: {cores: 4, max: 2}\n";
        let nodes = if more.contains("nodes:") { "" } else { nodes };
        let site = format!("{}\n{nodes}{more}", place.site()).replace('\n', "\n    ");
        let life = Self { dir, place };
        life.write(
            "outrigger.yaml",
            &format!("sites:\n  here:\n    walltime: {{min: 1m, max: 1h}}\n    {site}\n"),
        );
        life.before_each_job(FAULT);
        life.write("stages/b.yaml", STAGE_B);
        life.write("things.csv", "stage_id\n1\n2\n3\n");
        life.write("parts.csv", "stage_id,name\n1,x\n1,y\n2,x\n2,y\n3,x\n3,y\n");
        life.write("raw/x", "x\n");
        life.write("raw/y", "yy\n");
        outrigger::state::Store::create(&life.path().join("state.db")).unwrap();
        life
    }

    /// The same, where a job of the first stage is expected to take so many seconds.
    pub(crate) fn expecting(self, seconds: u32) -> Self {
        let cost = format!("threads: 1, seconds: {seconds}");
        let stage = STAGE_A.replace("threads: 1, seconds: 1", &cost);
        self.write("stages/a.yaml", &stage.replace("FAULT", FAULT));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What jobs of stage `a` do before they have their effect.
    pub(crate) fn before_each_job(&self, shell: &str) {
        self.write("stages/a.yaml", &STAGE_A.replace("FAULT", shell));
    }

    /// A program whose steps are counted; it dies at `death`, if one is given.
    pub(crate) fn program(&self, program: &Path, death: Option<&str>) -> Command {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path().join("said"))
            .unwrap();
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env("OUTRIGGER_STEPS", self.path().join("steps"))
            .env_remove("OUTRIGGER_CRASH_AT")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        if let Some(death) = death {
            self.place.let_die(death);
            command.env("OUTRIGGER_CRASH_AT", death);
        }
        command
    }

    /// The driver, to be started.
    pub(crate) fn to_drive(&self, death: Option<&str>) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_outrigger").as_ref(), death);
        command.args(["remote", "run", "--quiet", "--label", "t"]);
        command
    }

    /// The driver; it dies at `death`, if one is given.
    pub(crate) fn driver(&self, death: Option<&str>) -> Child {
        self.to_drive(death).spawn().unwrap()
    }

    /// Drives to the end, again and again if drivers die.
    pub(crate) fn drive(&self, death: Option<&str>) {
        let mut status = self.driver(death).wait().unwrap();
        for _ in 0..5 {
            if finished(status) {
                return;
            }
            status = self.driver(None).wait().unwrap();
        }
        assert!(finished(status), "{death:?}: {status}: {}", self.said());
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.path().join("said")).unwrap_or_default()
    }

    /// All steps so far, in order; those that were counted at the place last.
    pub(crate) fn steps(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path().join("steps")).unwrap();
        let at_home = text.lines().map(str::to_owned);
        at_home.chain(self.place.steps()).collect()
    }

    /// Whether anything died at a step that was asked for.
    pub(crate) fn has_died(&self) -> bool {
        self.steps().iter().any(|step| step.starts_with("died: "))
    }

    pub(crate) fn ask(&self, sql: &str) -> Vec<String> {
        crate::asked::ask(self.path(), sql)
    }

    pub(crate) fn end(&self) -> End {
        let mut products = BTreeMap::new();
        let home = fs::read_dir(self.path().join("products"));
        for entry in home.into_iter().flatten() {
            let path = entry.unwrap().path();
            products.insert(name(&path), fs::read_to_string(&path).unwrap());
        }
        let state = self.state();
        End { state, products }
    }

    fn state(&self) -> Vec<String> {
        self.ask(
            "SELECT * FROM (
             SELECT 'component ' || stage || stage_id || ' ' || state AS line FROM components WHERE state <> 'retry'
             UNION ALL SELECT 'record ' || thing || part || ' ' || bytes FROM measured
             UNION ALL SELECT 'queue ' || stage || stage_id || label FROM queue
             UNION ALL SELECT DISTINCT 'file ' || replace(CAST(path AS TEXT), rtrim(CAST(path AS TEXT), replace(CAST(path AS TEXT), '/', '')), '') || ' ' || hash FROM files)
             ORDER BY line",
        )
    }

    /// Whether it has come to `end`.
    pub(crate) fn is_at(&self, end: &End) -> bool {
        let has_records = "SELECT name FROM sqlite_schema WHERE name = 'measured'";
        !self.ask(has_records).is_empty() && self.state() == end.state && self.end() == *end
    }

    pub(crate) fn way(&self) -> Way {
        let runs = self.ask(
            "SELECT stage || ' ' || state || ' ' || jobs || ' jobs ' || passed || ' passed '
             || failed || ' failed ' || lost || ' lost' FROM runs ORDER BY run_id",
        );
        Way {
            begun: self.place.lines("begun"),
            runs,
        }
    }

    /// Whatever happened: state.db is sound, nobody holds a claim, each batch job was submitted
    /// once, and each effect is there once or the job was told to be retried.
    pub(crate) fn is_sound(&self, death: &str) {
        self.is_submitted_once(death);
        self.has_each_effect(death);
    }

    /// state.db is sound, nobody holds a claim, each batch job was submitted once.
    pub(crate) fn is_submitted_once(&self, death: &str) {
        let store = outrigger::state::Store::open(&self.path().join("state.db")).unwrap();
        assert_eq!(store.check().unwrap(), [], "{death}");
        drop(store);
        let claims = "SELECT owner FROM runs WHERE owner IS NOT NULL";
        assert_eq!(self.ask(claims), [""; 0], "{death}");

        let mut names = self.place.submitted();
        names.sort();
        assert_eq!(
            names,
            self.ask("SELECT token FROM runs WHERE job_id IS NOT NULL ORDER BY token"),
            "{death}"
        );
    }

    /// Each effect is there once, or the job was told to be retried.
    fn has_each_effect(&self, death: &str) {
        // By job: attempts that the journals tell of, and how often it passed.
        let mut told: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for job in self.ask(
            "SELECT c.stage_id || '.' || j.key || ' ' || j.run_id || ' ' || j.seq || ' ' || (j.state = 'passed')
             FROM jobs j JOIN components c USING (component_id) WHERE c.stage = 'a'",
        ) {
            let [job, run, seq, passed] = job.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let journal = self.path().join(format!("runs/t/remote_a.{run}/journal.tsv"));
            let journal = fs::read_to_string(journal).unwrap_or_default();
            let begins = format!("S\t{seq}\t");
            let told = told.entry(job.to_owned()).or_default();
            told.0 += journal.lines().filter(|line| line.starts_with(&begins)).count();
            told.1 += usize::from(passed == "1");
        }
        let [begun, effects] = ["begun", "effect"].map(|kind| self.place.lines(kind));
        for (job, (tries, passes)) in &told {
            let (tries, passes) = (*tries, *passes);
            let [begun, effects] = [&begun, &effects].map(|all| all.get(job).copied().unwrap_or(0));
            assert!(
                begun <= tries,
                "{death}: {job} began {begun} times, told {tries}"
            );
            assert!(
                passes <= effects && effects <= tries,
                "{death}: {job} {effects} of {tries}"
            );
        }
    }

    /// A further drive finds nothing to do.
    pub(crate) fn is_over(&self) {
        let snapshot = || {
            self.ask(
                "SELECT 'run ' || run_id || state || job_id || passed || failed FROM runs
                 UNION ALL SELECT 'component ' || component_id || state FROM components
                 UNION ALL SELECT 'job ' || run_id || '.' || seq || state FROM jobs
                 UNION ALL SELECT 'event ' || count(*) FROM events",
            )
        };
        let before = snapshot();
        self.drive(None);
        assert_eq!(snapshot(), before);
    }
}

impl Life {
    /// Kills a process of a batch job, its supervisor included; `choose` takes one of so many.
    pub(crate) fn strike(&self, choose: impl FnOnce(usize) -> usize) {
        let spool = self.path().join("scratch/.outrigger-local");
        let spool = spool.to_str().unwrap().as_bytes();
        let is_of_a_job = |pid: &i32| {
            let read = |name| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let holds = |text: Vec<u8>| text.windows(spool.len()).any(|part| part == spool);
            let line = read("cmdline");
            let is_tool = line
                .windows(6)
                .any(|part| part == b"status" || part == b"submit");
            !is_tool && (holds(line) || holds(read("environ")))
        };
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let ours: Vec<i32> = pids.filter(is_of_a_job).collect();
        if let Some(pid) = (!ours.is_empty()).then(|| ours[choose(ours.len())]) {
            // It may have ended by itself meanwhile.
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// How a driver ended, if it did before `moment` was over.
pub(crate) fn ended_within(driver: &mut Child, moment: Duration) -> Option<ExitStatus> {
    let begin = Instant::now();
    loop {
        let over = driver.try_wait().unwrap();
        if over.is_some() || begin.elapsed() >= moment {
            return over;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Whether a driver came to its end: something failed for good, as it should.
pub(crate) fn finished(status: ExitStatus) -> bool {
    status.code() == Some(1)
}
