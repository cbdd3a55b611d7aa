//! A controller with its connections.

use std::{
    collections::HashMap,
    fmt,
    ops::{Deref, DerefMut},
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinHandle,
};

use super::{
    controller::{Controller, Effect},
    link::{self, Plan, Report},
    settings::Settings,
};
use crate::pclient::wire::{Hello, Order};

/// How hosts are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The program that opens a connection, and its options (`COMMAND`); ssh unless told.
    pub command: Option<Vec<String>>,
    /// The agent on the hosts (`SHELL`); `pclient` in the path unless told.
    pub agent: Option<String>,
    /// Outrigger's own binary here, which is the agent of this machine.
    pub own_binary: Option<PathBuf>,
    /// Where long output is stored.
    pub spill_dir: PathBuf,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            command: None,
            agent: None,
            own_binary: std::env::current_exe().ok(),
            spill_dir: std::env::temp_dir(),
        }
    }
}

/// What ssh is told besides the host: it must not ask, and it must notice that nobody is there.
const SSH: [&str; 10] = [
    "ssh",
    "-x",
    "-T",
    "-a",
    "-o",
    "BatchMode=yes",
    "-o",
    "PasswordAuthentication=no",
    "-o",
    "ConnectTimeout=30",
];

/// A controller that does what it decides. Needs a tokio runtime of several threads around it.
pub struct Cluster {
    controller: Controller,
    way: Way,
    /// By this agents know whose they are.
    identity: String,
    lines: HashMap<String, Line>,
    /// What agents are to be told: the machine, the connection, the order.
    held: Vec<(String, u64, Order)>,
    reports: UnboundedSender<Report>,
}

struct Line {
    connection: u64,
    orders: UnboundedSender<Order>,
    task: JoinHandle<()>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("controller", &self.controller)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Deref for Cluster {
    type Target = Controller;

    fn deref(&self) -> &Controller {
        &self.controller
    }
}

impl DerefMut for Cluster {
    fn deref_mut(&mut self) -> &mut Controller {
        &mut self.controller
    }
}

impl Cluster {
    /// A cluster without hosts, and where the reports of its connections come.
    pub fn new(settings: Settings, way: Way) -> (Self, UnboundedReceiver<Report>) {
        let (reports, receiver) = mpsc::unbounded_channel();
        let cluster = Self {
            controller: Controller::new(settings),
            way,
            identity: format!("{:016x}", fastrand::u64(..)),
            lines: HashMap::new(),
            held: Vec::new(),
            reports,
        };
        (cluster, receiver)
    }

    /// How hosts are reached from now on.
    pub fn set_way(&mut self, way: Way) {
        self.way = way;
    }

    /// By this agents know whose they are.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Takes the place of an earlier controller, whose agents it will know. Connections are made
    /// anew; false, and nothing has changed, where hosts have jobs already.
    pub fn set_identity(&mut self, identity: String, now: Instant) -> bool {
        if self.controller.jobs().any(|(_, job)| job.place.is_some()) {
            return false;
        }
        self.identity = identity;
        self.controller.reconnect(now);
        true
    }

    /// Takes a report. What happened by it comes out of [`Controller::next_happening`].
    pub fn take(&mut self, report: Report, now: Instant) {
        let Report {
            machine,
            connection,
            news,
        } = report;
        self.controller.hear(&machine, connection, news, now);
    }

    /// Does what the controller has decided.
    pub fn perform(&mut self) {
        self.perform_but_hold();
        for (machine, connection, order) in std::mem::take(&mut self.held) {
            let line = self.lines.get(&machine.to_ascii_lowercase());
            if let Some(line) = line.filter(|line| line.connection == connection) {
                // A connection that has just ended tells so by itself.
                drop(line.orders.send(order));
            }
        }
    }

    /// Does what the controller has decided, but keeps back what agents are told, until
    /// [`Self::perform`]. Whether there is any such thing.
    pub fn perform_but_hold(&mut self) -> bool {
        while let Some(effect) = self.controller.next_effect() {
            match effect {
                Effect::Connect {
                    machine,
                    connection,
                    keep,
                    fence,
                } => self.connect(&machine, connection, keep, fence),
                Effect::Say {
                    machine,
                    connection,
                    order,
                } => self.held.push((machine, connection, order)),
                Effect::Close { machine } => {
                    drop(self.lines.remove(&machine.to_ascii_lowercase()));
                },
            }
        }
        !self.held.is_empty()
    }

    /// Never tells agents what was kept back: it could not be stored here.
    pub fn drop_held(&mut self) {
        self.held.clear();
    }

    /// Tells agents to end with their jobs, all or only those whose jobs do not live on. They are
    /// gone when [`Controller::is_connected`] says so.
    pub fn dismiss(&mut self, kept_too: bool, now: Instant) {
        if !kept_too {
            self.controller.let_go(now);
        }
        self.controller.clear(now);
        self.perform();
    }

    /// Closes all connections at once. Jobs that are kept live on.
    pub fn disconnect(&mut self) {
        self.lines.clear();
    }

    fn connect(&mut self, machine: &str, connection: u64, keep: bool, fence: Duration) {
        let (argv, name) = self.argv(machine);
        let plan = Plan {
            argv,
            name,
            hello: Hello {
                controller: self.identity.clone(),
                machine: machine.to_ascii_lowercase(),
                fence: fence.as_secs_f64(),
                keep,
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            connection,
            patience: self.controller.settings.patience,
            spill_dir: self.way.spill_dir.clone(),
        };
        let (orders, receiver) = mpsc::unbounded_channel();
        let task = tokio::spawn(link::keep(plan, receiver, self.reports.clone()));
        let line = Line {
            connection,
            orders,
            task,
        };
        self.lines.insert(machine.to_ascii_lowercase(), line);
    }

    /// What is started to reach a machine's agent, and what its first word is to be.
    fn argv(&self, machine: &str) -> (Vec<String>, Option<&'static str>) {
        if let Some(site) = site(machine) {
            let binary = self.way.own_binary.as_ref();
            let binary = binary.map_or_else(|| "outrigger".to_owned(), |b| b.display().to_string());
            return (vec![binary, "site-agent".to_owned(), site.to_owned()], None);
        }
        if is_here(machine) {
            let Way {
                command,
                agent,
                own_binary,
                ..
            } = &self.way;
            return match (command, agent, own_binary) {
                (None, Some(agent), _) => (shlex::split(agent).unwrap_or_default(), None),
                // The agent on other hosts may lie elsewhere.
                (_, _, Some(binary)) => (vec![binary.display().to_string()], Some("pclient")),
                (_, _, None) => (vec!["pclient".to_owned()], None),
            };
        }
        let mut argv = match &self.way.command {
            Some(command) => command.clone(),
            None => SSH.map(str::to_owned).to_vec(),
        };
        argv.push(machine.to_owned());
        argv.push(
            self.way
                .agent
                .clone()
                .unwrap_or_else(|| "pclient".to_owned()),
        );
        (argv, None)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // With it goes the process: it is killed when it is dropped.
        self.task.abort();
    }
}

/// The batch site that a host's name stands for: `site:NAME`.
pub(super) fn site(name: &str) -> Option<&str> {
    name.strip_prefix("site:")
}

/// Whether a name is this machine's own: then no ssh is needed.
fn is_here(name: &str) -> bool {
    let uname = rustix::system::uname();
    let own = uname.nodename().to_string_lossy();
    let short = own.split('.').next().unwrap_or_default();
    let here = ["localhost", "127.0.0.1", &own, short];
    here.iter().any(|known| known.eq_ignore_ascii_case(name))
}
