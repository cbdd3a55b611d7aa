//! What is measured with: machines behind a sshd, and a controller that has them.

use std::{fs, time::Instant};

use outrigger::{
    pcontrol::{Claim, Cluster, Happening, Report, Request, Settings, SlotState, Way, Wish},
    process::{Completion, Outcome, Processes, Program},
};
use tokio::{sync::mpsc::UnboundedReceiver, time::sleep};

use crate::{DOWN, OUTRIGGER, QUIET, sshd::Sshd};

/// A sshd that is as many machines as one likes.
pub(crate) struct Site(Sshd);

impl Site {
    pub(crate) fn start() -> Self {
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
    pub(crate) fn ssh(&self, config: &str) -> Vec<String> {
        let config = self.0.path().join(config).display().to_string();
        ["ssh", "-F", &config].map(str::to_owned).to_vec()
    }

    pub(crate) fn way(&self) -> Way {
        Way {
            command: Some(self.ssh("plain")),
            agent: Some(format!("{OUTRIGGER} pclient")),
            ..Way::default()
        }
    }
}

/// A controller with its connections, turned over as its programs do.
pub(crate) struct Desk {
    pub(crate) cluster: Cluster,
    pub(crate) reports: UnboundedReceiver<Report>,
    pub(crate) last: u64,
    pub(crate) wakes: u64,
}

impl Desk {
    pub(crate) fn new(way: Way) -> Self {
        let (cluster, reports) = Cluster::new(Settings::default(), way);
        Self {
            cluster,
            reports,
            last: 0,
            wakes: 0,
        }
    }

    /// With so many machines that are up and so many slots on each, and one that is down.
    pub(crate) async fn connected(site: &Site, machines: u32, slots: u32) -> Self {
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

    pub(crate) fn submit(&mut self, argv: &[&str], wish: Wish) -> u64 {
        self.last += 1;
        let now = Instant::now();
        self.cluster.submit(self.last, request(argv, wish), now);
        self.last
    }

    pub(crate) fn submit_waiting(&mut self, jobs: u64) {
        for _ in 0..jobs {
            self.submit(&["true"], Wish::Required(DOWN.to_owned()));
        }
    }

    /// What happens next. Ends are stored at once.
    pub(crate) async fn happened(&mut self) -> Happening {
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
                    self.cluster.taken(host, completion.id, Instant::now());
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

    pub(crate) async fn ended(&mut self) -> Completion {
        loop {
            if let Happening::Ended { completion, .. } = self.happened().await {
                assert_eq!(completion.outcome, Outcome::Exit(0));
                return *completion;
            }
        }
    }

    /// Tells the agents to go, so that the next section has the machine for itself.
    pub(crate) async fn close(mut self) {
        self.cluster.dismiss(true, Instant::now());
        while self.cluster.is_connected()
            && let Some(report) = self.reports.recv().await
        {
            self.cluster.take(report, Instant::now());
            self.cluster.perform();
        }
    }
}

pub(crate) fn request(argv: &[&str], wish: Wish) -> Request {
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

pub(crate) fn start(processes: &Processes, id: u64, argv: &[&str]) {
    let program = Program {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        ..Program::default()
    };
    processes.start(id, program);
}

pub(crate) async fn local_end(
    reports: &mut UnboundedReceiver<outrigger::process::Report>,
) -> Box<Completion> {
    loop {
        if let outrigger::process::Report::Ended(completion) = reports.recv().await.unwrap() {
            return completion;
        }
    }
}
