//! The processes of a worker, as they are started.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use super::{
    coordinate::{self, Coordination, coordinate},
    error::WorkerError,
    keeper::{Kept, keep},
    place::Place,
    room::Need,
    serve::{Service, serve},
};
use crate::{
    config::{
        site::Transport,
        units::{Bytes, Seconds},
    },
    engine::clock::{Clock, SystemClock},
};

/// What an allocation is, for its workers.
#[derive(Debug, Clone, clap::Args)]
pub struct AllocationArgs {
    /// The run's directory on the site
    #[arg(default_value = ".")]
    pub run_dir: PathBuf,
    /// The allocation; the scheduler's name for the job if absent
    #[arg(long, value_name = "NAME")]
    pub allocation: Option<String>,
    /// The task of an array that the allocation is: it has the jobs that shares.tsv gives it
    #[arg(long, value_name = "NUMBER")]
    pub task: Option<u32>,
    /// Workers of the allocation: one a node
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub workers: u32,
    /// All workers are on this machine
    #[arg(long)]
    pub here: bool,
    /// Cores of a node
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub cores: u32,
    /// Memory of a node; not considered if absent
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
    /// How long the allocation lasts; no end if absent
    #[arg(long, value_name = "TIME")]
    pub walltime: Option<Seconds>,
    /// How often a job is tried
    #[arg(long, default_value_t = 1)]
    pub tries: u32,
    /// How workers and coordinator talk: tcp, or files where nodes cannot connect to each other
    #[arg(long, default_value = "tcp")]
    pub transport: Transport,
    /// What is not heard for so long is taken for lost
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub silence: Seconds,
}

/// Arguments of the process that a keeper starts.
#[derive(Debug, Clone, clap::Args)]
pub struct ProcessArgs {
    /// The allocation
    #[command(flatten)]
    pub allocation: AllocationArgs,
    /// The node's name
    #[arg(long)]
    pub node: String,
    /// It comes after one that was killed
    #[arg(long)]
    pub again: bool,
}

/// Runs the jobs of a run on this node until there are no more: starts the node's worker, on the
/// first node the coordinator, and again whichever is killed. Exits with 0 when all that can be
/// done is done, 143 when it was asked to end, 1 when it could not work.
pub fn run_main(args: &AllocationArgs) -> ExitCode {
    with_runtime(|| async {
        let directory =
            std::path::absolute(&args.run_dir).map_err(WorkerError::io(&args.run_dir))?;
        let rank = rank();
        let node = node();
        let shared = shared(args, &directory);
        let process = |verb: &str, node: &str| {
            let mut arguments = vec!["worker".into(), verb.into(), "--node".into(), node.into()];
            arguments.extend(shared.iter().cloned());
            arguments
        };
        let mut all = Vec::new();
        if rank == 0 {
            all.push(Kept {
                what: "the coordinator".into(),
                arguments: process("coordinate", &node),
                mark: None,
                leads: true,
            });
        }
        let workers = if args.here { args.workers } else { 1 };
        for number in 1..=workers {
            let name = match workers {
                1 => node.clone(),
                _ => format!("{node}.{number}"),
            };
            all.push(Kept {
                what: format!("the worker of {name}"),
                arguments: process("serve", &name),
                mark: Some(format!(
                    "{}:{name}:{}",
                    directory.display(),
                    std::process::id()
                )),
                leads: false,
            });
        }
        keep(all).await
    })
}

/// The coordinator's process.
pub fn coordinate_main(args: &ProcessArgs) -> ExitCode {
    with_runtime(|| async {
        let of = &args.allocation;
        let clock = SystemClock;
        let coordination = Coordination {
            place: place(of),
            allocation: allocation(of),
            node: args.node.clone(),
            workers: usize::try_from(of.workers).unwrap_or(usize::MAX),
            only_here: of.here || of.workers == 1,
            transport: of.transport,
            tries: of.tries,
            walltime: of.walltime.map(|walltime| walltime.0),
            begun: coordinate::begun(&place(of), &clock),
            silence: Duration::from_secs(of.silence.0),
            again: args.again,
        };
        Ok(coordinate(&coordination, &clock).await?.code())
    })
}

/// The process of a node's worker.
pub fn serve_main(args: &ProcessArgs) -> ExitCode {
    with_runtime(|| async {
        let of = &args.allocation;
        let service = Service {
            place: place(of),
            allocation: allocation(of),
            node: args.node.clone(),
            whole: Need {
                threads: of.cores,
                memory: of.memory.map_or(u64::MAX, |memory| memory.0),
            },
            silence: Duration::from_secs(of.silence.0),
            again: args.again,
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Ok(serve(&service, clock).await?.code())
    })
}

impl AllocationArgs {
    /// The words that say so, but for the allocation's name and the directory.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![
            format!("--workers={}", self.workers),
            format!("--cores={}", self.cores),
        ];
        let walltime = self.walltime;
        words.extend(walltime.map(|time| format!("--walltime={}", time.0)));
        words.extend([
            format!("--tries={}", self.tries),
            format!("--transport={}", self.transport),
            format!("--silence={}", self.silence.0),
        ]);
        let memory = self.memory;
        words.extend(memory.map(|memory| format!("--memory={}", memory.0)));
        words.extend(self.here.then(|| "--here".into()));
        words.extend(self.task.map(|task| format!("--task={task}")));
        words
    }
}

/// The arguments that all processes of an allocation have in common.
fn shared(args: &AllocationArgs, directory: &std::path::Path) -> Vec<String> {
    let mut arguments = vec![format!("--allocation={}", allocation(args))];
    arguments.extend(args.words());
    arguments.push(directory.to_string_lossy().into_owned());
    arguments
}

/// What the allocation has of its run's directory.
fn place(args: &AllocationArgs) -> Place {
    Place {
        directory: args.run_dir.clone(),
        task: args.task,
    }
}

/// The name that all processes of an allocation know it by.
fn allocation(args: &AllocationArgs) -> String {
    let named = |name: &&str| std::env::var(name).ok();
    let of_scheduler = ["SLURM_JOB_ID", "PBS_JOBID", "OUTRIGGER_JOB_ID"];
    let given = args.allocation.clone();
    given
        .or_else(|| of_scheduler.iter().find_map(named))
        .unwrap_or_else(|| format!("{}.{}", node(), std::process::id()))
}

/// This process's place among those that one launcher started.
fn rank() -> u32 {
    let named = |name: &str| std::env::var(name).ok()?.parse().ok();
    ["SLURM_PROCID", "PMI_RANK", "PBS_VNODENUM"]
        .into_iter()
        .find_map(named)
        .unwrap_or(0)
}

/// This node's name, as its scheduler has it.
fn node() -> String {
    let named = |name: &&str| std::env::var(name).ok();
    let of_scheduler = ["SLURMD_NODENAME", "OUTRIGGER_NODE"];
    of_scheduler.iter().find_map(named).unwrap_or_else(|| {
        let system = rustix::system::uname();
        system.nodename().to_string_lossy().into_owned()
    })
}

fn with_runtime<F>(work: impl FnOnce() -> F) -> ExitCode
where
    F: Future<Output = Result<u8, WorkerError>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(WorkerError::system("a runtime"));
    let outcome = runtime.and_then(|runtime| runtime.block_on(work()));
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("outrigger worker: {error}");
            ExitCode::FAILURE
        },
    }
}
