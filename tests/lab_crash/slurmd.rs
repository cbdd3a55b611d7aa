//! Lives whose nodes lose their slurmd, which another follows: at steps of who drives, at those of the
//! workers, at random times among other deaths; and one whose node is declared dead before that.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Child,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::{far::Far, sample, send_worker};
use crate::{
    lab_harness::Lab,
    life::{End, FAULT, Life, ended_within, finished},
    matrix::{Random, deaths, each, lives},
    served::Served,
    until::until,
};

/// How long one may take: a batch job whose launch was lost is missed only when its node registers
/// again, about every two minutes here.
const LONGEST: Duration = Duration::from_mins(4);

const SINGLE: [&[&str]; 4] = [&["node01"], &["node02"], &["node03"], &["node04"]];
const PAIRS: [&[&str]; 2] = [&["node01", "node02"], &["node03", "node04"]];

/// What a site with chunks says. A far site lets what failed wait for a minute, for which no test has time.
fn chunks(retries: u32) -> String {
    format!("retries: {retries}\nback_off: {{after: 0s}}")
}

/// What a site with so many workers a run says, whose program is there already.
fn workers(program: &str, count: usize, retries: u32) -> String {
    format!(
        "launcher: worker\nworker: {{binary: {program}, silence: 5s}}\n\
         nodes: {{cores: 2, min: {count}, max: {count}}}\n{}",
        chunks(retries)
    )
}

/// A life that has nodes of its own.
struct Noded<'a> {
    lab: &'a Lab,
    life: Life<Far<'a>>,
    nodes: &'a [&'a str],
}

impl<'a> Noded<'a> {
    fn new(lab: &'a Lab, nodes: &'a [&'a str], more: &str) -> Self {
        let site = format!("directives: ['--nodelist={}']\n{more}", nodes.join(","));
        let life = Life::there(|_| Far::new(lab).asking(), &site);
        Self { lab, life, nodes }
    }

    /// Kills each slurmd in the name of who drives; the file `struck` tells of it.
    fn killer(&self) -> PathBuf {
        let (lab, nodes) = (self.lab.command(), self.nodes.join(" "));
        let lab = lab.display();
        let text = format!("#!/bin/sh\n'{lab}' node slurmd {nodes} >told && mv told struck\n");
        self.life.write("killer", &text);
        let killer = self.life.path().join("killer");
        fs::set_permissions(&killer, Permissions::from_mode(0o755)).unwrap();
        killer
    }

    /// Lets `strike` be done when somebody there asks for it, while `driver` comes to its end.
    fn asks_and_ends(&self, driver: Child, which: &str, strike: impl FnOnce() + Send) {
        thread::scope(|scope| {
            scope.spawn(|| self.life.place.is_asked(strike));
            let ended = has_ended(driver);
            self.life.place.is_over();
            assert!(ended, "{which}: {}", self.story());
        });
    }

    fn is_as(&self, end: &End, which: &str) {
        self.life.is_sound(which);
        assert_eq!(self.life.end(), *end, "{which}: {}", self.story());
    }

    fn story(&self) -> String {
        let events = self.life.ask(
            "SELECT at || ' ' || subject || ' ' || subject_id || ': ' || before || ' to ' || after || ', ' || why
             FROM events ORDER BY event_id",
        );
        format!("{events:#?}\n{}", self.life.said())
    }
}

/// Whether who drives comes to its end in time.
fn has_ended(mut driver: Child) -> bool {
    let status = ended_within(&mut driver, LONGEST);
    if status.is_none() {
        driver.kill().unwrap();
        driver.wait().unwrap();
    }
    status.is_some_and(finished)
}

/// The end of a life at such a site in which nobody died, and its steps.
fn undisturbed(lab: &Lab, nodes: &[&str], site: &str) -> (End, Vec<String>) {
    let noded = Noded::new(lab, nodes, site);
    noded.life.drive(None);
    noded.life.is_sound("no death");
    (noded.life.end(), noded.life.steps())
}

/// A life for each, as many at once as there are `nodes`, of which each has some for itself.
fn each_on_nodes<T: Sync>(
    ones: &[T],
    nodes: &[&'static [&'static str]],
    life: impl Fn(&T, &'static [&'static str]) + Sync,
) {
    let free = Mutex::new(nodes.to_vec());
    each(ones, nodes.len(), |one| {
        let nodes = free.lock().unwrap().pop().unwrap();
        life(one, nodes);
        free.lock().unwrap().push(nodes);
    });
}

/// Most of the deaths took place: how often a round finds nothing to do differs from life to life.
fn most_were_struck(struck: AtomicUsize, deaths: usize) {
    let struck = struck.into_inner();
    assert!(struck * 5 >= deaths * 4, "{struck} of {deaths}");
    eprintln!("{struck} deaths of slurmd");
}

/// A life comes to `end` whose slurmd, killed while a job runs, is followed by another only when Slurm has
/// declared the node dead.
fn returns_late(lab: &Lab, node: &'static str, end: &End) {
    let which = "a node declared dead";
    let nodes = [node];
    let noded = Noded::new(lab, &nodes, &workers(send_worker(lab), 1, 2));
    let once = "if mkdir asked 2>/dev/null; then ./striker; fi";
    noded.life.before_each_job(&format!("{once}; {FAULT}"));
    noded.asks_and_ends(noded.life.driver(None), which, || {
        lab.control(["node", "slurmd-off", node]);
        let failed = ["squeue", "-h", "--states=NODE_FAIL", "-w", node];
        until("Slurm misses the node", || {
            !lab.fe(failed).success().is_empty()
        });
        lab.control(["node", "up", node]);
    });
    noded.is_as(end, which);
    let lost = "SELECT why FROM events WHERE why LIKE '%node failed%'";
    assert!(!noded.life.ask(lost).is_empty(), "{}", noded.story());
}

