//! Jobs on hosts behind ssh: a throw-away sshd on 127.0.0.1 (Debian's openssh-server) is 1 to 50
//! machines. What is measured, each beside its peer or limit in the same run:
//!
//! - `memory`: bytes a waiting job takes in the controller.
//! - `decide`: what a wake of the controller costs with 500 idle slots and 10,000 jobs that wait
//!   for a host which is down.
//! - `rates`: `true` from submission to the harvested end, beside a bare loop that spawns and
//!   waits, our executor without ssh, and GNU parallel over the same sshd; and the CPU time of a
//!   job by program.
//! - `latency`: from submission to the job's process, and from there to its harvested end, beside
//!   our executor and one `ssh` a job through an open master. The job is `date`, so that its own
//!   start (about 1 ms) counts as before, and its own end as after.
//! - `idle`: CPU time that 500 connected slots cost while nothing happens.
//! - `program`: the program pcontrol by itself with 10,000 waiting jobs, asked through its pipe.
//!
//! `cargo bench --bench cluster -- rates latency` does only these; `--jobs 500` takes fewer.
//! A loopback has no round trip, and both ends of ssh share this machine's processors with the
//! jobs: the figures say what the programs cost, not what a network adds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark that fails should say so at once"
)]

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use outrigger::{
    engine::clock::{Clock as _, SystemClock},
    pclient::wire::Welcome,
    pcontrol::{
        Claim, Cluster, Controller, Effect, Happening, News, Pool, Report, Request, Settings,
        SlotState, Way, Wish,
    },
    process::{Captured, Completion, Outcome, ProcessSettings, Processes, Program},
};
use rustix::time::{ClockId, clock_gettime};
use sshd::Sshd;
use tokio::{
    runtime::Runtime,
    sync::mpsc::UnboundedReceiver,
    time::{sleep, timeout},
};

#[allow(dead_code, reason = "the harness of tests, of which this needs a part")]
#[path = "../tests/sshd/mod.rs"]
mod sshd;

/// Our own program, which is also the agent.
const OUTRIGGER: &str = env!("CARGO_BIN_EXE_outrigger");

/// The host that is down: nobody listens there.
const DOWN: &str = "down";

const WAITING: u64 = 10_000;

/// How long nothing happens.
const QUIET: Duration = Duration::from_secs(20);

fn main() {
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let sections: [(&str, &dyn Fn()); 6] = [
        // First, while the allocator has nothing to give again.
        ("memory", &memory),
        ("decide", &decide),
        ("rates", &|| rates(&runtime)),
        ("latency", &|| latency(&runtime)),
        ("idle", &|| idle(&runtime)),
        ("program", &program),
    ];
    let named = |name: &str| asked.iter().any(|word| word == name);
    let all = !sections.iter().any(|(name, _)| named(name));
    for (name, section) in sections {
        if all || named(name) {
            println!("--- {name}");
            section();
        }
    }
}

/// The value behind an option of the command line.
fn option(name: &str, default: u64) -> u64 {
    let mut words = std::env::args().skip_while(|word| word != name);
    words.nth(1).map_or(default, |word| word.parse().unwrap())
}

// --- What is measured with

/// A sshd that is as many machines as one likes.
struct Site(Sshd);

impl Site {
    fn start() -> Self {
        let sshd = Sshd::start("MaxStartups 1000\nMaxSessions 100");
        let of = |name: &str| sshd.path().join(name);
        let known = fs::read_to_string(of("ssh_config")).unwrap();
        let down = format!("Host {DOWN}\nHostName 127.0.0.1\nPort 1\n");
        let plain = down + &known.replace("Host site", "Host *");
        fs::write(of("plain"), &plain).unwrap();
        let path = of("master-%n").display().to_string();
        let shared = "ControlMaster auto\nControlPersist yes";
        let shared = format!("{plain}\n{shared}\nControlPath {path}\n");
        fs::write(of("shared"), shared).unwrap();
        Self(sshd)
    }

    /// `ssh` with a connection a job, or one for all (`shared`).
    fn ssh(&self, config: &str) -> Vec<String> {
        let config = self.0.path().join(config).display().to_string();
        ["ssh", "-F", &config].map(str::to_owned).to_vec()
    }

