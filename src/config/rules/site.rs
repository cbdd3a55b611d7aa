//! Rules of `outrigger.yaml`.

use std::path::Path;

use super::{
    Report,
    names::{is_label, is_one_line},
};
use crate::config::{
    document::KeyPath,
    site::{
        ChunkLimits, Config, Connection, Engine, SchedulerKind, ScratchClean, Site, SshConnection,
        TransferProgram, WorkerSettings,
    },
    units::{Bytes, Seconds},
};

/// Shorter than any purge: a batch job waits longer for its turn.
const SHORTEST_PURGE: Seconds = Seconds(3600);

/// Shorter than any silence that tells something.
const SHORTEST_SILENCE: Seconds = Seconds(5);

/// Longest control socket: ssh appends 17 characters of its own while it connects.
const MAX_SOCKET: usize = 79;
/// Most jobs of a controller in one batch job.
const MOST_BUNDLED: u32 = 10_000;
/// Most steps at once that a site may ask for.
const MOST_LANES: u32 = 64;
/// Most tasks of one job array: Slurm's `MaxArraySize` is at most so many.
const MOST_TASKS: u32 = 4_000_001;
/// Most masters of one site.
const MOST_MASTERS: u32 = 16;

/// Checks a whole `outrigger.yaml`.
pub(crate) fn config(config: &Config, report: &mut Report<'_>) {
    let top = KeyPath::root();
    let sites = top.key("sites");
    report.require_key(
        !config.sites.is_empty(),
        &sites,
        "`sites` names no site",
        "add one: `local: {scratch: /an/absolute/directory}`",
    );
    for (name, site) in &config.sites {
        let path = sites.key(name.as_str());
        report.require_key(
            is_label(name),
            &path,
            format!("`{name}` cannot be the name of a site"),
            "use letters, digits, `_`, `-` and `.`, and begin with a letter or digit",
        );
        self::site(site, &path, report);
    }
    for (scheme, rules) in &config.names {
        let path = top.key("names").key(scheme.as_str());
        let program = rules.locate.as_ref().is_none_or(|argv| !argv.is_empty());
        report.require(
            program,
            &path.key("locate"),
            "`locate` names no program",
            "",
        );
        for (name, directory) in &rules.sites {
            one_line(report, directory, &path.key("sites").key(name.as_str()));
        }
        if let Some(root) = &rules.root {
            one_line(report, root, &path.key("root"));
        }
    }
    for (name, program) in &config.legacy_dbinfo {
        let path = top.key("legacy_dbinfo").key(name.as_str());
        for (index, option) in program.options.iter().enumerate() {
            report.require(
                option.starts_with('-'),
                &path.key("options").index(index),
                format!("`{option}` is not an option"),
                "write it with its dashes",
            );
        }
    }
    let notify = top.key("notify");
    let command = config
        .notify
        .command
        .as_ref()
        .is_none_or(|argv| !argv.is_empty());
    report.require(
        command,
        &notify.key("command"),
        "`command` names no program",
        "",
    );
    if let Some(url) = &config.notify.webhook {
        let http = url.starts_with("http://") || url.starts_with("https://");
        let message = format!("`{url}` is not a URL");
        report.require(
            http,
            &notify.key("webhook"),
            message,
            "begin with `http://` or `https://`",
        );
    }
}