#[test]
fn whenever_slurmd_dies_and_returns_soon_or_late_the_end_is_the_same() {
    let lab = Lab::get();
    let site = chunks(2);
    let (end, steps) = undisturbed(&lab, SINGLE[0], &site);
    let deaths = sample(deaths(&steps, 1), 5);
    let struck = AtomicUsize::new(0);
    thread::scope(|scope| {
        let [soon @ .., late] = &SINGLE;
        // It takes as long as all the others.
        scope.spawn(|| returns_late(&lab, late[0], &end));
        each_on_nodes(&deaths, soon, |death, nodes| {
            let noded = Noded::new(&lab, nodes, &site);
            let mut driver = noded.life.to_drive(Some(death));
            let driver = driver.env("OUTRIGGER_CRASH_BY", noded.killer()).spawn();
            let ended = has_ended(driver.unwrap());
            assert!(ended, "{death}: {}", noded.story());
            noded.is_as(&end, death);
            let was = noded.life.path().join("struck").exists();
            struck.fetch_add(usize::from(was), Ordering::SeqCst);
        });
    });
    most_were_struck(struck, deaths.len());
}

#[test]
fn whenever_slurmd_dies_at_a_step_of_a_worker_the_end_is_the_same() {
    let lab = Lab::get();
    let site = workers(send_worker(&lab), 2, 2);
    let (end, mut steps) = undisturbed(&lab, PAIRS[0], &site);
    steps.retain(|step| step.starts_with("worker "));
    let deaths = sample(deaths(&steps, 1), 3);
    let struck = AtomicUsize::new(0);
    each_on_nodes(&deaths, &PAIRS, |death, nodes| {
        let noded = Noded::new(&lab, nodes, &site);
        noded.asks_and_ends(noded.life.driver(Some(death)), death, || {
            lab.slurmds_anew(nodes);
            struck.fetch_add(1, Ordering::SeqCst);
        });
        noded.is_as(&end, death);
    });
    most_were_struck(struck, deaths.len());
}

/// What dies of a life at a random time.
#[derive(Clone, Copy)]
enum Victim {
    Slurmd,
    /// Of a batch job: srun, a coordinator, a worker, a job.
    Process,
    /// Who drives, or the server.
    Driver,
}

/// All of them twice, in any order.
fn victims(chance: &mut fastrand::Rng) -> Vec<Victim> {
    let mut all = [Victim::Slurmd, Victim::Process, Victim::Driver].repeat(2);
    chance.shuffle(&mut all);
    all
}

/// A life that drivers drive.
fn driven(noded: &Noded<'_>, random: &Random, end: &End, slurmds: &AtomicUsize) {
    let (which, mut chance) = (&random.which, random.chance());
    let mut driver = noded.life.driver(None);
    for victim in victims(&mut chance) {
        let moment = Duration::from_millis(chance.u64(100..2500));
        if ended_within(&mut driver, moment).is_some() {
            break;
        }
        match victim {
            Victim::Slurmd => {
                noded.lab.slurmds_anew(noded.nodes);
                slurmds.fetch_add(1, Ordering::SeqCst);
            },
            Victim::Process => noded.life.place.strike(|count| chance.usize(..count)),
            Victim::Driver => {
                driver.kill().unwrap();
                driver.wait().unwrap();
                driver = noded.life.driver(None);
            },
        }
    }
    assert!(has_ended(driver), "{which}: {}", noded.story());
    noded.is_as(end, which);
}

/// A life that servers drive.
fn served(noded: Noded<'_>, random: &Random, end: &End, slurmds: &AtomicUsize) {
    let mut chance = random.chance();
    let mut victims = victims(&mut chance);
    let Noded { lab, life, nodes } = noded;
    let served = Served::new(life);
    let strike = |server: &mut Child| {
        if chance.u8(..40) > 0 {
            return;
        }
        match victims.pop() {
            Some(Victim::Slurmd) => {
                lab.slurmds_anew(nodes);
                slurmds.fetch_add(1, Ordering::SeqCst);
            },
            Some(Victim::Process) => served.life.place.strike(|count| chance.usize(..count)),
            Some(Victim::Driver) => server.kill().unwrap(),
            None => {},
        }
    };
    served.live(None, |life| life.is_at(end), strike);
    served.is_as(&random.which, end);
}

#[test]
fn drivers_servers_processes_and_slurmds_that_die_at_random_times_come_to_the_same_end() {
    let lab = Lab::get();
    let program = send_worker(&lab);
    let (one, two) = (workers(program, 1, 6), workers(program, 2, 6));
    let (end, _) = undisturbed(&lab, PAIRS[0], &two);
    let all = lives(1);
    let slurmds = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            each(&all, 1, |random| {
                driven(
                    &Noded::new(&lab, &["node01"], &chunks(6)),
                    random,
                    &end,
                    &slurmds,
                );
            });
        });
        scope.spawn(|| {
            each(&all, 1, |random| {
                driven(
                    &Noded::new(&lab, &["node02", "node03"], &two),
                    random,
                    &end,
                    &slurmds,
                );
            });
        });
        scope.spawn(|| {
            each(&all, 1, |random| {
                served(Noded::new(&lab, &["node04"], &one), random, &end, &slurmds);
            });
        });
    });
    let slurmds = slurmds.into_inner();
    assert!(slurmds > all.len(), "{slurmds} in {} lives", 3 * all.len());
    eprintln!("{slurmds} deaths of slurmd");
}