    fn way(&self) -> Way {
        Way {
            command: Some(self.ssh("plain")),
            agent: Some(format!("{OUTRIGGER} pclient")),
            ..Way::default()
        }
    }
}

/// A controller with its connections, turned over as its programs do.
struct Desk {
    cluster: Cluster,
    reports: UnboundedReceiver<Report>,
    last: u64,
    wakes: u64,
}

impl Desk {
    fn new(way: Way) -> Self {
        let (cluster, reports) = Cluster::new(Settings::default(), way);
        Self {
            cluster,
            reports,
            last: 0,
            wakes: 0,
        }
    }

    /// With so many machines that are up and so many slots on each, and one that is down.
    async fn connected(site: &Site, machines: u32, slots: u32) -> Self {
        let mut desk = Self::new(site.way());
        let now = Instant::now();
        for n in 1..=machines {
            for _ in 0..slots {
                desk.cluster.add(&format!("h{n}"), 1, None, now);
            }
        }
        desk.cluster.add(DOWN, 1, None, now);
        let is_idle = |state| state == SlotState::Idle;
        let wanted = usize::try_from(machines * slots).unwrap();
        while desk.cluster.slots().filter(|(_, s)| is_idle(*s)).count() < wanted {
            desk.happened().await;
        }
        desk
    }

    fn submit(&mut self, argv: &[&str], wish: Wish) -> u64 {
        self.last += 1;
        let now = Instant::now();
        self.cluster.submit(self.last, request(argv, wish), now);
        self.last
    }

    fn submit_waiting(&mut self, jobs: u64) {
        for _ in 0..jobs {
            self.submit(&["true"], Wish::Required(DOWN.to_owned()));
        }
    }

    /// What happens next. Ends are stored at once.
    async fn happened(&mut self) -> Happening {
        loop {
            while let Ok(report) = self.reports.try_recv() {
                self.cluster.take(report, Instant::now());
            }
            if let Some(happening) = self.cluster.next_happening() {
                if let Happening::Ended {
                    host: Some(host),
                    completion,
                    ..
                } = &happening
                {
                    self.cluster.taken(host, completion.id);
                }
                return happening;
            }
            let now = Instant::now();
            self.cluster.tick(now);
            self.cluster.assign(now);
            self.cluster.perform();
            self.wakes += 1;
            let pause = self.cluster.next(now).map(|at| at - now);
            tokio::select! {
                report = self.reports.recv() => self.cluster.take(report.unwrap(), Instant::now()),
                () = sleep(pause.unwrap_or(QUIET)) => {},
            }
        }
    }

    async fn ended(&mut self) -> Completion {
        loop {
            if let Happening::Ended { completion, .. } = self.happened().await {
                assert_eq!(completion.outcome, Outcome::Exit(0));
                return *completion;
            }
        }
    }

    /// Tells the agents to go, so that the next section has the machine for itself.
    async fn close(mut self) {
        self.cluster.dismiss(true, Instant::now());
        while self.cluster.is_connected()
            && let Some(report) = self.reports.recv().await
        {
            self.cluster.take(report, Instant::now());
            self.cluster.perform();
        }
    }
}

fn request(argv: &[&str], wish: Wish) -> Request {
    Request {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        nice: 0,
        block: Vec::new(),
        claim: Claim {
            wish,
            touches: Vec::new(),
            priority: 0,
        },
    }
}

fn start(processes: &Processes, id: u64, argv: &[&str]) {
    let program = Program {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        ..Program::default()
    };
    processes.start(id, program);
}

async fn local_end(reports: &mut UnboundedReceiver<outrigger::process::Report>) -> Box<Completion> {
    loop {
        if let outrigger::process::Report::Ended(completion) = reports.recv().await.unwrap() {
            return completion;
        }
    }
}

/// The CPU time of this process.
fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), 0) + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}