fn site(site: &Site, path: &KeyPath, report: &mut Report<'_>) {
    limits(site, path, report);
    chunk(&site.chunk, &path.key("chunk"), report);
    array(site, &path.key("array"), report);
    as_host(site, &path.key("pcontrol"), report);
    worker(&site.worker, &path.key("worker"), report);
    absolute(report, &site.scratch, &path.key("scratch"));
    for (index, resident) in site.resident.iter().enumerate() {
        absolute(report, resident, &path.key("resident").index(index));
    }
    report.require(
        site.scratch_budget.is_none_or(|budget| budget > Bytes(0)),
        &path.key("scratch_budget"),
        "`scratch_budget` must be more than nothing",
        "leave it out if nothing limits the scratch",
    );
    report.require(
        site.purge_age.is_none_or(|age| age >= SHORTEST_PURGE),
        &path.key("purge_age"),
        "`purge_age` must be at least an hour",
        "leave it out if the site purges nothing",
    );
    let cleans = site.scratch_clean != ScratchClean::Never;
    report.require(
        !cleans || site.scratch_budget.is_some(),
        &path.key("scratch_clean"),
        "`scratch_clean` without `scratch_budget` cleans nothing",
        "say how much may be there: `scratch_budget: 100 TB`",
    );
    rest(site, &path.key("rest"), report);
    if let Some(directory) = &site.scheduler_path {
        absolute(report, directory, &path.key("scheduler_path"));
    }
    let words = [
        ("account", &site.account),
        ("queue", &site.queue),
        ("qos", &site.qos),
        ("partition", &site.partition),
        ("reservation", &site.reservation),
        ("constraint", &site.constraint),
        ("hostname", &site.hostname),
    ];
    for (key, value) in words {
        let value = value.as_deref().unwrap_or("-");
        report.require(
            !value.is_empty() && is_one_line(value) && !value.contains(char::is_whitespace),
            &path.key(key),
            format!("`{key}` must be one word"),
            "it goes into the batch script's directives as it is",
        );
    }
    for (index, directive) in site.directives.iter().enumerate() {
        let at = path.key("directives").index(index);
        let trimmed = directive.trim_start();
        report.require(
            is_one_line(directive) && !trimmed.is_empty(),
            &at,
            "a directive is one line",
            "give each directive as an element of its own",
        );
        report.require(
            !trimmed.starts_with('#'),
            &at,
            "a directive stands without its `#SBATCH` or `#MSUB`",
            "give only what follows it, such as `--mail-type=FAIL`",
        );
    }
    for (index, line) in site.environment.iter().enumerate() {
        report.require(
            is_one_line(line),
            &path.key("environment").index(index),
            "an environment line is one line",
            "give each line as an element of its own",
        );
    }
    for (index, module) in site.modules.iter().enumerate() {
        report.require(
            !module.is_empty() && is_one_line(module) && !module.contains(char::is_whitespace),
            &path.key("modules").index(index),
            "a module is one word",
            "give each module as an element of its own",
        );
    }
    let streams = path.key("transfer").key("streams");
    report.require(
        site.transfer.streams > 0,
        &streams,
        "`streams` must be at least 1",
        "",
    );
    if let Some(TransferProgram::At(program)) = &site.transfer.program {
        absolute(report, program, &path.key("transfer").key("program"));
    }
    let sources = path.key("transfer").key("sources");
    for (index, source) in site.transfer.sources.iter().enumerate() {
        let path = sources.index(index);
        absolute(report, &source.under, &path.key("under"));
        report.require(
            is_one_line(&source.host) && !source.host.starts_with('-') && !source.host.is_empty(),
            &path.key("host"),
            format!("`{}` is not the name of a host", source.host.escape_debug()),
            "",
        );
        report.require(
            !source.command.is_empty(),
            &path.key("command"),
            "`command` names no program",
            "leave it out for ssh",
        );
    }
    if let Connection::Ssh(ssh) = &site.connection {
        connection(ssh, &path.key("connection"), report);
        report.require(
            !ssh.nested || site.transfer.engine == Engine::Tar,
            &path.key("transfer").key("engine"),
            "`scp` and `rsync` would leave the files on a `nested` bastion",
            "leave `engine` out: tar streams go on to the front end",
        );
    }
}

/// How slurmrestd is reached, where it is.
fn rest(site: &Site, path: &KeyPath, report: &mut Report<'_>) {
    let wants = site.scheduler == SchedulerKind::Slurmrestd;
    report.require(
        wants == site.rest.is_some(),
        path,
        if wants {
            "`scheduler: slurmrestd` needs `rest`"
        } else {
            "`rest` is for `scheduler: slurmrestd` alone"
        },
        "say where it is: `rest: {socket: /run/slurmrestd/slurmrestd.socket}`",
    );
    let Some(rest) = &site.rest else {
        return;
    };
    report.require(
        rest.socket.is_some() != rest.url.is_some(),
        path,
        "`rest` needs either `socket` or `url`",
        "`socket` is a path where commands run, `url` is reached from this host",
    );
    if let Some(socket) = &rest.socket {
        absolute(report, socket, &path.key("socket"));
    }
    if let Some(url) = &rest.url {
        let http = url.starts_with("http://") || url.starts_with("https://");
        report.require(
            http,
            &path.key("url"),
            format!("`{url}` is not a URL"),
            "begin with `http://` or `https://`",
        );
    }
    let nested = matches!(&site.connection, Connection::Ssh(ssh) if ssh.nested);
    report.require(
        !nested || rest.socket.is_none(),
        &path.key("socket"),
        "a `nested` bastion forwards nothing, so no socket behind it can be reached",
        "give a `url` that can be reached from this host, or use `scheduler: slurm`",
    );
    report.require(
        rest.token_file.is_none() || rest.token_command.is_none(),
        &path.key("token_command"),
        "`token_file` and `token_command` are two ways to one token",
        "leave one of them out",
    );
    let program = rest.token_command.as_ref();
    report.require(
        program.is_none_or(|argv| !argv.is_empty()),
        &path.key("token_command"),
        "`token_command` names no program",
        "",
    );
}

