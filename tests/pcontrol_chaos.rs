//! Jobs over hosts that fail in every way at random times: each is done, none runs twice at once,
//! and none is done again without a reason that was told.
//!
//! `OUTRIGGER_CHAOS_JOBS`, `OUTRIGGER_CHAOS_SEED` and `OUTRIGGER_CHAOS_SECONDS` (how long there is
//! trouble at most) make it long: `benches/chaos.sh`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test says where"
)]

#[expect(dead_code, reason = "not every test uses every part")]
mod cluster;
#[expect(dead_code, reason = "not every test uses every part")]
mod sshd;

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use cluster::{Cluster, Pcontrol, pause, trouble::Chance, wait_until};

/// A job: it is alone, it says that it begins, and it has its effect at the end, by one write.
const JOB: &str = "exec 9>\"locks/$1\"\n\
                   flock -n 9 || { echo \"$1\" >>double; exit 1; }\n\
                   echo \"$1 $$\" >>begun\n\
                   sleep \"$2\"\n\
                   echo \"$1 $$\" >>effects\n";

const HOSTS: usize = 4;
const SLOTS: usize = 2;
const FENCE: &str = "2";

/// How long the rest may take when the trouble is over.
const AFTERMATH: Duration = Duration::from_mins(1);

#[test]
fn with_a_fence_every_job_is_done_whatever_befalls_the_hosts() {
    survive("fence", &[("CONTROLLER_FENCE", FENCE)]);
}

#[test]
fn with_kept_jobs_every_job_is_done_whatever_befalls_the_hosts() {
    let settings = [("CONTROLLER_FENCE", FENCE), ("CONTROLLER_KEEP", "1")];
    survive("keep", &settings);
}

fn survive(mode: &str, settings: &[(&str, &str)]) {
    let number = |name: &str, usual: u64| {
        let value = std::env::var(format!("OUTRIGGER_CHAOS_{name}"));
        value.map_or(usual, |value| value.parse().expect(name))
    };
    let (jobs, seed) = (number("JOBS", 120), number("SEED", 20_261_126));
    let seconds = number("SECONDS", 12);
    eprintln!("{mode}: {jobs} jobs, seed {seed}, trouble for {seconds} s at most");

    let cluster = Cluster::of(HOSTS);
    fs::create_dir(cluster.path("locks")).unwrap();
    let script = cluster.script("job", JOB);
    let mut pcontrol = cluster.pcontrol(settings);
    for setting in ["losses = 1000", "retry = 0.3"] {
        assert_eq!(pcontrol.ask(&format!("parameters {setting}")), "");
    }
    for host in cluster.hosts() {
        pcontrol.ask(&format!("host add {} -count {SLOTS}", host.name));
    }
    let mut lengths = fastrand::Rng::with_seed(seed);
    for job in 1..=jobs {
        // Without some that are longer than the fence nothing could ever run twice at once.
        let seconds = match lengths.u8(..16) {
            0 => 2.0 + 3.0 * lengths.f64(),
            _ => 0.05 + 0.45 * lengths.f64(),
        };
        assert_eq!(pcontrol.job(&format!("{script} {job} {seconds:.3}")), job);
    }

    let begin = Instant::now();
    let trouble = Duration::from_secs(seconds);
    let fence = Duration::from_secs_f64(FENCE.parse().unwrap());
    let mut chance = Chance::new(&cluster, seed, fence);
    while begin.elapsed() < trouble && left(&mut pcontrol) > 0 {
        chance.turn(&mut pcontrol);
        pause(Duration::from_millis(20));
    }
    chance.end(&mut pcontrol);
    let peace = Instant::now();
    while left(&mut pcontrol) > 0 {
        assert!(
            peace.elapsed() < AFTERMATH,
            "not all is done: {}",
            pcontrol.ask("status")
        );
        pause(Duration::from_millis(50));
    }
    let took = begin.elapsed().as_secs_f64();

    let found = Found::read(&cluster, &pcontrol);
    eprintln!(
        "{mode}: {took:.1} s, {chance}; {} begins, {} effects, {} losses",
        found.begins.values().sum::<usize>(),
        found.effects.values().sum::<usize>(),
        found.losses.values().sum::<usize>(),
    );
    assert_eq!(cluster.read("double"), "", "two copies at once");
    for job in 1..=jobs {
        found.assert_done(job);
        assert_eq!(pcontrol.state(job), ("EXIT".to_owned(), 0), "job {job}");
    }
    // All hosts have come back.
    for host in cluster.hosts() {
        pcontrol.wait_for_host(&host.name, "IDLE");
    }
    assert!(pcontrol.exit().success());
    for host in cluster.hosts() {
        wait_until("the end of all", || host.processes().is_empty());
    }
}

/// The number of jobs that are not over.
fn left(pcontrol: &mut Pcontrol) -> usize {
    let mut count = |state: &str| {
        let answer = pcontrol.ask(&format!("jobstack {state}"));
        let number = answer
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("BEGIN BLOCK Njobs: "));
        number.expect(&answer).parse::<usize>().unwrap()
    };
    count("pending") + count("busy")
}

/// How often each job began, had its effect, and was lost.
struct Found {
    begins: BTreeMap<u64, usize>,
    effects: BTreeMap<u64, usize>,
    losses: BTreeMap<u64, usize>,
    log: String,
}

impl Found {
    fn read(cluster: &Cluster, pcontrol: &Pcontrol) -> Self {
        let log = pcontrol.log();
        let lost = log.lines().filter(|line| line.contains(" was lost with "));
        let lost = lost.map(|line| line.split(' ').nth(1).unwrap().to_owned());
        let first = |line: &String| line.split(' ').next().unwrap().to_owned();
        Self {
            begins: counts(cluster.lines("begun").iter().map(first)),
            effects: counts(cluster.lines("effects").iter().map(first)),
            losses: counts(lost),
            log,
        }
    }

    fn assert_done(&self, job: u64) {
        let of = |counts: &BTreeMap<u64, usize>| counts.get(&job).copied().unwrap_or(0);
        let (begins, effects, losses) = (of(&self.begins), of(&self.effects), of(&self.losses));
        let told = format!("job {job} ");
        let lines = self.log.lines().filter(|line| line.starts_with(&told));
        let lines: Vec<&str> = lines.collect();
        assert!(effects > 0, "job {job} has no effect: {lines:?}");
        assert!(
            effects <= begins && begins <= losses + 1,
            "job {job} began {begins} times and had {effects} effects: {lines:?}"
        );
    }
}

fn counts(words: impl Iterator<Item = String>) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word.parse().unwrap()).or_default() += 1;
    }
    counts
}