/// The CPU time of everything that this process has started and that still runs: number and time
/// by the name of the program.
fn cpu_below() -> BTreeMap<String, (u64, Duration)> {
    let mut processes = HashMap::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // One that has just ended has nothing to say.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if let Some((head, tail)) = stat.rsplit_once(')') {
            let program = head.split_once('(').unwrap().1.to_owned();
            let parent: u32 = tail.split_whitespace().nth(1).unwrap().parse().unwrap();
            processes.insert(pid, (program, parent));
        }
    }
    let own = std::process::id();
    let is_below = |pid: &u32| {
        let mut pid = *pid;
        while let Some((_, parent)) = processes.get(&pid) {
            if *parent == own {
                return true;
            }
            pid = *parent;
        }
        false
    };
    let mut times = BTreeMap::new();
    for pid in processes.keys().filter(|pid| is_below(pid)) {
        let name = match processes[pid].0.as_str() {
            "outrigger" => "agent",
            // It is started as /proc/self/exe.
            "exe" => "guard",
            name => name,
        };
        let (count, time) = times.entry(name.to_owned()).or_default();
        *count += 1;
        *time += run_time(*pid);
    }
    times
}

/// The time that all threads of a process have run.
fn run_time(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    let time = |path: PathBuf| -> u64 {
        let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        let first = text.split_whitespace().next();
        first.map_or(0, |word| word.parse().unwrap())
    };
    let times = threads.map(|thread| time(thread.unwrap().path()));
    Duration::from_nanos(times.sum())
}

/// The CPU time so far.
struct Cpu {
    own: Duration,
    below: BTreeMap<String, (u64, Duration)>,
}

impl Cpu {
    fn now() -> Self {
        let below = cpu_below();
        // After the look at the others, which takes time too.
        let own = own_cpu();
        Self { own, below }
    }

    /// Since then, each program's time by `show`.
    fn since(&self, show: impl Fn(Duration) -> String) -> String {
        let own = own_cpu().saturating_sub(self.own);
        let mut text = format!("controller {}", show(own));
        for (name, (count, time)) in cpu_below() {
            let before = self.below.get(&name).map_or(Duration::ZERO, |(_, t)| *t);
            let time = show(time.saturating_sub(before));
            write!(text, ", {count} {name} {time}").unwrap();
        }
        text
    }
}

/// The resident memory of a process, in bytes.
fn resident(pid: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1);
    kilobytes.unwrap().parse::<u64>().unwrap() * 1024
}

fn micros(time: Duration) -> String {
    format!("{:.0} µs", time.as_secs_f64() * 1e6)
}

// --- The sections

/// What a stage's job looks like: 147 bytes.
const COMMAND: [&str; 8] = [
    "warp_skycell.pl",
    "--warp_id",
    "1234567",
    "--skycell_id",
    "skycell.1234.056",
    "--dbname",
    "gpc1",
    "--outroot=/data/host012.0/gpc1/LAP.ThreePi.20120706/2013/05/17/o6429g0123o.1234567/o6429g0123o",
];

fn memory() {
    let bytes: usize = COMMAND.iter().map(|word| word.len()).sum();
    let mut desk = Desk::new(Way::default());
    let (before, begin) = (resident("self"), Instant::now());
    for jobs in [WAITING, 10 * WAITING] {
        while desk.last < jobs {
            desk.submit(&COMMAND, Wish::Required(DOWN.to_owned()));
        }
        let grown = (resident("self") - before) as f64;
        println!(
            "{jobs:>7} waiting jobs with commands of {bytes} bytes: {:>5.0} bytes a job, {:.1} MB; \
             {:.2} µs a submission",
            grown / jobs as f64,
            grown / 1e6,
            begin.elapsed().as_secs_f64() * 1e6 / jobs as f64
        );
    }
}

/// A controller with `machines` that are up and none of whose slots has anything to do.
fn controller(machines: u32, slots: u32, now: Instant) -> Controller {
    let mut controller = Controller::new(Settings::default());
    for n in 1..=machines {
        for _ in 0..slots {
            controller.add(&format!("h{n}"), 1, None, now);
        }
    }
    while let Some(effect) = controller.next_effect() {
        if let Effect::Connect {
            machine,
            connection,
            ..
        } = effect
        {
            let welcome = Welcome {
                incarnation: String::new(),
                host: machine.clone(),
                cores: 1,
                version: String::new(),
                runs: Vec::new(),
            };
            controller.hear(&machine, connection, News::Welcome(welcome), now);
        }
    }
    controller
}