fn limits(site: &Site, path: &KeyPath, report: &mut Report<'_>) {
    let nodes = path.key("nodes");
    report.require(
        site.nodes.cores > 0,
        &nodes.key("cores"),
        "`cores` must be at least 1",
        "a node has at least one core",
    );
    report.require(
        site.nodes.min > 0,
        &nodes.key("min"),
        "`min` must be at least 1",
        "a request names at least one node",
    );
    report.require(
        site.nodes.min <= site.nodes.max,
        &nodes.key("max"),
        format!(
            "`max` ({}) is less than `min` ({})",
            site.nodes.max, site.nodes.min
        ),
        "no number of nodes would do",
    );
    report.require(
        site.nodes.memory.is_none_or(|memory| memory > Bytes(0)),
        &nodes.key("memory"),
        "`memory` must be more than nothing",
        "",
    );
    let walltime = path.key("walltime");
    report.require(
        site.walltime.max.0 > 0,
        &walltime.key("max"),
        "`max` must be more than nothing",
        "",
    );
    report.require(
        site.walltime.min <= site.walltime.max,
        &walltime.key("max"),
        format!(
            "`max` ({}) is less than `min` ({})",
            site.walltime.max, site.walltime.min
        ),
        "no walltime would do",
    );
    report.require(
        site.fill_factor > 0.0 && site.fill_factor <= 1.0,
        &path.key("fill_factor"),
        format!(
            "`fill_factor` must be above 0 and at most 1, not {}",
            site.fill_factor
        ),
        "0.8 leaves a fifth of an allocation as a margin",
    );
}

fn worker(worker: &WorkerSettings, path: &KeyPath, report: &mut Report<'_>) {
    if let Some(binary) = &worker.binary {
        absolute(report, binary, &path.key("binary"));
    }
    report.require(
        worker.binary.is_none() || worker.program.is_none(),
        &path.key("program"),
        "`program` is not sent where `binary` says that one is there",
        "leave one of them out",
    );
    report.require(
        worker.silence >= SHORTEST_SILENCE,
        &path.key("silence"),
        "`silence` must be at least 5 s",
        "workers are heard once a second, and a busy network is late",
    );
}

fn chunk(chunk: &ChunkLimits, path: &KeyPath, report: &mut Report<'_>) {
    let sane = Bytes(1024)..=Bytes(512 << 20);
    report.require(
        sane.contains(&chunk.max_bytes),
        &path.key("max_bytes"),
        format!(
            "`max_bytes` must be from 1 KiB to 512 MiB, not {}",
            chunk.max_bytes
        ),
        "srun before 25.05.2 takes up to 60000 bytes, later ones up to 512 MiB",
    );
    report.require(
        (Bytes(64)..=Bytes(16_382)).contains(&chunk.max_line),
        &path.key("max_line"),
        format!(
            "`max_line` must be from 64 to 16382 bytes, not {}",
            chunk.max_line
        ),
        "srun refuses longer lines",
    );
    report.require(
        chunk.max_tasks.is_none_or(|tasks| tasks > 0),
        &path.key("max_tasks"),
        "`max_tasks` must be at least 1",
        "",
    );
    let lanes = chunk.lanes.unwrap_or(1);
    report.require(
        (1..=MOST_LANES).contains(&lanes),
        &path.key("lanes"),
        format!("`lanes` must be from 1 to {MOST_LANES}, not {lanes}"),
        "each lane is a process of srun on the first node; 1 is one step after the other",
    );
}

fn array(site: &Site, path: &KeyPath, report: &mut Report<'_>) {
    let Some(array) = &site.array else {
        return;
    };
    report.require(
        (site.nodes.min..=site.nodes.max).contains(&array.nodes),
        &path.key("nodes"),
        format!(
            "a task of {} nodes is not within the site's own `nodes.min` ({}) and `nodes.max` ({})",
            array.nodes, site.nodes.min, site.nodes.max
        ),
        "each task is a request of its own",
    );
    report.require(
        (1..=MOST_TASKS).contains(&array.max_tasks),
        &path.key("max_tasks"),
        format!(
            "`max_tasks` must be from 1 to {MOST_TASKS}, not {}",
            array.max_tasks
        ),
        "`scontrol show config` tells Slurm's `MaxArraySize`",
    );
    report.require(
        array.max_running.is_none_or(|most| most > 0),
        &path.key("max_running"),
        "`max_running` must be at least 1",
        "leave it out if the scheduler may run as many as it likes",
    );
}

fn as_host(site: &Site, path: &KeyPath, report: &mut Report<'_>) {
    let host = &site.pcontrol;
    report.require(
        (1..=MOST_BUNDLED).contains(&host.jobs),
        &path.key("jobs"),
        format!("`jobs` must be from 1 to {MOST_BUNDLED}, not {}", host.jobs),
        "",
    );
    report.require(
        host.nodes
            .is_none_or(|nodes| (site.nodes.min..=site.nodes.max).contains(&nodes)),
        &path.key("nodes"),
        "`nodes` is not within the site's own `nodes.min` and `nodes.max`",
        "",
    );
    let walltime = site.walltime.min..=site.walltime.max;
    report.require(
        host.walltime.is_none_or(|time| walltime.contains(&time)),
        &path.key("walltime"),
        "`walltime` is not within the site's own `walltime.min` and `walltime.max`",
        "",
    );
}

fn connection(ssh: &SshConnection, path: &KeyPath, report: &mut Report<'_>) {
    report.require(
        ssh.sessions > 0,
        &path.key("sessions"),
        "`sessions` must be at least 1",
        "half of what the server's MaxSessions allows is safe; the usual MaxSessions is 10",
    );
    let counts = [("logins", ssh.logins), ("lines", ssh.lines)];
    for (key, count) in counts {
        report.require(
            (1..=MOST_MASTERS).contains(&count),
            &path.key(key),
            format!("`{key}` must be from 1 to {MOST_MASTERS}, not {count}"),
            "",
        );
    }
    report.require(
        ssh.logins.saturating_mul(ssh.lines) <= MOST_MASTERS,
        &path.key("lines"),
        format!("`logins` times `lines` is more than {MOST_MASTERS} masters"),
        "",
    );
    let through = ssh.jump.is_some();
    report.require(
        ssh.lines == 1 || (through && !ssh.nested),
        &path.key("lines"),
        "`lines` needs a `jump` that forwards",
        "without one, each master is a login of its own: set `logins`",
    );
    report.require(
        !ssh.nested || through,
        &path.key("nested"),
        "`nested` says how to get on from a bastion, and there is no `jump`",
        "name the bastion in `jump`",
    );
    report.require(
        !ssh.nested || ssh.front_ends.is_empty(),
        &path.key("front_ends"),
        "commands go on to one front end from a `nested` bastion",
        "leave `front_ends` out",
    );
    let words = [
        ("host", Some(ssh.host.as_str())),
        ("jump", ssh.jump.as_deref()),
        ("user", ssh.user.as_deref()),
    ];
    let more = ssh
        .front_ends
        .iter()
        .map(|name| ("front_ends", Some(name.as_str())));
    for (key, value) in words.into_iter().chain(more) {
        let value = value.unwrap_or("x");
        report.require(
            !value.is_empty() && !value.starts_with('-') && !value.contains(char::is_whitespace),
            &path.key(key),
            format!("`{value}` cannot be a `{key}` for ssh"),
            "give one word that does not begin with `-`",
        );
    }
    if let Some(socket) = &ssh.socket {
        let length = socket.as_os_str().len();
        report.require(
            length <= MAX_SOCKET,
            &path.key("socket"),
            format!("the socket's path has {length} characters; {MAX_SOCKET} is the most"),
            "take a shorter one, such as `~/.ssh/or-site`",
        );
    }
}

fn absolute(report: &mut Report<'_>, directory: &Path, path: &KeyPath) {
    let shown = directory.display();
    report.require(
        directory.is_absolute(),
        path,
        format!("`{shown}` is not an absolute path"),
        "begin with `/`",
    );
    one_line(report, directory, path);
}

fn one_line(report: &mut Report<'_>, directory: &Path, path: &KeyPath) {
    report.require(
        is_one_line(&directory.to_string_lossy()),
        path,
        "a path must stand in one line",
        "",
    );
}