fn decide() {
    for (machines, slots) in [(20, 25), (500, 1)] {
        for (what, wish) in [
            ("requires", Wish::Required(DOWN.to_owned())),
            ("wishes for", Wish::Desired(DOWN.to_owned())),
        ] {
            let now = Instant::now();
            let mut controller = controller(machines, slots, now);
            for job in 1..=WAITING {
                controller.submit(job, request(&["true"], wish.clone()), now);
            }
            // When wishes are given up: then only so many may work on that host's disks.
            let late = now + Duration::from_secs(15);
            controller.assign(late);
            while controller.next_effect().is_some() {}
            let begin = Instant::now();
            let mut wakes = 0;
            while begin.elapsed() < Duration::from_millis(500) {
                controller.tick(late);
                controller.assign(late);
                assert!(controller.next(late).is_some());
                wakes += 1;
            }
            println!(
                "{machines:>3} machines of {slots:>2} slots, {WAITING} jobs of which each {what:<10} \
                 another: {:>8.2} µs a wake",
                begin.elapsed().as_secs_f64() * 1e6 / f64::from(wakes)
            );
        }
    }
    let now = Instant::now();
    let mut pool = Pool::default();
    for n in 0..500 {
        let host = format!("h{}", n % 20);
        pool.add(&host, 1);
        pool.set_up(&host, true);
    }
    let claim = request(&[], Wish::Any).claim;
    for job in 1..=WAITING {
        pool.wait(job, claim.clone(), now);
    }
    let begin = Instant::now();
    let mut seated = 0;
    loop {
        let seats = pool.assign(now);
        if seats.is_empty() {
            break;
        }
        for seat in seats {
            pool.release(seat.job);
            seated += 1;
        }
    }
    assert_eq!(seated, WAITING);
    println!(
        "seating and releasing: {:.2} µs a job",
        begin.elapsed().as_secs_f64() * 1e6 / WAITING as f64
    );
}

fn rates(runtime: &Runtime) {
    let jobs = option("--jobs", 4000);
    let site = Site::start();
    let limit = show("bare spawn and wait", jobs, bare(jobs), None);
    let show = |name: &str, jobs, time| show(name, jobs, time, Some(limit));
    let time = runtime.block_on(executor(jobs, 8));
    let local = show("executor, 8 at once", jobs, time);
    let mut ours = 0.0;
    for (machines, slots) in [(4, 2), (1, 8)] {
        let (time, cpu) = runtime.block_on(through_ssh(&site, machines, slots, jobs));
        let rate = show(
            &format!("cluster, {machines} machines x {slots}"),
            jobs,
            time,
        );
        println!("  {:.2} times the executor; CPU a job: {cpu}", rate / local);
        ours = f64::max(ours, rate);
    }
    for (config, name, some) in [
        ("plain", "GNU parallel, 4 x 2", jobs.min(100)),
        ("shared", "the same, ControlMaster", jobs.min(300)),
    ] {
        match parallel(&site, config, some) {
            Some(time) => {
                let rate = show(name, some, time);
                println!("  the cluster is {:.1} times as fast", ours / rate);
            },
            None => println!("GNU parallel is not installed"),
        }
    }
}

/// Prints the rate, beside the limit, and returns it.
fn show(name: &str, jobs: u64, elapsed: Duration, limit: Option<f64>) -> f64 {
    let rate = jobs as f64 / elapsed.as_secs_f64();
    let share = limit.map_or(1.0, |limit| rate / limit) * 100.0;
    println!(
        "{name:<24} {:>8.3} s {rate:>9.0} jobs/s {share:>5.0} %",
        elapsed.as_secs_f64()
    );
    rate
}

fn bare(jobs: u64) -> Duration {
    let begin = Instant::now();
    for _ in 0..jobs {
        let status = Command::new("true").stdin(Stdio::null()).status().unwrap();
        assert!(status.success());
    }
    begin.elapsed()
}

async fn executor(jobs: u64, at_once: u64) -> Duration {
    let begin = Instant::now();
    let (processes, mut reports) = Processes::new(ProcessSettings::default());
    let mut started = at_once.min(jobs);
    (0..started).for_each(|id| start(&processes, id, &["true"]));
    for _ in 0..jobs {
        assert_eq!(local_end(&mut reports).await.outcome, Outcome::Exit(0));
        if started < jobs {
            start(&processes, started, &["true"]);
            started += 1;
        }
    }
    begin.elapsed()
}

async fn through_ssh(site: &Site, machines: u32, slots: u32, jobs: u64) -> (Duration, String) {
    let mut desk = Desk::connected(site, machines, slots).await;
    let cpu = Cpu::now();
    let begin = Instant::now();
    for _ in 0..jobs {
        desk.submit(&["true"], Wish::Any);
    }
    for _ in 0..jobs {
        desk.ended().await;
    }
    let elapsed = begin.elapsed();
    let a_job = |time: Duration| micros(time.div_f64(jobs as f64));
    let cpu = cpu.since(a_job);
    desk.close().await;
    (elapsed, cpu)
}

/// None where GNU parallel is not installed.
fn parallel(site: &Site, config: &str, jobs: u64) -> Option<Duration> {
    let version = Command::new("parallel").arg("--version").output().ok()?;
    let gnu = String::from_utf8_lossy(&version.stdout).contains("GNU parallel");
    if !gnu {
        return None;
    }
    let ssh = site.ssh(config);
    if config == "shared" {
        for n in 1..=4 {
            master(&ssh, &format!("h{n}"));
        }
    }
    let begin = Instant::now();
    let mut child = Command::new("parallel")
        .args(["--will-cite", "--ssh", &ssh.join(" ")])
        .args(["-S", "2/h1,2/h2,2/h3,2/h4", "true"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = child.stdin.take().unwrap();
    for n in 0..jobs {
        writeln!(words, "{n}").unwrap();
    }
    drop(words);
    assert!(child.wait().unwrap().success());
    Some(begin.elapsed())
}

/// Opens a connection that later ones share.
fn master(ssh: &[String], host: &str) {
    let mut command = Command::new(&ssh[0]);
    command.args(&ssh[1..]).args(["-fN", host]);
    // It keeps the streams as long as it lives.
    let command = command.stdin(Stdio::null()).stderr(Stdio::null());
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
}

/// Says when it runs.
const STAMP: [&str; 2] = ["date", "+%s.%N"];

fn latency(runtime: &Runtime) {
    let probes = option("--jobs", 500);
    let site = Site::start();
    let local = runtime.block_on(async {
        let (processes, mut reports) = Processes::new(ProcessSettings::default());
        let mut times = Times::default();
        for id in 0..probes {
            let begin = seconds();
            start(&processes, id, &STAMP);
            let ended = local_end(&mut reports).await;
            times.add(begin, &ended.stdout);
        }
        times
    });
    local.show("executor", None);
    let ssh = site.ssh("shared");
    master(&ssh, "h1");
    let mut shared = Times::default();
    for _ in 0..probes.min(100) {
        let begin = seconds();
        let mut command = Command::new(&ssh[0]);
        let output = command.args(&ssh[1..]).arg("h1").args(STAMP).output();
        shared.add(begin, &Captured::text(output.unwrap().stdout));
    }
    shared.show("ssh through a master", Some(&local));
    for waiting in [0, WAITING] {
        let times = runtime.block_on(async {
            let mut desk = Desk::connected(&site, 4, 2).await;
            desk.submit_waiting(waiting);
            let mut times = Times::default();
            for _ in 0..probes {
                let begin = seconds();
                desk.submit(&STAMP, Wish::Any);
                let ended = desk.ended().await;
                times.add(begin, &ended.stdout);
            }
            desk.close().await;
            times
        });
        times.show(&format!("cluster, {waiting} wait"), Some(&local));
    }
}

/// Since 1970.
fn seconds() -> f64 {
    SystemClock.now().as_duration().as_secs_f64()
}

/// Until a job said when it ran, and from then to its end, in ms.
#[derive(Default)]
struct Times([Vec<f64>; 2]);

impl Times {
    /// For a job of [`STAMP`] that was asked for at `begin` and is over now.
    fn add(&mut self, begin: f64, stdout: &Captured) {
        let end = seconds();
        let mut text = String::new();
        stdout.reader().read_to_string(&mut text).unwrap();
        let ran: f64 = text.trim().parse().unwrap();
        for (times, time) in self.0.iter_mut().zip([ran - begin, end - ran]) {
            times.push(time * 1e3);
        }
    }

    fn at(&self, which: usize, share: usize) -> f64 {
        let mut times = self.0[which].clone();
        times.sort_unstable_by(f64::total_cmp);
        times[times.len() * share / 100]
    }

    fn show(&self, name: &str, peer: Option<&Self>) {
        let peer = peer.unwrap_or(self);
        let part = |which| {
            format!(
                "median {:>6.2} ms ({:.1} x), 99 % {:>6.2} ms",
                self.at(which, 50),
                self.at(which, 50) / peer.at(which, 50),
                self.at(which, 99)
            )
        };
        println!("{name:<22} start: {}; end: {}", part(0), part(1));
    }
}

fn idle(runtime: &Runtime) {
    for (machines, slots, waiting) in [(20, 25, 0), (20, 25, WAITING), (50, 10, WAITING)] {
        let site = Site::start();
        runtime.block_on(async {
            let begin = Instant::now();
            let mut desk = Desk::connected(&site, machines, slots).await;
            let connected = begin.elapsed();
            desk.submit_waiting(waiting);
            let calm = Duration::from_secs(2);
            while timeout(calm, desk.happened()).await.is_ok() {}
            let (cpu, wakes) = (Cpu::now(), desk.wakes);
            let begin = Instant::now();
            while let Some(left) = QUIET.checked_sub(begin.elapsed()) {
                // Nothing that matters.
                drop(timeout(left, desk.happened()).await);
            }
            let wakes = desk.wakes - wakes;
            println!(
                "{machines} machines x {slots} (connected in {:.1} s), {waiting} jobs wait, {} s: \
                 {wakes} wakes; CPU: {}",
                connected.as_secs_f64(),
                QUIET.as_secs(),
                cpu.since(|time| format!("{:.4} s", time.as_secs_f64()))
            );
            desk.close().await;
        });
    }
}

/// The program, asked through a pipe as the original's pantasks did.
struct Asked {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Asked {
    fn start(site: &Site) -> Self {
        let mut child = Command::new(OUTRIGGER)
            .args(["pcontrol", "--norc"])
            .args(["-D", "COMMAND", &site.ssh("plain").join(" ")])
            .args(["-D", "SHELL", &format!("{OUTRIGGER} pclient")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            input,
            output,
        }
    }

    /// The lines that a command is answered with.
    fn ask(&mut self, command: &str) -> String {
        writeln!(self.input, "{command}\necho over").unwrap();
        let mut text = String::new();
        while !text.ends_with("over\n") {
            assert!(self.output.read_line(&mut text).unwrap() > 0);
        }
        text
    }

    fn status(&mut self, command: &str) {
        let mut times: Vec<f64> = (0..100)
            .map(|_| {
                let begin = Instant::now();
                self.ask(command);
                begin.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_unstable_by(f64::total_cmp);
        println!(
            "  `{command}`: median {:.3} ms, 99 % {:.3} ms",
            times[50], times[99]
        );
    }
}

fn program() {
    let site = Site::start();
    let mut asked = Asked::start(&site);
    for n in 1..=4 {
        asked.ask(&format!("host add h{n} -count 2"));
    }
    asked.ask(&format!("host add {DOWN}"));
    while asked.ask("hoststack idle").contains("Nhosts: 8") {}
    println!("nothing waits");
    asked.status("status");
    let pid = asked.child.id().to_string();
    let (before, begin) = (resident(&pid), Instant::now());
    let job = format!("job +host {DOWN} {}", COMMAND.join(" "));
    for _ in 0..WAITING {
        asked.ask(&job);
    }
    let each = begin.elapsed().as_secs_f64() * 1e6 / WAITING as f64;
    let bytes = (resident(&pid) - before) / WAITING;
    println!("{WAITING} jobs wait ({each:.0} µs and {bytes} bytes a job)");
    asked.status("status -nojobs");
    asked.status("status");
    asked.status("check job 5000");
    let cpu = run_time(asked.child.id());
    let begin = Instant::now();
    while begin.elapsed() < QUIET {
        std::thread::park_timeout(QUIET.saturating_sub(begin.elapsed()));
    }
    let cpu = run_time(asked.child.id()).saturating_sub(cpu).as_secs_f64();
    println!("  CPU in {} s: {cpu:.4} s", QUIET.as_secs());
    writeln!(asked.input, "exit").unwrap();
    assert!(asked.child.wait().unwrap().success());
}
